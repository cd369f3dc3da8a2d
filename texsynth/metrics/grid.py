"""How much of a chequer a texture has: the pattern of period 2 and 4 that poolings leave behind.

A gradient that comes through poolings with a stride is not the same for all pixels of a window.
What it leaves in the image has the window's period (Odena et al. 2016, *Deconvolution and
Checkerboard Artifacts*): energy at halves and quarters of a cycle per pixel, in x, y or both.
"""

import itertools

import numpy as np

from texsynth.metrics.spectrum import power_spectrum, share_of_plane
from texsynth.typing import Pixels

_PERIODIC = (0.0, 0.25, 0.5)
_NEAR = 0.03  # cycles per pixel
_FINE = 0.2  # cycles per pixel


def chequer(pixels: Pixels) -> float:
    """Returns the power near the frequencies of period 2 and 4 over that of all other fine ones.

    Near is within .03 cycles per pixel of one of the eight frequencies whose coordinates are 0,
    1/4 or 1/2 and not both 0; fine is above .2. White noise has 1.

    Args:
        pixels: ``(H, W, 3)`` uint8.
    """
    frequency, power = power_spectrum(pixels)
    weight = share_of_plane(pixels.shape)
    rows = np.abs(np.fft.fftfreq(pixels.shape[0]))[:, None]
    columns = np.fft.rfftfreq(pixels.shape[1])
    near = np.zeros(frequency.shape, bool)
    for y, x in itertools.product(_PERIODIC, _PERIODIC):
        if (y, x) != (0, 0):
            near |= np.hypot(rows - y, columns - x) < _NEAR
    fine = (frequency > _FINE) & ~near
    of_period = np.average(power[near], weights=weight[near])
    return float(of_period / np.average(power[fine], weights=weight[fine]))


def grid_ratio(candidate: float, exemplar: float) -> float:
    """Returns the candidate's chequer over the exemplar's: 1 is as much, more is a grid.

    Args:
        candidate: From :func:`chequer`.
        exemplar: From :func:`chequer`; never 0, since it has the power of rounding.
    """
    return candidate / exemplar
