"""Materials that tile: what each place is made of, and how high it lies; a painter for each name.

A painter gives albedo, height, roughness and metallic at each sample; normals and ambient occlusion
follow from the height, so that all maps of a stack agree.
"""

from dataclasses import dataclass

import numpy as np

from drawings.tools import (
    SIDE,
    SUPERSAMPLE,
    TEXELS,
    Noise,
    choose,
    mix,
    ramp,
    repeat,
    rgb,
    skylight,
)

DEPTH = 16.0
"""Units of which a height map, from 0 to 1, is high."""


class Tile:
    """Where a material is drawn, and its random numbers; it goes on at the opposite edge.

    Attributes:
        rng: The material's own random numbers.
        x: ``(S, S)`` float32, units to the right.
        y: ``(S, S)`` float32, units down.
        step: Units from one sample to the next.
    """

    def __init__(self, rng, size):
        self.rng, self.step = rng, SIDE / (size * SUPERSAMPLE)
        line = (np.arange(size * SUPERSAMPLE) + 0.5).astype(np.float32) * np.float32(self.step)
        self.x, self.y = np.meshgrid(line, line)

    def noise(self, low, high, slope=1.0):
        """Returns noise over the tile, wavelengths from low to high units."""
        return Noise(self.rng, low, high, slope, SIDE * TEXELS)(self.x, self.y)

    def draws(self, i, j, columns, rows, count):
        """Returns ``count`` numbers from 0 to 1 of each element ``(i, j)`` of so many."""
        table = self.rng.random((count, columns, rows), dtype=np.float32)
        return table[:, i % columns, j % rows]

    def cells(self, u, v, count, jitter=0.85):
        """Returns distance to the border of each Voronoi cell, and its numbers i, j.

        Args:
            u: ``(S, S)``, units to the right.
            v: ``(S, S)``, units down.
            count: Points along a side, one in each square.
            jitter: How far they stray in it.
        """
        pitch = SIDE / count
        table = self.rng.random((2, count, count), dtype=np.float32)
        i0, j0 = np.floor(u / pitch).astype(np.int32), np.floor(v / pitch).astype(np.int32)
        around = [(di, dj) for di in range(-2, 3) for dj in range(-2, 3)]
        offsets = []
        for di, dj in around:
            du, dv = jitter * (table[:, (i0 + di) % count, (j0 + dj) % count] - 0.5) + 0.5
            offsets.append(((i0 + di + du) * pitch - u, (j0 + dj + dv) * pitch - v))
        du, dv = np.stack(offsets, axis=1)
        nearest = np.argmin(du**2 + dv**2, axis=0)
        au, av = (np.take_along_axis(d, nearest[None], 0)[0] for d in (du, dv))
        apart = np.hypot(du - au, dv - av)
        across = ((du + au) * (du - au) + (dv + av) * (dv - av)) / (2 * np.maximum(apart, 1e-6))
        border = np.where(apart > 1e-3, across, np.inf).min(axis=0)
        step_i, step_j = np.array(around, np.int32).T[:, nearest]
        return border, i0 + step_i, j0 + step_j


@dataclass(frozen=True)
class Surface:
    """A material at the samples of a tile.

    Attributes:
        albedo: ``(S, S, 3)``, linear.
        height: ``(S, S)``, units.
        roughness: ``(S, S)``, 0 (a mirror) to 1.
        metallic: ``(S, S)``, 0 or 1 and between at edges; ``None`` without metal.
    """

    albedo: np.ndarray
    height: np.ndarray
    roughness: np.ndarray
    metallic: np.ndarray | None = None


def bricks(tile):
    """Bricks in running bond with raked sandy joints; no metal."""
    columns, rows, mortar = 4, 10, 3.6
    length, row = SIDE / columns, SIDE / rows
    j, v = repeat(tile.y + 0.4 * tile.noise(60, 256), row)
    i, u = repeat(tile.x + (j % 2) * length / 2, length)
    bright, hue, wide, high, proud, burnt, dx, dy = tile.draws(i, j, columns, rows, 8) - 0.5
    u, v = u * length + 0.8 * dx, v * row + 0.7 * dy
    corner = 1.8
    half_x, half_y = (length - mortar + wide) / 2 - corner, (row - mortar + high) / 2 - corner
    a = np.abs(u + 0.28 * tile.noise(2, 12)) - half_x
    b = np.abs(v + 0.28 * tile.noise(2, 12)) - half_y
    outside = np.hypot(np.maximum(a, 0), np.maximum(b, 0)) + np.minimum(np.maximum(a, b), 0)
    outside = outside - corner
    brick = 1 - ramp(outside, -0.45, 0.25)

    cloud, fine, sand = tile.noise(4, 60, 1.4), tile.noise(1.5, 4, 0.6), tile.noise(1.4, 4, 0.2)
    pits = ramp(tile.noise(2, 6, 0.4), 1.5, 2.3)
    clays = [rgb(c) for c in ("8f4632", "9c513a", "85402f", "a55e43", "7b3a2d", "95503f")]
    is_burnt = ramp(burnt + 0.12 * cloud, 0.3, 0.5)
    tone = 0.34 * bright + 0.13 * cloud + 0.1 * fine - 0.4 * pits - 0.6 * is_burnt
    clay = choose(clays, hue + 0.5) * np.exp(tone)[..., None]
    joint = rgb("a79f92") * np.exp(0.13 * sand + 0.1 * tile.noise(5, 40))[..., None]
    face = 0.14 * cloud + 0.08 * fine - 0.7 * pits + 1.2 * proud - 0.9 * ramp(outside, -2.6, 0)
    bed = -3.4 + 0.15 * sand + 0.3 * tile.noise(2, 9)
    burnt_glaze = 0.72 - 0.3 * is_burnt + 0.06 * cloud + 0.2 * pits
    rough = 0.93 + 0.03 * sand + brick * (burnt_glaze - 0.93)
    return Surface(mix(joint, clay, brick), bed + brick * (face - bed), rough)


def cobbles(tile):
    """Rounded stones of several rocks, laid in sand; the smooth ones shine. No metal."""
    count = 9
    wobble = 0.5
    u, v = tile.x + wobble * tile.noise(3, 20, 1.2), tile.y + wobble * tile.noise(3, 20, 1.2)
    border, i, j = tile.cells(u, v, count)
    bright, hue, lift, smooth = tile.draws(i, j, count, count, 4) - 0.5
    stone = ramp(border, 1.0, 1.9)
    cloud, fine, sand = tile.noise(4, 40, 1.3), tile.noise(1.5, 4, 0.4), tile.noise(1.5, 5, 0.2)
    rocks = [rgb(c) for c in ("7d7b76", "6a6c70", "948876", "5d5a58", "87726a", "9a9890")]
    tone = 0.5 * bright + 0.13 * cloud + 0.12 * fine
    rock = choose(rocks, hue + 0.5) * np.exp(tone)[..., None]
    soil = rgb("6d5c45") * np.exp(0.2 * sand + 0.15 * tile.noise(5, 40))[..., None]
    dome = 5.0 * np.sqrt(np.clip(1 - (1 - border / 11) ** 2, 0, 1))
    dome = dome + 2.4 * lift + 0.2 * cloud + 0.1 * fine
    bed = -0.5 + 0.2 * sand + 0.3 * tile.noise(4, 20)
    rough = 0.95 + stone * (0.5 + 0.35 * smooth + 0.05 * fine - 0.95)
    return Surface(mix(soil, rock, stone), bed + stone * (dome - bed), rough)


def plates(tile):
    """A painted sheet of steel with raised bars, worn to the metal on these, rusty in scratches."""
    count = 8
    pitch = SIDE / count
    (i, u), (j, v) = repeat(tile.x, pitch), repeat(tile.y, pitch)
    turn = np.where((i + j) % 2 == 0, np.pi / 4, -np.pi / 4)
    c, s = np.cos(turn), np.sin(turn)
    along, across = pitch * (c * u + s * v), pitch * (c * v - s * u)
    outside = (along / 11.5) ** 2 + (across / 3.6) ** 2
    bar = 2.6 * np.sqrt(np.maximum(1 - outside, 0)) + 0.3 * (1 - ramp(outside, 1, 1.5))
    cloud, fine = tile.noise(6, 90, 1.4), tile.noise(1.5, 5, 0.5)
    (wear,) = tile.draws(i, j, count, count, 1) - 0.5
    worn = ramp(bar + 0.5 * cloud + 0.35 * tile.noise(2, 12) + wear, 1.7, 2.1)
    chips = ramp(tile.noise(3, 26, 1.1) + 0.3 * cloud, 1.55, 1.75)
    rust = chips * (1 - worn)
    paint = rgb("2f5d50") * np.exp(0.1 * cloud + 0.05 * fine)[..., None]
    steel = rgb("b9b7b2") * np.exp(0.04 * cloud + 0.05 * fine)[..., None]
    rusty = rgb("6f3a20") * np.exp(0.3 * tile.noise(2, 12) + 0.2 * fine)[..., None]
    albedo = mix(mix(paint, rusty, rust), steel, worn)
    height = bar + 0.05 * cloud - 0.25 * worn - 0.45 * rust + 0.15 * rust * fine
    rough = 0.42 + 0.04 * cloud + rust * 0.45 + worn * (0.28 - 0.42 + 0.05 * fine)
    return Surface(albedo, height, rough, worn)


MATERIALS = {"bricks": bricks, "cobbles": cobbles, "plates": plates}


def stack(tile, surface):
    """Returns all maps of a material, each pixel the mean of its samples.

    Args:
        tile: Where it was drawn.
        surface: What was drawn.

    Returns:
        dict: Maps ``(H, W, 3)`` or ``(H, W, 1)`` by kind, 0 to 1 as files hold them: ``albedo`` in
        sRGB, ``normal`` with y up, the rest linear; ``height`` is in :data:`DEPTH` units.
    """
    pixel = tile.step * SUPERSAMPLE
    height = _binned(surface.height)
    height = np.clip((height - height.max()) / DEPTH + 1, 0, 1)
    maps = {
        "albedo": np.clip(_binned(surface.albedo), 0, 1) ** (1 / 2.2),
        "normal": normals(height[..., 0] * (DEPTH / pixel)),
        "roughness": np.clip(_binned(surface.roughness), 0, 1),
        "height": height,
        "ao": np.clip(skylight(pixel, height[..., 0] * DEPTH), 0, 1)[..., None],
    }
    if surface.metallic is not None:
        maps["metallic"] = np.clip(_binned(surface.metallic), 0, 1)
    return maps


def normals(height):
    """Returns the encoded normals of heights, by differences that go on at the opposite edge.

    Args:
        height: ``(H, W)``, pixels.

    Returns:
        numpy.ndarray: ``(H, W, 3)``, 0 to 1: x right, y up, z to the viewer.
    """
    right = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) / 2
    down = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) / 2
    vectors = np.stack([-right, down, np.ones_like(height)], axis=-1)
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True) / 2 + 0.5


def _binned(values):
    """The means of the samples of each pixel, ``(H, W, C)``."""
    values = values.reshape(*values.shape[:2], -1)
    size = len(values) // SUPERSAMPLE
    parts = values.reshape(size, SUPERSAMPLE, size, SUPERSAMPLE, -1)
    return parts.mean(axis=(1, 3), dtype=np.float64)
