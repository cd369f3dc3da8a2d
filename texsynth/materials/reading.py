"""Reads the maps of a material from their files."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from texsynth import images
from texsynth.errors import ImageError
from texsynth.materials import normals
from texsynth.materials.finding import Found, Taken
from texsynth.materials.kinds import KINDS, Convention, Kind, Map, Stack
from texsynth.typing import Array

_log = logging.getLogger(__name__)

_GREY = 0.02  # mean difference of channels up to which they are one: JPEG adds some
_OF_LIGHT = (".exr", ".hdr", ".pfm")  # files whose colours are amounts of light


def read(found: Found, convention: Convention = "gl") -> Stack:
    """Reads a stack at full depth, colours in sRGB if their file has another profile.

    Args:
        found: Which files are which maps.
        convention: That of a normal map whose name does not say it.

    Returns:
        dict: The maps by the names of their kinds, normals as OpenGL has them.

    Raises:
        texsynth.errors.ImageError: A file cannot be read, or is not such a map.
    """
    paths = {taken.path for taken in found.maps.values()}
    files = {path: read_file(path, found.maps) for path in paths}
    return assembled(found.maps, files, found.convention or convention)


def read_file(path: Path, maps: Mapping[str, Taken]) -> Array:
    """Reads one file of a stack.

    Args:
        path: The file.
        maps: What each kind is taken from, of which the file may be some.

    Returns:
        numpy.ndarray: What :func:`texsynth.images.read_map` does.

    Raises:
        texsynth.errors.ImageError: It cannot be read.
    """
    as_colours = any(KINDS[name].is_colour for name, each in maps.items() if each.path == path)
    return images.read_map(path, as_colours)


def assembled(
    maps: Mapping[str, Taken], files: Mapping[Path, Array], convention: Convention
) -> Stack:
    """Returns the stack of files that were read.

    Args:
        maps: What each kind is taken from.
        files: What :func:`read_file` returned of each, by path.
        convention: That of the normal map.

    Returns:
        dict: As of :func:`read`.

    Raises:
        texsynth.errors.ImageError: A file is not such a map.
    """
    stack = {name: _as_kind(KINDS[name], taken, files[taken.path]) for name, taken in maps.items()}
    if "normal" in stack and convention == "dx":
        stack["normal"] = normals.turned(stack["normal"])
    return stack


def _as_kind(kind: Kind, taken: Taken, values: Array) -> Map:
    """The map of a kind, of what a file holds."""
    path, alpha = taken.path, values.shape[2] in (2, 4)
    if alpha:
        if (values[..., -1] < 1).any():
            _log.info("%s: its transparency is left out; _opacity is a map of its own", path.name)
        values = values[..., :-1]
    if not (values.min() >= 0 and values.max() <= 1):
        raise ImageError(
            f"{path} has values of {values.min():.3g} to {values.max():.3g}; a map must have"
            " values of 0 to 1"
        )
    if taken.channel is not None:
        if values.shape[2] == 1:
            raise ImageError(f"{path} is to hold three maps, and has one channel")
        return np.ascontiguousarray(values[..., taken.channel : taken.channel + 1])
    if kind.channels == 1:
        return _one_channel(kind, path, values)
    if kind.is_colour and path.suffix.lower() in _OF_LIGHT:
        raise ImageError(f"{path} has amounts of light; save it as a PNG or TIFF of sRGB colours")
    if values.shape[2] == 1:
        if kind.is_vector:
            raise ImageError(f"{path} is to be a normal map, and has one channel")
        values = np.repeat(values, 3, axis=2)
    return np.ascontiguousarray(values)


def _one_channel(kind: Kind, path: Path, values: Array) -> Map:
    if values.shape[2] == 3:
        spread = np.ptp(values, axis=2).mean()
        if spread > _GREY:
            raise ImageError(
                f"{path} is to be a map of {kind.name}, which is grey, and has colours"
            )
        values = values.mean(axis=2, keepdims=True)
    return np.ascontiguousarray(values, dtype=np.float32)
