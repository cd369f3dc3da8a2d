import itertools

import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.metrics.luminance import luminance
from texsynth.metrics.spectrum import band_edges, power_spectrum, radial_spectrum, spectrum_distance

ROUNDING = 1 / 12


def grey(values):
    return np.repeat(np.rint(values).astype(np.uint8)[..., None], 3, axis=2)


def white_noise(height, width, deviation, seed=0):
    noise = np.random.default_rng(seed).standard_normal((height, width))
    return grey(np.clip(128 + deviation * noise, 0, 255))


def test_luminance_of_the_primaries():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)
    np.testing.assert_allclose(luminance(pixels), [[76.245, 149.685, 29.07, 9]])


def test_it_is_the_naive_transform():
    pixels = make_texture(9, 8)
    y = luminance(pixels)
    rows, columns = np.arange(8), np.arange(9)
    window = np.outer(
        0.5 - 0.5 * np.cos(2 * np.pi * (rows + 0.5) / 8),
        0.5 - 0.5 * np.cos(2 * np.pi * (columns + 0.5) / 9),
    )
    y = (y - np.average(y, weights=window)) * window
    frequency, power = power_spectrum(pixels)
    for u, v in ((0, 0), (1, 2), (5, 4), (4, 0)):
        wave = np.exp(-2j * np.pi * (u * rows[:, None] / 8 + v * columns / 9))
        expected = abs((y * wave).sum()) ** 2 / (window**2).sum() + ROUNDING
        assert power[u, v] == pytest.approx(expected)
        assert frequency[u, v] == pytest.approx(np.hypot(min(u, 8 - u) / 8, v / 9))


@pytest.mark.parametrize("shape", [(64, 64), (65, 130), (200, 81)])
def test_a_band_is_the_mean_over_the_whole_ring(shape):
    """The half of the frequencies that a real transform leaves out is counted too."""
    pixels = make_texture(shape[1], shape[0])
    edges = band_edges(min(shape))
    window = np.outer(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in shape))
    y = luminance(pixels)
    y = (y - np.average(y, weights=window)) * window
    power = abs(np.fft.fft2(y)) ** 2 / (window**2).sum() + ROUNDING
    frequency = np.hypot(np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1]))
    expected = [
        power[(frequency >= low) & (frequency < high)].mean()
        for low, high in itertools.pairwise(edges)
    ]
    np.testing.assert_allclose(radial_spectrum(pixels, edges), expected, rtol=1e-6)


@pytest.mark.parametrize("shape", [(128, 128), (96, 200)])
def test_white_noise_has_its_variance_in_every_band_whatever_the_size(shape):
    spectrum = radial_spectrum(white_noise(*shape, deviation=20), band_edges(96))
    assert np.log10(spectrum / 400).mean() == pytest.approx(0, abs=0.1)
    np.testing.assert_allclose(spectrum[-3:], 400, rtol=0.15)


def test_a_wave_is_in_its_band():
    x = np.arange(128)
    wave = grey(128 + 60 * np.sin(2 * np.pi * 0.1 * x) * np.ones((128, 1)))
    edges = band_edges(128)
    spectrum = radial_spectrum(wave, edges)
    band = np.argmax(spectrum)
    assert edges[band] <= 0.1 < edges[band + 1]
    assert spectrum[-1] < 1e-4 * spectrum[band]


def test_the_border_does_not_leak():
    ramp = grey(np.linspace(0, 255, 128) * np.ones((128, 1)))
    frequency, power = power_spectrum(ramp)
    unwindowed = abs(np.fft.rfft2(luminance(ramp))) ** 2 / 128**2
    assert 100 * power[frequency > 0.1].max() < unwindowed[frequency > 0.1].max()


def test_bands_reach_from_two_cycles_to_the_finest():
    for side in (16, 17, 100, 512):
        edges = band_edges(side)
        assert 2 / side <= edges[0] * (1 + 1e-9) and edges[0] < 2 / side * 2 ** (1 / 3) * 1.001
        assert edges[-1] == 0.5
        np.testing.assert_allclose(edges[1:] / edges[:-1], 2 ** (1 / 3))


def test_half_the_contrast_is_a_quarter_of_the_power():
    edges = band_edges(128)
    full, half = (
        radial_spectrum(white_noise(128, 128, deviation), edges) for deviation in (40, 20)
    )
    assert spectrum_distance(half, full) == pytest.approx(np.log10(4), abs=0.01)
    assert spectrum_distance(full, full) == 0


def test_another_crop_is_near_and_another_texture_far():
    edges = band_edges(96)
    sheet = make_texture(200, 96)
    left, right = (radial_spectrum(part, edges) for part in (sheet[:, :100], sheet[:, 100:]))
    noise = radial_spectrum(white_noise(96, 96, 45), edges)
    assert spectrum_distance(right, left) < 0.15
    assert spectrum_distance(noise, left) > 0.5


def test_a_ring_in_which_no_frequency_lies_does_not_count():
    """Of a square of 114, from sqrt(5.04) to sqrt(7.996) cycles: no sum of two squares."""
    edges = band_edges(114)
    full, half = (
        radial_spectrum(white_noise(114, 114, deviation), edges) for deviation in (40, 20)
    )
    assert np.isnan(full).nonzero()[0].tolist() == np.isnan(half).nonzero()[0].tolist() == [0]
    assert spectrum_distance(half, full) == pytest.approx(np.log10(4), abs=0.01)


def test_flat_images_have_a_spectrum():
    edges = band_edges(32)
    flat = radial_spectrum(np.full((32, 32, 3), 90, np.uint8), edges)
    np.testing.assert_allclose(flat, ROUNDING, rtol=1e-6)
