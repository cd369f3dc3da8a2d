import numpy as np
import pytest

from texsynth.statistics.steerable_pyramid import decompose, interpolated


def noise(height=64, width=96, seed=0):
    return np.random.default_rng(seed).standard_normal((height, width))


def grids(shape):
    """Frequency over the Nyquist frequency, in octaves, and angle."""
    rows, columns = np.meshgrid(*(2 * np.fft.fftfreq(n) for n in shape), indexing="ij")
    with np.errstate(divide="ignore"):
        return np.log2(np.hypot(rows, columns)), np.arctan2(rows, columns)


def low(octave):
    return np.where(
        octave < -1, 1, np.where(octave > 0, 0, np.cos(np.pi / 2 * np.clip(octave + 1, 0, 1)))
    )


def high(octave):
    return np.sqrt(1 - low(octave) ** 2)


def enlarged(image):
    spectrum = np.fft.fftshift(np.fft.fft2(image))
    height, width = image.shape
    around = ((height // 2, height - height // 2), (width // 2, width - width // 2))
    return np.fft.ifft2(np.fft.ifftshift(np.pad(spectrum, around))).real


def test_each_scale_is_half_as_large():
    pyramid = decompose(noise(), scales=3, orientations=5)
    assert pyramid.highpass.shape == (64, 96)
    assert [scale.bands.shape for scale in pyramid.scales] == [
        (5, 64, 96),
        (5, 32, 48),
        (5, 16, 24),
    ]
    assert [scale.lowpass.shape for scale in pyramid.scales] == [(64, 96), (32, 48), (16, 24)]
    assert pyramid.lowpass.shape == (8, 12)


def test_highpass_and_lowpass_make_the_image():
    image = noise()
    pyramid = decompose(image)
    finest = np.fft.ifft2(np.fft.fft2(pyramid.highpass) * high(grids(image.shape)[0])).real
    np.testing.assert_allclose(finest + pyramid.scales[0].lowpass + image.mean(), image, atol=1e-12)


@pytest.mark.parametrize("orientations", [2, 4, 5])
def test_bands_and_what_is_coarser_make_each_lowpass_image(orientations):
    """Rebuilt as the paper does it: each band through its own filter again, and added up."""
    pyramid = decompose(noise(), 3, orientations)
    coarser = [*(scale.lowpass for scale in pyramid.scales[1:]), pyramid.lowpass]
    for scale, coarse in zip(pyramid.scales, coarser, strict=True):
        octave, angle = grids(scale.lowpass.shape)
        rebuilt = np.zeros(octave.shape, complex)
        turns = np.pi * np.arange(orientations) / orientations
        lobes = np.cos(angle - turns[:, None, None]) ** (orientations - 1)
        total = (lobes**2).sum(axis=0).mean()  # the same at all angles
        for band, lobe in zip(scale.bands, lobes, strict=True):
            both = high(octave + 1) * low(octave) * lobe / np.sqrt(total)
            rebuilt += np.fft.fft2(band) * 1j ** (orientations - 1) * both
        expected = np.fft.ifft2(rebuilt).real + enlarged(coarse)
        np.testing.assert_allclose(scale.lowpass, expected, atol=1e-10)


@pytest.mark.parametrize("orientation", range(4))
@pytest.mark.parametrize("scale", range(3))
def test_a_wave_is_in_its_band_with_its_phase(scale, orientation):
    y, x = np.mgrid[:128, :128]
    straight = 32 >> scale  # half the Nyquist frequency, and octaves below
    slant = round(straight / 2**0.5)
    along, across = [(straight, 0), (slant, slant), (0, straight), (-slant, slant)][orientation]
    phase = 0.7
    wave = np.cos(2 * np.pi * (along * x + across * y) / 128 - phase)
    scales = decompose(wave).scales
    power = np.array([(np.abs(each.bands) ** 2).mean(axis=(1, 2)) / 16**n
                      for n, each in enumerate(scales)])  # fmt: skip
    assert np.unravel_index(power.argmax(), power.shape) == (scale, orientation)
    band = scales[scale].bands[orientation]
    np.testing.assert_allclose(np.abs(band), np.abs(band[0, 0]), rtol=1e-9)
    later = decompose(np.cos(2 * np.pi * (along * x + across * y) / 128 - phase - 0.2))
    turned = later.scales[scale].bands[orientation] / band
    np.testing.assert_allclose(turned, np.exp(-0.2j), atol=1e-9)


def test_it_moves_with_the_image_and_wraps_around():
    image = noise()
    here, there = decompose(image), decompose(np.roll(image, (16, -32), axis=(0, 1)))
    for n, (a, b) in enumerate(zip(here.scales, there.scales, strict=True)):
        step = (16 >> n, -32 >> n)
        np.testing.assert_allclose(np.roll(a.bands, step, axis=(1, 2)), b.bands, atol=1e-9)
        np.testing.assert_allclose(np.roll(a.lowpass, step, axis=(0, 1)), b.lowpass, atol=1e-9)


def test_interpolation_goes_through_the_coefficients():
    for scale in decompose(noise()).scales:
        finer = interpolated(scale.bands)
        np.testing.assert_allclose(4 * finer[:, ::2, ::2], scale.bands, atol=1e-9)
    y, x = np.mgrid[:32, :32]
    wave = np.exp(2j * np.pi * (3 * x - 5 * y) / 32)[None]
    y, x = np.mgrid[:64, :64] / 2
    expected = np.exp(2j * np.pi * (3 * x - 5 * y) / 32)[None] / 4
    np.testing.assert_allclose(interpolated(wave), expected, atol=1e-12)
