import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.objective.colours import Colours
from texsynth.statistics.colours import GREY


@pytest.fixture
def colours():
    return np.random.default_rng(0).uniform(0, 255, (1, 3, 4, 5)).astype(np.float32)


def weighted_sum_of_squares(weights):
    def objective(image):
        assert image.shape == weights.shape
        image.grad = 2 * weights * image.array
        return float((weights * image.array**2).sum())

    return objective


@pytest.mark.parametrize("in_place", [False, True])
def test_the_gradient_is_that_of_all_channels(colours, in_place):
    grey = chainer.Parameter(np.random.default_rng(1).normal(size=(1, 1, 4, 5)).astype("f"))
    one = Colours(GREY).objective(weighted_sum_of_squares(colours), in_place)
    loss = one(grey)
    assert loss == pytest.approx((colours * grey.array**2).sum(), rel=1e-5)
    np.testing.assert_allclose(
        grey.grad, 2 * colours.sum(axis=1, keepdims=True) * grey.array, rtol=1e-5
    )
    before = grey.grad
    grey.array += 1
    one(grey)
    assert (grey.grad is before) == in_place
    np.testing.assert_allclose(
        grey.grad, 2 * colours.sum(axis=1, keepdims=True) * grey.array, rtol=1e-5
    )


def test_the_gradient_in_three_colours_agrees_with_differences(colours):
    random = np.random.default_rng(2)
    basis = random.normal(size=(3, 3)).astype(np.float32)
    objective = Colours(basis).objective(weighted_sum_of_squares(colours / 255))
    start = random.normal(size=(1, 3, 4, 5)).astype(np.float32)
    coordinates = chainer.Parameter(start.copy())
    objective(coordinates)
    gradient = coordinates.grad.copy()
    for place in [(0, 0, 1, 2), (0, 1, 3, 4), (0, 2, 0, 0)]:
        values = []
        for change in (0.5, -0.5):
            coordinates.array[...] = start
            coordinates.array[place] += change
            values.append(objective(coordinates))
        assert values[0] - values[1] == pytest.approx(gradient[place], rel=1e-3, abs=1e-3)
