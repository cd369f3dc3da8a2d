"""What reads the engine's activations: each loss, whole and in blocks, as on the CPU.

The activations are written over by the next image, so a target must not hold on to them.
"""

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.losses import LOSSES, RangePenalty
from texsynth.network.vgg import VGGFeatures
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.whole import Objective

pytestmark = pytest.mark.gpu

LAYERS = {"conv1_1": 1.0, "pool1": 1.0, "pool2": 2.0}


def noise(size, seed):
    return np.random.default_rng(seed).uniform(0, 255, (1, 3, *size)).astype(np.float32)


def evaluate(objective, image):
    """The loss, twice, and the gradient, on the host."""
    parameter = chainer.Parameter(image)
    first, again = float(objective(parameter)), float(objective(parameter))
    assert again == pytest.approx(first, rel=1e-6)
    return first, chainer.get_device("@numpy").send(parameter.grad)


@pytest.fixture
def compare(gpu, random_weights):
    """Compares losses and gradients of the engine's objective and the plain one on the CPU."""
    from texsynth.network.cuda.features import CudaFeatures

    gpu.use()

    def compare(kind, losses, size, **settings):
        names = sorted({name for loss in losses for name in loss.layers} - {"image"})
        layers = tuple(names) or ("conv1_1",)
        exemplar, image = noise((24, 20), 0), noise(size, 1)
        features = CudaFeatures(random_weights, layers)
        loss, gradient = evaluate(
            kind(features, losses, gpu.send(exemplar), **settings), gpu.send(image)
        )
        plain = Objective(VGGFeatures(random_weights, layers), losses, exemplar)
        expected_loss, expected = evaluate(plain, image)
        assert loss == pytest.approx(expected_loss, rel=1e-4)
        assert np.linalg.norm(gradient - expected) <= 5e-3 * np.linalg.norm(expected)

    return compare


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_is_that_of_the_cpu(compare, name):
    kind = LOSSES[name]
    weights = dict.fromkeys(kind.default_layers, 1.0)
    weights = weights if "image" in weights else LAYERS
    compare(Objective, [kind(weights), RangePenalty(1e-2)], (24, 20))


@pytest.mark.parametrize("names", [["gram"], ["centred-gram"]])
def test_in_blocks_it_is_that_of_the_cpu(compare, names):
    losses = [*(LOSSES[name](LAYERS) for name in names), RangePenalty(1e-2)]
    compare(BlockObjective, losses, (90, 33), block=32)
