"""Power spectrum of the luminance, averaged over rings: contrast at every coarseness.

A periodogram under a Hann window (Welch 1967), so that the step from one border to the opposite
one, which is no part of the texture, does not leak into all frequencies.
"""

import numpy as np
import numpy.typing as npt

from texsynth.metrics.luminance import luminance
from texsynth.typing import Pixels

_BANDS_AN_OCTAVE = 3
_NYQUIST = 0.5  # cycles per pixel
_LOWEST_CYCLES = 2  # over the shorter side: a Hann window cannot tell fewer from the mean
# Power of the rounding of each pixel to a whole grey level. Added to every spectrum: below it
# there is nothing to see, and a flat image has a logarithm.
_ROUNDING_POWER = 1 / 12


def power_spectrum(
    pixels: Pixels,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns the power spectral density of the luminance.

    ``|FFT(w (Y - mean))|^2 / sum w^2 + 1/12``, ``w`` being a Hann window and the mean weighted by
    it: white noise has its variance at each frequency, whatever the size of the image.

    Args:
        pixels: ``(H, W, 3)`` uint8.

    Returns:
        tuple: Two ``(H, W // 2 + 1)`` float64 arrays: frequencies in cycles per pixel, and power in
        squared grey levels.
    """
    grey = luminance(pixels)
    window = np.outer(*map(_hann, grey.shape))
    grey = (grey - (window * grey).sum() / window.sum()) * window
    power = np.abs(np.fft.rfft2(grey)) ** 2 / (window**2).sum()
    height, width = grey.shape
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    return frequency, power + _ROUNDING_POWER


def share_of_plane(shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Returns how many frequencies of the whole plane each of :func:`power_spectrum` stands for.

    The half plane that a real transform leaves out mirrors the one it gives, but for the first
    column and the last one of an even width: 1 there, else 2.

    Args:
        shape: ``(H, W, ...)`` of the image.

    Returns:
        numpy.ndarray: ``(H, W // 2 + 1)`` float64.
    """
    height, width = shape[:2]
    share = np.full((height, width // 2 + 1), 2.0)
    share[:, 0] = 1
    if width % 2 == 0:
        share[:, -1] = 1
    return share


def band_edges(side: int) -> npt.NDArray[np.float64]:
    """Returns the edges of bands of a third of an octave, ascending to 0.5 cycles per pixel.

    The lowest is the first at or above two cycles over ``side``.

    Args:
        side (int): The shortest side of all images to be compared, in pixels, at least 8.

    Returns:
        numpy.ndarray: ``(bands + 1,)`` float64, cycles per pixel.
    """
    octaves = np.log2(_NYQUIST * side / _LOWEST_CYCLES)
    steps = np.arange(int(octaves * _BANDS_AN_OCTAVE), -1, -1)
    return _NYQUIST * 2.0 ** (-steps / _BANDS_AN_OCTAVE)


def radial_spectrum(pixels: Pixels, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the mean power in each band, a ring around frequency zero.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        edges: ``(bands + 1,)`` from :func:`band_edges`: up to 0.5, which is outside.

    Returns:
        numpy.ndarray: ``(bands,)`` float64, squared grey levels; NaN for a ring so thin that no
        frequency of the image lies in it.
    """
    frequency, power = power_spectrum(pixels)
    weight = share_of_plane(pixels.shape)
    band = np.digitize(frequency, edges) - 1
    inside = (band >= 0) & (band < len(edges) - 1)
    bands, weight = band[inside], weight[inside]
    total = np.bincount(bands, weight * power[inside], minlength=len(edges) - 1)
    count = np.bincount(bands, weight, minlength=len(edges) - 1)
    return np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def spectrum_distance(
    candidate: npt.NDArray[np.float64], exemplar: npt.NDArray[np.float64]
) -> float:
    """Returns the mean of ``|log10 P - log10 T|`` over the bands: 0.3 is a factor of two.

    Args:
        candidate: ``(bands,)`` from :func:`radial_spectrum`.
        exemplar: ``(bands,)``, with the same edges.
    """
    return float(np.nanmean(np.abs(np.log10(candidate) - np.log10(exemplar))))


def _hann(size: int) -> npt.NDArray[np.float64]:
    # Periodic, and moved by half a pixel: symmetric, and no pixel is lost to a weight of zero.
    return np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
