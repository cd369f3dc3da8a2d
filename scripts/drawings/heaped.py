"""Natural textures of things that lie in heaps: a painter for each name.

Each thing is painted over what lies below it, in a window of its own.
"""

import numpy as np

from drawings.tools import MARGIN, SIDE, light, ramp, rgb


class _Heap:
    """Heights and colours under the things that have been laid so far."""

    def __init__(self, scene, ground, depth):
        self.scene = scene
        self.height = np.full_like(scene.x, depth)
        self.colour = np.array(ground, np.float32)

    def place(self):
        """Returns a random place, margin included."""
        return self.scene.rng.uniform(-MARGIN, SIDE + MARGIN, 2)

    def window(self, x, y, turn, reach):
        """Returns a window round a place and its coordinates turned, along and across."""
        first = [int((c - reach + MARGIN) / self.scene.step) for c in (y, x)]
        last = [int((c + reach + MARGIN) / self.scene.step) + 1 for c in (y, x)]
        window = tuple(slice(max(a, 0), max(b, 0)) for a, b in zip(first, last, strict=True))
        u, v = self.scene.x[window] - x, self.scene.y[window] - y
        c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        return window, c * u + s * v, c * v - s * u

    def lay(self, window, inside, height, colour):
        """Lays a thing: where ``inside``, these heights and colours."""
        self.height[window] = np.where(inside, height, self.height[window])
        self.colour[window] = np.where(inside[..., None], colour, self.colour[window])


def grass(scene):
    """A meadow from above: blades of all greens, some of them dry."""
    rng, soil = scene.rng, scene.noise(1.5, 20, 1.0)
    heap = _Heap(scene, rgb("2c2a1a") * np.exp(0.3 * soil)[..., None], -9.0)
    greens = [rgb(c) for c in ("5d7f34", "4c6e2c", "6f9440", "3f5f2a", "84a04c", "a39a5a")]
    lean = rng.uniform(0, 2 * np.pi)
    for level in np.linspace(-8, 3, 3400):
        long, wide = rng.uniform(14, 42), rng.uniform(0.7, 1.7)
        bend = rng.normal(0, 0.012)
        turn = lean + rng.normal(0, 1.1)
        window, u, v = heap.window(*heap.place(), turn, long / 2 + 4)
        along = np.clip(u / long + 0.5, 0, 1)
        v = v - bend * (u + long / 2) ** 2 + bend * long**2 / 3
        half = wide * np.sqrt(np.minimum(along * 4, 1)) * np.minimum(1.05 - along**2, 1)
        inside = (along > 0) & (along < 1) & (np.abs(v) < half)
        fold = np.minimum(np.abs(v) / np.maximum(half, 1e-3), 1)
        height = level + 2.5 * np.sin(np.pi * along) - 0.5 * (1 - fold) * wide
        tone = rng.normal(0, 0.2) + 0.055 * (level - 1) + 0.3 * (along - 0.5) + 0.12 * fold
        green = greens[rng.choice(6, p=[0.25, 0.25, 0.2, 0.15, 0.1, 0.05])]
        heap.lay(window, inside, height, green * np.exp(tone)[..., None])
    return light(scene, heap.colour, heap.height, 0.1, 14)


def leaves(scene):
    """Autumn leaves on the ground, with ribs and spots."""
    rng, spots = scene.rng, scene.field(1, 14, 0.9)
    heap = _Heap(scene, rgb("2a1f16") * np.exp(0.3 * scene.noise(2, 20))[..., None], -4.0)
    codes = ("a8632a", "8f4a22", "c28a34", "7a5a32", "b0442a", "946f3c", "6e4a30", "c9a04e")
    for level in np.linspace(-3, 5, 560):
        long = rng.uniform(22, 46)
        wide, turn = long * rng.uniform(0.22, 0.36), rng.uniform(0, 2 * np.pi)
        place, curl = heap.place(), rng.normal(0, 0.02)
        window, u, v = heap.window(*place, turn, long / 2 + 6)
        along = u / long + 0.5
        v = v - rng.normal(0, 0.006) * u**2
        teeth = 1 + 0.07 * np.sin(along * rng.uniform(50, 70))
        shape = np.clip(along, 0, 1) ** 0.7 * np.clip(1 - along, 0, 1)
        half = wide * 1.9 * shape * teeth
        stalk = (np.abs(v) < 0.5) & (along > -0.12) & (along <= 0.05)
        inside = ((along > 0) & (along < 1) & (np.abs(v) < half)) | stalk
        ribs = np.abs(((u - 0.9 * np.abs(v)) / (long / 8)) % 1 - 0.5) * long / 8
        rib = np.maximum(1 - ramp(np.abs(v), 0.2, 0.6), 0.6 * (1 - ramp(ribs, 0.1, 0.4)))
        mottle = spots(u + 90 * level, v + 31 * level)
        height = level + 0.5 * mottle * 0.4 + curl * v**2 + 0.05 * np.abs(v) - 0.35 * rib
        tone = rng.normal(0, 0.25) + 0.13 * mottle - 0.5 * ramp(mottle, 1.4, 2.4) - 0.22 * rib
        colour = rgb(codes[rng.integers(len(codes))]) * np.exp(tone)[..., None]
        heap.lay(window, inside, height, colour)
    return light(scene, heap.colour, heap.height, 0.1, 16)


def foam(scene):
    """Soap foam: bubbles of all sizes, the small ones in the gaps of the large."""
    rng = scene.rng
    heap = _Heap(scene, rgb("5d6f78") * np.exp(0.1 * scene.noise(4, 30))[..., None], 0.0)
    radii = np.sort(np.minimum(1.3 * (1 + rng.pareto(1.7, 4200)), 30))[::-1]
    laid = np.zeros((0, 3))
    for radius in radii:
        for x, y in (heap.place() for _ in range(14)):
            gap = np.hypot(laid[:, 0] - x, laid[:, 1] - y) - laid[:, 2] - radius
            if gap.size == 0 or gap.min() > -0.14 * radius:
                break
        else:
            continue
        laid = np.vstack([laid, (x, y, radius)])
        window, u, v = heap.window(x, y, 0, radius + 1)
        r = np.hypot(u, v) / radius
        film = rgb("8fa3ab") * np.exp(rng.normal(0, 0.12))
        rim = ramp(r, 0.62, 0.98) ** 1.5 + 0.25 * ramp(r, 0.93, 0.99)
        colour = film * (0.35 + 0.95 * rim)[..., None] + 0.1 * (u + v)[..., None] / radius
        for side, at, size in (
            (-1, 0.55, 0.17),
            (1, 0.6, 0.28),
        ):  # the window, and its mirror image
            spot = np.hypot(u - side * at * radius * 0.75, v - side * at * radius * 0.66)
            glow = 1 - ramp(spot / radius, size * 0.4, size)
            colour = colour + (1.1 if side < 0 else 0.28) * glow[..., None]
        heap.lay(window, r < 1, radius * np.sqrt(np.maximum(1 - r**2, 0)), np.maximum(colour, 0))
    bright = 0.5 * ramp(scene.noise(1.5, 8), 0.3, 2) * (heap.height == 0)
    return (heap.colour + bright[..., None]) * 1.1


HEAPED = {painter.__name__: painter for painter in (grass, leaves, foam)}
"""Painters by name: from a scene to linear colours, ``(S, S, 3)``."""
