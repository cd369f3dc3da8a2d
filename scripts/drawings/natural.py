"""Natural textures of stone, earth, wood and hair: a painter for each name."""

import numpy as np

from drawings.heaped import HEAPED
from drawings.tools import cells, choose, light, mix, ramp, rgb


def _flat(scene, code):
    return np.broadcast_to(rgb(code), (*scene.x.shape, 3))


def _warped(scene, low, high, by):
    """Returns the coordinates, each moved by noise."""
    return scene.x + by * scene.noise(low, high, 1.4), scene.y + by * scene.noise(low, high, 1.4)


def marble(scene):
    """White marble with grey veins that branch and fade."""
    colour = mix(_flat(scene, "d9d6d0"), rgb("b4b2b3"), ramp(scene.noise(8, 120, 1.6), -0.5, 2.5))
    for low, width, dark in ((70, 0.045, 0.8), (45, 0.035, 0.6), (24, 0.035, 0.4)):
        u, v = _warped(scene, low / 3, low * 2, low / 9)
        u = u + 0.5 * scene.noise(2, 12, 1.2)
        veins = scene.field(low, low * 4, 2.0)(u + 0.7 * v, 0.6 * v)
        width = width * np.exp(0.6 * scene.noise(10, 60))
        fade = ramp(scene.noise(20, 120, 1.3), -1.6, 0.6)
        colour = mix(colour, rgb("85858c"), 0.7 * dark * fade * np.exp(-np.abs(veins) / width / 7))
        colour = mix(colour, rgb("4c4c54"), dark * fade * np.exp(-((veins / width) ** 2)))
    return colour * np.exp(0.02 * scene.noise(0.8, 4, 0.3))[..., None] * 1.45


def granite(scene):
    """Polished granite: crystals of quartz, feldspar and mica of many sizes."""
    u, v = _warped(scene, 1.5, 9, 0.8)
    _, border, i, j = cells(scene, u, v, 5.2)
    kind, bright = scene.draws(i, j, 2)
    stones = [rgb(c) for c in ("b99a8c", "a8958c", "8a8988", "77777a", "c0b1a4", "9b7d70")]
    colour = (
        choose(stones, kind) * np.exp(0.5 * (bright - 0.5) + 0.1 * scene.noise(0.8, 6))[..., None]
    )
    colour = colour * (0.88 + 0.12 * ramp(border, 0, 0.5))[..., None]
    _, _, i, j = cells(scene, *_warped(scene, 1, 6, 0.5), 2.6)
    kind, bright = scene.draws(i, j, 2)
    mica = (kind + 0.13 * scene.noise(6, 30) > 0.8).astype(np.float32)
    colour = mix(colour, rgb("242326") * np.exp(0.9 * (bright - 0.5))[..., None], mica)
    quartz = (kind < 0.09).astype(np.float32)
    return light(scene, mix(colour, rgb("c9c7c4"), 0.8 * quartz), 0.02 * scene.noise(1, 8), 0.05)


def sand(scene):
    """Wet beach sand: grains of several colours on a gently trodden surface."""
    distance, _, i, j = cells(scene, *_warped(scene, 1, 5, 0.3), 1.9, 0.95)
    kind, bright, high = scene.draws(i, j, 3)
    grains = ("b79c78", "c4ab87", "a58a68", "b59f84", "8d7860", "cdbb9f", "6a5a4a", "a97f5c")
    colour = choose([rgb(c) for c in grains], kind) * np.exp(0.5 * (bright - 0.5))[..., None]
    dune = 1.7 * scene.noise(14, 110, 1.7) + 0.35 * scene.noise(3, 16, 1.2)
    height = dune + 0.8 * np.maximum(1 - (distance / 1.1) ** 2, 0) + 0.7 * (high - 0.5)
    pebble, _, i, j = cells(scene, scene.x, scene.y, 17.0)
    size, tint = scene.draws(i, j, 2)
    stone = np.maximum(1 - (pebble / (0.6 + 2.2 * size**3)) ** 2, 0) * (size > 0.4)
    colour = mix(colour, choose([rgb("6f675f"), rgb("d4ccc0")], tint), (stone > 0) * 0.9)
    return light(scene, colour, np.where(stone > 0, dune + 1 + 1.6 * np.sqrt(stone), height), 0.03)


def plaster(scene):
    """Rough plaster, thrown and smoothed with a trowel."""
    sweep = scene.noise(20, 120, 1.3)
    u = scene.x * np.cos(0.4 * sweep) + scene.y * np.sin(0.4 * sweep)
    thrown = scene.noise(2.5, 26, 1.5)
    height = 1.1 * np.minimum(thrown, 0.5) + 0.35 * scene.field(2, 30, 1.4)(u / 4, scene.y)
    height = height + 0.12 * scene.noise(0.8, 3, 0.4)
    stain = 0.09 * scene.noise(15, 150, 1.5) + 0.05 * scene.noise(1, 8) + 0.05 * thrown
    return light(scene, rgb("b9ae9b") * np.exp(stain)[..., None], height)


def clouds(scene):
    """Fair-weather clouds before a blue sky."""
    u, v = _warped(scene, 8, 90, 9)
    mass = scene.field(2.5, 170, 1.9)(u, v * 1.5)
    wisps = scene.field(1.5, 30, 1.5)(u, v)
    thick = ramp(mass + 0.16 * wisps, -0.2, 1.7)
    sky = mix(_flat(scene, "5f8fc4"), rgb("8db3d9"), ramp(scene.y, -12, 268))
    lower = scene.field(10, 90, 1.8)(u + 4, v * 1.5 + 6)
    cloud = mix(_flat(scene, "fbfaf7"), rgb("9aa3b0"), ramp(0.6 * mass + 0.5 * lower, 0.4, 2.6))
    return mix(sky, cloud, thick) * 1.25


def bark(scene):
    """Old pine bark: plates between deep upright furrows."""
    u, v = _warped(scene, 12, 60, 3)
    _, border, i, j = cells(scene, u, v / 2.8 + 3 * scene.noise(20, 90), 21.0)
    bright, lift = scene.draws(i, j, 2) - 0.5
    border = border + 0.5 * scene.noise(1.5, 12, 1.1)
    flakes = scene.field(1.5, 22, 1.2)(u, v / 3)
    plate = ramp(border, 0.2, 5.5)
    steps = np.floor(2.2 * plate + 0.6 * flakes)
    height = 4.5 * plate + 0.75 * steps + 0.3 * scene.noise(0.8, 6, 0.8) + 1.6 * lift
    colour = mix(_flat(scene, "3b2a21"), rgb("8a6a55"), ramp(border, 0, 5))
    colour = mix(colour, rgb("9d8a7a"), 0.5 * ramp(flakes, 0.2, 2))
    tone = 0.3 * bright + 0.16 * scene.noise(1, 12, 0.8)
    return light(scene, colour * np.exp(tone)[..., None], height)


def cracked_earth(scene):
    """Dried mud: curled plates between cracks of several ages."""
    u, v = _warped(scene, 3, 70, 3.2)
    _, border, i, j = cells(scene, u, v, 38.0)
    _, second, k, m = cells(scene, *_warped(scene, 2, 40, 2.0), 19.0)
    dry, lift = scene.draws(i, j, 2) - 0.5
    tilt = scene.draws(k, m, 1)[0] - 0.5
    ragged = 0.2 * scene.noise(0.9, 7, 0.9)
    wide = 1.5 + 0.7 * scene.noise(30, 120)
    young = second + 1.6 - 1.4 * ramp(scene.noise(20, 100), -0.4, 1.2)
    plate = ramp(border + ragged, wide - 0.6, wide + 0.5) * ramp(young + ragged, 0.4, 1.1)
    curl = 1.3 * (1 - ramp(border, wide, wide + 9)) + 0.6 * lift + 0.3 * tilt
    height = curl + 0.35 * scene.noise(3, 30, 1.3) + 0.1 * scene.noise(0.8, 4, 0.3)
    tone = 0.16 * dry + 0.07 * tilt + 0.1 * scene.noise(2, 60, 1.2) + 0.05 * scene.noise(0.8, 3)
    colour = rgb("a8937b") * np.exp(tone)[..., None]
    colour = mix(_flat(scene, "2e251e"), colour, plate)
    return light(scene, colour, np.where(plate > 0, plate * (height + 5), 0))


def rust(scene):
    """A steel plate that rusts under what is left of its paint."""
    u, v = _warped(scene, 4, 50, 3)
    eaten = scene.field(3, 130, 1.6)(u, v) + 0.25 * scene.noise(1.2, 10, 1.0)
    deep, mottle = scene.noise(1.2, 20, 1.1), scene.noise(2, 60, 1.3)
    colour = mix(_flat(scene, "8a4a22"), rgb("4a2a1c"), ramp(mottle + 0.5 * deep, -0.3, 2.2))
    colour = mix(colour, rgb("c07a35"), 0.8 * ramp(scene.noise(1.5, 30, 1.1), 0.6, 2.2))
    colour = colour * np.exp(0.16 * scene.noise(0.8, 4, 0.3))[..., None]
    paint = ramp(-eaten, 0.35, 0.45)
    coat = rgb("6e8a86") * np.exp(0.06 * mottle + 0.05 * scene.noise(0.8, 6))[..., None]
    halo = ramp(-eaten, 1.5, 0.4) * (0.55 + 0.15 * deep)
    coat = mix(coat, rgb("94582e"), np.clip(halo, 0, 0.8))
    height = 0.55 * deep + 0.2 * scene.noise(0.8, 4, 0.4)
    height = height + paint * (0.9 - 0.9 * height + 0.05 * mottle)
    return light(scene, mix(colour, coat, paint), height, 0.08 * paint)


def _combed(scene, angle, low, high, reach, steps=28):
    """Returns noise that is drawn out along directions: line integral convolution."""
    field, start = scene.field(low, high, 0.2), (scene.x, scene.y)
    total = np.zeros_like(scene.x)
    u, v = start
    dx, dy = np.cos(angle) * reach / steps, np.sin(angle) * reach / steps
    for _ in range(steps):  # the directions change so slowly that they are read once
        total += field(u, v)
        u, v = u + dx, v + dy
    return total / total.std()


def fur(scene):
    """A brindled coat that lies in swirls."""
    angle = 1.1 + 0.75 * scene.noise(70, 220, 1.5) + 0.22 * scene.noise(10, 40)
    tufts = _combed(scene, angle, 4, 14, 30)
    hairs = _combed(scene, angle + 0.1 * tufts, 0.8, 2.6, 22)
    brindle = scene.noise(14, 90, 1.3) + 0.5 * tufts
    colour = mix(_flat(scene, "8c6440"), rgb("3f2c1f"), ramp(brindle, 0.0, 1.6))
    colour = mix(colour, rgb("c7a67c"), ramp(-brindle, 0.3, 2.2))
    colour = colour * np.exp(0.42 * hairs + 0.16 * tufts)[..., None]
    return light(scene, colour, 0.3 * hairs + 1.1 * tufts, 0.12 * ramp(hairs, 0, 2), 14)


def lichen(scene):
    """Dark rock with crusts of lichen of every size, white, yellow and grey-green."""
    rough = scene.noise(1.2, 60, 1.3)
    colour = rgb("5c5a57") * np.exp(0.22 * rough + 0.2 * scene.noise(0.8, 5, 0.4))[..., None]
    height = 1.3 * scene.noise(6, 90, 1.7) + 0.5 * rough
    for pitch, share in ((52.0, 0.7), (27.0, 0.5), (12.0, 0.4)):
        u, v = _warped(scene, 2, 26, pitch / 13)
        distance, border, i, j = cells(scene, u, v, pitch)
        there, kind, size, bright = scene.draws(i, j, 4)
        radius = pitch * (0.16 + 0.34 * size) * np.exp(0.1 * scene.noise(1.5, 10))
        inside = np.minimum(radius - distance, border) / pitch + 0.008 * scene.noise(0.9, 5)
        crust = ramp(inside, 0, 0.03) * (there < share)
        crumbs = scene.noise(0.9, 6, 0.5)
        kinds = [rgb(c) for c in ("b9bba9", "9ea68a", "c49a35", "c4c6bd", "8f9b83")]
        paint = choose(kinds, kind) * np.exp(0.3 * (bright - 0.5) + 0.22 * crumbs)[..., None]
        paint = paint * (0.78 + 0.3 * (1 - ramp(inside, 0.03, 0.12)))[..., None]
        crust = crust * ramp(crumbs + 3.2 * (inside < 0.25), -1.2, 0.2)
        colour = mix(colour, paint, crust)
        height = height + crust * (0.5 + 0.25 * crumbs)
    return light(scene, colour, height)


def wood_grain(scene):
    """A plank of pine: rings cut lengthwise, bent round two knots."""
    x, y = scene.x, scene.y
    depth = x + 9 * scene.field(40, 160, 1.6)(x, y / 6) + 1.2 * scene.field(4, 30, 1.2)(x, y / 14)
    knots = np.zeros_like(x)
    for _ in range(2):
        kx, ky = scene.rng.uniform(30, 226, 2)
        radius = scene.rng.uniform(6, 11)
        r = np.hypot(x - kx, (y - ky) / 1.5) + 0.5 * scene.noise(3, 20)
        depth = depth + np.sign(x - kx) * -14 * np.exp(-((r / (radius * 2.3)) ** 2))
        knots = np.maximum(knots, ramp(radius - r, -1.0, 1.5))
        depth = np.where(r < radius, r * 2.2, depth)
    pace = depth / 7.5 + 1.1 * np.sin(depth / 23) + 0.7 * np.sin(depth / 9.1 + 2)
    ring = pace - np.floor(pace)
    late = ramp(ring, 0.25, 0.93) * (1 - ramp(ring, 0.95, 1.0))
    fibres = scene.field(0.7, 5, 0.3)(x, y / 18)
    colour = mix(_flat(scene, "c99f68"), rgb("93592c"), 0.85 * late)
    colour = mix(colour, rgb("5a3420"), 0.75 * knots)
    tone = 0.1 * fibres + 0.05 * scene.noise(0.8, 4) + 0.06 * scene.noise(20, 120)
    return light(scene, colour * np.exp(tone)[..., None], 0.12 * fibres + 0.2 * late, 0.04, 20)


_PAINTERS = (
    marble,
    granite,
    sand,
    plaster,
    clouds,
    bark,
    cracked_earth,
    rust,
    fur,
    lichen,
    wood_grain,
)
NATURAL = {**{painter.__name__: painter for painter in _PAINTERS}, **HEAPED}
"""Painters by name: from a scene to linear colours, ``(S, S, 3)``."""
