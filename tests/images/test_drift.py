import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth import images
from texsynth.images import transfer
from texsynth.images.drift import slowly


def naive(values, scale):
    """Fits a line to all that lies around each place of a row, by a Gaussian's weights."""
    places = np.arange(len(values))
    found = []
    for place in places:
        weights = np.exp(-0.5 * ((places - place) / scale) ** 2)
        design = np.stack([np.ones(len(values)), places - place], axis=1)
        root = np.sqrt(weights)[:, None]
        found.append(np.linalg.lstsq(design * root, values * root[:, 0], rcond=None)[0][0])
    return np.array(found)


@pytest.mark.parametrize("scale", [1.0, 2.5, 7.9])
def test_what_varies_slowly_is_the_line_that_fits_best_down_and_across(scale):
    planes = np.random.default_rng(0).random((2, 9, 13))
    wanted = np.apply_along_axis(naive, 1, planes, scale)
    wanted = np.apply_along_axis(naive, 2, wanted, scale)
    np.testing.assert_allclose(slowly(planes, scale), wanted, rtol=1e-9)


@pytest.mark.parametrize("scale", [16.0, 30.0, 1000.0])
def test_blocks_change_next_to_nothing(scale):
    planes = np.random.default_rng(0).random((1, 80, 61))
    wanted = np.apply_along_axis(naive, 1, planes, scale)
    wanted = np.apply_along_axis(naive, 2, wanted, scale)
    assert np.abs(slowly(planes, scale) - wanted).max() < 0.05 * planes.std()


@pytest.mark.parametrize("scale", [1, 5, 64, 1e9])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (50, 41)])
def test_a_slope_is_followed_to_the_edges(scale, size):
    row, column = np.mgrid[: size[0], : size[1]]
    plane = (3 + 0.2 * column - 0.1 * row + 0.01 * row * column)[None]
    np.testing.assert_allclose(slowly(plane, scale), plane, atol=1e-6)


def lit(texture, light):
    """A texture under light, ``(H, W)`` or ``(H, W, 3)``."""
    seen = transfer.to_light(texture / 255) * np.reshape(light, (*light.shape[:2], -1))
    return images.to_batch(np.round(transfer.from_light(seen) * 255).astype(np.uint8))


def in_light(batch):
    return transfer.to_light(batch[0].astype(float) / 255)


def test_a_fall_of_light_is_taken_out_and_the_mean_stays():
    texture = make_texture(96, 96)
    row, column = np.mgrid[:96, :96] / 95
    fall = 1.25 - 0.5 * column - 0.3 * row
    seen = lit(texture * 0.7, fall)
    flattened = images.without_drift(seen, 32)
    assert flattened.shape == seen.shape and flattened.dtype == np.float32
    assert flattened.min() >= 0 and flattened.max() <= 255

    def sides(batch):
        light = in_light(batch)[:, :, :24].mean(), in_light(batch)[:, :, -24:].mean()
        return light[0] / light[1]

    assert sides(seen) > 1.3 and sides(flattened) == pytest.approx(1, abs=0.06)
    np.testing.assert_allclose(
        in_light(flattened).mean(axis=(1, 2)), in_light(seen).mean(axis=(1, 2)), rtol=1e-4
    )


def test_light_of_any_strength_comes_to_the_same():
    """Where light falls off slowly, what is left is the texture, but for a factor."""
    texture = make_texture(64, 64) * 0.6
    fall = np.exp(-np.mgrid[:64, :64][1] / 100)
    seen = [lit(texture, each) for each in (np.ones((64, 64)), fall)]

    def apart(batches):
        first, second = (in_light(batch) / in_light(batch).mean() for batch in batches)
        return np.abs(first - second).mean()

    assert apart(seen) > 0.12
    assert apart([images.without_drift(batch, 24) for batch in seen]) < 0.015


def test_each_channel_is_taken_by_itself():
    texture = make_texture(64, 64) * 0.6
    column = np.mgrid[:64, :64][1] / 63
    warm = np.stack([1.3 - 0.6 * column, np.ones((64, 64)), 0.7 + 0.6 * column], axis=2)
    plain, even = (
        images.without_drift(lit(texture, light), 24) for light in (np.ones((64, 64)), warm)
    )
    np.testing.assert_allclose(in_light(even), in_light(plain), atol=0.02)


def test_what_varies_fast_stays():
    stripes = np.where(np.arange(64) % 4 < 2, 200, 40).astype(np.uint8)
    batch = images.to_batch(np.broadcast_to(stripes[None, :, None], (64, 64, 3)))
    inside = np.s_[..., 8:-8]  # at an edge there is half a period
    np.testing.assert_allclose(images.without_drift(batch, 20)[inside], batch[inside], rtol=0.05)


def test_black_and_white_stay_and_no_place_is_brightened_beyond_ten_times():
    for level in (0, 255):
        batch = np.full((1, 3, 20, 20), level, np.float32)
        np.testing.assert_allclose(images.without_drift(batch, 4), batch, atol=1e-3)
    batch = np.full((1, 3, 20, 60), 200, np.float32)
    batch[..., 30:] = 1  # a thousandth of the light
    dark = in_light(images.without_drift(batch, 2))[..., -1]
    assert (dark < 30 * in_light(batch)[..., -1]).all()  # the mean comes back by a factor
    red = np.zeros((1, 3, 20, 20), np.float32)
    red[:, 0] = np.linspace(90, 160, 20)
    flattened = images.without_drift(red, 5)
    assert (flattened[:, 1:] == 0).all() and np.ptp(flattened[:, 0]) < 8
