"""Another size for an image: by a filter, by cutting, by mirroring."""

import numpy as np
from PIL import Image

from texsynth.typing import Batch, Size, Wrap

_LANCZOS_REACH = 32  # pixels: the filter at a tenth of the size; pyramids halve


def resize(batch: Batch, size: Size, wrap: Wrap = (False, False)) -> Batch:
    """Resizes by Lanczos' filter, in float: nothing is rounded, and nothing clipped.

    Args:
        batch: ``(N, 3, H, W)`` float32.
        size: ``(width, height)`` in pixels.
        wrap: ``(rows, columns)``: whether the filter goes on at the opposite edge.

    Returns:
        numpy.ndarray: ``(N, 3, height, width)`` float32; ``batch`` itself if it has that size.
    """
    if batch.shape[:1:-1] == tuple(size):
        return batch
    pads = [min(_LANCZOS_REACH, side) * on for side, on in zip(batch.shape[2:], wrap, strict=True)]
    for axis, pad in zip((2, 3), pads, strict=True):
        # A filter that reaches further than the image is wide goes round once.
        widths = [(0, 0)] * axis + [(pad, pad)] + [(0, 0)] * (3 - axis)
        batch = np.pad(batch, widths, mode="wrap") if pad else batch  # not a copy for nothing
    top, left = pads
    box = (left, top, batch.shape[3] - left, batch.shape[2] - top)
    planes = [
        np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS, box))
        for plane in batch.reshape(-1, *batch.shape[2:])
    ]
    return np.stack(planes).reshape(*batch.shape[:2], size[1], size[0])


def centre(batch: Batch, size: Size) -> Batch:
    """Cuts out the middle.

    Args:
        batch: ``(N, 3, H, W)``.
        size: ``(width, height)``, no larger than the image.

    Returns:
        numpy.ndarray: ``(N, 3, height, width)``, a view.
    """
    left, top = ((own - wanted) // 2 for own, wanted in zip(batch.shape[:1:-1], size, strict=True))
    return batch[:, :, top : top + size[1], left : left + size[0]]


def mirrored(batch: Batch, size: Size) -> Batch:
    """Enlarges an image to a canvas around it, by mirroring it at its edges.

    Args:
        batch: ``(N, 3, H, W)``.
        size: ``(width, height)``, no smaller than the image; it comes to lie where :func:`centre`
            would cut it out.
    """
    pads = []
    for own, wanted in zip(batch.shape[2:], size[::-1], strict=True):
        before = (wanted - own) // 2
        pads.append((before, wanted - own - before))
    return np.pad(batch, ((0, 0), (0, 0), *pads), mode="symmetric")


def fitted_size(size: Size, longer_side: int) -> Size:
    """Returns ``(width, height)`` with the longer side at the given length; 0 keeps the size."""
    scale = longer_side / max(size) if longer_side else 1
    width, height = (max(1, round(side * scale)) for side in size)
    return width, height


def fit(batch: Batch, size: Size) -> Batch:
    """Resizes to ``(width, height)`` within 0..255, which Lanczos' filter overshoots."""
    return np.clip(resize(batch, size), 0, 255)
