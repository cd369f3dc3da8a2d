"""Pictures of a material under one lamp: a plane of 2 x 2 tiles, or a sphere that they cover."""

import numpy as np

from texsynth.images import transfer
from texsynth.materials.kinds import Map, Stack
from texsynth.materials.relief import relief
from texsynth.materials.shading import shade, shadows
from texsynth.typing import Array, Pixels

FORMS = ("plane", "sphere")
TILES = 2
SPHERE = 512
"""Pixels along a side of the picture of a sphere."""

_LAMP = np.array([-0.5, 0.6, 0.8]) / np.linalg.norm([-0.5, 0.6, 0.8])  # x right, y up, z to the eye
_EYE = np.array([0.0, 0.0, 1.0])
_GROUND, _RADIUS, _SAMPLES = (
    0.03,
    0.94,
    2,
)  # the sphere's: light behind it, of half a side; along a pixel


def preview(stack: Stack, form: str) -> Pixels:
    """Returns a picture of a material, 2 x 2 tiles of it.

    Albedo, normal, roughness, metallic and ambient occlusion count; and on a plane height, by the
    shadows that it casts, if the normal map says how high it is
    (:func:`texsynth.materials.relief.relief`). Without a map it is grey, even, of middle roughness,
    no metal, or unshadowed.

    Args:
        stack: Maps by kind, ``(H, W, 1)`` or ``(H, W, 3)``, 0..1; normals are OpenGL's.
        form: ``"plane"``, seen from straight above, or ``"sphere"``.

    Returns:
        numpy.ndarray: ``(2 H, 2 W, 3)`` or ``(512, 512, 3)`` uint8, sRGB.
    """
    if form == "sphere":
        return _seen(_sphere(stack))
    return np.tile(_seen(_plane(stack)), (TILES, TILES, 1))


def _seen(light: Array) -> Pixels:
    values: Pixels = np.rint(transfer.from_light(light) * 255).astype(np.uint8)
    return values


def _plane(stack: Stack) -> Array:
    lit: Array | float = 1.0
    if (high := relief(stack)) is not None:
        height = stack["height"][..., 0]
        lit = shadows(height * np.float32(high * height.shape[1]), _LAMP)
    return shade(stack, _normals(stack), _EYE, _LAMP, lit)


def _sphere(stack: Stack) -> Array:
    samples = SPHERE * _SAMPLES
    line = ((np.arange(samples) + 0.5) / samples * 2 - 1) / _RADIUS
    x, y = np.meshgrid(line, -line)
    inside = x**2 + y**2 < 1
    x, y = x[inside], y[inside]
    outward = np.stack([x, y, np.sqrt(1 - x**2 - y**2)], axis=-1)
    longitude, latitude = np.arctan2(x, outward[:, 2]), np.arcsin(y)
    seen = _sampled(stack, longitude / np.pi + 0.5, 0.5 - latitude / np.pi)
    # to the east, to the north, and outward
    east = np.stack([np.cos(longitude), np.zeros_like(x), -np.sin(longitude)], axis=-1)
    tangent = _normals(seen)
    normal = (
        tangent[:, :1] * east + tangent[:, 1:2] * np.cross(outward, east) + tangent[:, 2:] * outward
    )
    light = np.full((samples, samples, 3), _GROUND)
    light[inside] = shade(seen, normal, _EYE, _LAMP)
    parts = np.clip(light, 0, 1).reshape(SPHERE, _SAMPLES, SPHERE, _SAMPLES, 3)
    mean: Array = parts.mean(axis=(1, 3))
    return mean


def _normals(stack: Stack) -> Array:
    """The unit vectors of a stack; upright if it has none."""
    if "normal" not in stack:
        first = next(iter(stack.values()))
        return np.broadcast_to(_EYE, (*first.shape[:-1], 3))
    vectors = stack["normal"] * np.float32(2) - 1
    unit: Array = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-6)
    return unit


def _sampled(stack: Stack, u: Array, v: Array) -> Stack:
    """Reads all maps at places, 0..1 across 2 x 2 tiles, between four pixels."""
    return {kind: _between(values, u, v) for kind, values in stack.items()}


def _between(values: Map, u: Array, v: Array) -> Map:
    height, width = values.shape[:2]
    column, row = u * TILES * width - 0.5, v * TILES * height - 0.5
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    right_share, low_share = (
        (place - start).astype(np.float32)[:, None] for place, start in ((column, left), (row, top))
    )
    rows, columns = (top % height, (top + 1) % height), (left % width, (left + 1) % width)
    above, below = (
        (1 - right_share) * values[line, columns[0]] + right_share * values[line, columns[1]]
        for line in rows
    )
    between: Map = (1 - low_share) * above + low_share * below
    return between
