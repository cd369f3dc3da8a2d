"""OpenEXR, by the package of its authors, which is an extra."""

import importlib
import io
from collections.abc import Mapping
from types import ModuleType
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from texsynth.errors import ImageError
from texsynth.images import process_state
from texsynth.typing import Map, StrPath

_MAGIC = b"\x76\x2f\x31\x01"
_NAMES = {1: ("Y",), 2: ("Y", "A"), 3: ("R", "G", "B"), 4: ("R", "G", "B", "A")}
_MOST_CHANNELS = 64


def is_one(content: bytes) -> bool:
    """Returns whether a file is OpenEXR.

    Args:
        content (bytes): Its beginning.
    """
    return content[:4] == _MAGIC


def package(path: StrPath) -> ModuleType:
    """Returns the package OpenEXR.

    Args:
        path: The file that needs it.

    Raises:
        texsynth.errors.ImageError: It is not there.
    """
    try:
        return importlib.import_module("OpenEXR")
    except ImportError:
        raise ImageError(
            f"{path}: OpenEXR files need the package OpenEXR (pip install 'texsynth[exr]', or pip "
            "install OpenEXR)"
        ) from None


def decode(content: bytes, most: int | None, path: StrPath) -> Map:
    """Returns the values of a file, its first part's.

    Args:
        content (bytes): The whole file.
        most (int): Pixels that it may have; ``None`` is any number.
        path: What to call it in messages.

    Raises:
        texsynth.errors.ImageError: The package is not there, or it has other channels than grey or
            RGB, with alpha or without.
        PIL.Image.DecompressionBombError: It has too many pixels.
        Exception: Whatever the package raises on damaged files.
    """
    exr = package(path)
    with process_state.overheard() as told:
        names = _checked(_opened(exr, content, path, header_only=True), most, path)
        parts = _opened(exr, content, path, separate_channels=True).parts
    if told.getvalue() or not parts:
        raise _damaged(path)
    planes = [_shares(parts[0].channels[name].pixels) for name in names]
    return np.stack(planes, axis=2)


def attributes(content: bytes, path: StrPath) -> dict[str, Any]:
    """Returns the attributes of a file by name, its first part's.

    Args:
        content (bytes): The whole file.
        path: What to call it in messages.

    Raises:
        texsynth.errors.ImageError: The package is not there, or the file is damaged.
    """
    exr = package(path)
    with process_state.alone(), process_state.overheard():
        parts = _opened(exr, content, path, header_only=True).parts
    return dict(parts[0].header) if parts else {}


def _opened(exr: ModuleType, content: bytes, path: StrPath, **how: bool) -> Any:
    try:
        return exr.File(
            io.BytesIO(content), num_threads=0, **how
        )  # threads would not survive forks
    except (RuntimeError, ValueError, OSError) as error:  # which tell of the package's own insides
        raise _damaged(path) from error


def _damaged(path: StrPath) -> ImageError:
    return ImageError(f"{path} cannot be read: it is damaged, or of a rare kind of OpenEXR")


def _shares(plane: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Integers as shares of the largest."""
    return (plane / np.iinfo(plane.dtype).max if plane.dtype.kind == "u" else plane).astype("f4")


def _checked(header: Any, most: int | None, path: StrPath) -> tuple[str, ...]:
    """The names of the channels of the first part, once it is sure what all parts cost."""
    pixels = 0
    for part in header.parts:
        (left, top), (right, bottom) = (corner.tolist() for corner in part.header["dataWindow"])
        number, tile = len(part.header["channels"]), part.header.get("tiles")
        area = (right - left + 1) * (bottom - top + 1)
        pixels += max(area, tile.xSize * tile.ySize if tile else 0) * max(1, number)
        if number > _MOST_CHANNELS:
            raise ImageError(f"{path} has {number} channels; save those of one picture alone")
    if most is not None and pixels > most:
        raise Image.DecompressionBombError(f"{pixels} values exceed the limit")
    first = header.parts[0].header
    if "deep" in str(first["type"]):
        raise ImageError(f"{path} is OpenEXR with deep pixels; flatten it")
    told = {channel.name: channel for channel in first["channels"]}
    if any(channel.xSampling != 1 or channel.ySampling != 1 for channel in told.values()):
        raise ImageError(f"{path} is OpenEXR with fewer samples of its colours; save it as RGB")
    for names in (_NAMES[4], _NAMES[3], _NAMES[2], _NAMES[1]):
        if set(names) <= told.keys():
            return names
    if len(told) == 1:  # height, depth: whatever it is called
        return tuple(told)
    listed = ", ".join(sorted(told)[:8])
    raise ImageError(f"{path} has the channels {listed}; a picture has R, G, B, or Y")


def encode(
    file: IO[bytes], values: npt.NDArray[np.floating[Any]], text: Mapping[str, str], path: StrPath
) -> None:
    """Writes a file.

    Args:
        file: Where to.
        values: ``(H, W, C)`` float16 or float32, of 1 to 4 channels.
        text: ``{keyword: text}``, each of which becomes an attribute.
        path: What to call it in messages.

    Raises:
        texsynth.errors.ImageError: The package is not there.
    """
    exr = package(path)
    names = _NAMES[values.shape[2]]
    header = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage, **text}
    planes = {name: np.ascontiguousarray(values[..., k]) for k, name in enumerate(names)}
    made = io.BytesIO()  # the package needs one that it can seek in
    exr.File(header, planes, num_threads=0).write(made)
    file.write(made.getbuffer())
