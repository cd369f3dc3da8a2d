"""Samples of any type and range, as the files have them, to 8 bits, grey to 16; or unrounded."""

import io
import logging
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from texsynth.errors import ImageError
from texsynth.images import tiff
from texsynth.images.picture import Deep, Picture, keyed
from texsynth.images.png import Png
from texsynth.images.tiff_directory import Directory, Tag
from texsynth.typing import StrPath

_log = logging.getLogger(__name__)

Range = tuple[float, float]
"""What is black, and what is white."""

_BAND = 1 << 20  # values at a time, for numbers between take several times the memory
_UNKNOWN = 17  # bits: beyond 16 nobody uses all


def of_tiff(tags: Directory, input_range: Range | None, path: StrPath) -> Picture:
    """Reads a TIFF that :func:`texsynth.images.tiff.is_for_us`.

    Args:
        tags (Directory): Its directory.
        input_range: What is black and what white, where the type does not say so.
        path: What to call it in messages.

    Raises:
        texsynth.errors.ImageError: The range is needed and not given, or values are no numbers.
        Exception: Whatever Pillow's decoders raise on damaged files.
    """
    read = tiff.samples(tags)
    most = 65535 if read.channels == 1 and read.bits > 8 else 255
    colours, alpha = _of_tiff(read, most, input_range, path, tags.profile is not None)
    return _picture(colours, alpha, tags.profile, tags.value(Tag.ORIENTATION, 1))


def deep_of_tiff(tags: Directory, input_range: Range | None, path: StrPath) -> Deep:
    """Reads a TIFF as :func:`of_tiff` does, at full depth and not in other colours.

    Args:
        tags (Directory): As there.
        input_range: As there.
        path: As there.

    Raises:
        texsynth.errors.ImageError: As there.
        Exception: As there.
    """
    has_profile = tags.profile is not None
    colours, alpha = _of_tiff(tiff.samples(tags), None, input_range, path, has_profile)
    return Deep(colours, alpha, tags.value(Tag.ORIENTATION, 1))


def _of_tiff(
    read: tiff.Samples,
    most: int | None,
    input_range: Range | None,
    path: StrPath,
    has_profile: bool,
) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """Colours of ``(H, W, C)``, 0 to ``most``, and alpha; both unrounded if ``most`` is none."""
    channels = read.values[..., : read.channels]
    if read.is_range_known and read.bits < _UNKNOWN:
        ends: Range = (0, 2**read.bits - 1)
        warn_unused(input_range, path)
    else:  # colours of a profile are within its own range
        is_known = has_profile and channels.dtype.kind == "f"
        ends = _ends(channels, input_range, path, (0, 1) if is_known else None)
    alpha = shares = None
    if read.alpha:
        extra = read.values[..., read.channels]
        opaque = 1 if extra.dtype.kind == "f" else _largest(extra, read.bits)
        alpha = _scaled(extra, (0, opaque), None if most is None else 255)
        shares = extra / opaque if read.alpha == 1 else None
    colours = _scaled(channels, ends, most, shares)
    if read.is_white_zero:
        np.subtract(255 if most is None else most, colours, out=colours)
    return colours, alpha


def of_png(png: Png) -> tuple[Image.Image, Image.Image | None]:
    """Returns colours and alpha of a PNG of 16 bits in colour, or with alpha.

    Args:
        png (Png): Its chunks.
    """
    values = values_of_png(png)
    if png.colours == 2:
        rgb = _picture(_scaled(values, (0, 65535), 255)).colours
        return rgb, keyed(values, png.key) if png.key else None
    alpha = Image.fromarray(_scaled(values[..., -1], (0, 65535), 255))
    colours: npt.NDArray[Any] = values[..., :1]
    if png.colours == 6:
        colours = _scaled(values[..., :3], (0, 65535), 255)
    return _picture(colours).colours, alpha


def values_of_png(png: Png) -> npt.NDArray[np.uint16]:
    """Returns the samples of a PNG of 16 bits in colour, or with alpha: ``(H, W, C)``.

    Pillow's own reading cuts the lower byte off, which a transparent colour may differ in.

    Args:
        png (Png): Its chunks.
    """
    if png.colours == 4:  # four bytes a pixel, as RGBA has
        raw = _decoded(png.content, "RGBA").astype(np.uint16)
        raw[..., ::2] <<= 8
        return raw[..., ::2] | raw[..., 1::2]
    mode = "RGB" if png.colours == 2 else "RGBA"
    values = _decoded(png.content, f"{mode};16B").astype(np.uint16)
    values <<= 8
    values |= _decoded(png.content, f"{mode};16L")  # takes for the high byte what is the low
    return values


def of_numbers(values: npt.NDArray[Any], input_range: Range | None, path: StrPath) -> Image.Image:
    """Returns grey of 16 bits, from floating-point numbers or wide integers.

    Args:
        values: ``(H, W)``.
        input_range: As for :func:`of_tiff`.
        path: As for :func:`of_tiff`.

    Raises:
        texsynth.errors.ImageError: As :func:`of_tiff`.
    """
    return Image.fromarray(_scaled(values, _ends(values, input_range, path), 65535))


def deep_of_numbers(
    values: npt.NDArray[Any], input_range: Range | None, path: StrPath, usual: Range | None = None
) -> npt.NDArray[Any]:
    """Returns 0..255, unrounded, from floating-point numbers or wide integers.

    Args:
        values: Of any shape.
        input_range: As for :func:`of_numbers`.
        path: As there.
        usual: What is black and white if no range is given; ``None`` is not known.

    Raises:
        texsynth.errors.ImageError: As there.
    """
    return _scaled(values, _ends(values, input_range, path, usual))


def deep_of_integers(values: npt.NDArray[np.unsignedinteger[Any]]) -> npt.NDArray[Any]:
    """Returns 0..255, unrounded, from integers of 16 bits.

    Args:
        values: Of any shape.
    """
    return _scaled(values, (0, 65535))


def grey_of_8_bits(grey: Image.Image) -> Image.Image:
    """Rounds grey of 16 bits, which Pillow's own conversion would clip at 255.

    Args:
        grey: Mode I;16.
    """
    return Image.fromarray(_scaled(np.asarray(grey), (0, 65535), 255))


def warn_unused(input_range: Range | None, path: StrPath) -> None:
    """Warns if a range was given for a file whose type says what is white.

    Args:
        input_range: The range, if there is one.
        path: What to call it in messages.
    """
    if input_range is not None:
        _log.warning("%s: --input-range is not used, for its type has a range of its own", path)


def _ends(
    values: npt.NDArray[Any], input_range: Range | None, path: StrPath, usual: Range | None = None
) -> Range:
    """What is black and white of values whose type does not say so."""
    low, high = float(values.min()), float(values.max())
    if np.isnan(low):
        raise ImageError(f"{path} has values that are not numbers (NaN)")
    is_float = values.dtype.kind == "f"
    # Programs that lack 16 bits save them as 32.
    if (
        input_range is None
        and values.dtype.itemsize == 4
        and not is_float
        and 0 <= low <= high <= 65535
    ):
        return 0, 65535
    if input_range is None and usual is None:
        kind = "floating-point" if is_float else "grey"
        raise ImageError(
            f"{path} has {kind} values from {low:g} to {high:g}; "
            "say which are black and white: --input-range LOW,HIGH"
        )
    low, high = ends = input_range or usual or (0, 1)
    outside = np.count_nonzero((values < low) | (values > high)) / values.size
    if outside:
        where = "--input-range" if input_range else f"{low} to {high} (--input-range takes others)"
        told = "%s: %.3g %% of its values are beyond %s, and clipped"
        _log.warning(told, path, 100 * outside, where)
    return ends


def _largest(values: npt.NDArray[Any], bits: int) -> int:
    return int(2**bits - 1 if values.dtype.kind == "u" else np.iinfo(values.dtype).max)


def _scaled(
    values: npt.NDArray[Any],
    ends: Range,
    most: int | None = None,
    factors: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """Scales to 0..most, rounded and clipped; before, factors of each pixel are taken out.

    Without ``most`` it is 0..255, unrounded: float64 of 32-bit floating-point numbers, which come
    back from it exactly, as those of 16 bits come back from float32.
    """
    low, high = ends
    if most is None:
        is_short = values.dtype.kind == "u" and values.dtype.itemsize <= 2
        made: npt.NDArray[Any] = np.empty(values.shape, np.float32 if is_short else np.float64)
    else:
        made = np.empty(values.shape, np.uint8 if most == 255 else np.uint16)
    rows = max(1, _BAND * len(values) // values.size)
    for top in range(0, len(values), rows):
        band = slice(top, top + rows)
        shares = (values[band].astype(np.float64) - low) / (high - low)
        if factors is not None:
            shares /= np.maximum(factors[band], 1e-9)[..., None]
        shares = np.clip(shares, 0, 1) * (most or 255)
        made[band] = np.rint(shares) if most else shares
    return made


def _picture(
    colours: npt.NDArray[Any],
    alpha: npt.NDArray[np.uint8] | None = None,
    profile: object = None,
    orientation: int = 1,
) -> Picture:
    """``(H, W, C)`` as images; four channels are CMYK."""
    if colours.shape[2] == 1:
        image = Image.fromarray(np.ascontiguousarray(colours[..., 0]))
    else:
        mode = {3: "RGB", 4: "CMYK"}[colours.shape[2]]
        image = Image.frombytes(mode, colours.shape[1::-1], np.ascontiguousarray(colours).data)
    opaque = None if alpha is None else Image.fromarray(alpha)
    return Picture(image, opaque, profile, orientation)


def _decoded(content: bytes, raw_mode: str) -> npt.NDArray[np.uint8]:
    """``(H, W, C)``: a PNG's bytes, of which Pillow is told another meaning."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as file:
        file.tile = [tile._replace(args=raw_mode) for tile in file.tile]
        return np.asarray(file)
