"""The bytes of an image file to pixels at full depth.

It is done as in :mod:`texsynth.images.decoding`, but that nothing is rounded. What has 8 bits, and
what must go through a colour profile that cannot be applied at full depth, is left to that module.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from texsynth.images import colour, decoding, exr, process_state, profiles, samples, srgb, tiff
from texsynth.images.picture import Deep, Picture, keyed
from texsynth.images.png import Png
from texsynth.images.samples import Range
from texsynth.images.tiff_directory import Directory
from texsynth.typing import Alpha, StrPath


def decode(content: bytes, path: StrPath, input_range: Range | None = None) -> npt.NDArray[Any]:
    """Returns the pixels of an image file, its first frame's, on white where it is transparent.

    Args:
        content (bytes): The whole file.
        path: What to call it in messages.
        input_range: What is black and what white, in files whose type does not say so.

    Returns:
        numpy.ndarray: ``(H, W, 3)`` RGB: uint8; or, of more bits, floating-point numbers, 0..255.

    Raises:
        texsynth.errors.ImageError: It would cost too much, or is of a kind that is not supported.
        Exception: Whatever decoders raise on damaged files, which is nearly anything.
    """
    found = _decoded(content, path, input_range).upright()
    if isinstance(found, Picture):
        return decoding.as_array(colour.to_rgb(found, path))
    colours = found.colours
    if found.alpha is not None:
        colour.warn_of_alpha(path)
        share = found.alpha[..., None] / np.float32(255)
        colours = (255 - (255 - colours) * share).astype(colours.dtype)
    return _as_rgb(colours)


def decode_apart(
    content: bytes, path: StrPath, input_range: Range | None = None
) -> tuple[npt.NDArray[Any], Alpha | None]:
    """Returns the pixels of an image file as they are beneath its transparency, and its alpha.

    Args:
        content (bytes): As for :func:`decode`.
        path: As there.
        input_range: As there.

    Returns:
        tuple: As there, and ``(H, W)`` uint8, 255 where it is opaque; ``None`` if it has no alpha.

    Raises:
        texsynth.errors.ImageError: As there.
        Exception: As there.
    """
    found = _decoded(content, path, input_range).upright()
    if isinstance(found, Picture):
        rgb = decoding.as_array(colour.to_rgb(found._replace(alpha=None), path))
        return rgb, None if found.alpha is None else np.asarray(found.alpha)
    alpha = None if found.alpha is None else np.rint(found.alpha).astype(np.uint8)
    return _as_rgb(found.colours), alpha


def _as_rgb(colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if 0 < colours.max() <= 1:
        # Nothing but black to anybody; and fractions within 0..1 are taken for another range.
        return np.repeat(np.rint(colours).astype(np.uint8), 4 - colours.shape[2], axis=2)[..., :3]
    return np.ascontiguousarray(np.broadcast_to(colours, (*colours.shape[:2], 3)))


def _decoded(content: bytes, path: StrPath, input_range: Range | None) -> Deep | Picture:
    tags = decoding.directory_of(content, path)
    most = decoding.most_pixels(len(content))
    with process_state.alone():
        if exr.is_one(content):
            return _of_exr(exr.decode(content, most, path), input_range, path)
        if tags is not None and tiff.is_for_us(tags):
            decoding.check_weight(tags, most)
            if (conversion := _for_tiff(tags, path)) is not None:
                found = samples.deep_of_tiff(tags, input_range, path)
                return found._replace(colours=conversion(found.colours))
            return samples.of_tiff(tags, input_range, path)
        with decoding.loaded(content, most, path) as (file, as_png):
            orientation = decoding.orientation_of(file)
            deep = _of_pillow(file, as_png, input_range, path)
            if deep is not None:
                return deep._replace(orientation=orientation)
            picture = decoding.picture_of(file, as_png, input_range, path)
            return picture._replace(orientation=orientation)


def _of_exr(values: npt.NDArray[Any], input_range: Range | None, path: StrPath) -> Deep:
    """Values in proportion to light, 0 is black and 1 is white if nothing else is said."""
    number = values.shape[2]
    colours = values[..., : number - 1 + number % 2]
    shares = samples.deep_of_numbers(colours, input_range, path, (0, 1)) / 255
    alpha = None
    if number % 2 == 0:  # colours are multiplied by it
        alpha = np.clip(values[..., -1], 0, 1).astype(np.float64)
        shares = np.clip(shares / np.maximum(alpha, 1e-9)[..., None], 0, 1)
        alpha *= 255
    return Deep(srgb.encoded(shares) * 255, alpha)


def _for_tiff(tags: Directory, path: StrPath) -> profiles.Conversion | None:
    """What brings a TIFF's colours to sRGB; ``None`` if it has 8 bits, or other colours."""
    bits, channels = tiff.depth(tags)
    if bits <= 8 or channels >= 4:
        return None
    return profiles.to_srgb(tags.profile, channels == 1, path)


def _of_pillow(
    file: Image.Image, as_png: Png | None, input_range: Range | None, path: StrPath
) -> Deep | None:
    """What Pillow decoded, at full depth; ``None`` if it has 8 bits, or other colours."""
    is_grey = file.mode.startswith(("I", "F"))
    is_deep_png = as_png is not None and as_png.bits == 16
    if not (is_grey or is_deep_png):
        return None
    conversion = profiles.to_srgb(decoding.profile_of(file, as_png), is_grey, path)
    if conversion is None:
        return None
    if decoding.is_numbers(file):
        numbers = samples.deep_of_numbers(np.asarray(file), input_range, path)
        return Deep(conversion(numbers[..., None]))
    samples.warn_unused(input_range, path)
    key = as_png.key if as_png is not None else ()
    if as_png is not None and not is_grey:
        values = samples.values_of_png(as_png)
    else:
        values = np.asarray(file).astype(np.uint16)[..., None]
    alpha = values[..., -1] if values.shape[2] % 2 == 0 else None
    opaque = np.asarray(keyed(values, key)) if key else None
    colours = samples.deep_of_integers(values[..., : values.shape[2] - (alpha is not None)])
    return Deep(conversion(colours), opaque if alpha is None else samples.deep_of_integers(alpha))
