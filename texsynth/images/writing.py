"""Writes images, whole or not at all."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from texsynth.errors import ConfigError, ImageError
from texsynth.files import written_whole
from texsynth.images import encoding, srgb
from texsynth.images.encoding import QUALITY, Format, Written
from texsynth.typing import Pixels, StrPath

_BAND = 1 << 20  # values at a time, for numbers between take several times the memory


def save_png(path: StrPath, pixels: Pixels, text: Mapping[str, str] | None = None) -> None:
    """Writes a PNG beside its target and renames it, so that no half-written file is ever seen.

    Args:
        path: Path of the file; its folder must exist.
        pixels: ``(H, W, 3)`` uint8.
        text: ``{keyword: text}`` to keep in the file.

    Raises:
        texsynth.errors.ImageError: The file cannot be written.
    """
    path = Path(path)
    info = PngImagePlugin.PngInfo()
    for keyword, value in (text or {}).items():
        # File names are bytes: what is no UTF-8 in them cannot be kept in a PNG.
        info.add_itxt(keyword, value.encode("utf-8", "replace").decode())
    try:
        with written_whole(path) as file:
            Image.fromarray(pixels).save(file, format="PNG", pnginfo=info)
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error}") from error


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
    # File names are bytes: what is no UTF-8 in them cannot be kept.
    told = {name: value.encode("utf-8", "replace").decode() for name, value in (text or {}).items()}
    written = Written(told, None if linear else srgb.profile(), quality, path)
    try:
        with written_whole(Path(path)) as file:
            kind.encode(file, made, written)
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
