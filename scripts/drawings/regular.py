"""Regular textures of stone, clay, wood and paper: a painter for each name."""

import numpy as np

from drawings.tools import blur, choose, light, mix, ramp, repeat, rgb

TURN = 2 * np.pi


def _block(scene, x, y, half_x, half_y, corner, rough):
    """Gives the signed distance to a rough rounded rectangle, negative inside."""
    x = np.abs(x + rough * scene.noise(2, 12)) - (half_x - corner)
    y = np.abs(y + rough * scene.noise(2, 12)) - (half_y - corner)
    return np.hypot(np.maximum(x, 0), np.maximum(y, 0)) + np.minimum(np.maximum(x, y), 0) - corner


def brick_wall(scene):
    """Bricks in running bond, each a bit different, with raked sandy joints."""
    row, mortar, length = 27.3, 3.6, 61.7
    j, v = repeat(scene.y + 0.35 * scene.noise(80, 300), row)
    (shift,) = scene.draws(j * 0, j, 1)
    x = scene.x + (j % 2) * length / 2 + 1.8 * (shift - 0.5)
    i, u = repeat(x, length)
    bright, hue, wide, high, tilt, burnt, dx, dy = scene.draws(i, j, 8) - 0.5
    u, v = u * length + 0.9 * dx, v * row + 0.7 * dy
    v = v + 0.014 * tilt * u
    half_x, half_y = (length - mortar) / 2 + 0.5 * wide, (row - mortar) / 2 + 0.5 * high
    outside = _block(scene, u, v, half_x, half_y, 1.8, 0.28)
    brick = 1 - ramp(outside, -0.45, 0.25)

    cloud, fine = scene.noise(4, 60, 1.4), scene.noise(0.8, 4, 0.6)
    pits = ramp(scene.noise(1.2, 5, 0.4), 1.5, 2.3)
    clays = [rgb(c) for c in ("8f4632", "9c513a", "85402f", "a55e43", "7b3a2d", "95503f")]
    colour = choose(clays, hue + 0.5)
    tone = 0.34 * bright + 0.13 * cloud + 0.1 * fine - 0.5 * pits
    tone = tone - 0.55 * ramp(burnt + 0.12 * cloud, 0.36, 0.5)
    colour = colour * np.exp(tone)[..., None]
    bloom = ramp(scene.noise(3, 70, 1.2), 0.4, 2.8) * ramp(-outside, -0.5, 6)
    colour = mix(colour, rgb("b9a394"), 0.2 * bloom)
    sand = scene.noise(0.7, 2.5, 0.2)
    joint = rgb("a79f92") * np.exp(0.13 * sand + 0.1 * scene.noise(5, 40))[..., None]
    height = -1.9 + 0.12 * sand + 0.25 * scene.noise(2, 9)
    face = 0.09 * cloud + 0.07 * fine - 0.5 * pits + 0.5 * (bright + 0.02 * tilt * v)
    face = face - 0.5 * ramp(outside, -2.2, 0)
    return light(scene, mix(joint, colour, brick), height + brick * (face - height))


def tiles(scene):
    """Painted glazed tiles: rosettes, corner rings and leaves in cobalt and ochre."""
    side = 47.3
    x, y = scene.turned(0.7)
    x, y = x + 0.2 * scene.noise(100, 300), y + 0.2 * scene.noise(100, 300)
    (i, u), (j, v) = repeat(x + 9, side), repeat(y + 17, side)
    shade, warm, dx, dy, turn, strength = scene.draws(i, j, 6) - 0.5
    u, v = u * side + 0.35 * dx, v * side + 0.35 * dy
    u, v = u + 0.008 * turn * v, v - 0.008 * turn * u
    outside = _block(scene, u, v, side / 2 - 0.75, side / 2 - 0.75, 0.9, 0.07)
    tile = 1 - ramp(outside, -0.25, 0.15)

    wobble = 0.22
    pu, pv = u + wobble * scene.noise(2, 14), v + wobble * scene.noise(2, 14)
    blue, ochre, line = _azulejo(pu * 2 / side, pv * 2 / side)
    brush = 0.5 + 0.11 * scene.noise(2, 14, 1.2) + 0.05 * scene.noise(0.7, 2)
    glaze = rgb("e9e2cf") * np.exp(0.16 * shade + 0.025 * scene.noise(6, 50))[..., None]
    glaze = glaze * (1 + 0.07 * warm[..., None] * np.float32([1, 0.1, -1.2]))
    colour = mix(glaze, rgb("d39a35"), ochre * np.clip(brush + 0.32, 0, 1))
    colour = mix(colour, rgb("2c4f9e"), blue * np.clip(brush + 0.28 + 0.24 * strength, 0, 1))
    colour = mix(colour, rgb("152a5e"), line * np.clip(brush + 0.38 + 0.2 * strength, 0, 1))
    specks = ramp(scene.noise(0.8, 4, 0.3), 2.3, 2.9)
    colour = mix(colour, rgb("6b5a44"), 0.7 * specks)
    worn = ramp(outside + 0.35 * scene.noise(1.5, 10), -0.9, 0.1)
    colour = mix(colour, rgb("b58a66"), 0.5 * worn)
    grout = rgb("8d8578") * np.exp(0.12 * scene.noise(0.7, 5, 0.4))[..., None]
    pillow = -0.5 * ramp(outside, -1.6, 0) + 0.04 * scene.noise(6, 40) + 0.25 * shade
    height = -0.8 + 0.06 * scene.noise(0.8, 4)
    return light(
        scene, mix(grout, colour, tile), height + tile * (pillow - height), 0.22 * tile, 60
    )


def _azulejo(u, v):
    """Gives the paints of one tile, each from 0 to 1, at ``(u, v)`` from -1 to 1."""
    a, b = np.abs(u), np.abs(v)
    r, angle, corner = np.hypot(u, v), np.arctan2(v, u), np.hypot(1 - a, 1 - b)

    def band(value, low, high, soft=0.03):
        return ramp(value, low - soft, low) * (1 - ramp(value, high, high + soft))

    petals = 0.40 + 0.10 * np.cos(8 * angle)
    along, across = np.maximum(a, b), np.minimum(a, b)
    leaf = across / np.maximum(0.15 * np.sin(np.pi * np.clip((along - 0.52) / 0.46, 0, 1)), 1e-3)
    blue = np.maximum(band(corner, 0.56, 0.70), 1 - ramp(corner, 0.13, 0.16))
    blue = np.maximum(blue, band(r / petals, 0.52, 0.98, 0.05))
    blue = np.maximum(blue, (1 - ramp(leaf, 0.8, 1.0)) * ramp(along, 0.52, 0.56))
    ochre = np.maximum(band(corner, 0.27, 0.43), 1 - ramp(r, 0.15, 0.18))
    line = np.maximum(band(corner, 0.70, 0.73, 0.015), band(corner, 0.24, 0.27, 0.015))
    line = np.maximum(line, band(r / petals, 0.96, 1.04, 0.04))
    line = np.maximum(line, band(leaf, 0.75, 1.05, 0.15) * ramp(along, 0.52, 0.56))
    return blue, ochre, np.maximum(line, 1 - ramp(r, 0.055, 0.075))


def hexagons(scene):
    """Six-sided cement tiles in three greys and a red, a little turned."""
    wide = 31.0
    x, y = scene.turned(4)
    x, y = x + 0.2 * scene.noise(60, 250), y + 0.2 * scene.noise(60, 250)
    high = wide * np.sqrt(3)
    (i, u), (j, v) = repeat(x, wide), repeat(y, high)
    (k, s), (m, t) = repeat(x + wide / 2, wide), repeat(y + high / 2, high)
    second = (s * wide) ** 2 + (t * high) ** 2 < (u * wide) ** 2 + (v * high) ** 2
    u, v = np.where(second, s, u) * wide, np.where(second, t, v) * high
    i, j = np.where(second, k, i), np.where(second, 2 * m + 1, 2 * j)
    bright, hue, dx, dy, lift, _ = scene.draws(i, j, 6) - 0.5
    u, v = np.abs(u + 0.4 * dx), np.abs(v + 0.4 * dy)
    outside = np.maximum(u, u / 2 + v * np.sqrt(3) / 2) - wide / 2 + 0.9
    outside = outside + 0.12 * scene.noise(1.5, 10)
    tile = 1 - ramp(outside, -0.4, 0.2)
    cements = [rgb(c) for c in ("8b8a85", "76767a", "9c978c", "8a5c4b")]
    tone = 0.2 * bright + 0.09 * scene.noise(5, 60, 1.3) + 0.07 * scene.noise(0.8, 3, 0.3)
    colour = choose(cements, hue + 0.5) * np.exp(tone)[..., None]
    grout = rgb("4d4740") * np.exp(0.15 * scene.noise(0.8, 5))[..., None]
    face = 0.5 * lift - 0.6 * ramp(outside, -1.5, 0) + 0.05 * scene.noise(0.8, 6)
    height = -1.1 + 0.1 * scene.noise(0.8, 4)
    return light(scene, mix(grout, colour, tile), height + tile * (face - height), 0.05)


def herringbone(scene):
    """Oak blocks in herringbone bond, laid slantwise."""
    wide, ratio = 14.2, 4
    x, y = scene.turned(46)
    (i, u), (j, v) = repeat(x, wide), repeat(y, wide)
    k = (i - j) % (2 * ratio)
    lying = k < ratio
    place = np.where(lying, k, 2 * ratio - 1 - k)
    first_i, first_j = np.where(lying, i - place, i), np.where(lying, j, j - place)
    along = (np.where(lying, u, v) + 0.5 + place - ratio / 2) * wide
    across = np.where(lying, v, u) * wide
    bright, hue, lift, start, other = scene.draws(first_i, first_j, 5) - 0.5
    outside = _block(scene, along, across, ratio * wide / 2 - 0.3, wide / 2 - 0.3, 0.3, 0.06)
    grain = scene.field(1.2, 30, 1.2)((along + 300 * start) / 9, across + 300 * other)
    pores = scene.field(0.7, 3, 0.2)((along + 300 * other) / 7, across + 300 * start)
    oaks = [rgb(c) for c in ("a9794a", "b78a58", "9a6a3e", "ad8150")]
    tone = 0.34 * bright + 0.11 * grain - 0.32 * ramp(pores, 1.2, 2.4)
    colour = choose(oaks, hue + 0.5) * np.exp(tone)[..., None]
    wood = 1 - ramp(outside, -0.3, 0.1)
    colour = mix(np.broadcast_to(rgb("2b1c10"), colour.shape), colour, wood)
    height = wood * (0.7 + 0.4 * lift + 0.03 * grain - 0.3 * ramp(outside, -1, 0))
    return light(scene, colour, height, 0.12, 30)


def roof_tiles(scene):
    """Clay beaver tails in rows, each over half of the next row."""
    wide, row = 29.4, 23.7
    y = scene.y + 0.4 * scene.noise(60, 250)
    j = np.floor(y / row).astype(np.int32)

    def tongue(j):
        (shift,) = scene.draws(j * 0, j, 1)
        i, u = repeat(scene.x + (j % 2) * wide / 2 + shift, wide)
        return i, u, (j + 1) * row + 0.42 * row * np.sqrt(np.maximum(1 - (2 * u) ** 2, 0)) - 3

    upper = tongue(j - 1)
    covered = y < upper[2] + 0.3 * scene.noise(2, 9)
    i, u, low = (np.where(covered, a, b) for a, b in zip(upper, tongue(j), strict=True))
    j = np.where(covered, j - 1, j)
    bright, hue, lift, drop, tilt = scene.draws(i, j, 5) - 0.5
    clays = [rgb(c) for c in ("a4583a", "91492f", "b46a48", "86503f", "9d6a52")]
    tone = 0.42 * bright + 0.13 * scene.noise(4, 50, 1.3) + 0.1 * scene.noise(0.8, 3, 0.3)
    colour = choose(clays, hue + 0.5) * np.exp(tone)[..., None]
    moss = ramp(scene.noise(2, 30, 1.0) + 0.05 * (y - low), 0.6, 2.2)
    colour = mix(colour, rgb("4f5138"), 0.55 * moss)
    seam = 1 - ramp(np.abs(np.abs(u) - 0.5) * wide, 0.2, 0.8)
    colour = mix(colour, rgb("2a1c17"), 0.85 * seam)
    height = 0.085 * (y - low) + 1.0 * lift + 1.5 * tilt * u + 0.4 * drop - 1.2 * seam
    height = height + 0.08 * scene.noise(1, 8) - 2.2 * (2 * u) ** 2 * 0.25
    return light(scene, colour, height)


def wallpaper(scene):
    """Old wallpaper: ogees with a flower in each, gold on green, half-dropped."""
    wide, high = 55.6, 75.3
    x, y = scene.turned(-0.6)
    x, y = x + 0.25 * scene.noise(3, 20), y + 0.25 * scene.noise(3, 20)
    field = np.cos(TURN * x / wide) + np.cos(TURN * y / high) * (1 + 0.25 * np.cos(TURN * y / high))
    ogee = 1 - ramp(np.abs(field - 0.1), 0.12, 0.17)
    ogee = np.maximum(ogee, 1 - ramp(np.abs(np.abs(field - 0.1) - 0.27), 0.02, 0.05))
    u, v = repeat(x, wide)[1], repeat(y, high)[1]
    s, t = repeat(x + wide / 2, wide)[1], repeat(y + high / 2, high)[1]
    gold = np.maximum(ogee, np.maximum(_flower(u * wide, v * high), _flower(s * wide, t * high)))
    worn = ramp(scene.noise(1.2, 25, 0.9), 1.1, 2.2)
    ground = (
        rgb("47604f") * np.exp(0.05 * scene.noise(0.8, 5) + 0.07 * scene.noise(20, 120))[..., None]
    )
    shine = rgb("bfa05c") * np.exp(0.09 * scene.noise(0.9, 6, 0.7))[..., None]
    colour = mix(ground, shine, gold * (1 - 0.55 * worn))
    paper = 0.05 * scene.noise(0.8, 4, 0.3) + 0.25 * blur(scene.step, gold, 0.5)  # embossed
    return light(scene, colour, paper, 0.06 * gold, 20)


def _flower(u, v):
    """Gives a mirrored flower on a stem round the origin, within 14 by 22 units."""
    a = np.abs(u)
    r, angle = np.hypot(u, v + 4), np.arctan2(a, -(v + 4))
    bloom = 1 - ramp(r - 5.5 - 2.6 * np.cos(5 * angle), 0, 0.7)
    bloom = bloom * ramp(np.abs(r - 3.6), 0.3, 0.9)
    stem = 1 - ramp(a, 0.6, 1.1)
    stem = stem * ramp(v, 1.5, 2.2) * (1 - ramp(v, 19, 20))
    leaves = np.zeros_like(u)
    for top, long, lean in ((7, 9, 0.75), (13, 7, 0.95)):
        along = (a * np.sin(lean) - (v - top) * np.cos(lean)) / long
        across = a * np.cos(lean) + (v - top) * np.sin(lean)
        half = 2.6 * np.sin(np.pi * np.clip(along, 0, 1)) ** 0.8
        leaves = np.maximum(leaves, 1 - ramp(np.abs(across) - half, -0.3, 0.2))
        leaves = leaves * np.where((along > 0) & (along < 1), ramp(np.abs(across), 0.1, 0.5), 1)
    return np.maximum(np.maximum(bloom, stem), leaves * (np.hypot(a, v) < 22) * (a > 0.3))


def checkered(scene):
    """A polished floor of black and white marble squares, turned a little."""
    side = 36.6
    x, y = scene.turned(3)
    (i, u), (j, v) = repeat(x, side), repeat(y, side)
    bright, turn, dx, dy, lift, warm = scene.draws(i, j, 6) - 0.5
    dark = ((i + j) % 2).astype(np.float32)
    angle = np.round(turn * 4) * np.pi / 2 + 0.6
    px = np.cos(angle) * u * side - np.sin(angle) * v * side + 300 * dx
    py = np.sin(angle) * u * side + np.cos(angle) * v * side + 300 * dy
    bend = scene.field(6, 50, 1.4)(px, py)
    vein = scene.field(9, 60, 1.5)(px * 0.5 + 5 * bend, py + 5 * bend)
    vein = np.exp(-((vein / 0.10) ** 2)) * ramp(scene.field(15, 60)(px, py), -0.6, 1.2)
    cloud = scene.field(4, 40, 1.4)(px, py)
    white = rgb("dcd8cf") * np.exp(0.05 * cloud + 0.12 * bright)[..., None]
    white = mix(white, rgb("85838a"), 0.6 * vein)
    black = rgb("26262a") * np.exp(0.22 * cloud + 0.3 * bright)[..., None]
    black = mix(black, rgb("a9a6a0"), 0.55 * vein)
    colour = mix(white, black, dark) * (1 + 0.04 * warm[..., None] * np.float32([1, 0.2, -1]))
    outside = _block(scene, u * side, v * side, side / 2 - 0.3, side / 2 - 0.3, 0.2, 0.04)
    stone = 1 - ramp(outside, -0.25, 0.1)
    grout = rgb("6e675c") * np.exp(0.1 * scene.noise(0.8, 4))[..., None]
    height = stone * (0.5 + 0.12 * lift - 0.2 * ramp(outside, -0.7, 0))
    return light(scene, mix(grout, colour, stone), height, 0.16 * stone, 50)


REGULAR = {
    painter.__name__: painter
    for painter in (
        brick_wall,
        tiles,
        hexagons,
        herringbone,
        roof_tiles,
        wallpaper,
        checkered,
    )
}
"""Painters by name: from a scene to linear colours, ``(S, S, 3)``."""
