import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.objective.changed import Changed
from texsynth.objective.units import Units


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("in_place", [False, True])
def test_loss_is_that_of_the_image_and_the_gradient_that_for_its_values(random, in_place):
    weights = random.uniform(1, 2, (1, 3, 4, 5)).astype(np.float32)
    units = random.uniform(0.3, 3, (1, 1, 4, 5)).astype(np.float32)

    def objective(image):
        image.grad = 2 * weights * image.array
        return float((weights * image.array**2).sum())

    values = chainer.Parameter(random.normal(size=(1, 3, 4, 5)).astype(np.float32))
    in_units, before = Changed(objective, Units(units), in_place), None
    for _ in range(2):
        loss = in_units(values)
        assert loss == pytest.approx((weights * (units * values.array) ** 2).sum(), rel=1e-5)
        np.testing.assert_allclose(values.grad, 2 * weights * units**2 * values.array, rtol=1e-5)
        assert before is None or (values.grad is before) == in_place
        before = values.grad
        values.array += 1


def test_units_that_are_written_over_count(random):
    """A checkpoint brings its own."""
    units = np.ones((1, 1, 2, 2), np.float32)

    def objective(image):
        image.grad = np.ones_like(image.array)
        return float(image.array.sum())

    values = chainer.Parameter(np.ones((1, 3, 2, 2), np.float32))
    in_units = Changed(objective, Units(units))
    assert in_units(values) == 12
    units[...] = 2
    assert in_units(values) == 24
    np.testing.assert_array_equal(values.grad, np.full((1, 3, 2, 2), 2, np.float32))
