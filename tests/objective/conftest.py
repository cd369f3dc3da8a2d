"""What tests of objectives share."""

import numpy as np
import pytest

from texsynth.compat import chainer


@pytest.fixture
def check_objective():
    """``check_objective(objective, image)``: its gradient, against central differences.

    The image is float64. Steps are short: longer ones cross kinks of ReLUs.
    """

    def check(objective, image, step=1e-5):
        random, variable = np.random.default_rng(1), chainer.Parameter(image.copy())
        objective(variable)
        gradient = variable.grad.copy()
        for _ in range(4):
            direction = random.standard_normal(image.shape)
            up, down = (
                objective(chainer.Parameter(image + sign * step * direction)) for sign in (1, -1)
            )
            assert (gradient * direction).sum() == pytest.approx((up - down) / (2 * step), rel=1e-5)

    return check
