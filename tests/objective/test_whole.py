import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.losses import GramLoss, RangePenalty
from texsynth.network.vgg import VGGFeatures
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.interior import interior
from texsynth.objective.whole import Objective
from texsynth.weights import VGGWeights


@pytest.fixture
def make(random_weights):
    tensors = {
        name: (W.astype(np.float64), b.astype(np.float64))
        for name, (W, b) in random_weights.tensors.items()
    }
    weights = VGGWeights(tensors, random_weights.mean.astype(np.float64))
    exemplar = np.random.default_rng(0).uniform(0, 255, (1, 3, 12, 10))

    def make(*losses, trim=(0, 0), margin=(0, 0), exemplar=exemplar):
        layers = {name for loss in losses for name in loss.layers} - {"image"}
        features = VGGFeatures(weights, layers or ["conv1_1"])
        return Objective(features, losses, exemplar, trim, margin), exemplar

    return make


def test_loss_of_the_exemplar_is_zero(make):
    objective, exemplar = make(GramLoss({"conv1_1": 1, "pool2": 1}), RangePenalty(1e-4))
    assert objective(chainer.Parameter(exemplar)) == 0


def check_differences(objective, x, generator):
    image = chainer.Parameter(x)
    objective(image)
    gradient = image.grad.copy()
    for _ in range(5):
        direction = generator.standard_normal(x.shape)
        up, down = (objective(chainer.Parameter(x + e * direction)) for e in (1e-4, -1e-4))
        assert (gradient * direction).sum() == pytest.approx((up - down) / 2e-4, rel=1e-5)


def test_gradient_is_left_in_the_image_and_agrees_with_differences(make):
    objective, exemplar = make(GramLoss({"conv1_1": 1, "pool2": 1}), RangePenalty(1e-4))
    generator = np.random.default_rng(1)
    x = generator.uniform(-20, 275, exemplar.shape)
    check_differences(objective, x, generator)


def test_gradients_do_not_pile_up(make):
    objective, exemplar = make(GramLoss({"conv1_1": 1}))
    image = chainer.Parameter(exemplar + 10)
    objective(image)
    once = image.grad.copy()
    objective(image)
    np.testing.assert_array_equal(image.grad, once)
    assert objective.evaluations == 2


def test_losses_add_up(make):
    gram, penalty = GramLoss({"conv1_1": 1}), RangePenalty(1e-2)
    image = np.full((1, 3, 12, 10), 260.0)
    values = [make(*losses)[0](chainer.Parameter(image)) for losses in ([gram, penalty], [gram])]
    assert values[0] - values[1] == pytest.approx(1e-2 * 25)


def test_trimmed_targets_do_not_see_the_rim_of_the_exemplar(make):
    """conv1_1 sees one pixel around its own."""
    loss = GramLoss({"conv1_1": 1})
    _, exemplar = make(loss)
    framed = exemplar.copy()
    framed[:, :, 0] = framed[:, :, -1] = framed[..., 0] = framed[..., -1] = 0
    image = np.full(exemplar.shape, 100.0)
    for trim, is_same in (((0, 0), False), ((2, 1), False), ((2, 2), True)):
        values = [
            make(loss, trim=trim, exemplar=x)[0](chainer.Parameter(image))
            for x in (exemplar, framed)
        ]
        assert (values[0] == pytest.approx(values[1], rel=1e-12)) == is_same


def test_the_margin_of_the_image_is_context_only(make):
    """The loss is that of the inner positions, whatever the pixels that none of them sees."""
    objective, _ = make(GramLoss({"conv1_1": 1, "pool1": 1}), margin=(4, 2))
    image = chainer.Parameter(np.random.default_rng(1).uniform(0, 255, (1, 3, 24, 22)))
    before = objective(image)
    # pool1 sees conv1_2's two pixels around its own: what is more than 2 px out is seen by none.
    assert np.abs(image.grad[:, :, :2]).max() == 0
    assert np.abs(image.grad[:, :, 2, 4:-4]).min() > 0
    image.array[:, :, :2] = 0
    assert objective(image) == before


def test_gradient_with_a_margin_agrees_with_differences(make):
    loss = GramLoss({"conv1_1": 1, "pool2": 1})
    objective, _ = make(loss, RangePenalty(1e-4), margin=(5, 9), trim=(4, 2))
    generator = np.random.default_rng(1)
    x = generator.uniform(-20, 275, (1, 3, 28, 33))
    check_differences(objective, x, generator)


def test_interior_leaves_out_positions_that_cover_the_edge():
    x = chainer.Variable(np.arange(40.0).reshape(1, 1, 5, 8))
    layer, size = {"pool1": x}, (1, 3, 10, 17)
    kept = interior(layer, size, (1, 4))["pool1"]  # one row and two columns at each edge
    np.testing.assert_array_equal(kept.array, x.array[:, :, 1:4, 2:6])
    assert interior(layer, size, (0, 0))["pool1"] is x
    assert interior(layer, size, (99, 99))["pool1"].shape == (1, 1, 3, 2)  # two at least


@pytest.mark.parametrize("blocks", [False, True])
def test_loss_and_terms_are_reported(make, random_weights, blocks):
    """By their names in the registry, whole and in blocks; a loss of one's own by its class."""

    class Own(GramLoss):
        pass

    losses = [GramLoss({"conv1_1": 1}), Own({"conv1_2": 2}), GramLoss({"pool1": 1})]
    losses.append(RangePenalty(1e-2))
    objective, exemplar = make(*losses)
    if blocks:
        features = VGGFeatures(random_weights, ["conv1_1", "conv1_2", "pool1"])
        exemplar = exemplar.astype(np.float32)
        objective = BlockObjective(features, losses, exemplar, block=16)
    observed = {}
    with chainer.Reporter().scope(observed):
        loss = objective(chainer.Parameter(exemplar[..., ::-1].copy() + 30))
    assert list(observed) == ["loss", "gram", "Own", "gram_2", "range"]
    values = [float(value) for value in observed.values()]
    assert values[0] == loss == pytest.approx(sum(values[1:]))
    assert min(values) > 0
