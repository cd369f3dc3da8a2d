"""Films as files: GIF, WebP and animated PNG by Pillow, MP4 by PyAV."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from PIL import Image, PngImagePlugin

from texsynth.errors import ConfigError, ImageError
from texsynth.files import written_whole
from texsynth.typing import Pixels, StrPath

_EACH, _LAST = 100, 2000  # milliseconds that a frame is shown, and the last one


def format_of(path: StrPath) -> str:
    """Returns the format of a film by its file's name.

    Args:
        path: The file, which need not be there.

    Returns:
        str: One of :data:`FORMATS`.

    Raises:
        texsynth.errors.ConfigError: There is no such format, or what writes it is not installed.
    """
    name = Path(path).suffix.lower().removeprefix(".")
    if name not in FORMATS:
        wanted = ", ".join(f".{each}" for each in FORMATS)
        raise ConfigError(f"a film must be a file of one of {wanted}, not {path}")
    if name == "mp4":
        _av()
    return name


def write(path: StrPath, frames: Sequence[Pixels], loops: bool, text: Mapping[str, str]) -> None:
    """Writes a film: a tenth of a second a frame, and two seconds the last one.

    It is written beside its target and renamed, so that no half-written file is ever seen.

    Args:
        path: Path of the file, whose ending says the format; its folder must exist.
        frames: The frames, ``(H, W, 3)`` uint8, RGB, all of one size; at least one.
        loops: Whether it begins again at its end; whoever shows an MP4 decides on that.
        text: ``{keyword: text}`` to keep in the file: in an animated PNG as it is, else as JSON in
            a comment, where not all formats have room for more than ASCII.

    Raises:
        texsynth.errors.ConfigError: As :func:`format_of`.
        texsynth.errors.ImageError: The file cannot be written.
    """
    encode = FORMATS[format_of(path)]
    try:
        with written_whole(Path(path)) as file:
            encode(file, frames, loops, text)
    except OSError as error:
        raise ImageError(f"cannot write {path}: {error}") from error


def _durations(frames: Sequence[object]) -> list[int]:
    return [_EACH] * (len(frames) - 1) + [_LAST]


def _by_pillow(
    file: IO[bytes], frames: Sequence[Image.Image], name: str, loop: int | None, **options: Any
) -> None:
    """Writes frames that are images already; ``loop`` is the format's own word for it."""
    if loop is not None:
        options["loop"] = loop
    durations = _durations(frames)
    frames[0].save(
        file, format=name, save_all=True, append_images=frames[1:], duration=durations, **options
    )


def _gif(file: IO[bytes], frames: Sequence[Pixels], loops: bool, text: Mapping[str, str]) -> None:
    # One palette for all, and no dithering: else what stands still would flicker.
    palette = Image.fromarray(np.concatenate(frames)).quantize(256)
    own = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    ]
    _by_pillow(file, own, "GIF", 0 if loops else None, comment=json.dumps(text))


def _webp(file: IO[bytes], frames: Sequence[Pixels], loops: bool, text: Mapping[str, str]) -> None:
    exif = Image.Exif()
    exif[_DESCRIPTION] = json.dumps(text)
    own = [Image.fromarray(frame) for frame in frames]
    _by_pillow(file, own, "WEBP", 0 if loops else 1, quality=85, exif=exif)


_DESCRIPTION = 0x010E  # Exif's ImageDescription


def _png(file: IO[bytes], frames: Sequence[Pixels], loops: bool, text: Mapping[str, str]) -> None:
    info = PngImagePlugin.PngInfo()
    for keyword, value in text.items():
        info.add_itxt(keyword, value.encode("utf-8", "replace").decode())
    own = [Image.fromarray(frame) for frame in frames]
    _by_pillow(file, own, "PNG", 0 if loops else 1, pnginfo=info)


def _mp4(file: IO[bytes], frames: Sequence[Pixels], loops: bool, text: Mapping[str, str]) -> None:
    av = _av()
    height, width = (side - side % 2 for side in frames[0].shape[:2])  # colours are of 2x2 pixels
    if not (height and width):
        raise ImageError("a film as MP4 needs at least 2x2 pixels")
    with av.open(file, "w", format="mp4") as container:
        container.metadata["comment"] = json.dumps(text)
        stream = container.add_stream("h264", rate=1000 // _EACH, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        last = [frames[-1]] * (_LAST // _EACH - 1)  # whoever shows it knows but equal times
        for frame in (*frames, *last):
            cut = np.ascontiguousarray(frame[:height, :width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
        container.mux(stream.encode())


def _av() -> Any:
    """PyAV, which only films as MP4 need."""
    try:
        import av
    except ImportError as error:
        raise ConfigError(
            "a film as .mp4 needs the package av (pip install 'texsynth[film]'); .gif, .webp and"
            " .png need nothing"
        ) from error
    return av


_Encode: TypeAlias = Callable[[IO[bytes], Sequence[Pixels], bool, Mapping[str, str]], None]

FORMATS: dict[str, _Encode] = {"gif": _gif, "webp": _webp, "png": _png, "mp4": _mp4}
"""What writes each format, by the ending of the file's name."""


def text_of(path: StrPath) -> dict[str, str]:
    """Returns the texts of a film by keyword, as :func:`write` kept them; none of what is none.

    Args:
        path: The file, which need not be there.
    """
    try:
        texts = _texts(Path(path))
        told = texts if isinstance(texts, dict) else json.loads(texts)
    # What Pillow, PyAV and JSON raise on damaged files; PyAV's errors are OSErrors or ValueErrors.
    except (OSError, ValueError, SyntaxError, EOFError, RecursionError, ConfigError):
        return {}
    pairs = told.items() if isinstance(told, dict) else ()
    return {str(name): text for name, text in pairs if isinstance(text, str)}


def _texts(path: Path) -> dict[Any, Any] | str | bytes:
    """The texts, with what else there is, or the comment that holds them."""
    if format_of(path) == "mp4":
        with _av().open(path) as container:
            return str(container.metadata.get("comment", ""))
    with Image.open(path, formats=["GIF", "WEBP", "PNG"]) as image:
        if image.format == "PNG":
            return image.info
        return image.info.get("comment") or str(image.getexif().get(_DESCRIPTION, ""))
