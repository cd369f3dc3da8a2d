"""Reads an image file, or what comes through a pipe, at no absurd cost."""

import os
import select
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from texsynth.errors import ImageError
from texsynth.files.printable import one_line
from texsynth.images import decoding, deep, exr, values
from texsynth.images.samples import Range
from texsynth.typing import Alpha, Map, Pixels, StrPath

Read = TypeVar("Read")

# What a file may cost. Pillow refuses twice its limit of pixels, 179 million; at 16 bits a channel
# and uncompressed these fill _LARGEST_FILE.
_LARGEST_FILE = 1 << 30  # bytes
_LARGEST_FROM_PIPE = 1 << 28  # bytes: something may write without end
_PATIENCE = 60  # seconds, with a pipe that nothing comes through


def read(path: StrPath, input_range: Range | None = None) -> Pixels:
    """Reads an image file, upright, as RGB.

    EXIF orientation and colour profile are applied, palettes and grey become RGB, more bits become
    8 with rounding, transparency is composited on white (and a warning logged).

    Args:
        path: Path of any image that Pillow reads, of HEIC if there is pillow-heif, or of a TIFF of
            any numbers; or of a pipe that one comes through. Of several frames the first is taken.
        input_range: What is black and what is white, of files of floating-point numbers or of
            integers with a sign; others say so themselves.

    Returns:
        numpy.ndarray: ``(H, W, 3)`` uint8.

    Raises:
        texsynth.errors.ImageError: Missing, unreadable, not an image, damaged, or absurdly large;
            or its range is needed and not given.
    """
    return _read(path, input_range, _decode)


def read_apart(path: StrPath, input_range: Range | None = None) -> tuple[Pixels, Alpha | None]:
    """Reads an image file as :func:`read`, but for its transparency, which is told apart.

    Args:
        path: As there.
        input_range: As there.

    Returns:
        tuple: ``(H, W, 3)`` uint8, the colours beneath, and ``(H, W)`` uint8, 255 where it is
        opaque; ``None`` if it has no transparency.

    Raises:
        texsynth.errors.ImageError: As there.
    """
    return _read(path, input_range, decoding.decode_apart)


def read_opaque(path: StrPath, input_range: Range | None = None) -> Pixels:
    """Reads an image file as :func:`read`, of which no pixel may be transparent: a mask.

    Args:
        path: As there.
        input_range: As there.

    Returns:
        numpy.ndarray: ``(H, W, 3)`` uint8.

    Raises:
        texsynth.errors.ImageError: As there; or a pixel is transparent.
    """
    pixels, alpha = read_apart(path, input_range)
    if alpha is not None and alpha.min() < 255:
        raise ImageError(
            f"{path} is transparent in places, which says neither black nor white; fill them"
        )
    return pixels


def read_deep(path: StrPath, input_range: Range | None = None) -> npt.NDArray[Any]:
    """Reads an image file as :func:`read` does, at full depth.

    Args:
        path: As there; or of an OpenEXR file, if there is the package OpenEXR. Its values are in
            proportion to light, so that they are given sRGB's curve here.
        input_range: As there.

    Returns:
        numpy.ndarray: ``(H, W, 3)`` RGB: uint8, or, of a file of more than 8 bits, floating-point
        numbers, 0..255. With a colour profile other than sRGB that takes the package imagecodecs;
        without it they are uint8, and a warning is logged.

    Raises:
        texsynth.errors.ImageError: As there.
    """
    return _read(path, input_range, deep.decode)


def read_deep_apart(
    path: StrPath, input_range: Range | None = None
) -> tuple[npt.NDArray[Any], Alpha | None]:
    """Reads an image file as :func:`read_deep`, but for its transparency, which is told apart.

    Args:
        path: As there.
        input_range: As there.

    Returns:
        tuple: What :func:`read_deep` returns, the colours beneath, and ``(H, W)`` uint8, 255 where
        it is opaque; ``None`` if it has no transparency.

    Raises:
        texsynth.errors.ImageError: As there.
    """
    return _read(path, input_range, deep.decode_apart)


def rounded(pixels: npt.NDArray[Any]) -> Pixels:
    """Returns what :func:`read_deep` read, ``(H, W, 3)`` of any type, as uint8."""
    return pixels if pixels.dtype == np.uint8 else np.rint(pixels).astype(np.uint8)


def read_map(path: StrPath, as_colours: bool = False) -> Map:
    """Reads the values of an image file at full depth and as they are, such as those of normals.

    Integers are divided by their largest value, so that white is 1, and all of up to 16 bits come
    back from ``round(value * 65535)``; floating-point numbers stay what they are. No colour profile
    is applied, and alpha is one more channel. EXIF orientation is applied.

    Args:
        path: As for :func:`read`; or of an OpenEXR file, if there is the package OpenEXR.
        as_colours (bool): Whether the values are colours, such as an albedo's: then a colour
            profile is applied, as by :func:`read_deep`.

    Returns:
        numpy.ndarray: ``(H, W, C)`` float32: grey; grey and alpha; RGB; or RGB and alpha.

    Raises:
        texsynth.errors.ImageError: As there; or it has other channels, or values that are not
            finite.
    """
    return _read(path, None, lambda content, path, _: values.decode(content, path, as_colours))


def _decode(content: bytes, path: Path, input_range: Range | None) -> Pixels:
    if exr.is_one(content):
        return rounded(deep.decode(content, path, input_range))
    return decoding.decode(content, path, input_range)


def _read(
    path: StrPath, input_range: Range | None, decode: Callable[[bytes, Path, Range | None], Read]
) -> Read:
    path = Path(path)
    try:
        content = _content(path)
        return decode(content, path, input_range)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"no such file: {path}") from None
    except Image.DecompressionBombError as error:
        size = len(content)
        raise ImageError(f"{path}: too many pixels for its {size} bytes ({error})") from error
    except UnidentifiedImageError:
        raise ImageError(f"{path} is not an image that Pillow can read") from None
    except MemoryError as error:
        raise ImageError(f"{path} cannot be read: not enough memory") from error
    except Exception as error:
        # Pillow's decoders raise nearly anything on damaged files.
        reason = getattr(error, "strerror", None) or str(error) or "it is damaged"
        raise ImageError(f"{path} cannot be read: {one_line(reason)}") from error


def _content(path: Path) -> bytes:
    """Reads a file once and whole: nothing can change, or be cut off, under the decoders."""
    kind = path.stat().st_mode
    if stat.S_ISDIR(kind):
        raise ImageError(f"{path} is a folder, not an image")
    if stat.S_ISFIFO(kind):
        return b"".join(_piped(path))
    if not stat.S_ISREG(kind):
        raise ImageError(f"{path} is a device, not an image")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > _LARGEST_FILE:
            raise _too_large(path, _LARGEST_FILE)
        return file.read(size)


def _piped(path: Path) -> Iterator[bytes]:
    """Yields what comes through a pipe; nobody waits for ever for one that nobody writes to."""
    left = _LARGEST_FROM_PIPE
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            if not select.select([pipe], [], [], _PATIENCE)[0]:
                raise ImageError(f"{path} is a pipe, and no data came through it")
            part = os.read(pipe, 1 << 20)
            if not part:
                return
            left -= len(part)
            if left < 0:
                raise _too_large(path, _LARGEST_FROM_PIPE)
            yield part
    finally:
        os.close(pipe)


def _too_large(path: Path, limit: int) -> ImageError:
    return ImageError(f"{path} is too large: an image file may have at most {limit >> 20} MiB")
