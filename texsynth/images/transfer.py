"""The curve of sRGB, IEC 61966-2-1: values as files hold them, and light."""

import numpy as np

from texsynth.typing import Array


def to_light(values: Array) -> Array:
    """Returns the light of sRGB values; both are 0..1.

    Args:
        values: An array of any shape, which is clipped.
    """
    values = np.clip(values, 0, 1)
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def from_light(light: Array) -> Array:
    """Returns the sRGB values of light; both are 0..1.

    Args:
        light: An array of any shape, which is clipped.
    """
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
