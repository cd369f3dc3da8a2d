"""A complex steerable pyramid: an image as oriented bands, an octave each, with their phases.

Sources: Simoncelli and Freeman, *The Steerable Pyramid* (ICIP 1995); the filters as in Portilla and
Simoncelli, *A Parametric Texture Model Based on Joint Statistics of Complex Wavelet Coefficients*
(IJCV 2000), section 2.1: with ``r`` the frequency over the Nyquist frequency,

- ``low = cos(pi/2 log2(2 r))`` from ``r = 1/2`` to 1, below that 1 and above 0;
  ``low^2 + high^2 = 1``;
- a band is ``high`` an octave lower, times ``max(cos(angle - pi k / K), 0)^(K - 1)`` and a factor
  by which the squares of the real parts of all orientations add up to ``high^2``.

Everything is done to the image's Fourier transform, so it wraps around.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import factorial, sqrt

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class Scale:
    """One octave of an image.

    Attributes:
        lowpass: ``(h, w)`` float64: the image as it is at this scale and all coarser ones, mean 0.
        bands: ``(K, h, w)`` complex128: coefficients of each orientation.
    """

    lowpass: Real
    bands: Complex


@dataclass(frozen=True)
class Pyramid:
    """An image in bands.

    Attributes:
        highpass: ``(H, W)`` float64: what is finer than all bands.
        scales: Fine to coarse, each half the size of the one before.
        lowpass: ``(h, w)`` float64, half the size of the last scale: what is coarser, mean 0.
    """

    highpass: Real
    scales: tuple[Scale, ...]
    lowpass: Real


def decompose(image: Real, scales: int = 4, orientations: int = 4) -> Pyramid:
    """Returns the steerable pyramid of an image.

    Values grow by 4 from one scale to the next, as no transform is scaled to the smaller size.

    Args:
        image: ``(H, W)`` float64, both sides multiples of ``2^scales``.
        scales (int): Number of octaves.
        orientations (int): Number of bands in each.
    """
    spectrum = np.fft.fft2(image)
    low, high, _ = _filters(image.shape, orientations)
    highpass = np.fft.ifft2(spectrum * high).real
    remaining, found = spectrum * low, []
    for _ in range(scales):
        bands = remaining * _filters(remaining.shape, orientations)[2]
        found.append(Scale(_lowpass(remaining), np.fft.ifft2(bands)))
        remaining = _halved(remaining)
        remaining = remaining * _filters(remaining.shape, orientations)[0]
    return Pyramid(highpass, tuple(found), _lowpass(remaining))


def interpolated(bands: Complex) -> Complex:
    """Returns coefficients at the positions of the next finer scale.

    Args:
        bands: ``(K, h, w)`` complex128, without power at the Nyquist frequency, as in a
            :class:`Scale`.

    Returns:
        numpy.ndarray: ``(K, 2 h, 2 w)`` complex128, a quarter of the values: as they are at the
        finer scale, see :func:`decompose`.
    """
    count, height, width = bands.shape
    rows, columns = (np.fft.fftfreq(n, 1 / n).astype(int) for n in (height, width))
    spectra = np.zeros((count, 2 * height, 2 * width), bands.dtype)
    spectra[:, rows[:, None], columns] = np.fft.fft2(bands)
    return np.fft.ifft2(spectra)


@lru_cache(maxsize=16)
def _filters(shape: tuple[int, ...], orientations: int = 1) -> tuple[Real, Real, Complex]:
    """``low`` and ``high``, each ``(h, w)``, and ``(K, h, w)`` bands."""
    rows, columns = (2 * np.fft.fftfreq(side) for side in shape)
    radius = np.hypot(rows[:, None], columns)
    radius[0, 0] = radius[0, 1]  # the mean has no logarithm; it is below all transitions
    octave = np.log2(radius)
    around = np.arctan2(rows[:, None], columns)
    order = orientations - 1
    # The squared cosines of order K - 1, at K angles, add up to K (2 order)! / (2^order order!)^2.
    scale = 2**order * factorial(order) / sqrt(orientations * factorial(2 * order))
    angles = np.pi * np.arange(orientations)[:, None, None] / orientations
    lobes = np.maximum(np.cos(around - angles), 0) ** order
    return _low(octave), _high(octave), (-1j) ** order * 2 * scale * _high(octave + 1) * lobes


def _low(octave: Real) -> Real:
    found: Real = -np.sin(np.pi / 2 * np.clip(octave, -1, 0))
    return found


def _high(octave: Real) -> Real:
    found: Real = np.cos(np.pi / 2 * np.clip(octave, -1, 0))
    return found


def _lowpass(remaining: Complex) -> Real:
    """The image of this and all coarser scales, rebuilt from its bands.

    The squares of this scale's bands and of what is coarser add up to 1, so rebuilding is nothing
    but the low-pass filter once more.
    """
    spectrum = remaining * _filters(remaining.shape)[0]
    spectrum[0, 0] = 0
    found: Real = np.fft.ifft2(spectrum).real
    return found


def _halved(spectrum: Complex) -> Complex:
    """The inner half of the frequencies along each axis."""
    rows, columns = (np.fft.fftfreq(n // 2, 2 / n).astype(int) for n in spectrum.shape)
    found: Complex = spectrum[np.ix_(rows, columns)]
    return found
