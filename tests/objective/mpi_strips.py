"""Run by mpiexec from test_distributed.py: strips against the whole image in each process."""

import sys

import numpy as np

from tests.conftest import make_random_weights
from texsynth.compat import chainer
from texsynth.losses import ContrastGramLoss, GramLoss, RangePenalty
from texsynth.losses.band_power import BandPowerLoss
from texsynth.network.vgg import VGGFeatures
from texsynth.objective import composing, masks
from texsynth.objective.masks import NO_MASKS, Masks
from texsynth.objective.strip_objective import StripObjective, can_share
from texsynth.objective.strips import Strips
from texsynth.objective.team import assemble
from texsynth.objective.whole import Objective


def check(team, height, bounds, windows):
    whole = np.random.default_rng(0).random((1, 3, height, 5), dtype=np.float32)
    strips = Strips(team, height, bounds, windows)
    own = whole[:, :, strips.own]
    rows = np.arange(*windows[team.rank]) % height
    window = strips.window(own)
    np.testing.assert_array_equal(window, whole[:, :, rows])
    np.testing.assert_array_equal(strips.gather(own), whole)
    # The adjoint: <window(x), g> summed over the processes is <x, collect(g)>.
    gradient = np.random.default_rng(1 + team.rank).random(window.shape, dtype=np.float32)
    left = team.dot(window, gradient)
    right = team.dot(own, strips.collect(gradient))
    np.testing.assert_allclose(left, right, rtol=1e-5)


team = assemble()
assert team.size == int(sys.argv[1])
np.testing.assert_array_equal(team.sum(np.full(3, team.rank + 1.0)), sum(range(1, team.size + 1)))
assert team.any(team.rank == team.size - 1) and not team.any(False)
assert team.largest(np.array([1.0, -team.rank - 5.0])) == team.size + 4
assert np.isnan(team.largest(np.array([1.0, np.nan if team.rank == team.size - 1 else 2.0])))
assert team.largest(np.empty(0)) == 0
assert team.least(team.rank - 5.5) == -5.5
assert (team.agreed(np.full(2, float(team.rank))) == 0).all()
n = team.size
bounds = [k * 12 // n for k in range(n + 1)]
for reach in (0, 2, 5):
    inside = [(max(0, bounds[k] - reach), min(12, bounds[k + 1] + reach)) for k in range(n)]
    around = [(bounds[k] - reach, bounds[k + 1] + reach) for k in range(n)]
    for windows in (inside, around):
        check(team, 12, bounds, windows)


def check_objective(team, size, margin, wrap, exemplar, features, losses, of=NO_MASKS):
    """Loss and gradient of strips are those of the whole image."""
    layers = ["conv1_1", "pool2"]
    assert can_share(size, layers, team)
    x = np.random.default_rng(3).uniform(0, 255, (1, 3, *size)).astype(np.float32)
    whole = Objective(features, losses, exemplar, (2, 2), margin, wrap, of)
    image = chainer.Parameter(x)
    loss = whole(image)
    told = {"size": size, "team": team, "block": 32, "wrap": wrap, "masks": of}
    strips = StripObjective(features, losses, exemplar, (2, 2), margin, **told)
    strip = chainer.Parameter(x[:, :, strips.strips.own].copy())
    for _ in range(2):
        np.testing.assert_allclose(strips(strip), loss, rtol=1e-5)
    gradient = strips.strips.gather(strip.grad)
    scale = np.abs(image.grad).max()
    np.testing.assert_allclose(gradient, image.grad, atol=1e-4 * scale)


def check_windows(team, features, losses, exemplar):
    """No window is larger than a block and what it sees; and memory that is short ends the run."""
    seen, failures = set(), []

    def looking(window, **options):
        seen.add(window.shape[2:])
        if failures:
            raise failures[0]
        return features(window, **options)

    looking.table = features.table
    size = 80 * team.size, 60
    strips = StripObjective(looking, losses, exemplar, size=size, team=team, block=16)
    strip = chainer.Parameter(np.full((1, 3, *size), 99, np.float32)[:, :, strips.strips.own])
    strips(strip)
    assert max(max(shape) for shape in seen) <= 16 + 8 + 8
    failures.append(MemoryError("full"))
    strips.block = 128
    try:
        strips(strip)
    except MemoryError:
        assert strips.block == 128  # no process tries again: the others do not know of it
    else:
        raise AssertionError("nothing was raised")


def check_beside(team, size, wrap, exemplar, features):
    """So they are with losses of what is made of the whole image: even contrast, all pixels."""
    losses = [
        GramLoss({"conv1_1": 1.0, "pool2": 0.5}),
        ContrastGramLoss({"pool2": 1.0}),
        BandPowerLoss({"image": 0.1}),
    ]
    x = np.random.default_rng(3).uniform(0, 255, (1, 3, *size)).astype(np.float32)

    def composed(kind, **told):
        def make(some, shown):
            if some == losses[2:]:
                return Objective(lambda image, wrap: {}, some, shown(exemplar))
            return kind(features, some, shown(exemplar), wrap=wrap, **told)

        return composing.composed(losses, wrap, make)

    image = chainer.Parameter(x)
    loss = composed(Objective)(image)
    objective = composed(StripObjective, size=size, team=team, block=32)
    strip = chainer.Parameter(objective.own(x))
    np.testing.assert_allclose(objective(strip), loss, rtol=1e-5)
    gradient = objective.gathered(strip.grad)
    np.testing.assert_allclose(gradient, image.grad, atol=1e-4 * np.abs(image.grad).max())


if n > 1:
    weights = make_random_weights()
    features = VGGFeatures(weights, ["conv1_1", "pool2"])
    losses = [GramLoss({"conv1_1": 1.0, "pool2": 0.5}), RangePenalty(1e-4)]
    exemplar = np.random.default_rng(2).uniform(0, 255, (1, 3, 40, 36)).astype(np.float32)
    for size, margin, wrap in (
        ((40 * n, 44), (5, 3), (False, False)),
        ((40 * n + 3, 41), (0, 0), (False, False)),
        ((40 * n, 44), (0, 4), (True, False)),
        ((40 * n, 44), (6, 4), (True, True)),  # of what wraps, a rim that is cut away
        ((40 * n, 44), (50, 0), (False, False)),  # of three, the first has no row that counts
    ):
        check_objective(team, size, margin, wrap, exemplar, features, losses)
        mask = np.random.default_rng(4).random((1, 1, *size), np.float32)
        mask[:, :, size[0] // 2 :] = 0  # the last process has nothing that counts
        part = masks.shares(mask, ["conv1_1", "pool2"], wrap=wrap)
        check_objective(team, size, margin, wrap, exemplar, features, losses, Masks(image=part))
        check_beside(team, size, wrap, exemplar, features)
    check_windows(team, features, losses, exemplar)
print("ok", team.rank)
