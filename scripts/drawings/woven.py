"""Regular textures of threads and canes: a painter for each name."""

import numpy as np

from drawings.tools import light, mix, ramp, repeat, rgb


def basket(scene):
    """Cane woven over and under, two flat strands at a time."""
    pitch = 18.6
    x, y = scene.turned(-2)
    x, y = x + 0.5 * scene.noise(25, 120), y + 0.5 * scene.noise(25, 120)
    (i, u), (j, v) = repeat(x, pitch), repeat(y, pitch)
    lying = (i + j) % 2 == 0  # the strand to the right is on top
    across, along = np.where(lying, v, u) * pitch, np.where(lying, u, v)
    strand = np.where(across > 0, 1, 0)
    across = (np.abs(across) - pitch / 4) * 4 / (pitch - 1.6)
    number = np.where(lying, 2 * j + strand, 2 * i + strand + 64)
    bright, warm, wide, thick = scene.draws(number, number * 0, 4) - 0.5
    part = scene.draws(i, j, 1)[0] - 0.5
    profile = np.sqrt(np.maximum(1 - (np.abs(across) / (0.97 + 0.12 * wide)) ** 2.6, 0))
    length, other = np.where(lying, x, y), np.where(lying, y, x)
    fibre = scene.field(0.7, 6, 0.6)(length / 9 + 31 * number, other)
    spots = ramp(scene.field(2, 12)(length / 3 + 17 * number, other), 1.6, 2.6)
    tone = 0.4 * bright + 0.14 * part + 0.15 * fibre + 0.1 * scene.noise(6, 60) - 0.4 * spots
    colour = mix(
        np.broadcast_to(rgb("b08550"), (*x.shape, 3)), rgb("8f6a42"), ramp(warm, -0.5, 0.5)
    )
    colour = colour * np.exp(tone)[..., None]
    colour = mix(np.broadcast_to(rgb("1c140c"), colour.shape), colour, ramp(profile, 0.05, 0.4))
    height = profile * 1.5 + 3.4 * np.cos(np.pi * along * 0.98) * ramp(profile, 0, 0.3) + thick
    return light(scene, colour, height + 0.06 * fibre, 0.14, 20)


def houndstooth(scene):
    """Woollen cloth: a twill of two colours whose teeth repeat after eight threads."""
    thread = 2.37
    x, y = scene.turned(1.8)
    x, y = x + 0.5 * scene.noise(25, 150), y + 0.5 * scene.noise(25, 150)
    (i, u), (j, v) = repeat(x, thread), repeat(y, thread)
    warp_on_top = (i + j) % 4 < 2
    group = np.where(warp_on_top, i, j) // 4
    dark = (group % 2).astype(np.float32)
    number = np.where(warp_on_top, i, j + 64)
    bright = scene.draws(number, number * 0, 1)[0] - 0.5
    knot = scene.draws(i, j, 1)[0] - 0.5
    across, along = np.where(warp_on_top, u, v), np.where(warp_on_top, v, u)
    fuzz = scene.noise(0.7, 2.5, 0.2)
    tone = 0.12 * bright + 0.18 * knot + 0.12 * fuzz + 0.06 * scene.noise(10, 90)
    colour = mix(np.broadcast_to(rgb("cdc3b1"), (*x.shape, 3)), rgb("2f2b2d"), dark)
    colour = colour * np.exp(tone + 0.25 * dark * fuzz)[..., None]
    twist = np.sin(2 * np.pi * (along * 1.3 + across * 0.9))
    height = 0.75 * np.cos(np.pi * across) + 0.2 * np.cos(np.pi * along) + 0.06 * twist
    return light(scene, colour, height + 0.1 * fuzz)


def knit(scene):
    """Stocking stitch in thick mottled wool."""
    wide, high = 16.4, 13.1
    x, y = scene.turned(-1.5)
    x, y = x + 0.6 * scene.noise(30, 120), y + 0.6 * scene.noise(30, 120)
    i, u = repeat(x, wide)
    a = np.abs(u) * 2  # 0 in the middle of the V, 1 between the wales
    j, v = repeat(y + 0.85 * high * a, high)
    side = (u > 0).astype(np.int32)
    bright, hue = scene.draws(2 * i + side, j, 2) - 0.5
    across = np.sqrt(np.maximum(1 - (2 * v) ** 2, 0))
    along = np.sqrt(np.maximum(1 - (2 * a - 1) ** 2, 0))
    ply = np.sin(2 * np.pi * (1.6 * a + 1.9 * v))
    fuzz = scene.noise(0.7, 3, 0.3)
    height = 3.2 * across**0.8 * (0.25 + 0.75 * along) + 0.3 * ply * across + 0.12 * fuzz
    tone = 0.24 * bright + 0.1 * fuzz + 0.08 * scene.noise(4, 40) + 0.07 * ply
    colour = mix(np.broadcast_to(rgb("7e8ba3"), (*x.shape, 3)), rgb("8f8aa0"), hue + 0.5)
    colour = mix(colour, rgb("c6c9d0"), 0.5 * ramp(scene.noise(1, 6, 0.5), 1.3, 2.6))
    return light(scene, colour * np.exp(tone)[..., None], height)


WOVEN = {painter.__name__: painter for painter in (basket, houndstooth, knit)}
"""Painters by name: from a scene to linear colours, ``(S, S, 3)``."""
