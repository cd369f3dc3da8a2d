"""An image turned and scaled, with what it shows there and what it does not."""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from texsynth.images.resizing import fit
from texsynth.typing import Array, Batch, Size

_FINER = 3  # times: on a grid that much finer a cubic filter takes nearly nothing away


class Turned(NamedTuple):
    """An image that was turned.

    Attributes:
        batch: ``(1, 3, h, w)`` float32, 0..255: the image, mirrored beyond its edges.
        mask: ``(h, w)`` float32, 0..1: where the image itself is; ``None`` if it is everywhere.
    """

    batch: Batch
    mask: npt.NDArray[np.float32] | None


def turned(batch: Batch, size: Size, degrees: float) -> Turned:
    """Resizes an image and turns it, on the smallest canvas that has all of it.

    At multiples of 90 degrees no value is interpolated. At other angles a cubic filter takes values
    off a grid that is three times as fine, which the discrete Fourier transform makes without loss:
    the filter alone would blur the finest octave. Only what is finer than two pixels in every
    direction goes, the corners of the spectrum, for which a turned grid has no room.

    Args:
        batch: ``(1, 3, H, W)`` float32, 0..255, of any size.
        size: ``(width, height)`` in pixels to bring it to before it is turned.
        degrees: By how much, counter-clockwise as it is seen.
    """
    scaled = fit(batch, size)
    quarters, rest = divmod(degrees, 90)
    if rest == 0:
        return Turned(np.ascontiguousarray(np.rot90(scaled, int(quarters), (2, 3))), None)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    (width, height), across, down = size, abs(cos), abs(sin)
    canvas = math.ceil(across * width + down * height), math.ceil(down * width + across * height)
    # So far that any point of the canvas, turned back, lies on what goes on mirrored.
    reach = math.ceil(math.hypot(*canvas) / 2) - min(size) // 2 + 2
    padded = np.pad(scaled[0], ((0, 0), (reach, reach), (reach, reach)), "symmetric")
    planes = [_turned(_finer(plane), canvas, cos, sin) for plane in padded]
    return Turned(np.clip(np.stack(planes)[None], 0, 255), _inside(size, canvas, cos, sin))


def _finer(plane: Array) -> Array:
    """A plane on a grid of as many more points, without what is finer than two of its pixels."""
    height, width = plane.shape
    rows, columns = np.fft.fftfreq(height), np.fft.rfftfreq(width)
    spectrum = np.fft.rfft2(plane) * (np.hypot(rows[:, None], columns) < 0.5)
    shape = _FINER * height, _FINER * width
    finer = np.zeros((shape[0], shape[1] // 2 + 1), spectrum.dtype)
    finer[np.rint(rows * height).astype(int), : columns.size] = spectrum
    return np.fft.irfft2(finer, shape).astype(np.float32) * _FINER**2


def _turned(plane: Array, canvas: Size, cos: float, sin: float) -> Array:
    """Takes the pixels of a canvas off a finer plane that is turned about its middle."""
    x, y = canvas[0] / 2, canvas[1] / 2
    # The first point of the finer grid lies where the first pixel had its middle.
    left, top = (side / 2 - (_FINER - 1) / 2 for side in plane.shape[::-1])
    back = np.array([[cos, -sin, sin * y - cos * x], [sin, cos, -sin * x - cos * y]]) * _FINER
    back[:, 2] += left, top
    numbers = tuple(back.ravel().tolist())
    transform, filtered = Image.Transform.AFFINE, Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(plane).transform(canvas, transform, numbers, filtered))


def _inside(size: Size, canvas: Size, cos: float, sin: float) -> npt.NDArray[np.float32]:
    """How much of each pixel of the canvas the image covers, nearly."""
    x = np.arange(canvas[0]) + 0.5 - canvas[0] / 2
    y = (np.arange(canvas[1]) + 0.5 - canvas[1] / 2)[:, None]
    across, down = cos * x - sin * y, sin * x + cos * y
    covered = [
        np.clip(side / 2 - abs(where) + 0.5, 0, 1)
        for side, where in zip(size, (across, down), strict=True)
    ]
    found: npt.NDArray[np.float32] = (covered[0] * covered[1]).astype(np.float32)
    return found
