"""How visible the seam is where a texture meets itself when it is laid side by side."""

import numpy as np
import numpy.typing as npt

from texsynth.typing import Pixels


def seam_scores(pixels: Pixels) -> dict[str, float]:
    """Returns the z-scores of the steps across the wrap-around, for x and for y.

    The step between two columns is the mean absolute difference of their pixels; the score of the
    step from the last column to the first is ``(step - mean) / std`` over the steps between all
    neighbouring columns inside. Within -2..2 it is one of them. The deviation is taken as no less
    than what rounding to 8 bits makes of equal steps, ``sqrt(1 / (18 H))``. Likewise for rows.

    Args:
        pixels: ``(H, W, 3)`` uint8.

    Returns:
        dict: ``{"x": float, "y": float}``: of the wrap-around from right to left, and from bottom
        to top.
    """
    exact = pixels.astype(np.float64)
    return {"x": _score(exact.swapaxes(0, 1)), "y": _score(exact)}


def _score(rows: npt.NDArray[np.float64]) -> float:
    inside = np.abs(np.diff(rows, axis=0)).mean(axis=(1, 2))
    wrap = np.abs(rows[0] - rows[-1]).mean()
    rounding = (1 / (18 * rows.shape[1])) ** 0.5
    return float((wrap - inside.mean()) / max(inside.std(), rounding))
