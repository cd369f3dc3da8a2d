import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.losses import GramLoss, RangePenalty
from texsynth.objective import Objective
from texsynth.vgg import VGG16Features
from texsynth.weights import VGGWeights


@pytest.fixture
def make(random_weights):
    tensors = {
        name: (W.astype(np.float64), b.astype(np.float64))
        for name, (W, b) in random_weights.tensors.items()
    }
    weights = VGGWeights(tensors, random_weights.mean.astype(np.float64))
    exemplar = np.random.default_rng(0).uniform(0, 255, (1, 3, 12, 10))

    def make(*losses):
        layers = {name for loss in losses for name in loss.layers} - {"image"}
        return Objective(VGG16Features(weights, layers or ["conv1_1"]), losses, exemplar), exemplar

    return make


def test_loss_of_the_exemplar_is_zero(make):
    objective, exemplar = make(GramLoss({"conv1_1": 1, "pool2": 1}), RangePenalty(1e-4))
    assert objective(chainer.Parameter(exemplar)) == 0


def test_gradient_is_left_in_the_image_and_agrees_with_differences(make):
    objective, exemplar = make(GramLoss({"conv1_1": 1, "pool2": 1}), RangePenalty(1e-4))
    generator = np.random.default_rng(1)
    x = generator.uniform(-20, 275, exemplar.shape)
    image = chainer.Parameter(x)
    objective(image)
    gradient = image.grad.copy()
    for _ in range(5):
        direction = generator.standard_normal(x.shape)
        up, down = (objective(chainer.Parameter(x + e * direction)) for e in (1e-4, -1e-4))
        assert (gradient * direction).sum() == pytest.approx((up - down) / 2e-4, rel=1e-5)


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
