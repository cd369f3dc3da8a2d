"""Finds the maps of a material by the names of their files."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from texsynth.errors import ImageError
from texsynth.materials.kinds import KINDS, PACKED, SAYS_CONVENTION, Convention

_ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".exr", ".hdr", ".tga", ".bmp", ".webp"),
    *(".pgm", ".ppm", ".pnm", ".pfm", ".npy"),
)
_OF_FILES = re.compile(r"(_(\d+k|\d{3,5}(x\d{3,5})?|\d+bit|jpe?g|png|tiff?|exr))+$")
"""What names say of sizes and formats, as ``_1k``, ``_2048`` or ``_1k_jpg``."""


class Taken(NamedTuple):
    """A file, or one channel of it, that is a map.

    Attributes:
        path: The file.
        channel: Which of its channels, from 0; ``None`` takes the file as the map.
    """

    path: Path
    channel: int | None = None

    def __str__(self) -> str:
        name = self.path.name
        return name if self.channel is None else f"{name}, {_CHANNELS[self.channel]}"


class Found(NamedTuple):
    """The maps of a material.

    Attributes:
        maps: What each kind is taken from, in the order of :data:`KINDS`.
        convention: That of the normal map, if its name says it.
        unknown: Images whose names say no kind.
        spare: Files whose maps are taken from other files.
        made: Files that were made from the others.
    """

    maps: dict[str, Taken]
    convention: Convention | None
    unknown: tuple[Path, ...]
    spare: tuple[Path, ...]
    made: tuple[Path, ...] = ()

    def told(self) -> Iterator[str]:
        """Yields lines that say what was taken for what, and what was not."""
        for name, taken in self.maps.items():
            yield f"{name}: {taken}"
        for path in self.spare:
            yield f"left out: {path.name}; its maps are there as other files"
        for path in self.made:
            yield f"left out: {path.name}; texsynth made it, and such a map is there beside it"
        for path in self.unknown:
            yield f"left out: {path.name}; its name says no kind of map"


_CHANNELS = ("red", "green", "blue")


def listed(where: str | Path) -> list[Path]:
    """Returns the images of a folder, or those that a pattern names, by name.

    Args:
        where: A folder, or a pattern as a shell's, with ``*``, ``?`` or ``[...]``.

    Raises:
        texsynth.errors.ImageError: There is no such folder, or it has no image.
    """
    images, _ = looked_into(where)
    if not images:
        raise nothing_in(where)
    return images


def looked_into(where: str | Path) -> tuple[list[Path], list[Path]]:
    """Returns the images and the folders in a folder, or that a pattern names, by name.

    Args:
        where: As for :func:`listed`. What is hidden is left out.

    Raises:
        texsynth.errors.ImageError: The folder cannot be read.
    """
    folder = Path(where)
    try:
        paths = folder.iterdir() if folder.is_dir() else _matching(folder)
        seen = sorted(path for path in paths if not path.name.startswith("."))
        images = [path for path in seen if path.suffix.lower() in _ENDINGS and path.is_file()]
        return images, [path for path in seen if path.is_dir()]
    except OSError as error:
        raise ImageError(f"cannot read the folder {where}: {error.strerror}") from error


def nothing_in(where: str | Path) -> ImageError:
    """Returns what is raised of a folder, or a pattern, without images.

    Args:
        where: As for :func:`listed`.
    """
    told = f"the folder {where} has" if Path(where).is_dir() else f"{where} is no folder, and names"
    return ImageError(f"{told} no images")


def is_of_maps(where: Path) -> bool:
    """Says whether a path is a folder, or a pattern of files, as :func:`listed` takes it.

    Args:
        where: A path; what is there as a file is none, whatever its name.
    """
    return where.is_dir() or (any(x in str(where) for x in "*?[") and not where.exists())


def _matching(pattern: Path) -> Iterator[Path]:
    return Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))


def find(paths: Iterable[Path]) -> Found:
    """Says which files are which maps of one material.

    A map of a file of its own goes before one of a packed file (``_arm``, ``_orm``), a normal map
    of OpenGL before the same of DirectX.

    Args:
        paths: Images; only their names are looked at.

    Raises:
        texsynth.errors.ImageError: No name says a kind, or two say the same.
    """
    named: dict[str, list[Path]] = {}
    normals: dict[Convention | None, list[Path]] = {}
    packed: list[tuple[Path, tuple[str, str, str]]] = []
    unknown = []
    for path in paths:
        words = _words(path)
        if (kinds := _packed(words)) is not None:
            packed.append((path, kinds))
        elif (found := kind_of(words)) is None:
            unknown.append(path)
        elif found[0] == "normal":
            normals.setdefault(found[1], []).append(path)
        else:
            named.setdefault(found[0], []).append(path)
    convention, spare = _one_convention(normals, named)
    maps = {name: Taken(_only(name, those)) for name, those in named.items()}
    for path, kinds in packed:
        lacking = [(name, channel) for channel, name in enumerate(kinds) if name not in named]
        for name, channel in lacking:
            if name in maps:
                raise _doubled(name, [maps[name].path, path])
            maps[name] = Taken(path, channel)
        if not lacking:
            spare.append(path)
    if not maps:
        names = ", ".join(path.name for path in unknown)
        raise ImageError(
            f"no file's name says what map it is, as _albedo, _normal, _height do: {names}"
        )
    ordered = {name: maps[name] for name in KINDS if name in maps}
    return Found(ordered, convention, tuple(unknown), tuple(spare))


def _one_convention(
    normals: dict[Convention | None, list[Path]], named: dict[str, list[Path]]
) -> tuple[Convention | None, list[Path]]:
    """Enters the normal maps to take into ``named``; returns their convention, and the others."""
    spare: list[Path] = []
    if "gl" in normals and "dx" in normals and None not in normals:
        spare = normals.pop("dx")
    if normals:
        named["normal"] = [path for those in normals.values() for path in those]
    return next(iter(normals), None), spare


def _only(name: str, paths: Sequence[Path]) -> Path:
    if len(paths) > 1:
        raise _doubled(name, paths)
    return paths[0]


def _doubled(name: str, paths: Sequence[Path]) -> ImageError:
    names = " and ".join(path.name for path in paths)
    return ImageError(f"more than one {name} map: {names}; a pattern can name one material's files")


def _words(path: Path) -> str:
    """A file's name in lower case, its words joined by ``_``, without sizes and formats."""
    return _OF_FILES.sub("", _joined(path.stem))


def _joined(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def stem_of(path: Path) -> str | None:
    """Returns what a file's name begins with before it says the kind of map.

    Args:
        path: The file, such as ``Wall 2_BaseColor_1k.png`` of the stem ``Wall 2``.

    Returns:
        str: It may be empty; ``None`` if the name says no kind.
    """
    words, ends = _words(path), [*PACKED]
    for kind in KINDS.values():
        more = ("", *SAYS_CONVENTION) if kind.is_vector else ("",)
        ends += [suffix + each for suffix in kind.suffixes for each in more]
    said = [end for end in ends if _ends_in(words, end)]
    if not said:
        return None
    before = words.removesuffix(max(said, key=len)).strip("_")
    lengths = range(len(path.stem) + 1)
    return next(path.stem[:each] for each in lengths if _joined(path.stem[:each]) == before)


def _ends_in(words: str, suffix: str) -> bool:
    return words == suffix or words.endswith(f"_{suffix}")


def _packed(words: str) -> tuple[str, str, str] | None:
    return next((kinds for suffix, kinds in PACKED.items() if _ends_in(words, suffix)), None)


def kinds_of(path: Path) -> tuple[str, ...]:
    """Returns the names of the kinds of maps that a file holds by its name.

    Args:
        path: The file.
    """
    words = _words(path)
    if (kinds := _packed(words)) is not None:
        return kinds
    return () if (found := kind_of(words)) is None else found[:1]


def kind_of(words: str) -> tuple[str, Convention | None] | None:
    """Says what map a name is of.

    Args:
        words: The name in lower case, its words joined by ``_``.

    Returns:
        tuple: The name of a kind, and the convention if it is a normal map that says it; ``None``
        if it says no kind.
    """
    for kind in KINDS.values():
        for suffix in kind.suffixes:
            if _ends_in(words, suffix):
                return kind.name, None
            if kind.is_vector:
                for more, convention in SAYS_CONVENTION.items():
                    if _ends_in(words, suffix + more):
                        return kind.name, convention
    return None
