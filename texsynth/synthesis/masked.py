"""Where a texture is taken from: an image, or what of it is under a mask."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from texsynth import images
from texsynth.typing import Batch


class Source(NamedTuple):
    """Where a texture is taken from.

    Attributes:
        pixels: ``(H, W, 3)`` array, RGB, 0..255.
        mask: ``(H, W)`` array, 0..1: which part of it has the texture; ``None`` if all of it has.
        name: What messages call it.
    """

    pixels: npt.ArrayLike
    mask: npt.ArrayLike | None = None
    name: str = "the exemplar"


def mask_of(source: Source, exemplar: Batch) -> Batch | None:
    """Returns the mask of a source at the size of its exemplar, ``(1, 1, H, W)`` float32.

    Args:
        source: The source; if it has no mask, neither is there one here.
        exemplar: ``(1, C, H, W)``, its pixels at the size at which they are used.
    """
    if source.mask is None:
        return None
    mask = np.asarray(source.mask, np.float32)[None, None]
    return np.clip(images.resize(mask, exemplar.shape[:1:-1]), 0, 1)


def filled(exemplar: Batch, mask: Batch | None) -> Batch:
    """Returns an exemplar with the mean and the variances that it has under its mask.

    What is beside has the mean colour; what is under the mask is raised by as much as it lacks.

    Args:
        exemplar: ``(1, C, H, W)`` float32.
        mask: ``(1, 1, H, W)``, 0..1, what :func:`mask_of` returned.
    """
    if mask is None:
        return exemplar
    mean = (exemplar * mask).sum(axis=(2, 3), keepdims=True) / mask.sum()
    found: Batch = mean + (exemplar - mean) * mask / np.sqrt((mask**2).mean())
    return found
