"""What is drawn of a synthesis: the image to the bit, and a curve where the losses are."""

import math

import numpy as np
import pytest
from PIL import ImageColor

from tests.conftest import make_texture
from texsynth.notebook import frame

WIDTH = 100


def panel(losses):
    """The curve's panel, ``(H, W, 3)``, beside an image of 100 x 200 pixels."""
    drawn = np.asarray(frame.compose(make_texture(WIDTH, 200), losses, 200))
    return drawn[:, WIDTH + frame._GAP :].astype(int)


def curve(losses):
    """``{x: mean y}`` of the pixels that have the curve's colour."""
    colour = np.array(ImageColor.getrgb(frame._CURVE))
    ys, xs = np.nonzero(np.abs(panel(losses) - colour).sum(axis=2) < 60)
    return {int(x): ys[xs == x].mean() for x in np.unique(xs)}


@pytest.mark.parametrize(("width", "height"), [(100, 60), (60, 100)])
def test_an_image_of_that_size_is_shown_as_it_is(width, height):
    pixels = make_texture(width, height)
    drawn = np.asarray(frame.compose(pixels, [[1.0, 0.5]], 100))
    np.testing.assert_array_equal(drawn[:height, :width], pixels)
    assert drawn.shape == (frame._LOWEST, width + frame._GAP + frame._WIDTH, 3)


def test_a_small_level_is_enlarged_by_whole_pixels_and_a_large_one_reduced():
    pixels = make_texture(20, 10)
    drawn = np.asarray(frame.compose(pixels, [[1.0]], 60))
    np.testing.assert_array_equal(drawn[:30, :60], pixels.repeat(3, 0).repeat(3, 1))
    drawn = np.asarray(frame.compose(np.full((400, 800, 3), 77, np.uint8), [[1.0]], 200))
    assert (drawn[:100, :200] == 77).all() and (drawn[100:, :200] == 255).all()
    assert frame.compose(np.zeros((1, 900, 3), np.uint8), [[1.0]], 16).width > 16


def test_a_loss_that_falls_by_a_factor_is_a_straight_line():
    found = curve([[10.0**-power for power in range(11)]])
    xs = np.array(sorted(found))
    ys = np.array([found[x] for x in xs])
    slope, start = np.polyfit(xs, ys, 1)
    assert slope > 0 and len(xs) > 250
    assert np.abs(start + slope * xs - ys).max() < 1.5


def test_the_curve_spans_the_panel_and_levels_are_apart():
    found = curve([[100.0, 10.0], [50.0, 1.0]])
    assert min(found.values()) == pytest.approx(frame._TOP, abs=3)
    assert max(found.values()) == pytest.approx(200 - frame._BOTTOM, abs=3)
    # A level's first loss has nothing to do with the last one before it: no line joins them.
    step = (frame._WIDTH - frame._LEFT - frame._RIGHT) / 4
    between = [x for x in found if frame._LEFT + 2.1 * step < x < frame._LEFT + 2.9 * step]
    assert between == []


def test_losses_that_have_no_place_on_the_axis_are_left_out():
    with_gaps = [[1.0, math.nan, 0.5, math.inf, 0.0, 0.1]]
    assert len(curve(with_gaps)) > 200
    for none in ([[math.nan]], [[]], [], [[0.0, 0.0]]):
        assert curve(none) == {}


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.009, 0.6, [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]),
        (1e-5, 1.5, [1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0]),
        (0.31, 0.42, [0.31, 0.42]),
        (3.0, 3.0, [3.0, 3.0]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert frame._ticks(low, high) == pytest.approx(expected)
