"""sRGB (IEC 61966-2-1): the colour profile of what is written, and the curve of its values."""

import functools
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ImageCms

_MADE = slice(24, 36)  # in the header: when it was made (ICC.1:2022, 7.2)
_BEND = 0.0031308  # below it the curve is straight
_EVER = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)


@functools.cache
def profile() -> bytes:
    """Returns an ICC profile of sRGB; the same bytes at any time."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made[: _MADE.start] + _EVER + made[_MADE.stop :]


def encoded(light: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Returns the values of sRGB for shares of light, both 0..1."""
    light = np.asarray(light, np.float64)
    curve: npt.NDArray[np.float64] = np.where(
        light <= _BEND, 12.92 * light, 1.055 * np.maximum(light, _BEND) ** (1 / 2.4) - 0.055
    )
    return curve


def decoded(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Returns the shares of light for values of sRGB, both 0..1."""
    values = np.asarray(values, np.float64)
    light: npt.NDArray[np.float64] = np.where(
        values <= 12.92 * _BEND, values / 12.92, ((np.maximum(values, 0) + 0.055) / 1.055) ** 2.4
    )
    return light
