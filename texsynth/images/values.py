"""The bytes of an image file to its values: at full depth, upright, and in its own colours.

Only where they are said to be colours are they brought to sRGB by the file's profile.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from texsynth.errors import ImageError
from texsynth.images import colour, decoding, exr, process_state, profiles, samples, tiff
from texsynth.images.picture import Picture, turned
from texsynth.images.png import Png
from texsynth.images.tiff_directory import Directory, Tag
from texsynth.typing import Map, StrPath

_PLAIN = {
    "1": "L", "P": "RGB", "PA": "RGBA", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB",
    "HSV": "RGB",
}  # fmt: skip


def decode(content: bytes, path: StrPath, as_colours: bool = False) -> Map:
    """Returns the values of an image file, its first frame's, see :func:`texsynth.images.read_map`.

    Args:
        content (bytes): The whole file.
        path: What to call it in messages.
        as_colours (bool): As there.

    Raises:
        texsynth.errors.ImageError: It would cost too much, or is of a kind that is not supported.
        Exception: Whatever decoders raise on damaged files, which is nearly anything.
    """
    tags = decoding.directory_of(content, path)
    most = decoding.most_pixels(len(content))
    profile: object = None
    with process_state.alone():
        if exr.is_one(content):
            values, orientation = exr.decode(content, most, path), 1
        elif tags is not None and tiff.is_for_us(tags):
            decoding.check_weight(tags, most)
            values, orientation = _of_tiff(tags, path), tags.value(Tag.ORIENTATION, 1)
            profile = tags.profile
        else:
            with decoding.loaded(content, most, path) as (file, as_png):
                values, orientation = _of_pillow(file, as_png, path), decoding.orientation_of(file)
                profile = decoding.profile_of(file, as_png)
    if not np.isfinite(values).all():
        raise ImageError(f"{path} has values that are not finite numbers")
    if as_colours:
        values = _in_srgb(values, profile, path)
    return np.ascontiguousarray(turned(values, orientation))


def _in_srgb(values: Map, profile: object, path: StrPath) -> Map:
    """Colours brought to sRGB; alpha stays, and so does what is beyond 0..1 and no colour."""
    number = values.shape[2] - (values.shape[2] % 2 == 0)
    if colour.changes_nothing(profile, number == 1) or values.min() < 0 or values.max() > 1:
        return values
    levels = 255 * values[..., :number]
    conversion = None
    if np.abs(levels - np.rint(levels)).max() > 1e-3:  # it has more than 8 bits
        conversion = profiles.to_srgb(profile, number == 1, path)
    found = _by_pillow(levels, profile, path) if conversion is None else conversion(levels)
    shares: Map = np.concatenate([found / np.float32(255), values[..., number:]], axis=2)
    return shares


def _by_pillow(levels: Map, profile: object, path: StrPath) -> Map:
    """Colours of 0..255, rounded, and so brought to sRGB."""
    rounded = np.rint(levels).astype(np.uint8)
    picture = Picture(Image.fromarray(rounded[..., 0] if rounded.shape[2] == 1 else rounded))
    return np.asarray(colour.to_rgb(picture._replace(profile=profile), path), np.float32)


def _of_tiff(tags: Directory, path: StrPath) -> Map:
    read = tiff.samples(tags)
    if read.channels == 4:
        raise _other_colours(path, "CMYK")
    is_signed = read.values.dtype.kind == "i"
    shares = _shares(read.values[..., : read.channels + 1], read.bits - is_signed)
    if read.is_white_zero:
        np.subtract(1, shares[..., : read.channels], out=shares[..., : read.channels])
    return shares


def _of_pillow(file: Image.Image, as_png: Png | None, path: StrPath) -> Map:
    if as_png is not None and as_png.bits == 16 and as_png.colours != 0:
        return _shares(samples.values_of_png(as_png))
    if file.mode == "P" and file.has_transparency_data:
        image = file.convert("RGBA")
    else:
        image = file.convert(_PLAIN[file.mode]) if file.mode in _PLAIN else file
    if image.mode not in ("L", "LA", "RGB", "RGBA", "F") and not image.mode.startswith("I"):
        raise _other_colours(path, image.mode)
    values = np.asarray(image)
    is_16 = image.mode == "I" and file.format == "PPM"  # whatever its own largest value is
    return _shares(values[..., None] if values.ndim == 2 else values, 16 if is_16 else None)


def _shares(values: npt.NDArray[Any], bits: int | None = None) -> Map:
    """Integers as shares of the largest that their bits can be, which those of a type are."""
    shares: Map = np.empty(values.shape, np.float32)
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what is too large is told of
            shares[:] = values
        return shares
    largest = np.iinfo(values.dtype).max if bits is None else 2**bits - 1
    np.divide(values, float(largest), out=shares, dtype=np.float64, casting="same_kind")
    return shares


def _other_colours(path: StrPath, colours: str) -> ImageError:
    return ImageError(f"{path} is in {colours}; a map must be grey or RGB")
