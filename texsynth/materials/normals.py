"""Normal maps: unit vectors as colours, and the two conventions of their green."""

from typing import NamedTuple

import numpy as np

from texsynth.errors import ImageError
from texsynth.materials.kinds import Map
from texsynth.typing import Array

_SHORTEST = 0.1  # of a vector: what is shorter says no direction


def vectors(encoded: Map) -> Map:
    """Returns the unit vectors of a normal map, ``(H, W, 3)`` float32.

    Args:
        encoded: ``(H, W, 3)``, each part ``n / 2 + 1 / 2``; of files of 8 bits the lengths are off
            by up to 1 %, which is put right.

    Raises:
        texsynth.errors.ImageError: Some vectors are no directions, or many point into the surface:
            it is no normal map of a tangent space.
    """
    found = 2 * encoded.astype(np.float64) - 1
    length = np.linalg.norm(found, axis=2, keepdims=True)
    if (length < _SHORTEST).mean() > 0.01:
        raise ImageError("the normal map has vectors of no length, and is none")
    if (found[..., 2] < 0).mean() > 0.01:
        raise ImageError("the normal map has vectors that point into the surface (blue below half)")
    unit: Map = (found / np.maximum(length, _SHORTEST)).astype(np.float32)
    return unit


class OffUnit(NamedTuple):
    """How far the vectors of a normal map are from unit length.

    Attributes:
        mean: Mean of ``| |n| - 1 |`` over the pixels.
        largest: The largest of them.
    """

    mean: float
    largest: float


def off_unit(encoded: Map) -> OffUnit:
    """Returns how far vectors are from unit length, as they are, before :func:`vectors`.

    Rounding alone comes to 0.007 at most in files of 8 bits, and to 0.00003 in those of 16.

    Args:
        encoded: ``(H, W, 3)``, each part ``n / 2 + 1 / 2``.
    """
    off = np.abs(np.linalg.norm(2 * encoded.astype(np.float64) - 1, axis=2) - 1)
    return OffUnit(float(off.mean()), float(off.max()))


def encoded(vectors: Map) -> Map:
    """Returns unit vectors as a normal map, ``(H, W, 3)`` float32, 0..1."""
    found: Map = vectors / np.float32(2) + np.float32(0.5)
    return found


def raised(slopes: Array) -> Map:
    """Returns the unit vectors that have these parts along the surface, ``(H, W, 3)`` float32.

    Args:
        slopes: ``(H, W, 2)``, x and y; those longer than 1 are shortened to it.
    """
    slopes = slopes.astype(np.float64)
    slopes = slopes / np.maximum(1, np.linalg.norm(slopes, axis=2, keepdims=True))
    up = np.sqrt(np.maximum(0, 1 - (slopes**2).sum(axis=2, keepdims=True)))
    unit: Map = np.concatenate([slopes, up], axis=2).astype(np.float32)
    return unit


def turned(encoded: Map) -> Map:
    """Returns a normal map in the other convention: OpenGL's becomes DirectX's, and back.

    Args:
        encoded: ``(H, W, 3)``, 0..1.
    """
    other = encoded.copy()
    other[..., 1] = 1 - other[..., 1]
    return other
