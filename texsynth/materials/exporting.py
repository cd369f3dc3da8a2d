"""Writes the files of a packing: what each holds, and the document that names them."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from texsynth import images
from texsynth.errors import ConfigError, TexsynthError
from texsynth.files.writing import write_text
from texsynth.materials import godot, materialx
from texsynth.materials.kinds import Stack
from texsynth.materials.packing import Packed, Packing, pack, resolved
from texsynth.materials.relief import relief

ENDING = ".png"
_DOCUMENTS: dict[str, Callable[[str, Collection[Packed], str, float | None], str]] = {
    "tres": godot.document,
    "mtlx": materialx.document,
}


def paths(packing: Packing, folder: Path, name: str, kinds: Collection[str]) -> list[Path]:
    """Returns the files that :func:`export` would write.

    Args:
        packing: Which maps go where.
        folder: Where the material is; packings of several files have a folder of their own in it.
        name: The material's.
        kinds: The kinds of maps that it has.

    Raises:
        texsynth.errors.ConfigError: A map is missing, or a document cannot tell the name.
    """
    _check_name(packing, name)
    where = _folder(packing, folder)
    files = [
        where / (file.name.replace("{name}", name) + ENDING) for file in resolved(packing, kinds)
    ]
    return files if packing.document is None else [*files, where / f"{name}.{packing.document}"]


def export(
    stack: Stack,
    packing: Packing,
    folder: Path,
    name: str,
    text: Mapping[str, str] | None = None,
) -> list[Path]:
    """Writes the files of a packing; returns their paths.

    Args:
        stack: The maps by kind, ``(H, W, 1)`` or ``(H, W, 3)``, 0..1; normals are OpenGL's.
        packing: Which maps go where.
        folder: The folder of the material, which must exist.
        name: The material's.
        text: ``{keyword: text}`` to keep in the images.

    Raises:
        texsynth.errors.ConfigError: As there.
        texsynth.errors.TexsynthError: A file cannot be written.
    """
    _check_name(packing, name)
    packed = pack(stack, packing, name)
    where = _folder(packing, folder)
    try:
        where.mkdir(exist_ok=True)
    except OSError as error:
        raise TexsynthError(f"cannot write {where}: {error.strerror}") from error
    written = []
    for file in packed:
        written.append(where / (file.name + ENDING))
        is_height = any(channel.kind == "height" for channel in file.channels)
        depth = "16" if is_height else "8"  # steps of 8 bits would be terraces
        images.write_map(written[-1], file.values, depth, text, linear=not file.is_colour)
    if packing.document is not None:
        written.append(where / f"{name}.{packing.document}")
        told = _DOCUMENTS[packing.document](name, packed, ENDING, relief(stack))
        write_text(written[-1], told)
    return written


def _check_name(packing: Packing, name: str) -> None:
    """Raises a ConfigError if a document would have to tell a name that is no text."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        if packing.document is not None:
            raise ConfigError(
                f"the packing {packing.name} names the material in a file, which it cannot:"
                f" {name!a} is not UTF-8"
            ) from error


def _folder(packing: Packing, folder: Path) -> Path:
    return folder if packing.is_strict else folder / packing.name
