import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.losses import ContrastGramLoss, GramLoss, RangePenalty
from texsynth.losses.band_power import BandPowerLoss
from texsynth.network.vgg import VGGFeatures
from texsynth.objective import composing
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.whole import Objective
from texsynth.statistics.contrast import EvenContrast

SIZE = (24, 40)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def images_of(random, dtype):
    return (random.uniform(0, 255, (1, 3, *SIZE)).astype(dtype) for _ in range(2))


def composed(weights, exemplar, kind=Objective, wrap=(False, False), margin=(0, 0), **settings):
    losses = [
        GramLoss({"conv1_1": 1.0, "pool2": 1.0}),
        ContrastGramLoss({"conv1_1": 1.0, "pool1": 2.0}),
        RangePenalty(1e-4),
    ]

    def make(some, shown):
        layers = sorted({name for loss in some for name in loss.layers} - {"image"})
        features = VGGFeatures(weights, layers)
        named = {"wrap": wrap, "margin": margin, **settings}
        return kind(features, some, shown(exemplar), **named)

    return composing.composed(losses, wrap, make)


def test_without_losses_of_contrast_it_is_the_objective_itself(random, random_weights):
    exemplar, _ = images_of(random, np.float32)
    made = []

    def make(losses, shown):
        made.append((losses, shown(exemplar)))
        return "an objective"

    losses = [GramLoss({"pool1": 1.0}), RangePenalty(1e-4)]
    assert composing.composed(losses, (False, False), make) == "an objective"
    ((found, seen),) = made
    assert found == losses and seen is exemplar


def test_the_loss_is_that_of_the_image_and_of_its_even_contrast(random, random_weights):
    exemplar, image = images_of(random, np.float32)
    even = EvenContrast(SIZE)
    plain = Objective(
        VGGFeatures(random_weights, ["conv1_1", "pool2"]),
        [GramLoss({"conv1_1": 1.0, "pool2": 1.0}), RangePenalty(1e-4)],
        exemplar,
    )
    contrast = Objective(
        VGGFeatures(random_weights, ["conv1_1", "pool1"]),
        [GramLoss({"conv1_1": 1.0, "pool1": 2.0})],
        even.of(exemplar).image,
    )
    expected = plain(chainer.Parameter(image))
    expected += contrast(chainer.Parameter(even.of(image).image))
    objective = composed(random_weights, exemplar)
    assert objective(chainer.Parameter(image)) == pytest.approx(expected, rel=1e-5)
    assert objective.evaluations == 1 and objective.block is None


@pytest.mark.parametrize("wrap", [(False, False), (False, True)])
def test_gradient(random, exact_weights, wrap, check_objective):
    exemplar, image = images_of(random, np.float64)
    check_objective(composed(exact_weights, exemplar, wrap=wrap, margin=(4, 0)), image)


def test_what_tiles_has_no_edge(random, random_weights):
    """Moved around by what a pooling takes together, it is the same texture."""
    exemplar, image = images_of(random, np.float32)
    objective = composed(random_weights, exemplar, wrap=(True, True))
    moved = np.roll(image, (8, 12), axis=(2, 3))
    loss = objective(chainer.Parameter(image))
    assert objective(chainer.Parameter(moved)) == pytest.approx(loss, rel=1e-5)


def test_both_go_on_with_the_smaller_blocks(random, random_weights):
    """A checkpoint holds one side for both: what goes on from it is to be the same."""
    exemplar, image = images_of(random, np.float32)
    objective = composed(random_weights, exemplar, BlockObjective, block=16)
    objective._beside[0].block = 8  # as if memory had been short in it
    objective(chainer.Parameter(image))
    assert objective._plain.block == objective._beside[0].block == 8


def test_a_second_evaluation_is_the_first(random, random_weights):
    exemplar, image = images_of(random, np.float32)
    objective = composed(random_weights, exemplar, BlockObjective, block=16)
    found = []
    for each in (image, image + 20, image):
        variable = chainer.Parameter(each.copy())
        found.append((objective(variable), variable.grad.copy()))
    assert found[0][0] == found[2][0] != found[1][0]
    np.testing.assert_array_equal(found[0][1], found[2][1])


def test_at_rest_neither_keeps_anything(random, random_weights, monkeypatch):
    exemplar, image = images_of(random, np.float32)
    objective, rests = composed(random_weights, exemplar), []
    monkeypatch.setattr(Objective, "rest", lambda self: rests.append(self))
    objective(chainer.Parameter(image))
    assert not rests  # whole, both keep what the next evaluation needs
    objective.rest()
    assert rests == [objective._plain, objective._beside[0]._objective]
    in_blocks = composed(random_weights, exemplar, BlockObjective, block=16)
    monkeypatch.setattr(BlockObjective, "rest", lambda self: rests.append(self))
    in_blocks(chainer.Parameter(image))
    assert rests[2:] == [in_blocks._plain, in_blocks._beside[0]._objective]  # each after its turn


def test_images_of_other_sizes_follow_one_another(random, random_weights):
    exemplar, image = images_of(random, np.float32)
    objective = composed(random_weights, exemplar)
    first = objective(chainer.Parameter(image))
    larger = random.uniform(0, 255, (1, 3, 32, 48)).astype(np.float32)
    assert objective(chainer.Parameter(larger)) > 0
    assert objective(chainer.Parameter(image)) == first


def test_the_sum_is_what_is_reported(random, random_weights):
    exemplar, image = images_of(random, np.float32)
    objective, observed = composed(random_weights, exemplar), {}
    with chainer.Reporter().scope(observed):
        loss = objective(chainer.Parameter(image))
    assert list(observed) == ["loss", "gram", "range", "contrast-gram"]
    values = [float(value) for value in observed.values()]
    assert values[0] == loss == pytest.approx(sum(values[1:]), rel=1e-5)


def test_an_evaluation_is_reported_once(random, random_weights):
    """Whoever looks at each report, as the page does, is to find all terms in it."""

    class Heard(chainer.Reporter):
        def report(self, values, observer=None):
            heard.append(values)

    heard = []
    exemplar, image = images_of(random, np.float32)
    objective = composed(random_weights, exemplar)
    with Heard():
        loss = objective(chainer.Parameter(image))
    (values,) = heard
    assert values["loss"] == loss and set(values) == {"loss", "gram", "range", "contrast-gram"}


def test_the_exemplar_is_without_loss(random, random_weights):
    exemplar, _ = images_of(random, np.float32)
    objective = composed(random_weights, exemplar)
    assert objective(chainer.Parameter(exemplar)) == pytest.approx(0, abs=1e-6)


def of_all_pixels(weights, exemplar, kind=Objective, **settings):
    losses = [
        GramLoss({"conv1_1": 1.0, "pool1": 1.0}),
        BandPowerLoss({"image": 0.5}),
        RangePenalty(1e-4),
    ]

    def make(some, shown):
        edges = {"trim": (2, 3), "margin": (4, 4)}
        if {name for loss in some for name in loss.layers} == {"image"}:
            return Objective(lambda image, wrap: {}, some, shown(exemplar), **edges)
        features = VGGFeatures(weights, ["conv1_1", "pool1"])
        return kind(features, some, shown(exemplar), **edges, **settings)

    return composing.composed(losses, (False, False), make)


def test_losses_of_all_pixels_are_beside_those_of_the_network(random, random_weights):
    exemplar, image = images_of(random, np.float32)
    loss = BandPowerLoss({"image": 0.5})
    inner = exemplar[:, :, 2:-2, 3:-3]
    expected = float(
        loss.measure({"image": image[:, :, 4:-4, 4:-4]}, loss.target({"image": inner})).array
    )
    features = VGGFeatures(random_weights, ["conv1_1", "pool1"])
    plain = [GramLoss({"conv1_1": 1.0, "pool1": 1.0}), RangePenalty(1e-4)]
    network = Objective(features, plain, exemplar, trim=(2, 3), margin=(4, 4))
    expected += network(chainer.Parameter(image))
    objective = of_all_pixels(random_weights, exemplar)
    assert objective(chainer.Parameter(image)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("make", [composed, of_all_pixels])
def test_in_blocks_it_is_the_same(random, random_weights, make):
    exemplar, image = images_of(random, np.float32)
    whole, blocks = chainer.Parameter(image), chainer.Parameter(image.copy())
    expected = make(random_weights, exemplar)(whole)
    objective = make(random_weights, exemplar, BlockObjective, block=8)
    assert objective(blocks) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(
        blocks.grad, whole.grad, rtol=1e-3, atol=1e-3 * np.abs(whole.grad).max()
    )
    assert objective.block == 8
    objective.block = 4
    assert objective(blocks) == pytest.approx(expected, rel=1e-4)


def test_gradient_of_all_pixels(random, exact_weights, check_objective):
    exemplar, image = images_of(random, np.float64)
    check_objective(of_all_pixels(exact_weights, exemplar), image)
