import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.objective.grey import OneChannel, is_grey, luminance


@pytest.fixture
def colours():
    return np.random.default_rng(0).uniform(0, 255, (1, 3, 4, 5)).astype(np.float32)


def test_grey_is_all_channels_alike(colours):
    grey = np.repeat(colours[:, :1], 3, axis=1)
    assert is_grey(grey)
    assert not is_grey(colours)
    grey[0, 2, 3, 4] += 1
    assert not is_grey(grey)


def test_luminance(colours):
    grey = luminance(colours)
    assert grey.dtype == np.float32 and is_grey(grey)
    red, green, blue = colours[0].astype(float)
    np.testing.assert_allclose(grey[0, 1], 0.299 * red + 0.587 * green + 0.114 * blue, rtol=1e-5)
    np.testing.assert_array_equal(luminance(grey), grey)  # no rounding of what is grey


def weighted_sum_of_squares(weights):
    def objective(image):
        assert image.shape == weights.shape
        image.grad = 2 * weights * image.array
        return float((weights * image.array**2).sum())

    return objective


@pytest.mark.parametrize("in_place", [False, True])
def test_the_gradient_is_that_of_all_channels(colours, in_place):
    grey = chainer.Parameter(np.random.default_rng(1).normal(size=(1, 1, 4, 5)).astype("f"))
    one = OneChannel(weighted_sum_of_squares(colours), in_place)
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
