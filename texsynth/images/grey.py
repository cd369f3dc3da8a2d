"""Images without colours."""

import numpy as np

from texsynth.typing import Batch

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luminance, ITU-R BT.601."""


def is_grey(batch: Batch) -> bool:
    """Returns whether the channels of ``(1, 3, H, W)`` are the same."""
    return bool((batch[:, 1:] == batch[:, :1]).all())


def without_colours(batch: Batch) -> Batch:
    """Returns the luminance of ``(1, 3, H, W)``, of the same shape: three channels alike."""
    grey = batch[:, :1] if is_grey(batch) else np.tensordot(LUMA, batch[0], 1)[None, None]
    return np.repeat(grey.astype(batch.dtype), 3, axis=1)
