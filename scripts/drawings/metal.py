"""Regular textures of metal: a painter for each name."""

import numpy as np

from drawings.tools import light, mix, ramp, repeat, rgb


def corrugated(scene):
    """A corrugated sheet, painted and weathered, with screws, a little turned."""
    period = 19.3
    x, y = scene.turned(2)
    i, u = repeat(x + 0.25 * scene.noise(50, 200), period)
    height = 2.6 * np.cos(2 * np.pi * u)
    streak = scene.field(1.5, 40, 1.2)(x, y / 8)
    rust = ramp(streak + 0.7 * scene.noise(2, 40, 1.2) - 0.3 * np.cos(2 * np.pi * u), 1.1, 2.2)
    paint = rgb("7f9a9b") * np.exp(0.05 * streak + 0.04 * scene.noise(1, 8))[..., None]
    brown = rgb("7a4526") * np.exp(0.25 * scene.noise(1, 10, 0.8))[..., None]
    colour = mix(paint, brown, rust)
    _, v = repeat(y + 20, 87.0)
    screw = np.hypot(u * period, v * 87.0) + 40 * (i % 2)
    drips = ramp(-np.abs(u * period) / 1.6, -1.6, 0) * np.exp(-np.maximum(v * 87, 0) / 14) * (v > 0)
    colour = mix(colour, rgb("6a3a20"), 0.6 * drips * (1 - i % 2))
    head = 1 - ramp(screw, 1.6, 2.0)
    colour = mix(colour, rgb("565a5c"), head)
    height = height + 0.9 * head * np.sqrt(np.maximum(1 - (screw / 2.2) ** 2, 0))
    return light(scene, colour, height + 0.04 * scene.noise(1, 8), 0.3 * (1 - 0.8 * rust), 18)


def perforated(scene):
    """A brushed steel sheet with staggered round holes."""
    pitch = 17.7
    x, y = scene.turned(1.5)
    high = pitch * np.sqrt(3)
    near = np.minimum(
        np.hypot(repeat(x, pitch)[1] * pitch, repeat(y, high)[1] * high),
        np.hypot(repeat(x + pitch / 2, pitch)[1] * pitch, repeat(y + high / 2, high)[1] * high),
    )
    near = near + 0.06 * scene.noise(2, 12)
    brushed = scene.field(0.7, 6, 0.3)(x / 14, y)
    tone = 0.07 * brushed + 0.08 * scene.noise(20, 120, 1.2)
    steel = rgb("9ba0a5") * np.exp(tone - 0.2 * ramp(scene.noise(2, 30), 1.5, 3))[..., None]
    hole = 1 - ramp(near, 5.2, 5.6)
    below = rgb("3a3633") * np.exp(0.3 * scene.noise(3, 40, 1.2))[..., None]
    height = -5.0 * hole - 0.5 * (1 - ramp(near, 5.4, 7.2)) * (1 - hole) + 0.02 * brushed
    return light(scene, mix(steel, below, hole), height, 0.35 * (1 - hole), 14)


def chain_link(scene):
    """A chain-link fence before bushes that are out of focus."""
    pitch = 25.4
    x, y = scene.turned(1.2)
    x, y = x + 0.7 * scene.noise(40, 160), y + 0.7 * scene.noise(40, 160)
    a, b = (x + y) / np.sqrt(2), (x - y) / np.sqrt(2)
    (i, u), (j, v) = repeat(a, pitch), repeat(b, pitch)
    leaves = 0.9 * scene.noise(14, 90, 1.4) + 0.35 * scene.noise(7, 20)
    back = mix(rgb("2e3d22") * np.exp(0.55 * leaves)[..., None], rgb("93a06c"), ramp(leaves, 1, 3))
    height, colour = np.full_like(x, -40.0), back
    zinc = rgb("8d9192") * np.exp(0.12 * scene.noise(1, 9, 0.7))[..., None]
    zinc = mix(zinc, rgb("7b5335"), ramp(scene.noise(2, 40, 1.0), 1.1, 2.4))
    for across, along, sign in ((u, b, 1), (v, a, -1)):
        away = np.abs(across * pitch) / 1.25
        parity = sign * np.where((i + j) % 2, 1, -1) * np.cos(np.pi * (along / pitch))
        top = np.sqrt(np.maximum(1 - away**2, 0)) * 1.25 + 0.5 * np.sign(parity)
        over = (away < 1) & (top > height)
        height, colour = np.where(over, top, height), np.where(over[..., None], zinc, colour)
    wire = height > -20
    metal = light(scene, colour, np.where(wire, height, -1.0), 0.3 * wire, 12)
    return np.where(wire[..., None], metal, back * 1.5)


METAL = {painter.__name__: painter for painter in (corrugated, perforated, chain_link)}
"""Painters by name: from a scene to linear colours, ``(S, S, 3)``."""
