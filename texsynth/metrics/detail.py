"""How sharp a texture is: contrast of its finest octave beside the exemplar's."""

import numpy as np

from texsynth.metrics.spectrum import power_spectrum, share_of_plane
from texsynth.typing import Pixels

_FINEST = 0.25  # cycles per pixel: the octave up to the Nyquist frequency, and the corners above it


def fine_energy(pixels: Pixels) -> float:
    """Returns the mean power above a quarter of a cycle per pixel, squared grey levels.

    Args:
        pixels: ``(H, W, 3)`` uint8.
    """
    frequency, power = power_spectrum(pixels)
    finest = frequency > _FINEST
    return float(np.average(power[finest], weights=share_of_plane(pixels.shape)[finest]))


def detail_ratio(candidate: float, exemplar: float) -> float:
    """Returns the candidate's fine energy over the exemplar's: 1 is as sharp, less is blurred.

    Args:
        candidate: From :func:`fine_energy`; never 0, since it has the power of rounding.
        exemplar: From :func:`fine_energy`.
    """
    return candidate / exemplar
