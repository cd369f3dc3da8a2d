"""Packing: which numbers of a material go into which channels of which files."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from texsynth.errors import ConfigError
from texsynth.materials.kinds import KINDS, Convention, Map, Stack
from texsynth.materials.normals import turned

MOST_CHANNELS = 4
_PARTS = {"r": 0, "g": 1, "b": 2, "x": 0, "y": 1, "z": 2}
_ENTRY = re.compile(
    r"(?P<inverted>1\s*-\s*)?(?P<kind>[a-z]\w*)(\.(?P<part>\w+))?"
    r"(\s*\|\s*(?P<fallback>[^\s|?]+)|(?P<optional>\?))?"
)


class Channel(NamedTuple):
    """What one channel of a file holds.

    Attributes:
        kind: The kind of map; ``None`` is the same number everywhere.
        part: Which of the map's channels, from 0.
        is_inverted: Whether 1 less the map is meant.
        value: The number; of a map, the one in its place where the material has none.
        is_optional: Whether it is left out where the material has none.
    """

    kind: str | None
    part: int = 0
    is_inverted: bool = False
    value: float | None = None
    is_optional: bool = False


class PackedFile(NamedTuple):
    """A file and its channels.

    Attributes:
        name: Its name without ending; ``{name}`` in it stands for the material's.
        channels: What they hold, at most four.
    """

    name: str
    channels: tuple[Channel, ...]


@dataclass(frozen=True)
class Packing:
    """The files of a material as a program takes them.

    Attributes:
        name: What it is called on the command line.
        files: Which there are. One of whose maps the material has none is left out.
        convention: Which way the green of normals points.
        document: ``"tres"`` (Godot) or ``"mtlx"`` (MaterialX) also writes a file that names the
            others.
        is_strict: Whether it is an error where one were left out.
    """

    name: str
    files: tuple[PackedFile, ...]
    convention: Convention = "gl"
    document: str | None = None
    is_strict: bool = False


class Packed(NamedTuple):
    """A file as it is to be written.

    Attributes:
        name: Its name, without ending.
        channels: What they hold; those that the material lacks are numbers.
        values: ``(H, W, C)`` float32, 0..1.
        is_colour: Whether red, green and blue are a colour in sRGB.
    """

    name: str
    channels: tuple[Channel, ...]
    values: Map
    is_colour: bool


class Place(NamedTuple):
    """Where a map is found.

    Attributes:
        name: The file's name, without ending.
        channel: The first of its channels there, from 0.
        is_whole: Whether the file has nothing else.
    """

    name: str
    channel: int
    is_whole: bool


def parse_channels(text: str) -> tuple[Channel, ...]:
    """Returns the channels that a text such as ``ao|1,1-roughness,metallic|0`` names.

    Between commas stands a kind of map; ``1-kind``; one channel of it (``albedo.r``, ``normal.y``);
    or a number from 0 to 1. ``kind|number`` is that number where the material lacks the map;
    ``kind?`` leaves the channel out then. A map of three channels fills three.

    Args:
        text: The text.

    Raises:
        texsynth.errors.ConfigError: It cannot be read, names an unknown kind, or comes to more than
            four channels.
    """
    channels = tuple(each for entry in text.split(",") for each in _parsed(entry.strip(), text))
    if len(channels) > MOST_CHANNELS:
        raise ConfigError(
            f"{text}: a file has at most {MOST_CHANNELS} channels, not {len(channels)}"
        )
    return channels


def _parsed(entry: str, text: str) -> Iterator[Channel]:
    if (value := _number(entry)) is not None:
        yield Channel(None, value=value)
        return
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise ConfigError(
            f"{text}: channels are kinds of maps, 1-kind, or numbers from 0 to 1, not {entry!r}"
        )
    kind = KINDS.get(found["kind"])
    if kind is None:
        raise ConfigError(f"{text}: {found['kind']} is none of the maps {', '.join(KINDS)}")
    fallback = None
    if found["fallback"] is not None and (fallback := _number(found["fallback"])) is None:
        raise ConfigError(f"{text}: what follows | must be from 0 to 1, not {found['fallback']}")
    parts = range(kind.channels)
    if (letter := found["part"]) is not None:
        if _PARTS.get(letter) not in parts:
            raise ConfigError(f"{text}: {kind.name} has no channel {letter}")
        parts = range(_PARTS[letter], _PARTS[letter] + 1)
    for part in parts:
        yield Channel(kind.name, part, bool(found["inverted"]), fallback, bool(found["optional"]))


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def parse_one_file(text: str) -> Packing:
    """Returns the packing of one file that a text such as ``arm=ao,roughness,metallic`` names.

    Args:
        text: What the file's name ends in, and its channels.

    Raises:
        texsynth.errors.ConfigError: It cannot be read.
    """
    key, _, channels = text.partition("=")
    if not re.fullmatch(r"\w[\w-]*", key):
        raise ConfigError(f"{text}: a file's ending must be letters, digits, - and _, not {key!r}")
    file = PackedFile(f"{{name}}_{key}", parse_channels(channels))
    return Packing(key, (file,), is_strict=True)


def resolved(packing: Packing, kinds: Collection[str]) -> list[PackedFile]:
    """Returns the files that a material has, with numbers in the place of maps that it lacks.

    Args:
        packing: The packing.
        kinds: The kinds of maps that there are.

    Raises:
        texsynth.errors.ConfigError: A map is missing for which there is no number, or all are.
    """
    files = []
    for file in packing.files:
        named = {channel.kind for channel in file.channels if channel.kind is not None}
        if packing.is_strict or not named or not named.isdisjoint(kinds):
            channels = tuple(_filled(packing, file, kinds))
            if channels:
                files.append(file._replace(channels=channels))
    if not files:
        raise ConfigError(f"the packing {packing.name} has no use for {', '.join(kinds)}")
    return files


def _filled(packing: Packing, file: PackedFile, kinds: Collection[str]) -> Iterator[Channel]:
    for channel in file.channels:
        if channel.kind is None or channel.kind in kinds:
            yield channel
        elif channel.value is not None:
            value = 1 - channel.value if channel.is_inverted else channel.value
            yield Channel(None, value=value)
        elif not channel.is_optional:
            raise ConfigError(
                f"the packing {packing.name} needs a map {channel.kind}, which the material lacks; "
                f"{channel.kind}|NUMBER would take a number in its place"
            )


def pack(stack: Stack, packing: Packing, name: str) -> list[Packed]:
    """Returns the files of a material.

    Args:
        stack: The maps by kind, ``(H, W, 1)`` or ``(H, W, 3)``, 0..1; normals are OpenGL's.
        packing: Which maps go where.
        name: The material's.

    Raises:
        texsynth.errors.ConfigError: A map is missing.
    """
    maps: Mapping[str, Map] = stack
    if packing.convention == "dx" and "normal" in stack:
        maps = stack | {"normal": turned(stack["normal"])}
    height, width = next(iter(stack.values())).shape[:2]
    packed = []
    for file in resolved(packing, stack.keys()):
        values = np.empty((height, width, len(file.channels)), np.float32)
        for number, channel in enumerate(file.channels):
            if channel.kind is None:
                values[..., number] = channel.value
            else:
                plane = maps[channel.kind][..., channel.part]
                values[..., number] = 1 - plane if channel.is_inverted else plane
        called = file.name.replace("{name}", name)
        packed.append(Packed(called, file.channels, values, _is_colour(file.channels)))
    return packed


def _is_colour(channels: tuple[Channel, ...]) -> bool:
    kinds = [channel.kind for channel in channels[:3]]
    return len(kinds) == 3 and all(kind and KINDS[kind].is_colour for kind in kinds)


def place(packed: Collection[Packed], kind: str) -> Place | None:
    """Returns where a map is found as it is; ``None`` if nowhere.

    Args:
        packed: The files of a material.
        kind: The kind of map.
    """
    wanted = tuple(Channel(kind, part)[:3] for part in range(KINDS[kind].channels))
    for file in packed:
        held = [channel[:3] for channel in file.channels]
        for start in range(len(held) - len(wanted) + 1):
            if tuple(held[start : start + len(wanted)]) == wanted:
                return Place(file.name, start, len(held) == len(wanted))
    return None
