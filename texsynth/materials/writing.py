"""Writes the maps of a material, each to a file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from texsynth import images
from texsynth.materials import normals
from texsynth.materials.kinds import KINDS, Convention, Map


def paths(
    names: Iterable[str], folder: Path, convention: Convention, prefix: str = ""
) -> dict[str, Path]:
    """Returns where each map of a stack is written.

    Args:
        names: Those of the kinds of its maps.
        folder: The folder.
        convention: That of the normal map, which its name says.
        prefix: What the names begin with.
    """
    ends = {name: f"_{convention}" if KINDS[name].is_vector else "" for name in names}
    return {name: folder / f"{prefix}{name}{end}.png" for name, end in ends.items()}


def write(
    stack: Mapping[str, Map],
    where: Mapping[str, Path],
    convention: Convention,
    depth: str | None = None,
    text: Mapping[str, str] | None = None,
) -> None:
    """Writes a stack.

    Args:
        stack: The maps, normals as OpenGL has them.
        where: The path of each.
        convention: That which the normal map is written in.
        depth: ``"8"`` or ``"16"`` bits a channel; ``None`` takes 8 for colours and 16 for the
            others, of which a renderer sees steps.
        text: ``{keyword: text}`` to keep in each file.

    Raises:
        texsynth.errors.ImageError: A file cannot be written.
    """
    for name, values in stack.items():
        kind = KINDS[name]
        if kind.is_vector and convention == "dx":
            values = normals.turned(values)
        bits = depth_of(name, depth)
        images.write_map(where[name], values, bits, text, linear=not kind.is_colour)


def depth_of(name: str, depth: str | None = None) -> str:
    """Returns the bits of a channel that a kind of map is written with.

    Args:
        name: That of the kind.
        depth: What :func:`write` is told.
    """
    return depth or ("8" if KINDS[name].is_colour else "16")
