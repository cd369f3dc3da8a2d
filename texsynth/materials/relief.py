"""How high a height map's white lies above its black, by the slopes of the normal map."""

import numpy as np

from texsynth.materials.kinds import Map, Stack

_STEEPEST = 0.1  # of a normal's z: what is steeper says nothing of slopes any more


def relief(stack: Stack) -> float | None:
    """Returns the height, in widths of the tile, that heights of 1 have above those of 0.

    It is that by which the slopes of the height map come nearest to those of the normal map, in the
    mean square.

    Args:
        stack: The maps by kind.

    Returns:
        float: The height; ``None`` where either map is missing, the height map is even, or they
        slope opposite ways.
    """
    if "height" not in stack or "normal" not in stack:
        return None
    height = stack["height"][..., 0].astype(np.float64)
    if min(height.shape) < 3:
        return None
    right = (height[1:-1, 2:] - height[1:-1, :-2]) / 2
    down = (height[2:, 1:-1] - height[:-2, 1:-1]) / 2
    slope_right, slope_down = slopes(stack["normal"][1:-1, 1:-1])
    power = (right**2 + down**2).sum()
    pixels = (right * slope_right + down * slope_down).sum() / power if power else 0.0
    return float(pixels / height.shape[1]) if pixels > 0 else None


def slopes(normal: Map) -> tuple[np.ndarray, np.ndarray]:
    """Returns how much the surface of normals rises to the right, and how much downwards.

    Args:
        normal: ``(H, W, 3)``, encoded, y up.

    Returns:
        tuple: Two ``(H, W)`` arrays, heights a length.
    """
    x, y, z = np.moveaxis(normal.astype(np.float64) * 2 - 1, 2, 0)
    z = np.maximum(z, _STEEPEST)
    return -x / z, y / z
