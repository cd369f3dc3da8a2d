"""Distance of colour histograms."""

import numpy as np
import numpy.typing as npt

from texsynth.typing import Pixels


def histograms(pixels: Pixels) -> npt.NDArray[np.float64]:
    """Returns the share of the pixels at each grey level, channel by channel.

    Args:
        pixels: ``(H, W, 3)`` uint8.

    Returns:
        numpy.ndarray: ``(3, 256)`` float64, each row adding up to 1.
    """
    counts = [np.bincount(channel, minlength=256) for channel in pixels.reshape(-1, 3).T]
    shares: npt.NDArray[np.float64] = np.array(counts) / (pixels.shape[0] * pixels.shape[1])
    return shares


def colour_distance(candidate: npt.NDArray[np.float64], exemplar: npt.NDArray[np.float64]) -> float:
    """Returns the 1-Wasserstein distance of the histograms, averaged over the channels.

    ``sum over levels of |CDF_a - CDF_b|`` (Vallender 1974): by how many grey levels a pixel has to
    change, on the average, for the one histogram to become the other.

    Args:
        candidate: ``(3, 256)`` from :func:`histograms`.
        exemplar: ``(3, 256)``.
    """
    difference = np.cumsum(candidate, axis=1) - np.cumsum(exemplar, axis=1)
    return float(np.abs(difference).sum(axis=1).mean())
