"""Luminance of an image."""

import numpy as np
import numpy.typing as npt

from texsynth.images import LUMA


def luminance(pixels: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns ``0.299 R + 0.587 G + 0.114 B`` (ITU-R BT.601), grey levels.

    Args:
        pixels: ``(H, W, 3)``, RGB, 0..255.

    Returns:
        numpy.ndarray: ``(H, W)`` float64.
    """
    return np.asarray(pixels, dtype=np.float64) @ LUMA
