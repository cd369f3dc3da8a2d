"""Opens an image file of whatever kind, or names the way to one that can be read."""

import importlib
import io
import re

from PIL import Image, UnidentifiedImageError

from texsynth.errors import ImageError
from texsynth.typing import StrPath

_NUMBERS = "convert it to PNG, or to a TIFF of floating-point numbers for --input-range"
_KINDS = {
    rb"#\?(RADIANCE|RGBE)": ("Radiance HDR", _NUMBERS),
    rb"....ftyp(avif|avis)": (
        "AVIF",
        "it needs Pillow 11.3 or newer, with AVIF (pip install -U pillow); or convert it to PNG",
    ),
    rb"....ftyp(hei[cmsx]|hev[cmsx]|mif[12]|msf1|miaf)": (
        "HEIC",
        "it needs pillow-heif (pip install pillow-heif); or convert it to PNG",
    ),
    rb"\xff\x0a|\x00\x00\x00\x0cJXL ": ("JPEG XL", "convert it to PNG"),
    rb"gimp xcf": ("GIMP's own format", "export it as PNG"),
    rb"%PDF-": ("PDF", "convert it to PNG"),
    rb"(<\?xml[^>]*>)?\s*(<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg": ("SVG", "convert it to PNG"),
    rb"II\*\x00|MM\x00\*|II\+\x00|MM\x00\+": (
        "a TIFF that is damaged or of a rare kind",
        "convert it to one of 8 or 16 bits, or to PNG",
    ),
}


def opened(content: bytes, path: StrPath) -> Image.Image:
    """Opens a file; its pixels are not decoded yet.

    Args:
        content (bytes): The whole file.
        path: What to call it in messages.

    Raises:
        texsynth.errors.ImageError: It is of a kind that cannot be read.
        PIL.Image.DecompressionBombError: It has too many pixels.
        PIL.UnidentifiedImageError: It is of no kind that is known.
        Exception: Whatever Pillow's decoders raise on damaged files.
    """
    try:
        file = Image.open(io.BytesIO(content))
        if file.format == "JPEG2000" and file.mode != "I;16":
            _check_bits(content, path)
        return file
    except UnidentifiedImageError:
        for pattern, (kind, way) in _KINDS.items():
            if re.match(pattern, content[:1000], re.DOTALL):
                if kind == "HEIC" and (picture := _opened_heic(content)) is not None:
                    return picture
                raise ImageError(f"{path} is {kind}; {way}") from None
        raise


def _check_bits(content: bytes, path: StrPath) -> None:
    """Refuses JPEG 2000 of more than 8 bits in colour or with alpha, of which white becomes black.

    Pillow rounds them to 8 bits, and what comes to 256 to 0.
    """
    start = content.find(b"\xff\x4f\xff\x51") + 42  # behind sizes, and the number of channels
    bits = (content[start] & 0x7F) + 1 if start < len(content) else 8
    if bits > 8:
        raise ImageError(
            f"{path} is JPEG 2000 of {bits} bits and in colour, which is not read; use PNG"
        )


def _opened_heic(content: bytes) -> Image.Image | None:
    """The same for HEIC, which Pillow leaves to a package of its own; ``None`` without that."""
    try:
        pillow_heif = importlib.import_module("pillow_heif")
    # One that does not fit this Pillow fails in ways of its own.
    except Exception:
        return None
    file: Image.Image = pillow_heif.HeifImageFile(io.BytesIO(content))
    most = Image.MAX_IMAGE_PIXELS
    pixels = file.width * file.height
    if most is not None and pixels > 2 * most:  # which Pillow sees to where it opens one itself
        raise Image.DecompressionBombError(f"Image size ({pixels} pixels) exceeds limit")
    return file
