import numpy as np
import pytest

from texsynth.images import transfer


def test_values_of_the_standard():
    assert transfer.to_light(np.array([0, 0.04045, 0.5, 1])) == pytest.approx(
        [0, 0.0031308, 0.2140411, 1], abs=1e-7
    )
    assert transfer.from_light(np.array([0, 0.0031308, 0.2140411, 1])) == pytest.approx(
        [0, 0.04045, 0.5, 1], abs=1e-6
    )


def test_each_undoes_the_other_and_clips():
    values = np.linspace(0, 1, 1001)
    np.testing.assert_allclose(transfer.from_light(transfer.to_light(values)), values, atol=1e-6)
    assert transfer.to_light(np.array([-1.0, 2.0])) == pytest.approx([0, 1])
    assert transfer.from_light(np.array([-1.0, 2.0])) == pytest.approx([0, 1])
