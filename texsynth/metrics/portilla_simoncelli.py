"""Distance of the statistics of Portilla and Simoncelli, which no network has learnt.

People take images for the same texture where these agree, seen out of the corner of the eye (Balas
2006, *Texture synthesis and perception*; Freeman and Simoncelli 2011, *Metamers of the ventral
stream*). A photograph's own pieces differ in them as well, in some more than in others: that is the
unit of the distance.
"""

import numpy as np
import numpy.typing as npt

from texsynth.metrics.luminance import luminance
from texsynth.statistics.portilla_simoncelli import texture_statistics
from texsynth.typing import Pixels

SMALLEST_SIDE = 160
"""Pixels that an image must have to each side: in less, all crops are nearly the same."""

_CROP = 128
_MOST_CROPS_A_SIDE = 4
# Where all crops agree by chance, a difference is still seen only from some per cent on.
_LEAST_RELATIVE_SPREAD = 0.05
_LEAST_VARIANCE = 1e-8  # of white - black = 1 and of correlations
_FURTHEST = 10.0  # spreads: a single statistic must not make the distance


class PortillaSimoncelli:
    """The statistics of an exemplar, and how much they vary within it.

    Args:
        exemplar: ``(H, W, 3)`` uint8.
    """

    def __init__(self, exemplar: Pixels) -> None:
        self._enough = _is_enough(exemplar)
        if self._enough:
            crops = _of_crops(exemplar)
            self._mean = crops.mean(axis=0)
            least = (_LEAST_RELATIVE_SPREAD * self._mean) ** 2 + _LEAST_VARIANCE
            self._spread = np.sqrt(crops.var(axis=0, ddof=1) + least)

    def distance(self, pixels: Pixels) -> float | None:
        """Returns the root mean square over all statistics of (a - b) / spread.

        Each is the mean over crops of 128 pixels, and the spread its standard deviation over those
        of the exemplar.

        Args:
            pixels: ``(H, W, 3)`` uint8.

        Returns:
            float: ``None`` if a side of it or of the exemplar is below 160 pixels.
        """
        if not (self._enough and _is_enough(pixels)):
            return None
        difference = (_of_crops(pixels).mean(axis=0) - self._mean) / self._spread
        return float(np.sqrt((np.clip(difference, -_FURTHEST, _FURTHEST) ** 2).mean()))


def _is_enough(pixels: Pixels) -> bool:
    return bool(min(pixels.shape[:2]) >= SMALLEST_SIDE)


def _of_crops(pixels: Pixels) -> npt.NDArray[np.float64]:
    """``(crops, 710)``: the statistics of crops from border to border."""
    grey = luminance(pixels) / 255
    found = []
    for y in _starts(grey.shape[0]):
        for x in _starts(grey.shape[1]):
            groups = texture_statistics(grey[y : y + _CROP, x : x + _CROP])
            found.append(np.concatenate([each.ravel() for each in groups.values()]))
    return np.stack(found)


def _starts(side: int) -> npt.NDArray[np.int_]:
    count = min(max(2, round(side / _CROP)), _MOST_CROPS_A_SIDE)
    return np.linspace(0, side - _CROP, count).astype(int)
