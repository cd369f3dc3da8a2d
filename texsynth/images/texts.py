"""The texts in an image file, by keyword, as this package writes them in each format."""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from texsynth.images import exr, tiff_directory, values
from texsynth.images.tiff_directory import Tag
from texsynth.typing import StrPath

_log = logging.getLogger(__name__)

_MOST_BYTES = 1 << 30  # of a file that is read whole, as images are
_TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WITH_ONE = ("WEBP", "JPEG")  # where all are one, JSON in the description


def text_of(path: StrPath, is_whole: bool = False) -> dict[str, str]:
    """Returns the texts of an image file by keyword; none of what is none.

    Args:
        path: The file, which need not be there: PNG, TIFF, WebP, JPEG, or OpenEXR (if there is its
            package).
        is_whole (bool): Whether it has none either if it is damaged.
    """
    try:
        # Of damaged metadata, and of many pixels: as large a texture may have been asked for.
        with warnings.catch_warnings(action="ignore"):
            with Path(path).open("rb") as file:
                begin = file.read(4)
            if exr.is_one(begin) or begin in _TIFFS:
                return _of_content(Path(path), is_whole)
            return _of_pillow(path, is_whole)
    except Exception as error:
        # Decoders raise nearly anything on damaged files; deep brackets in JSON a RecursionError.
        _log.debug("%s has no text: %s", path, error)
        return {}


def _of_pillow(path: StrPath, is_whole: bool) -> dict[str, str]:
    if is_whole:
        with Image.open(path, formats=["PNG", *_WITH_ONE]) as file:
            file.verify()  # of a PNG the checksums of all chunks
    with Image.open(path, formats=["PNG", *_WITH_ONE]) as file:
        if is_whole:
            file.load()
        if file.format == "PNG":
            # What stands before the pixels, as this program writes it.
            return _texts(file.info)
        return _texts(json.loads(file.getexif().get(ExifTags.Base.ImageDescription, "{}")))


def _of_content(path: Path, is_whole: bool) -> dict[str, str]:
    """Of what is not read by Pillow, or not of all types."""
    if path.stat().st_size > _MOST_BYTES:
        return {}
    content = path.read_bytes()
    if is_whole:
        values.decode(content, path)
    if exr.is_one(content):
        return _texts(exr.attributes(content, path))
    tags = tiff_directory.directory(content)
    return _texts(json.loads(tags.text(Tag.DESCRIPTION) or "{}")) if tags else {}


def _texts(found: Any) -> dict[str, str]:
    return {name: text for name, text in dict(found).items() if isinstance(text, str)}
