import numpy as np
import pytest

from texsynth.statistics import contrast
from texsynth.statistics.contrast import EvenContrast

SIGMA, REACH = 5.0, 15


def naive_mean(image, row, column, wrap):
    """The Gaussian's weighted mean about a pixel, of what is within the image."""
    height, width = image.shape
    total = weights = 0.0
    for dy in range(-REACH, REACH + 1):
        for dx in range(-REACH, REACH + 1):
            y, x = row + dy, column + dx
            if wrap[0]:
                y %= height
            if wrap[1]:
                x %= width
            if 0 <= y < height and 0 <= x < width:
                weight = np.exp(-(dy**2 + dx**2) / (2 * SIGMA**2))
                total += weight * image[y, x]
                weights += weight
    return total / weights


def naive(image, wrap):
    channels, height, width = image.shape
    pixels = [(row, column) for row in range(height) for column in range(width)]
    excess = image.copy()
    for channel in range(channels):
        for pixel in pixels:
            excess[channel][pixel] -= naive_mean(image[channel], *pixel, wrap)
    squares = excess.mean(axis=0) ** 2
    found = np.empty_like(image)
    for pixel in pixels:
        deviation = np.sqrt(naive_mean(squares, *pixel, wrap) + 16)
        found[(slice(None), *pixel)] = 128 + 40 * excess[(slice(None), *pixel)] / deviation
    return found


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("wrap", [(False, False), (True, False), (False, True), (True, True)])
def test_it_is_what_loops_over_pixels_find(random, wrap):
    """The height is below the Gaussian's reach, which then wraps around more than once."""
    image = random.uniform(0, 255, (1, 3, 10, 34))
    found = EvenContrast((10, 34), wrap, dtype=float).of(image).image
    np.testing.assert_allclose(found[0], naive(image[0], wrap), rtol=1e-6)


@pytest.mark.parametrize("wrap", [(False, False), (True, True)])
def test_gradient(random, wrap):
    """Against central differences, in float64, over more than one band of rows."""
    image = random.uniform(0, 255, (1, 3, 70, 20))
    even = EvenContrast((70, 20), wrap, dtype=float)
    weights = random.standard_normal(image.shape)
    gradient = even.gradient(even.of(image), weights)
    for _ in range(4):
        direction = random.standard_normal(image.shape)
        up, down = (
            (even.of(image + sign * 1e-4 * direction).image * weights).sum() for sign in (1, -1)
        )
        assert (gradient * direction).sum() == pytest.approx((up - down) / 2e-4, rel=1e-6)


def test_what_is_faint_becomes_as_plain_as_what_is_strong(random):
    noise = random.standard_normal((1, 1, 120, 120)).astype(np.float32)
    strength = np.where(np.arange(120) < 60, 10, 60).astype(np.float32)
    image = 100 + np.repeat(noise * strength, 3, axis=1)
    found = EvenContrast((120, 120)).of(image).image
    assert found.dtype == np.float32
    faint, strong = found[..., :40].std(), found[..., 80:].std()
    assert faint == pytest.approx(strong, rel=0.1)
    assert strong == pytest.approx(40, rel=0.1)
    assert found.mean() == pytest.approx(128, abs=2)


def test_an_even_image_stays_even():
    found = EvenContrast((30, 40)).of(np.full((1, 3, 30, 40), 77, np.float32))
    np.testing.assert_allclose(found.image, 128, atol=1e-3)
    assert np.isfinite(EvenContrast((30, 40)).gradient(found, np.ones_like(found.image))).all()


def test_light_and_contrast_do_not_matter(random):
    """But for what is so faint that it may be rounding."""
    image = 40 * random.standard_normal((1, 3, 40, 40)) + 90
    even = EvenContrast((40, 40), dtype=float)
    plain, brighter = even.of(image).image, even.of(1.5 * image + 30).image
    assert np.abs(plain - brighter).max() < 0.03 * np.abs(plain - 128).max()


@pytest.mark.parametrize("wrap", [(False, False), (True, True)])
def test_units_are_the_root_of_the_local_deviation(random, wrap):
    image = random.uniform(0, 255, (1, 2, 10, 34))
    image[..., 20:] /= 50
    image[..., 30:] = 7
    excess = image.copy()
    pixels = [(row, column) for row in range(10) for column in range(34)]
    for channel in range(2):
        for pixel in pixels:
            excess[0, channel][pixel] -= naive_mean(image[0, channel], *pixel, wrap)
    squares, deviation = (excess[0] ** 2).sum(axis=0), np.empty((10, 34))
    for pixel in pixels:
        deviation[pixel] = np.sqrt(naive_mean(squares, *pixel, wrap))
    expected = np.sqrt(np.maximum(deviation / deviation.mean(), 0.1))
    found = contrast.units(image, wrap)
    assert found.shape == (1, 1, 10, 34)
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-6)


def test_units_of_a_flat_image_are_1():
    np.testing.assert_array_equal(
        contrast.units(np.full((1, 3, 20, 9), 77.0)), np.ones((1, 1, 20, 9))
    )
