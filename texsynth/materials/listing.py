"""Which materials there are in folders, and among files: one in each, or several by their names."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from texsynth.errors import ImageError
from texsynth.materials.finding import Found, find, looked_into, nothing_in, stem_of
from texsynth.materials.made import apart

_FEWEST = 2  # maps of what is taken for one of several materials: another one may be a slip


class Material(NamedTuple):
    """A material whose maps were looked for.

    Attributes:
        name: What its files are called, or its folder.
        where: What messages call it.
        found: Its maps; ``None`` if there are none.
        problem: Why there are none; ``None`` if there are.
    """

    name: str
    where: str
    found: Found | None
    problem: str | None = None


def materials(wheres: Sequence[str | Path]) -> list[Material]:
    """Returns the materials in folders, of patterns, and among files.

    A folder of images is a material; if several of its files are the same map, those of each stem
    (:func:`texsynth.materials.finding.stem_of`) are one. A folder without images stands for the
    folders in it. Maps that were made from others beside them are left out
    (:func:`texsynth.materials.made.apart`). All files among the arguments are taken together, as a
    shell hands them on for a pattern.

    Args:
        wheres: Folders, patterns as a shell's, and files.

    Raises:
        texsynth.errors.ImageError: A folder or file is not there, cannot be read, or has no images.
            Or there is but one material, and that cannot be: else it is told of it.
    """
    files = [Path(each) for each in wheres if Path(each).is_file()]
    found: list[Material] = []
    for each in wheres:
        if Path(each).is_file():
            if Path(each) == files[0]:
                found += _among(files, _name_of_files(files), str(each))
        else:
            found += _in(Path(each), str(each))
    if len(found) == 1 and found[0].problem is not None:
        raise ImageError(found[0].problem)
    return found


def name_of(where: str | Path) -> str:
    """Returns what the files of a material are called: as its folder, or as a pattern begins.

    Args:
        where: A folder, or a pattern of files in one.
    """
    path = Path(where).absolute()
    if path.is_dir():
        return path.resolve().name or "material"
    begins = re.split(r"[*?[]", path.name)[0].strip(" _-.")
    return begins or path.parent.resolve().name or "material"


def _name_of_files(files: Sequence[Path]) -> str:
    stems = {stem_of(path) for path in files} - {None, ""}
    return (len(stems) == 1 and stems.pop()) or name_of(files[0].parent)


def _in(where: Path, told: str) -> list[Material]:
    """The materials in a folder, or in the folders in it; or of a pattern."""
    images, folders = looked_into(where)
    if images:
        return _given_among(images, name_of(told), told)
    within = [(each, looked_into(each)[0]) for each in folders]
    found = [
        material
        for each, images in within
        if images
        for material in _given_among(images, name_of(each), str(each))
    ]
    if not found:
        raise nothing_in(told)
    return found


def _given_among(images: Sequence[Path], name: str, where: str) -> list[Material]:
    """As :func:`_among`, of the images that were not made from the others."""
    given, made = apart(images)
    first, *others = _among(given, name, where)
    if first.found is not None:
        first = first._replace(found=first.found._replace(made=tuple(made)))
    return [first, *others]


def _among(images: Sequence[Path], name: str, where: str) -> list[Material]:
    """The materials among images: one, or one of each stem."""
    try:
        return [Material(name, where, find(images))]
    except ImageError as error:
        stems: dict[str, list[Path]] = {}
        for path in images:
            if (stem := stem_of(path)) is not None:
                stems.setdefault(stem, []).append(path)
        try:
            parts = {stem: find(paths) for stem, paths in stems.items()}
        except ImageError:
            parts = {}
        if len(parts) < 2 or any(len(each.maps) < _FEWEST for each in parts.values()):
            return [Material(name, where, None, str(error))]
    unknown = tuple(path for path in images if stem_of(path) is None)
    found = [Material(s or name, f"{where} ({s or name})", each) for s, each in parts.items()]
    first = found[0]
    assert first.found is not None
    found[0] = first._replace(found=first.found._replace(unknown=unknown))
    return found
