"""Writes images, whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth.errors import ConfigError, ImageError
from texsynth.files import written_whole
from texsynth.files.depths import QUALITY
from texsynth.images import encoding, srgb
from texsynth.images.encoding import Format, Written
from texsynth.images.reading import rounded
from texsynth.typing import Pixels, StrPath

_BAND = 1 << 20  # values at a time, for numbers between take several times the memory


def save_png(path: StrPath, pixels: Pixels, text: Mapping[str, str] | None = None) -> None:
    """Writes a PNG of 8 bits, whatever its name ends in.

    Args:
        path: Path of the file; its folder must exist.
        pixels: ``(H, W, 3)`` uint8, sRGB.
        text: ``{keyword: text}`` to keep in the file.

    Raises:
        texsynth.errors.ImageError: The file cannot be written.
    """
    written = Written(_kept(text), srgb.profile(), QUALITY, path)
    _write(path, encoding.FORMATS[".png"], pixels, written)


def save(
    path: StrPath,
    pixels: npt.NDArray[Any],
    text: Mapping[str, str] | None = None,
    depth: str | None = None,
    quality: int = QUALITY,
) -> None:
    """Writes a picture in colours, in the format that the file's name ends in.

    Args:
        path: As for :func:`write_map`.
        pixels: ``(H, W, 3)`` of any real type, 0..255, sRGB. An OpenEXR gets values in proportion
            to light, as :func:`texsynth.images.read_deep` takes them to be.
        text: As for :func:`write_map`.
        depth (str): As for :func:`write_map`.
        quality (int): As for :func:`write_map`.

    Raises:
        texsynth.errors.TexsynthError: As :func:`write_map`.
    """
    kind, dtype = encoding.chosen(path, depth)
    if dtype == np.uint8:
        _write(path, kind, rounded(pixels), Written(_kept(text), srgb.profile(), quality, path))
        return
    shares = pixels / np.float64(255)
    shares = srgb.decoded(shares) if kind.name == "OpenEXR" else shares
    write_map(path, shares, depth, text, quality=quality)


def write_map(
    path: StrPath,
    values: npt.ArrayLike,
    depth: str | None = None,
    text: Mapping[str, str] | None = None,
    linear: bool = False,
    quality: int = QUALITY,
) -> None:
    """Writes an image of any depth, in the format that the file's name ends in.

    The values are written as they are: no curve is applied, whatever ``linear`` says. Integers are
    rounded to the nearest, and clipped.

    Args:
        path: Path of the file, which ends in ``.png``, ``.tif``, ``.tiff``, ``.webp``, ``.jpg``,
            ``.jpeg`` or ``.exr``; its folder must exist. A file that is there is replaced.
        values: ``(H, W)`` or ``(H, W, C)``, floating-point numbers of which 1 is white, as
            :func:`texsynth.images.read_map` returns them; C is 1 grey, 2 grey and alpha, 3 RGB, 4
            RGB and alpha.
        depth (str): ``"8"``, ``"16"`` or ``"float"``; ``None`` is 8, or the 16 of an OpenEXR, which
            are floating-point numbers of half precision.
        text: ``{keyword: text}`` to keep in the file: a PNG's texts, an OpenEXR's attributes, or as
            one JSON text the ImageDescription of a TIFF, or of the EXIF of a WebP or JPEG.
        linear (bool): Whether the values are no colours (heights, normals): then the file says
            nothing of colours; else it says that they are sRGB's.
        quality (int): Of a JPEG, 1 to 100.

    Raises:
        texsynth.errors.ConfigError: The name ends otherwise; or the format lacks the depth, or that
            number of channels.
        texsynth.errors.ImageError: The values are no such numbers, or the file cannot be written.
    """
    kind, dtype = encoding.chosen(path, depth)
    made = _as_type(_checked(values, kind, dtype, path), dtype)
    _write(
        path, kind, made, Written(_kept(text), None if linear else srgb.profile(), quality, path)
    )


def _kept(text: Mapping[str, str] | None) -> dict[str, str]:
    # File names are bytes: what is no UTF-8 in them cannot be kept.
    return {name: told.encode("utf-8", "replace").decode() for name, told in (text or {}).items()}


def _write(path: StrPath, kind: Format, values: npt.NDArray[Any], written: Written) -> None:
    """Writes beside the target and renames, so that no half-written file is ever seen."""
    try:
        with written_whole(Path(path)) as file:
            kind.encode(file, values, written)
    except (OSError, ValueError) as error:  # the latter where it is too large for its format
        raise ImageError(f"cannot write {path}: {error}") from error


def _checked(
    values: npt.ArrayLike, kind: Format, dtype: np.dtype[Any], path: StrPath
) -> npt.NDArray[Any]:
    """``(H, W, C)``, once it is sure that a format can have it."""
    values = np.asarray(values)
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or values.size == 0 or values.dtype.kind != "f":
        raise ImageError(f"{path}: a map must be (height, width, channels), floating-point numbers")
    if values.shape[2] not in kind.channels:
        raise ConfigError(f"{path}: {kind.name} cannot have {values.shape[2]} channels")
    largest = np.finfo(dtype if dtype.kind == "f" else values.dtype).max
    if not max(values.max(), -values.min()) <= largest:  # nor does it hold of NaN
        raise ImageError(f"{path}: a map must have finite values, of at most {largest:g}")
    return values


def _as_type(values: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Rounds to the nearest, of integers to shares of the largest."""
    if dtype.kind == "f":
        return values.astype(dtype)
    made, most = np.empty(values.shape, dtype), np.iinfo(dtype).max
    rows = max(1, _BAND * len(values) // values.size)
    for top in range(0, len(values), rows):
        band = slice(top, top + rows)
        made[band] = np.rint(np.clip(values[band].astype(np.float64), 0, 1) * most)
    return made
