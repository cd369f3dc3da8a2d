import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.metrics.colour import colour_distance, histograms


def distance(a, b):
    return colour_distance(histograms(a), histograms(b))


def test_it_is_the_mean_difference_of_the_sorted_values():
    a, b = make_texture(24, 20), make_texture(20, 24, seed=2) // 2
    ordered = [np.sort(x.reshape(-1, 3).astype(float), axis=0) for x in (a, b)]
    assert distance(a, b) == pytest.approx(np.abs(ordered[0] - ordered[1]).mean())


def test_a_shift_is_its_grey_levels():
    a = np.full((4, 4, 3), 100, np.uint8)
    b = a + np.array([0, 3, 30], np.uint8)
    assert distance(b, a) == distance(a, b) == pytest.approx(11)


def test_sizes_may_differ_and_places_do_not_count():
    a = make_texture(24, 20)
    twice = np.concatenate((a[::-1], a[:, ::-1]))
    assert distance(twice, a) == pytest.approx(0, abs=1e-9)


def test_black_against_white_is_the_whole_range():
    black = np.zeros((2, 2, 3), np.uint8)
    assert distance(black, black + 255) == pytest.approx(255)
