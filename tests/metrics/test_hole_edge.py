import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.metrics import edge_score


def square(side=96, first=30, last=60):
    mask = np.zeros((side, side), bool)
    mask[first:last, first:last] = True
    return mask


def test_what_was_there_all_along_has_no_edge():
    assert abs(edge_score(make_texture(96, 96), square())) < 2


def test_a_patch_of_other_brightness_has_one():
    pixels = make_texture(96, 96)
    pixels[square()] = np.clip(pixels[square()].astype(int) + 60, 0, 255)
    assert edge_score(pixels, square()) > 5


def test_by_hand():
    """Steps of 2 everywhere, of 6 at the edge: nothing deviates but rounding, of 48 steps."""
    pixels = np.zeros((48, 96, 3), np.uint8)
    pixels[:, 1::2] = 2
    mask = np.zeros((48, 96), bool)
    mask[:, :1] = True
    pixels[:, 0] = pixels[:, 1] + 6
    # Moved across to columns 8, 16 ... 88, where the other end of the outline is left out.
    assert edge_score(pixels, mask) == pytest.approx((6 - 2) / (1 / (18 * 48)) ** 0.5)


@pytest.mark.parametrize("mask", [np.zeros((48, 48), bool), np.ones((48, 48), bool)])
def test_where_there_is_no_edge(mask):
    assert edge_score(make_texture(48, 48), mask) is None


def test_where_little_stayed():
    assert edge_score(make_texture(48, 48), square(48, 2, 46)) is None
