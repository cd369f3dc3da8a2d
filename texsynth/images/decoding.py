"""The bytes of an image file to pixels: upright, in sRGB, 8 bits, and at no absurd cost."""

import contextlib
import logging
from collections.abc import Iterator

import numpy as np
from PIL import Image

from texsynth.errors import ImageError
from texsynth.images import colour, kinds, png, process_state, samples, tiff, tiff_directory
from texsynth.images.picture import Picture, keyed
from texsynth.images.png import Png
from texsynth.images.samples import Range
from texsynth.images.tiff_directory import Directory
from texsynth.typing import Alpha, Pixels, StrPath

_log = logging.getLogger(__name__)

_BAND = 256  # rows
# Pixels, of an image beyond half of what Pillow takes; photographs have 2 to 20 a byte.
_MOST_PER_BYTE = 50
_MOST_WORK = 5e10  # pixels times scans of a progressive JPEG, which take 20 seconds
_PLAIN = {
    "1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB",
}  # fmt: skip
_ORIENTATION = 0x0112


def decode(content: bytes, path: StrPath, input_range: Range | None = None) -> Pixels:
    """Returns the pixels of an image file, its first frame's.

    Args:
        content (bytes): The whole file.
        path: What to call it in messages.
        input_range: What is black and what white, in files whose type does not say so.

    Returns:
        numpy.ndarray: ``(H, W, 3)`` uint8, RGB.

    Raises:
        texsynth.errors.ImageError: It would cost too much, or is of a kind that is not supported.
        Exception: Whatever Pillow's decoders raise on damaged files, which is nearly anything.
    """
    return as_array(colour.to_rgb(_decoded(content, path, input_range), path))


def decode_apart(
    content: bytes, path: StrPath, input_range: Range | None = None
) -> tuple[Pixels, Alpha]:
    """Returns the pixels of an image file as they are beneath its transparency, and its alpha.

    Args:
        content (bytes): As for :func:`decode`.
        path: As there.
        input_range: As there.

    Returns:
        tuple: ``(H, W, 3)`` uint8, RGB, and ``(H, W)`` uint8, 255 where it is opaque.

    Raises:
        texsynth.errors.ImageError: As there; or it has no alpha.
        Exception: As there.
    """
    picture = _decoded(content, path, input_range)
    if picture.alpha is None:
        raise ImageError(f"{path} has no transparency")
    rgb = colour.to_rgb(picture._replace(alpha=None), path)
    return as_array(rgb), np.asarray(picture.alpha)


def _decoded(content: bytes, path: StrPath, input_range: Range | None) -> Picture:
    tags = directory_of(content, path)
    with process_state.alone():
        most = most_pixels(len(content))
        if tags is not None and tiff.is_for_us(tags):
            picture = _of_tiff(tags, most, input_range, path)
        else:
            picture = _of_pillow(content, most, input_range, path)
    return picture.upright()


def directory_of(content: bytes, path: StrPath) -> Directory | None:
    """Returns the first directory of a TIFF; ``None`` if it is none.

    Args:
        content (bytes): The whole file.
        path: What to call it in messages.

    Raises:
        texsynth.errors.ImageError: It is what a camera's sensor saw.
    """
    tags = tiff_directory.directory(content)
    if tags is not None and tags.is_raw:
        raise ImageError(f"{path} is a camera's raw file; develop it, and save it as PNG or TIFF")
    return tags


def most_pixels(size: int) -> int | None:
    """Returns the most pixels that a file may have, at any place in it; ``None`` is any number.

    Args:
        size (int): Its bytes.
    """
    limit = Image.MAX_IMAGE_PIXELS
    return None if limit is None else min(2 * limit, max(limit // 2, _MOST_PER_BYTE * size))


def _of_tiff(
    tags: Directory, most: int | None, input_range: Range | None, path: StrPath
) -> Picture:
    check_weight(tags, most)
    return samples.of_tiff(tags, input_range, path)


def check_weight(tags: Directory, most: int | None) -> None:
    """Makes sure that a TIFF that is for us has no more pixels than it may.

    Args:
        tags (Directory): Its directory.
        most (int): What :func:`most_pixels` returned.

    Raises:
        PIL.Image.DecompressionBombError: It has more.
    """
    if most is not None and tiff.weight(tags) > most:
        raise Image.DecompressionBombError(f"Image size {tags.size} exceeds limit")


def _of_pillow(
    content: bytes, most: int | None, input_range: Range | None, path: StrPath
) -> Picture:
    with loaded(content, most, path) as (file, as_png):
        orientation = orientation_of(file)
        return picture_of(file, as_png, input_range, path)._replace(orientation=orientation)


@contextlib.contextmanager
def loaded(
    content: bytes, most: int | None, path: StrPath
) -> Iterator[tuple[Image.Image, Png | None]]:
    """A context manager in which there is an image that Pillow decoded.

    Args:
        content (bytes): The whole file.
        most (int): What :func:`most_pixels` returned.
        path: What to call it in messages.

    Yields:
        tuple: The image, and of a PNG its chunks.

    Raises:
        texsynth.errors.ImageError: It would cost too much, or is of a kind that is not supported.
        Exception: Whatever Pillow's decoders raise on damaged files, which is nearly anything.
    """
    sorted_out = png.sort_out(content)
    content = content if sorted_out is None else sorted_out.content
    with process_state.bounded(most), kinds.opened(content, path) as file:
        _check_cost(file, content, path)
        is_tiff = file.format == "TIFF"
        with process_state.silenced() if is_tiff else contextlib.nullcontext():
            file.load()
        yield file, sorted_out


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


def orientation_of(file: Image.Image) -> int:
    """Returns how to turn an image, as EXIF counts.

    Args:
        file: The image.
    """
    try:
        return int(file.getexif().get(_ORIENTATION, 1))
    except Exception as error:
        # Cameras and editors write damaged EXIF: no reason to do without the picture.
        _log.debug("damaged EXIF: %s", error)
        return 1


def is_numbers(file: Image.Image) -> bool:
    """Returns whether an image has values whose type does not say what is black and white."""
    return file.mode == "F" or (file.mode == "I" and file.format != "PPM")


def profile_of(file: Image.Image, as_png: Png | None) -> object:
    """Returns an image's colour profile, which may be anything; ``None`` if there is none."""
    return file.info.get("icc_profile") if as_png is None else as_png.profile


def picture_of(
    file: Image.Image, as_png: Png | None, input_range: Range | None, path: StrPath
) -> Picture:
    """Takes what Pillow decoded apart into colours and alpha.

    Args:
        file: The image.
        as_png: Of a PNG, its chunks.
        input_range: As for :func:`decode`.
        path: As there.

    Raises:
        texsynth.errors.ImageError: The range is needed and not given.
    """
    profile = profile_of(file, as_png)
    if is_numbers(file):
        return Picture(samples.of_numbers(np.asarray(file), input_range, path), profile=profile)
    samples.warn_unused(input_range, path)
    if as_png is not None and as_png.bits == 16 and as_png.colours != 0:
        return Picture(*samples.of_png(as_png), profile)
    key, image = _key(file, as_png), file
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif image.mode.startswith("I"):
        image = Image.fromarray(np.asarray(image).astype(np.uint16))
    image = image.convert(_PLAIN[image.mode]) if image.mode in _PLAIN else image
    if image.mode in ("LA", "RGBA"):
        return Picture(_colours(image), image.getchannel("A"), profile)
    return Picture(image, keyed(np.asarray(image), key) if key else None, profile)


def _colours(image: Image.Image) -> Image.Image:
    return image.getchannel("L") if image.mode == "LA" else image.convert("RGB")


def _key(file: Image.Image, as_png: Png | None) -> tuple[int, ...]:
    """The transparent colour, as Pillow's pixels have it; empty if there is none."""
    if as_png is not None:
        largest = 2**as_png.bits - 1
        most = max(largest, 255)
        return tuple((value & largest) * most // largest for value in as_png.key)
    key = file.info.get("transparency")
    if file.mode in ("P", "PA") or key is None or isinstance(key, bytes):
        return ()
    return key if isinstance(key, tuple) else (key,)


def as_array(rgb: Image.Image) -> Pixels:
    """Returns ``(H, W, 3)``, by bands of rows.

    Pillow needs twice the memory of what it hands over at once.
    """
    pixels = np.empty((rgb.height, rgb.width, 3), np.uint8)
    for top in range(0, rgb.height, _BAND):
        bottom = min(top + _BAND, rgb.height)
        pixels[top:bottom] = np.asarray(rgb.crop((0, top, rgb.width, bottom)))
    return pixels
