"""Mixtures of two textures that go from the one to the other over the image."""

from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth.errors import ConfigError
from texsynth.synthesis.masked import Source
from texsynth.synthesis.varied import Varied
from texsynth.synthesis.workshop import Workshop
from texsynth.typing import Array

_FINE = 256  # values of one along an axis
_STEPS = 7  # parts of a gradient


def gradient(
    workshop: Workshop,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    field: str | npt.ArrayLike,
    way: str = "transport",
) -> Varied:
    """Returns a mixture of two textures that varies over the image.

    Args:
        workshop (texsynth.synthesis.workshop.Workshop): Where it will be made.
        first: ``(H, W, 3)`` array, RGB, 0..255.
        second: Likewise.
        field: ``(H, W)`` array, 0..1, of any size: how much of the second there is to be at each
            pixel; or ``"x"`` from left to right, or ``"y"`` from the top down.
        way: As for :func:`texsynth.mix`.

    Raises:
        texsynth.errors.TexsynthError: As :class:`Varied`; or the field is none.
    """
    if isinstance(field, str) and field not in ("x", "y"):
        raise ConfigError(f"a gradient must be x, y, or an array, not {field!r}")
    values: Any = field
    if isinstance(field, str):
        values = np.tile(np.linspace(0, 1, _FINE), (_FINE, 1))
        values = values if field == "x" else values.T
    return Varied(workshop, [Source(first), Source(second)], *steps_along(values), way)


def steps_along(field: npt.ArrayLike) -> tuple[list[tuple[float, float]], Array]:
    """Returns parts and weights for :class:`Varied` that go from one texture to another.

    Args:
        field: ``(H, W)`` array, 0..1: how much of the second there is to be at each pixel.

    Returns:
        tuple: The shares of both in each of 7 parts, and the weights of the parts, ``(7, H, W)``:
        between two of them, linear.

    Raises:
        texsynth.errors.ConfigError: It has another shape, or values out of range.
    """
    values = np.asarray(field, np.float32)
    if values.ndim != 2 or not values.size or not (values.min() >= 0 and values.max() <= 1):
        raise ConfigError("a gradient must be a (height, width) array of values within 0..1")
    last = _STEPS - 1
    weights = [np.maximum(0, 1 - abs(values * last - number)) for number in range(_STEPS)]
    return [(1 - number / last, number / last) for number in range(_STEPS)], np.stack(weights)
