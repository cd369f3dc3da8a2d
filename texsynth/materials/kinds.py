"""The kinds of maps that a material has: names of files, channels, what the numbers mean."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Map: TypeAlias = npt.NDArray[np.float32]
"""A map as the package has it inside, ``(H, W, 1)`` or ``(H, W, 3)``, 0..1 as in its file."""

Stack: TypeAlias = dict[str, Map]
"""The maps of a material by the names of their kinds, all of one size; normals are OpenGL's."""

Convention: TypeAlias = Literal["gl", "dx"]
"""Which way the green of a normal map points: up (OpenGL) or down (DirectX)."""

CONVENTIONS: tuple[Convention, Convention] = ("gl", "dx")


@dataclass(frozen=True)
class Kind:
    """A kind of map.

    Attributes:
        name: What it is called here.
        suffixes: What its files' names end in, in lower case, words joined by ``_``.
        channels: 1 or 3.
        is_colour: Whether its numbers are sRGB's; else they are linear, and not to be converted.
        is_vector: Whether they are the parts of a unit vector, each as ``n / 2 + 1 / 2``.
    """

    name: str
    suffixes: tuple[str, ...]
    channels: int = 1
    is_colour: bool = False
    is_vector: bool = False


_ALL = (
    Kind(
        "albedo",
        ("albedo", "basecolor", "base_color", "diffuse", "diff", "color", "colour", "col"),
        channels=3,
        is_colour=True,
    ),
    Kind(
        "normal",
        ("normal", "normals", "nor", "nrm"),
        channels=3,
        is_vector=True,
    ),
    Kind("roughness", ("roughness", "rough")),
    Kind("metallic", ("metallic", "metalness", "metal")),
    Kind("height", ("height", "displacement", "disp")),
    Kind("ao", ("ao", "occlusion", "ambientocclusion", "ambient_occlusion")),
    Kind("opacity", ("opacity", "alpha")),
)

KINDS: dict[str, Kind] = {kind.name: kind for kind in _ALL}
"""All kinds by name, in the order in which they are shown and written."""

SAYS_CONVENTION: dict[str, Convention] = {
    "gl": "gl",
    "_gl": "gl",
    "_ogl": "gl",
    "_opengl": "gl",
    "dx": "dx",
    "_dx": "dx",
    "_directx": "dx",
}
"""What a normal map's suffix may be followed by, and which convention that says."""

PACKED: dict[str, tuple[str, str, str]] = {
    "arm": ("ao", "roughness", "metallic"),
    "orm": ("ao", "roughness", "metallic"),
}
"""Suffixes of files that hold three maps: the kinds in red, green and blue."""
