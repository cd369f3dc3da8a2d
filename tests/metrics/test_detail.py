import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.metrics.detail import detail_ratio, fine_energy
from texsynth.metrics.luminance import luminance

ROUNDING = 1 / 12


def grey(values):
    return np.repeat(np.rint(values).astype(np.uint8)[..., None], 3, axis=2)


def white_noise(height, width, deviation):
    noise = np.random.default_rng(0).standard_normal((height, width))
    return grey(np.clip(128 + deviation * noise, 0, 255))


@pytest.mark.parametrize("shape", [(16, 16), (33, 40), (40, 33)])
def test_it_is_the_mean_over_the_whole_plane(shape):
    pixels = make_texture(shape[1], shape[0])
    window = np.outer(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in shape))
    y = luminance(pixels)
    y = (y - np.average(y, weights=window)) * window
    power = abs(np.fft.fft2(y)) ** 2 / (window**2).sum() + ROUNDING
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    assert fine_energy(pixels) == pytest.approx(power[frequency > 0.25].mean())


def test_half_the_contrast_of_noise_is_a_quarter_whatever_the_size():
    full, half = white_noise(128, 128, 40), white_noise(200, 96, 20)
    assert detail_ratio(fine_energy(half), fine_energy(full)) == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize(("frequency", "counts"), [(0.23, False), (0.27, True), (0.5, True)])
def test_only_the_finest_octave_counts(frequency, counts):
    x = np.arange(256)
    wave = grey(128 + 60 * np.cos(2 * np.pi * frequency * x) * np.ones((256, 1)))
    assert bool(fine_energy(wave) > 100 * ROUNDING) is counts


def test_a_blurred_copy_has_less():
    sharp = white_noise(96, 96, 40)
    blurred = grey((sharp.astype(float)[:, :, 0] + np.roll(sharp[:, :, 0], 1, axis=1)) / 2)
    # cos^2(pi f), averaged over the frequencies above a quarter.
    rows, columns = np.meshgrid(*2 * [np.fft.fftfreq(512)], indexing="ij")
    kept = (np.cos(np.pi * columns) ** 2)[np.hypot(rows, columns) > 0.25].mean()
    ratio = detail_ratio(fine_energy(blurred), fine_energy(sharp))
    assert ratio == pytest.approx(kept, rel=0.05)


def test_flat_images_are_equally_sharp():
    flat = fine_energy(np.full((32, 32, 3), 90, np.uint8))
    assert flat == pytest.approx(ROUNDING)
    assert detail_ratio(flat, flat) == 1
