"""What a material looks like under one lamp: diffuse light, and highlights by roughness and metal.

The model is that of real-time renderers: Lambert's, and microfacets with the distribution GGX
(Walter et al. 2007), Smith's masking in the form for correlated heights (Heitz 2014), and Schlick's
approximation of Fresnel's equations, with a reflectance of 4 % of what is no metal.
"""

import numpy as np

from texsynth.images import transfer
from texsynth.materials.kinds import Stack
from texsynth.typing import Array

_LAMP, _SKY = 2.6, 0.32  # how bright: light from one way, on what faces it, and from everywhere
_OF_NO_METAL = 0.04  # reflectance, seen straight on
_LACKING = {
    "albedo": np.full(3, 0.7, np.float32),
    "roughness": np.full(1, 0.5, np.float32),
    "metallic": np.zeros(1, np.float32),
    "ao": np.ones(1, np.float32),
}
"""What stands in the place of maps that a material lacks."""

_SMOOTHEST = 0.045  # roughness: below it highlights are less than a pixel


def shade(stack: Stack, normal: Array, view: Array, lamp: Array, lit: Array | float = 1.0) -> Array:
    """Returns the light that surfaces send to the eye, linear, about 0..1.

    Args:
        stack: Maps by kind, ``(..., 1)`` or ``(..., 3)``, as they lie before the eye; those of
            albedo, roughness, metallic and ambient occlusion count.
        normal: ``(..., 3)``, unit vectors.
        view: ``(3,)``, towards the eye.
        lamp: ``(3,)``, towards the lamp.
        lit: ``(...)``, how much of the lamp is seen.

    Returns:
        numpy.ndarray: ``(..., 3)``.
    """
    maps = _LACKING | stack
    albedo, metallic = transfer.to_light(maps["albedo"]), maps["metallic"]
    base = _OF_NO_METAL * (1 - metallic) + albedo * metallic
    diffuse = albedo * (1 - metallic)
    facing = np.maximum(normal @ lamp, 0)[..., None] * np.asarray(lit)[..., None]
    shine = _highlight(base, maps["roughness"], normal, view, lamp)
    light: Array = _LAMP * facing * (diffuse / np.pi + shine) + _SKY * maps["ao"] * (diffuse + base)
    return light


def _highlight(base: Array, roughness: Array, normal: Array, view: Array, lamp: Array) -> Array:
    """The reflectance of microfacets, per steradian."""
    half = (view + lamp) / np.linalg.norm(view + lamp)
    n_h, n_v, n_l = (np.maximum(normal @ way, 1e-4)[..., None] for way in (half, view, lamp))
    alpha2 = np.maximum(roughness, _SMOOTHEST) ** 4
    spread = alpha2 / (np.pi * (n_h**2 * (alpha2 - 1) + 1) ** 2)
    masked = n_l * np.sqrt(n_v**2 * (1 - alpha2) + alpha2)
    masked = masked + n_v * np.sqrt(n_l**2 * (1 - alpha2) + alpha2)
    fresnel = base + (1 - base) * (1 - view @ half) ** 5
    reflectance: Array = spread * fresnel / (2 * masked)
    return reflectance


def shadows(height: Array, lamp: Array) -> Array:
    """Returns how much of the lamp each place of a relief sees, by marching towards it.

    Args:
        height: ``(H, W)``, pixels; it goes on at the opposite edge.
        lamp: ``(3,)``, x right, y up, z out of the picture; not straight above.

    Returns:
        numpy.ndarray: ``(H, W)``, 0 to 1, softer the further away what casts the shadow.
    """
    flat = np.hypot(lamp[0], lamp[1])
    rise, reach = lamp[2] / flat, (height.max() - height.min()) * flat / lamp[2]
    lit = np.ones_like(height)
    for distance in np.arange(1.0, min(reach, max(height.shape)) + 1):
        across, up = (round(distance * part / flat) for part in lamp[:2])
        above = np.roll(height, (up, -across), (0, 1)) - height - np.hypot(across, up) * rise
        lit = np.minimum(lit, np.clip(0.5 - above / (0.7 + 0.12 * distance), 0, 1))
    return lit
