"""Writes images as PNG."""

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, PngImagePlugin

from texsynth.errors import ImageError
from texsynth.files import written_whole
from texsynth.typing import Pixels, StrPath


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
