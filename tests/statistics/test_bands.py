import numpy as np
import pytest

from texsynth.statistics.bands import Bands

PLANES = ((0.299, 0.587, 0.114), (0.5, -0.5, 0.0), (-0.25, -0.25, 0.5))


def naive(image):
    """The power of each band by the discrete Fourier transform's own sum."""
    _, height, width = image.shape
    down, across = (np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in (height, width))
    window = np.outer(down, across)
    found = np.full((3, 16, 9), np.nan)
    sums, counts = np.zeros((3, 16, 9)), np.zeros((16, 9))
    rows, columns = np.mgrid[:height, :width]
    for v in range(height):
        for u in range(width // 2 + 1):
            fy, fx = (v if 2 * v < height else v - height) / height, u / width
            middle = round(16 * fy), round(16 * fx)
            if np.hypot(*middle) <= 0.12 * 16:
                continue
            band = middle[0] % 16, middle[1]
            counts[band] += 1
            wave = np.exp(-2j * np.pi * (v * rows / height + u * columns / width))
            for k, plane in enumerate(PLANES):
                seen = np.tensordot(plane, image, 1)
                total = ((seen - seen.mean()) * window * wave).sum()
                sums[k][band] += abs(total) ** 2 / (window**2).sum()
    there = counts > 0
    found[:, there] = sums[:, there] / counts[there] + 1 / 12
    return found


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("size", [(20, 18), (13, 17), (6, 5)])
def test_it_is_what_the_transforms_own_sums_give(random, size):
    image = random.uniform(0, 255, (1, 3, *size))
    power = Bands(size, dtype=float).of(image).power
    np.testing.assert_allclose(power, naive(image[0]), rtol=1e-9)


@pytest.mark.parametrize("size", [(20, 18), (13, 17), (6, 5)])
def test_gradient(random, size):
    """Against central differences, in float64."""
    image = random.uniform(0, 255, (1, 3, *size))
    bands = Bands(size, dtype=float)
    weights = np.where(np.isnan(bands.of(image).power), 0, random.standard_normal((3, 16, 9)))
    gradient = bands.gradient(bands.of(image), weights)
    for _ in range(4):
        direction = random.standard_normal(image.shape)
        up, down = (
            np.nansum(bands.of(image + sign * 1e-4 * direction).power * weights) for sign in (1, -1)
        )
        assert (gradient * direction).sum() == pytest.approx((up - down) / 2e-4, rel=1e-5)


def test_white_noise_has_its_variance_in_all_bands(random):
    image = np.repeat(random.normal(128, 20, (1, 1, 256, 256)), 3, axis=1).astype(np.float32)
    power = Bands((256, 256)).of(image).power
    assert power.dtype == np.float32
    brightness = power[0][~np.isnan(power[0])]
    np.testing.assert_allclose(brightness, 400, rtol=0.4)
    assert brightness.mean() == pytest.approx(400, rel=0.03)
    # Grey has no colours: what is left is the power of rounding.
    np.testing.assert_allclose(power[1:][~np.isnan(power[1:])], 1 / 12, rtol=1e-3)


def test_size_and_brightness_do_not_matter(random):
    large = random.normal(128, 20, (1, 3, 512, 384))
    small = large[:, :, :256, :256] + 40
    one, other = (Bands(x.shape[2:], dtype=float).of(x).power[0] for x in (large, small))
    assert np.nanmean(np.log(one / other)) == pytest.approx(0, abs=0.05)


def test_what_is_coarse_does_not_count(random):
    rows = np.arange(256)[:, None] / 256
    wave = np.broadcast_to(100 * np.sin(2 * np.pi * 8 * rows), (1, 3, 256, 256))  # well below .12
    power = Bands((256, 256), dtype=float).of(wave).power
    np.testing.assert_allclose(power[~np.isnan(power)], 1 / 12, rtol=1e-3)


def test_a_chequer_is_in_the_bands_of_its_period():
    wave = 8.0 * (-1) ** np.arange(64) * np.ones((1, 3, 64, 64))
    power = Bands((64, 64), dtype=float).of(wave).power[0]
    assert np.nanargmax(power) == np.ravel_multi_index((0, 8), power.shape)
