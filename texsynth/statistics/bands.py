"""Power of an image in bands of the plane of frequencies: how much there is of what fineness.

Gram matrices weigh strong structure by its square, so that the finest octave, which is the faintest
of a photograph, may be off by half before they notice. The mean power of a band is compared with
the exemplar's by its ratio, and there all bands are alike. It is the periodogram that Welch (1967)
averages over pieces, here averaged over neighbouring frequencies instead.
"""

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from texsynth.typing import Array, Size

_BANDS = 16  # a period of frequencies; a quarter of a cycle per pixel is the middle of one
_LOWEST = 0.12  # cycles per pixel, of a band's middle; what is coarser Gram matrices see well
_PLANES = ((0.299, 0.587, 0.114), (0.5, -0.5, 0.0), (-0.25, -0.25, 0.5))
_ROUNDING_POWER = 1 / 12  # of each pixel to a whole grey level: below it there is nothing to see


class Measured(NamedTuple):
    """Power of an image, and what its gradient needs.

    Attributes:
        power: ``(3, 16, 9)``: mean of each band, squared grey levels, with that of rounding added:
            of brightness, of red less green, and of blue less both; by rows and columns of the half
            plane. NaN of the bands that are left out, and where an image is so small that a band
            holds none of its frequencies.
        transform: ``(3, H, W // 2 + 1)`` complex.
    """

    power: Array
    transform: Array


class Bands:
    """Measures the power of images of one size in 16 by 9 bands of the half plane.

    A band is the frequencies that are nearest to a multiple of 1/16 cycle per pixel in both
    coordinates. Those about less than .12 cycles per pixel are left out.

    Args:
        size: ``(height, width)`` in pixels.
        xp: What computes, NumPy or CuPy.
        dtype: That of the images.
    """

    def __init__(self, size: Size, xp: ModuleType = np, dtype: npt.DTypeLike = np.float32) -> None:
        self._xp, self._size = xp, size
        rows, columns = np.fft.fftfreq(size[0]), np.fft.rfftfreq(size[1])
        by_row = _nearest(rows, _BANDS)
        by_column = _nearest(columns, _BANDS // 2 + 1)
        is_fine = np.hypot(np.fft.fftfreq(_BANDS)[:, None], np.fft.rfftfreq(_BANDS)) > _LOWEST
        counts = np.outer(by_row.sum(axis=0), by_column.sum(axis=0)) * is_fine
        window = np.outer(*map(_hann, size))
        window /= np.sqrt((window**2).sum())

        def sent(array: npt.NDArray[np.float64]) -> Array:
            found: Array = xp.asarray(array, dtype)
            return found

        self._window = sent(window)
        self._by_row, self._by_column = sent(by_row), sent(by_column)
        self._shares = sent(1 / np.maximum(counts, 1))
        self._empty = sent(np.where(counts > 0, 0, np.nan))
        self._planes = sent(np.array(_PLANES))

    def of(self, image: Array) -> Measured:
        """Returns the power of an image, under a Hann window.

        Args:
            image: ``(1, 3, H, W)``, 0..255, of the size.
        """
        xp = self._xp
        planes = xp.tensordot(self._planes, image[0], 1)
        planes -= planes.mean(axis=(1, 2), keepdims=True)
        transform = xp.fft.rfft2(planes * self._window)
        power = transform.real**2 + transform.imag**2
        sums = self._by_row.T @ power @ self._by_column
        means = sums * self._shares + image.dtype.type(_ROUNDING_POWER)
        return Measured(means + self._empty, transform)

    def gradient(self, measured: Measured, given: Array) -> Array:
        """Returns the gradient for the image, ``(1, 3, H, W)``.

        Args:
            measured (Measured): What :meth:`of` returned.
            given: ``(3, 16, 9)``: the gradient for the powers; 0 where the power is NaN.
        """
        each = self._by_row @ (given * self._shares) @ self._by_column.T
        slopes = each * measured.transform
        # irfft2 takes each frequency for itself and its mirror image, but those that have none.
        for column in self._own_mirrors():
            mirrored = self._xp.roll(slopes[:, ::-1, column], 1, axis=1).conj()
            slopes[:, :, column] += mirrored
        planes = self._xp.fft.irfft2(slopes, self._size) * (self._window * self._window.size)
        planes -= planes.mean(axis=(1, 2), keepdims=True)
        image: Array = self._xp.tensordot(self._planes.T, planes, 1)[None]
        return image

    def _own_mirrors(self) -> tuple[int, ...]:
        """Columns of the half plane whose mirror images lie in themselves."""
        return (0, self._size[1] // 2) if self._size[1] % 2 == 0 else (0,)


def _nearest(frequencies: npt.NDArray[Any], number: int) -> npt.NDArray[np.float64]:
    """Which band each frequency belongs to, as a matrix of ones and zeros."""
    bands = np.rint(frequencies * _BANDS).astype(int) % _BANDS
    found: npt.NDArray[np.float64] = (bands[:, None] == np.arange(number)).astype(float)
    return found


def _hann(size: int) -> npt.NDArray[np.float64]:
    # Moved by half a pixel: symmetric, and no pixel is lost to a weight of zero.
    found: npt.NDArray[np.float64] = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    return found
