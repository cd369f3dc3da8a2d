import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.metrics.grid import chequer, grid_ratio
from texsynth.metrics.luminance import luminance

PERIODIC = [(0.5, 0), (0, 0.5), (0.5, 0.5), (0.25, 0), (0, 0.25), (0.25, 0.25), (0.5, 0.25)]
PERIODIC = [*PERIODIC, (0.25, 0.5)]


def grey(values):
    return np.repeat(np.rint(values).astype(np.uint8)[..., None], 3, axis=2)


def white_noise(height, width, deviation=20):
    noise = np.random.default_rng(0).standard_normal((height, width))
    return np.clip(128 + deviation * noise, 0, 255)


@pytest.mark.parametrize("shape", [(32, 40), (33, 64), (64, 33)])
def test_it_is_the_naive_sum_over_the_whole_plane(shape):
    pixels = make_texture(shape[1], shape[0])
    window = np.outer(*(np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in shape))
    y = luminance(pixels)
    power = abs(np.fft.fft2((y - np.average(y, weights=window)) * window)) ** 2
    power = power / (window**2).sum() + 1 / 12
    near, others = [], []
    for row, v in enumerate(abs(np.fft.fftfreq(shape[0]))):
        for column, u in enumerate(abs(np.fft.fftfreq(shape[1]))):
            if any(np.hypot(v - y, u - x) < 0.03 for y, x in PERIODIC):
                near.append(power[row, column])
            elif np.hypot(v, u) > 0.2:
                others.append(power[row, column])
    assert chequer(pixels) == pytest.approx(np.mean(near) / np.mean(others))


@pytest.mark.parametrize("shape", [(256, 256), (301, 256), (128, 400)])
def test_white_noise_has_one(shape):
    assert chequer(grey(white_noise(*shape))) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(("y", "x"), PERIODIC)
def test_a_pattern_of_period_two_or_four_is_seen_and_others_are_not(y, x):
    rows, columns = np.mgrid[:128, :128]
    noise = white_noise(128, 128)
    ratios = []
    for shift in (0, 0.06):
        phase = 2 * np.pi * ((y - shift) * rows + (x - shift) * columns)
        pattern = grey(np.clip(noise + 8 * np.cos(phase), 0, 255))
        ratios.append(grid_ratio(chequer(pattern), chequer(grey(noise))))
    assert ratios[0] > 2 and ratios[1] < 1.1


def test_coarse_contrast_does_not_matter():
    noise = white_noise(128, 128)
    wave = 40 * np.sin(2 * np.pi * np.arange(128) / 16)
    assert chequer(grey(np.clip(noise + wave, 0, 255))) == pytest.approx(
        chequer(grey(noise)), rel=0.05
    )


@pytest.mark.parametrize("side", range(16, 40))
def test_every_size_has_frequencies_near_and_not(side):
    assert chequer(np.full((side, 16, 3), 90, np.uint8)) == pytest.approx(1)
