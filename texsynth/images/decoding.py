"""The bytes of an image file to pixels: upright, in sRGB, 8 bits, and at no absurd cost."""

import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
from PIL import Image, ImageCms, ImageOps

from texsynth.errors import ImageError
from texsynth.typing import Pixels, StrPath

_log = logging.getLogger(__name__)

_BAND = 256  # rows
# Pixels, of an image beyond a quarter of what Pillow takes; photographs have 2 to 20 a byte.
_MOST_PER_BYTE = 50
_MOST_WORK = 5e10  # pixels times scans of a progressive JPEG, which take 20 seconds


def decode(content: bytes, path: StrPath) -> Pixels:
    """Returns the pixels of an image file, its first frame's.

    Args:
        content (bytes): The whole file.
        path: What to call it in messages.

    Returns:
        numpy.ndarray: ``(H, W, 3)`` uint8, RGB.

    Raises:
        texsynth.errors.ImageError: It would cost too much, or is of a kind that is not supported.
        Exception: Whatever Pillow's decoders raise on damaged files, which is nearly anything.
    """
    with (
        # Pillow warns of odd metadata and of many pixels: nothing that its user could mend.
        warnings.catch_warnings(action="ignore"),
        _bounded_pixels(len(content)),
        Image.open(io.BytesIO(content)) as file,
    ):
        _check_cost(file, content, path)
        with _silenced() if file.format == "TIFF" else contextlib.nullcontext():
            file.load()
        return _as_array(_to_rgb(_upright(file), path))


@contextlib.contextmanager
def _bounded_pixels(size: int) -> Iterator[None]:
    """Makes Pillow refuse, at any place in a file of so many bytes, an image too large for it."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None:  # beyond it Pillow warns, beyond twice it refuses
        Image.MAX_IMAGE_PIXELS = min(limit, max(limit // 4, _MOST_PER_BYTE * size // 2))
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _check_cost(file: Image.Image, content: bytes, path: StrPath) -> None:
    """Refuses what would take for ever to unfold, before it is begun."""
    if file.format == "EPS":
        raise ImageError(
            f"{path} is PostScript, which is a program and is not run; convert it to PNG"
        )
    pixels = file.width * file.height
    scans = content.count(b"\xff\xda") if file.format in ("JPEG", "MPO") else 1
    if scans * pixels > _MOST_WORK:
        raise ImageError(f"{path} takes too much work to decode ({scans} scans of {pixels} pixels)")


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Sends to nowhere what a C library tells on standard error: libtiff does, of damage."""
    with contextlib.ExitStack() as undo:
        # Without standard error its number may be any file's.
        if sys.stderr is not None:
            kept = os.dup(2)
            undo.callback(os.close, kept)
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            undo.callback(os.dup2, kept, 2)
        yield


def _upright(file: Image.Image) -> Image.Image:
    try:
        ImageOps.exif_transpose(file, in_place=True)
    except Exception as error:
        # Cameras and editors write damaged EXIF: no reason to do without the picture.
        _log.debug("damaged EXIF: %s", error)
    return file


def _to_rgb(file: Image.Image, path: StrPath) -> Image.Image:
    if file.info.get("icc_profile"):
        file = _to_srgb(file, path)
    if file.mode.startswith("I;16") or file.mode in ("I", "F"):
        file = _to_8_bits(file, path)
    if file.has_transparency_data:
        _log.warning("%s: transparency is composited on white", path)
        rgba = file.convert("RGBA")
        file = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return file if file.mode == "RGB" else file.convert("RGB")


def _as_array(rgb: Image.Image) -> Pixels:
    """By bands of rows, for Pillow needs twice the memory of what it hands over at once."""
    pixels = np.empty((rgb.height, rgb.width, 3), np.uint8)
    for top in range(0, rgb.height, _BAND):
        bottom = min(top + _BAND, rgb.height)
        pixels[top:bottom] = np.asarray(rgb.crop((0, top, rgb.width, bottom)))
    return pixels


def _to_srgb(file: Image.Image, path: StrPath) -> Image.Image:
    """Turns the colours of a profile into sRGB's, which the network was trained on."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(file.info["icc_profile"]))
        alpha = file.getchannel("A") if file.mode == "RGBA" else None
        opaque = file.convert("RGB") if file.mode == "RGBA" else file
        mode = "L" if file.mode == "L" else "RGB"
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(opaque, profile, srgb, outputMode=mode)
        colours = cast(Image.Image, converted)  # None only where it changes an image in place
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        # A profile for another mode (a palette's, 16 bits) or a damaged one, as browsers do.
        _log.warning("%s: ignoring its colour profile, which cannot be applied", path)
        return file
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def _to_8_bits(file: Image.Image, path: StrPath) -> Image.Image:
    """Scales 16-bit grey, which Pillow's own conversion would clip at 255, to 8 bits."""
    if file.mode == "F":
        raise ImageError(f"{path}: floating-point images are not supported; use 8 or 16 bits")
    values = np.asarray(file)
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(f"{path}: grey values beyond 16 bits are not supported")
    grey = Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if "transparency" in file.info:
        opaque = np.where(values == file.info["transparency"], 0, 255).astype(np.uint8)
        grey.putalpha(Image.fromarray(opaque))
    return grey
