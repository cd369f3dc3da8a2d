import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.metrics.seam import seam_scores


def test_it_is_the_naive_score():
    pixels = make_texture(12, 10)[:, :9].astype(float)
    steps = [np.abs(pixels[:, x + 1] - pixels[:, x]).mean() for x in range(8)]
    wrap = np.abs(pixels[:, 0] - pixels[:, 8]).mean()
    expected = (wrap - np.mean(steps)) / np.std(steps)
    assert seam_scores(pixels.astype(np.uint8))["x"] == pytest.approx(expected)


def test_a_periodic_texture_has_no_seam_and_a_crop_of_it_has():
    whole = make_texture(64, 64)  # its noise is smoothed around the corner
    assert all(abs(score) < 2 for score in seam_scores(whole).values())
    crop = seam_scores(whole[:, :40])
    assert crop["x"] > 4 and abs(crop["y"]) < 2
    crop = seam_scores(whole[:40])
    assert crop["y"] > 4 and abs(crop["x"]) < 2


def test_a_step_smaller_than_the_others_has_a_score_below_zero():
    there_and_back = np.array([0, 10, 20, 30, 20, 10, 0], np.uint8)
    pixels = np.tile(there_and_back[:, None], (20, 1, 3))
    assert seam_scores(pixels)["x"] == pytest.approx(-10 * (18 * 20) ** 0.5)


def test_every_roll_of_a_periodic_texture_is_as_good():
    whole = make_texture(64, 64)
    assert all(abs(seam_scores(np.roll(whole, k, axis=1))["x"]) < 3 for k in range(0, 64, 5))


def test_equal_steps_give_a_finite_score():
    flat = np.full((20, 30, 3), 7, np.uint8)
    assert seam_scores(flat) == {"x": 0, "y": 0}
    ramp = flat + np.arange(30, dtype=np.uint8)[:, None]
    scores = seam_scores(ramp)
    assert scores["x"] == pytest.approx((29 - 1) * (18 * 20) ** 0.5) and scores["y"] == 0
