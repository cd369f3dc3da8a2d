"""Takes slow drifts of light and colour out of an image: what a vignette or one lamp left in it."""

import numpy as np

from texsynth.images import transfer
from texsynth.typing import Array, Batch

_MOST = 10.0  # times that a place is brightened, or there is little but noise in it
_BLOCKS = 8  # to a deviation: what varies so slowly needs no more


def without_drift(batch: Batch, scale: float) -> Batch:
    """Divides an image by what of it varies slowly, each channel by its own.

    Light multiplies what it falls on, so the division is one of linear light, as a flat-field
    correction; the drift is estimated by :func:`slowly`. The mean of each channel, in linear light,
    stays what it was, but for what comes to lie beyond white and is clipped.

    Args:
        batch: ``(1, 3, H, W)`` float32, 0..255, sRGB.
        scale: Deviation of the Gaussian, pixels, at least 1.

    Returns:
        numpy.ndarray: Of the same shape and type, 0..255.
    """
    light = transfer.to_light(batch[0] / np.float32(255))
    mean = light.mean(axis=(1, 2), keepdims=True)
    slow = np.maximum(slowly(light, scale), mean / _MOST)
    even = np.where(mean > 0, light / np.where(mean > 0, slow, 1), light)
    share = mean / np.where(mean > 0, even.mean(axis=(1, 2), keepdims=True), 1)
    return (transfer.from_light(even * share) * 255).astype(np.float32)[None]


def slowly(planes: Array, scale: float) -> Array:
    """Returns what varies slowly, by local regression (Cleveland and Devlin 1988) under a Gaussian.

    At each place stands the value of the line that fits best, along columns and then along rows,
    what lies around by a Gaussian's weights. Unlike a Gaussian blur this follows a slope to the
    very edge, where half of what a blur would need is missing.

    Args:
        planes: ``(C, H, W)``.
        scale: Deviation of the Gaussian, pixels, at least 1.

    Returns:
        numpy.ndarray: ``(C, H, W)``.
    """
    down, across = (_Smoother(side, scale) for side in planes.shape[1:])
    blocks = np.add.reduceat(planes, down.starts, axis=1)
    blocks = np.add.reduceat(blocks, across.starts, axis=2)
    blocks = blocks / (down.counts[:, None] * across.counts)
    slow: Array = (down.matrix @ blocks @ across.matrix.T).astype(planes.dtype)
    return slow


class _Smoother:
    """The local regression along one side, from the means of blocks to each pixel.

    Attributes:
        starts: Where the blocks begin.
        counts: How long they are.
        matrix: ``(pixels, blocks)``; its rows sum to 1, and take a line to itself.
    """

    def __init__(self, length: int, scale: float) -> None:
        width = max(1, int(min(scale, length) / _BLOCKS))
        self.starts = np.arange(0, length, width)
        self.counts = np.diff(np.append(self.starts, length))
        centres = self.starts + (self.counts - 1) / 2
        away = centres - np.arange(length)[:, None]
        weights = np.exp(-0.5 * (away / scale) ** 2) * self.counts
        none, one, two = ((weights * away**power).sum(axis=1, keepdims=True) for power in range(3))
        if length == 1:
            self.matrix = np.ones((1, 1))
        else:
            self.matrix = weights * (two - one * away) / (none * two - one**2)
