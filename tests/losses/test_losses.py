import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.config import DEFAULT_LAYERS
from texsynth.errors import ConfigError
from texsynth.losses import IMAGE, LOSSES, RangePenalty, check_additive, make_losses
from texsynth.losses.loss import Partial
from texsynth.statistics.bands import Bands
from texsynth.statistics.wasserstein import directions
from texsynth.terms import LOSSES as KINDS
from texsynth.terms import Term

LAYER = {name: IMAGE for name, kind in KINDS.items() if kind.on_pixels}


def layer_of(name):
    return LAYER.get(name, "pool1")


def random(seed, shape=(1, 3, 6, 5)):
    return np.random.default_rng(seed).standard_normal(shape)


def measure(name, candidate, exemplar, weight=1.0):
    loss = LOSSES[name]({layer_of(name): weight})
    target = loss.target({layer_of(name): exemplar})
    return float(loss.measure({layer_of(name): candidate}, target).array)


def gram(x, shift=(0, 0)):
    channels, height, width = x.shape[1:]
    matrix = np.zeros((channels, channels))
    places = [(y, z) for y in range(height - shift[0]) for z in range(width - shift[1])]
    for y, z in places:
        matrix += np.outer(x[0, :, y, z], x[0, :, y + shift[0], z + shift[1]])
    return matrix / len(places)


def covariance(x):
    return np.cov(x.reshape(x.shape[1], -1), bias=True)


def correlations(x, lags=None):
    """Autocorrelation about the mean by its definition, by default at lags of up to half a side."""
    x = x - x.mean(axis=(2, 3), keepdims=True)
    height, width = x.shape[2:]
    most_down, most_across = lags or (height // 2, width // 2)
    values = []
    for channel in x[0]:
        for down in range(-most_down, most_down + 1):
            for across in range(most_across + 1):
                pairs = [
                    channel[y, z] * channel[y + down, z + across]
                    for y in range(max(0, -down), min(height, height - down))
                    for z in range(width - across)
                ]
                values.append(sum(pairs) / len(pairs))
    return np.array(values)


def projections(x):
    """Sorted along each of as many directions as channels, as the layer's name gives them."""
    return np.sort(directions(3, 3, "pool1").astype(float) @ x.reshape(3, -1))


def distance_of_patches(x, exemplar):
    """How much too far 3x3 patches are from the nearest, squared, over the exemplar's variance."""
    mine, theirs = (
        {
            (y, z): each[0, :, y : y + 3, z : z + 3].ravel()
            for y in range(each.shape[2] - 2)
            for z in range(each.shape[3] - 2)
        }
        for each in (x, exemplar)
    )
    its = np.array([*theirs.values()])
    own = [  # from the nearest that has no position in common
        min(((patch - other) ** 2).sum() for other in apart)
        for place, patch in theirs.items()
        if (apart := [theirs[at] for at in theirs if np.abs(np.subtract(at, place)).max() >= 3])
    ]
    near_enough = np.sqrt(0.3 * np.median(own))
    distances = [
        min(np.sqrt(((patch - other) ** 2).sum()) for other in its) for patch in mine.values()
    ]
    excess = np.maximum(np.array(distances) - near_enough, 0)
    return np.mean(excess**2) / ((its - its.mean(axis=0)) ** 2).sum(axis=1).mean()


def relative(statistic, candidate, exemplar):
    target = statistic(exemplar)
    return ((statistic(candidate) - target) ** 2).sum() / (target**2).sum()


def equation_4(candidate, exemplar):
    """As the paper has it: Gram matrices are sums over the M positions, and 1 / (4 N^2 M^2)."""
    (_, channels, *size) = exemplar.shape
    positions = np.prod(size)
    rows, goal = (x.reshape(channels, positions) for x in (candidate, exemplar))
    return ((rows @ rows.T - goal @ goal.T) ** 2).sum() / (4 * channels**2 * positions**2)


def scaled(candidate, exemplar):
    """Each entry of the error over the exemplar's root mean squares of both channels."""
    goal = gram(exemplar)
    roots = np.sqrt(np.diag(goal))
    return (((gram(candidate) - goal) / np.outer(roots, roots)) ** 2).sum() / candidate.shape[1]


def log_ratios_of_powers(candidate, exemplar):
    powers = [Bands(x.shape[2:], dtype=float).of(x).power for x in (candidate, exemplar)]
    return np.nanmean(np.log(powers[0] / powers[1]) ** 2)


ORACLES = {
    "gram": lambda x, e: relative(gram, x, e),
    "paper-gram": lambda x, e: equation_4(x, e),
    "centred-gram": lambda x, e: relative(covariance, x, e),
    "scaled-gram": lambda x, e: scaled(x, e),
    "shifted-gram": lambda x, e: np.mean(
        [
            relative(lambda a, d=d: gram(a, d), x, e)  # wide enough: 2 d <= side
            for d in ((1, 0), (2, 0), (0, 1), (0, 2))
        ]
    ),
    "autocorrelation": lambda x, e: relative(correlations, x, e),
    "correspondence": distance_of_patches,
    "wasserstein": lambda x, e: relative(projections, x, e),
    "band-power": log_ratios_of_powers,
    "histogram": lambda x, e: relative(lambda a: np.sort(a.reshape(3, -1)), x, e),
}


def test_a_channel_that_is_next_to_nothing_does_not_decide():
    """It counts as if it had a thousandth of the strongest one's root mean square."""
    candidate, exemplar = random(0), random(1)
    exemplar[:, 2] *= 1e-9
    candidate[:, 2] *= 1e-3
    assert 0 < measure("scaled-gram", candidate, exemplar) < 10


def test_bands_that_one_of_both_has_not_are_left_out():
    loss = LOSSES["band-power"]({IMAGE: 1.0})
    target = loss.target({IMAGE: random(0, (1, 3, 6, 5))})
    candidate = chainer.Parameter(random(1, (1, 3, 40, 40)))
    value = loss.measure({IMAGE: candidate}, target)
    value.backward()
    assert np.isfinite(value.array) and np.isfinite(candidate.grad).all()
    assert abs(candidate.grad).max() > 0


@pytest.mark.parametrize("name", ORACLES)
def test_value_by_the_definition(name):
    candidate, exemplar = random(0), random(1) + 0.5
    expected = 0.25 * ORACLES[name](candidate, exemplar)
    assert measure(name, candidate, exemplar, 0.25) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_weights_multiply(name):
    candidate, exemplar = random(0), random(1) + 0.5
    once = measure(name, candidate, exemplar)
    assert once > 0 and measure(name, candidate, exemplar, 0.25) == pytest.approx(0.25 * once)


@pytest.mark.parametrize(
    ("candidate", "exemplar", "shifts"),
    [
        # Shifts of (rows, columns) that both are wide enough for: 2 d <= side.
        ((6, 5), (8, 16), [(1, 0), (2, 0), (0, 1), (0, 2)]),
        ((8, 16), (8, 17), [(1, 0), (2, 0), (4, 0), (0, 1), (0, 2), (0, 4), (0, 8)]),
        ((20, 2), (6, 5), [(1, 0), (2, 0), (0, 1)]),
    ],
)
def test_shifts_are_those_that_both_sizes_have(candidate, exemplar, shifts):
    candidate, exemplar = random(0, (1, 3, *candidate)), random(1, (1, 3, *exemplar)) + 0.5
    expected = np.mean([relative(lambda x, d=d: gram(x, d), candidate, exemplar) for d in shifts])
    assert measure("shifted-gram", candidate, exemplar) == pytest.approx(expected)


def test_no_shift_in_common_is_said():
    with pytest.raises(ConfigError, match=r"loss shifted-gram: exemplar or output is too small"):
        measure("shifted-gram", random(0, (1, 3, 6, 1)), random(1, (1, 3, 1, 6)))


@pytest.mark.parametrize(
    ("candidate", "exemplar", "lags"),
    [((6, 5), (9, 4), (3, 2)), ((4, 12), (6, 5), (2, 2)), ((8, 3), (6, 5), (3, 1))],
)
def test_lags_go_to_half_of_the_shorter_of_both(candidate, exemplar, lags):
    candidate, exemplar = random(0, (1, 3, *candidate)), random(1, (1, 3, *exemplar)) + 0.5
    expected = relative(lambda x: correlations(x, lags), candidate, exemplar)
    assert measure("autocorrelation", candidate, exemplar) == pytest.approx(expected)


@pytest.mark.parametrize("name", LOSSES)
def test_gradient_agrees_with_differences(name, check_gradient):
    loss = LOSSES[name]({layer_of(name): 2.0})
    target = loss.target({layer_of(name): random(1) + 0.5})
    check_gradient(lambda x: loss.measure({layer_of(name): x}, target), random(0))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(1, 3, 8, 9), (1, 3, 5, 4), (1, 3, 4, 12)])
def test_gradient_for_another_size_than_the_exemplars(name, shape, check_gradient):
    loss = LOSSES[name]({layer_of(name): 1.0})
    target = loss.target({layer_of(name): random(1) + 0.5})
    check_gradient(lambda x: loss.measure({layer_of(name): x}, target), random(2, shape))


@pytest.mark.gpu
@pytest.mark.parametrize("name", LOSSES)
def test_gradient_on_a_gpu(name, gpu):
    """As on the CPU; and CuPy deprecates nothing of what the way back takes."""
    gradients = []
    for device in (chainer.get_device("@numpy"), gpu):
        device.use()
        loss = LOSSES[name]({layer_of(name): 2.0})
        target = loss.target({layer_of(name): device.send(random(1) + 0.5)})
        candidate = chainer.Parameter(device.send(random(0)))
        loss.measure({layer_of(name): candidate}, target).backward()
        gradients.append(chainer.get_device("@numpy").send(candidate.grad))
    np.testing.assert_allclose(*gradients, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "spectrum"])
def test_the_exemplar_itself_has_no_loss(name):
    assert measure(name, random(1), random(1)) == pytest.approx(0, abs=1e-20)


@pytest.mark.parametrize("name", LOSSES)
def test_an_all_zero_exemplar_gives_a_finite_loss(name):
    dead = np.zeros((1, 3, 6, 5), np.float32)
    assert measure(name, dead, dead) == 0


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("shape", [(1, 3, 6, 5), (1, 3, 8, 9), (1, 3, 4, 4)])
def test_float32_stays_float32(name, shape):
    x = chainer.Variable(random(0).astype(np.float32))
    loss = LOSSES[name]({layer_of(name): 1.0})
    target = loss.target({layer_of(name): random(1, shape).astype(np.float32)})
    value = loss.measure({layer_of(name): x}, target)
    value.backward()
    assert value.dtype == x.grad.dtype == np.float32


@pytest.mark.parametrize(
    "name", [name for name in LOSSES if name not in ("spectrum", "band-power")]
)
def test_layers_of_weight_zero_are_left_out(name):
    assert LOSSES[name]({"pool1": 1.0, "pool5": 0.0}).layers == ("pool1",)


@pytest.mark.parametrize("name", [name for name in LOSSES if layer_of(name) != IMAGE])
def test_layers_add_up(name):
    activations = {"pool1": random(0), "pool2": random(1, (1, 4, 3, 3))}
    exemplar = {"pool1": random(2), "pool2": random(3, (1, 4, 3, 3))}
    values = []
    for weights in ({"pool1": 1.0}, {"pool2": 0.5}, {"pool1": 1.0, "pool2": 0.5}):
        loss = LOSSES[name](weights)
        values.append(float(loss.measure(activations, loss.target(exemplar)).array))
    assert values[0] + values[1] == pytest.approx(values[2], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("gram", {"conv4_1": 2.0}),
        ("centred-gram", {"conv4_1": 2.0}),
        ("shifted-gram", dict.fromkeys(("pool1", "pool2", "pool3"), 1.0)),
        ("autocorrelation", dict.fromkeys(("pool1", "pool2"), 1.0)),
        ("correspondence", dict.fromkeys(("pool1", "pool2", "pool3"), 1.0)),
        ("wasserstein", dict.fromkeys(("pool1", "pool2", "pool3"), 1.0)),
        ("spectrum", {IMAGE: 1.0}),
        ("histogram", {IMAGE: 1.0}),
        ("band-power", {IMAGE: 1.0}),
        ("scaled-gram", dict.fromkeys(("conv1_1", "pool1"), 1.0)),
    ],
)
def test_a_term_without_layers_takes_its_own_or_those_of_the_gram_loss(name, layers):
    (made,) = make_losses([Term(name)], {"conv4_1": 2.0})
    assert made.layers == tuple(layers)
    activations = {layer: random(0, (1, 3, 16, 16)) for layer in layers}
    exemplar = {layer: random(1, (1, 3, 16, 16)) for layer in layers}
    loss = LOSSES[name](layers)
    expected = float(loss.measure(activations, loss.target(exemplar)).array)
    assert float(made.measure(activations, made.target(exemplar)).array) == expected


def test_layers_of_the_gram_losses_are_the_configurations():
    for name in ("gram", "paper-gram", "centred-gram"):
        assert LOSSES[name].default_layers == tuple(DEFAULT_LAYERS)


@pytest.mark.parametrize("name", LOSSES)
def test_targets_do_not_share_memory_with_activations(name):
    """Engines write over their activations."""
    exemplar = random(1)
    loss = LOSSES[name]({layer_of(name): 1.0})
    if layer_of(name) == IMAGE:
        pytest.skip("nobody writes over the exemplar")
    target = loss.target({layer_of(name): exemplar})
    before = float(loss.measure({layer_of(name): random(0)}, target).array)
    exemplar[:] = 7
    assert float(loss.measure({layer_of(name): random(0)}, target).array) == before


def test_spectrum_loss_is_the_distance_of_the_amplitudes():
    """For a grey candidate of the exemplar's size, with nothing at its borders."""
    exemplar, candidate = random(0, (1, 1, 8, 8)), random(1, (1, 1, 8, 8))
    for x in (exemplar, candidate):
        x[:, :, 0] = x[:, :, -1] = x[..., 0] = x[..., -1] = 0  # already periodic
    amplitudes = [np.abs(np.fft.fft2(x)) for x in (candidate, exemplar)]
    same_mean = candidate.mean() * exemplar.mean() > 0
    if not same_mean:  # the mean has a sign, which an amplitude has not
        amplitudes[0][..., 0, 0] *= -1
    expected = ((amplitudes[0] - amplitudes[1]) ** 2).mean() / 64 / exemplar.var()
    assert measure("spectrum", candidate, exemplar) == pytest.approx(expected, rel=1e-9)


def test_wasserstein_loss_tells_distributions_apart_that_gram_matrices_do_not():
    two_values = np.where(random(0, (1, 1, 32, 32)) > 0, 1.0, -1.0)
    bell = random(1, (1, 1, 32, 32))
    bell = (bell - bell.mean()) / bell.std() * np.sqrt((two_values**2).mean())
    assert measure("gram", bell, two_values) < 1e-6
    assert measure("wasserstein", bell, two_values) > 0.1


def test_autocorrelation_loss_tells_regular_from_irregular():
    stripes = np.tile(np.repeat([0.0, 1.0], 4), 8)[None, None, None, :].repeat(64, 2)
    shuffled = stripes[..., np.random.default_rng(0).permutation(64)]
    moved = np.roll(stripes, 3, axis=3)
    assert measure("autocorrelation", shuffled, stripes) > 0.3
    assert measure("autocorrelation", moved, stripes) < 0.01


def test_correspondence_loss_keeps_together_what_belongs_together():
    """Where each feature occurs as often as it should, but not beside its neighbours."""
    stripes = np.tile([[1.0, 0.0], [0.0, 1.0]], 16)[None, :, None, :].repeat(8, 2)
    assert stripes.shape == (1, 2, 8, 32)
    shuffled = stripes[..., np.random.default_rng(0).permutation(32)]
    moved = np.roll(stripes, 1, axis=3)
    assert measure("gram", shuffled, stripes) < 1e-12
    assert measure("correspondence", shuffled, stripes) > 0.1
    assert measure("correspondence", moved, stripes) == 0


@pytest.mark.parametrize("shape", [(1, 3, 2, 9), (1, 3, 44, 44)])
def test_too_few_or_too_many_patches_of_the_exemplar_do_not_count(shape):
    loss = LOSSES["correspondence"]({"pool1": 1.0})
    target = loss.target({"pool1": random(1, shape)})
    assert float(loss.measure({"pool1": random(0)}, target).array) == 0


def test_a_candidate_without_patches_does_not_count():
    assert measure("correspondence", random(0, (1, 3, 2, 9)), random(1)) == 0


def test_range_penalty_by_hand():
    x = chainer.Variable(np.array([[[[-3.0, 0.0], [255.0, 257.0]]]]))
    penalty = RangePenalty(0.5)
    value = penalty.measure({IMAGE: x}, penalty.target({}))
    assert float(value.array) == pytest.approx(0.5 * (9 + 4) / 4)
    value.backward()
    np.testing.assert_allclose(x.grad, [[[[-0.75, 0.0], [0.0, 0.5]]]])


def parts_of(loss, name, x):
    """Sums over three disjoint sets of positions, added up."""
    parts = [
        loss.partial({name: part})[name] for part in (x[:, :, :2], x[:, :, 2:, :3], x[:, :, 2:, 3:])
    ]
    sums = tuple(sum(each) for each in zip(*(part.sums for part in parts), strict=True))
    return {name: Partial(sums, sum(part.count for part in parts))}


@pytest.mark.parametrize("loss", [LOSSES["gram"], LOSSES["centred-gram"], RangePenalty])
def test_parts_of_an_additive_loss_add_up(loss):
    name = IMAGE if loss is RangePenalty else "pool1"
    loss = loss(0.7) if loss is RangePenalty else loss({name: 0.7})
    candidate, exemplar = 200 * random(0), 200 * random(1, (1, 3, 5, 7))
    whole = float(loss.measure({name: candidate}, loss.target({name: exemplar})).array)
    target = loss.summary(parts_of(loss, name, exemplar))
    by_parts = float(loss.finish(parts_of(loss, name, candidate), target).array)
    assert whole > 0
    assert by_parts == pytest.approx(whole, rel=1e-12)


def test_additive_losses_are_told_from_others():
    check_additive([LOSSES["gram"]({"pool1": 1.0}), RangePenalty(1.0)])
    with pytest.raises(ConfigError, match="loss wasserstein needs the whole image at once"):
        check_additive([LOSSES["gram"]({"pool1": 1.0}), LOSSES["wasserstein"]({"pool1": 1.0})])
