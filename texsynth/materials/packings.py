"""The table of packings, in TOML: the package's own, and files of the same form."""

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from texsynth.errors import ConfigError
from texsynth.materials.kinds import CONVENTIONS
from texsynth.materials.packing import PackedFile, Packing, parse_channels

DOCUMENTS = ("tres", "mtlx")
_OWN = Path(__file__).with_name("packings.toml")
_KEYS = {"normals", "document", "files"}


@cache
def built_in() -> Mapping[str, Packing]:
    """Returns the packings that the package has, by name."""
    return load(_OWN)


def load(path: Path) -> dict[str, Packing]:
    """Returns the packings of a TOML file by name.

    Args:
        path: The file; ``texsynth/materials/packings.toml`` is one.

    Raises:
        texsynth.errors.ConfigError: It cannot be read, or is no such table.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise ConfigError(f"{path} is no table of packings: {error}") from error
    return {name: _packing(path, name, table) for name, table in tables.items()}


def _packing(path: Path, name: str, table: Any) -> Packing:
    if not isinstance(table, dict) or not isinstance(table.get("files"), dict):
        raise ConfigError(f"{path}: {name} must be a table with a table files")
    if not re.fullmatch(r"\w[\w-]*", name):
        raise ConfigError(f"{path}: a name must be letters, digits, - and _, not {name!r}")
    if unknown := table.keys() - _KEYS:
        raise ConfigError(f"{path}: {name} has an unknown key {min(unknown)}")
    normals, document = table.get("normals", "gl"), table.get("document")
    if normals not in CONVENTIONS:
        raise ConfigError(f"{path}: normals of {name} must be gl or dx, not {normals!r}")
    if document not in (None, *DOCUMENTS):
        raise ConfigError(f"{path}: document of {name} must be tres or mtlx, not {document!r}")
    files = tuple(_file(path, name, *each) for each in table["files"].items())
    if not files:
        raise ConfigError(f"{path}: {name} has no files")
    if len({file.name.lower() for file in files}) < len(files):
        raise ConfigError(f"{path}: {name} has two files of one name")
    return Packing(name, files, normals, document)


def _file(path: Path, name: str, file: str, channels: Any) -> PackedFile:
    if not re.fullmatch(r"([\w .-]|\{name\})+", file):
        raise ConfigError(f"{path}: {name}: {file!r} is no name of a file")
    if not isinstance(channels, str):
        raise ConfigError(f"{path}: {name}: channels of {file} must be a text")
    try:
        return PackedFile(file, parse_channels(channels))
    except ConfigError as error:
        raise ConfigError(f"{path}: {name}: {error}") from error
