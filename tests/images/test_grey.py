import numpy as np
import pytest

from texsynth.images import is_grey, without_colours


@pytest.fixture
def colours():
    return np.random.default_rng(0).uniform(0, 255, (1, 3, 4, 5)).astype(np.float32)


def test_grey_is_all_channels_alike(colours):
    grey = np.repeat(colours[:, :1], 3, axis=1)
    assert is_grey(grey)
    assert not is_grey(colours)
    grey[0, 2, 3, 4] += 1
    assert not is_grey(grey)


def test_without_colours(colours):
    grey = without_colours(colours)
    assert grey.dtype == np.float32 and is_grey(grey)
    red, green, blue = colours[0].astype(float)
    np.testing.assert_allclose(grey[0, 1], 0.299 * red + 0.587 * green + 0.114 * blue, rtol=1e-5)
    np.testing.assert_array_equal(without_colours(grey), grey)  # no rounding of what is grey
