import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.losses import GramLoss
from texsynth.network.vgg import VGGFeatures
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.summed import Summed
from texsynth.objective.whole import Objective

_LAYERS = ["conv1_1", "pool1"]


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.fixture
def matrices(random):
    return [random.uniform(0, 0.6, (3, 5)) for _ in range(3)]


def shown(matrix, image):
    """The channels of each pixel, one by one."""
    seen = np.zeros((1, 3, *image.shape[2:]), image.dtype)
    for row in range(3):
        for channel in range(matrix.shape[1]):
            seen[0, row] += image.dtype.type(matrix[row, channel]) * image[0, channel]
    return seen


def summed(matrices, exemplar, weights, kind=Objective, **settings):
    features = VGGFeatures(weights, _LAYERS)
    losses = [GramLoss(dict.fromkeys(_LAYERS, 1.0))]
    return Summed([(m, kind(features, losses, shown(m, exemplar), **settings)) for m in matrices])


def images_of(random, dtype):
    return (random.uniform(0, 255, (1, 5, 12, 14)).astype(dtype) for _ in range(2))


def test_loss_is_the_sum_over_what_is_seen(random, matrices, random_weights):
    exemplar, image = images_of(random, np.float32)
    objective = summed(matrices, exemplar, random_weights)
    expected = 0.0
    for matrix, (_, one) in zip(matrices, objective._terms, strict=True):
        expected += one(chainer.Parameter(shown(matrix, image)))
    assert objective(chainer.Parameter(image)) == pytest.approx(expected, rel=1e-5)


def test_gradient(random, matrices, exact_weights, check_objective):
    exemplar, image = images_of(random, np.float64)
    check_objective(summed(matrices, exemplar, exact_weights), image)


def test_in_blocks_it_is_the_same(random, matrices, random_weights):
    exemplar, image = images_of(random, np.float32)
    whole, blocks = chainer.Parameter(image), chainer.Parameter(image.copy())
    expected = summed(matrices, exemplar, random_weights)(whole)
    objective = summed(matrices, exemplar, random_weights, BlockObjective, block=8)
    assert objective(blocks) == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(
        blocks.grad, whole.grad, rtol=1e-3, atol=1e-3 * np.abs(whole.grad).max()
    )
    assert objective.block == 8
    objective.block = 4
    assert objective(blocks) == pytest.approx(expected, rel=1e-4)
    objective._terms[-1][1].block = 2  # as if memory had been short in it
    objective(blocks)
    assert {each.block for _, each in objective._terms} == {2}
    assert objective.evaluations == 3
