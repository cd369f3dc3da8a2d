"""Takes slow drifts out of all maps of a material, so that its tiles show no period."""

from collections.abc import Mapping

import numpy as np

from texsynth import images
from texsynth.images.drift import slowly
from texsynth.materials.kinds import Map, Stack
from texsynth.materials.relief import slopes
from texsynth.typing import Array


def flattened(stack: Mapping[str, Map], scale: float) -> Stack:
    """Returns a material without slow drifts, each kind of map as its numbers ask for.

    Colours are divided by what varies slowly, as light is
    (:func:`texsynth.images.without_drift`). From height, roughness and ambient occlusion it is
    subtracted, and the mean stays; so it is from the slopes of normals, which thereby still fit the
    height. Metallic and opacity, which are mostly 0 or 1, stay as they are, and so do maps of one
    value.

    Args:
        stack: The maps by kind, ``(H, W, 1)`` or ``(H, W, 3)``, 0..1; normals are OpenGL's.
        scale: Deviation of the Gaussian, pixels, at least 1.
    """
    made = dict(stack)
    stack = {kind: values for kind, values in stack.items() if (values != values[:1, :1]).any()}
    if "albedo" in stack:
        batch = np.ascontiguousarray(stack["albedo"].transpose(2, 0, 1)[None]) * np.float32(255)
        even = images.without_drift(batch, scale)[0].transpose(1, 2, 0)
        made["albedo"] = even / np.float32(255)
    for kind in ("height", "roughness", "ao"):
        if kind in stack:
            planes = stack[kind].transpose(2, 0, 1).astype(np.float64)
            made[kind] = _as_map(np.clip(_without(planes, scale), 0, 1))
    if "normal" in stack:
        right, down = _without(np.stack(slopes(stack["normal"])), scale)
        vectors = np.stack([-right, down, np.ones_like(right)])
        made["normal"] = _as_map(vectors / np.linalg.norm(vectors, axis=0) / 2 + 0.5)
    return made


def _without(planes: Array, scale: float) -> Array:
    """Planes, ``(C, H, W)``, less what varies slowly in them, but for the mean."""
    drift = slowly(planes, scale)
    without: Array = planes - drift + drift.mean(axis=(1, 2), keepdims=True)
    return without


def _as_map(planes: Array) -> Map:
    made: Map = np.ascontiguousarray(planes.transpose(1, 2, 0), np.float32)
    return made
