"""Colours of any kind to opaque sRGB, which the network was trained on."""

import functools
import io
import logging
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from texsynth.images.picture import Picture
from texsynth.images.samples import grey_of_8_bits
from texsynth.typing import StrPath

_log = logging.getLogger(__name__)

_MODES = {"GRAY": ("L", "I;16"), "RGB": ("RGB",), "CMYK": ("CMYK",)}  # by a profile's colours


def to_rgb(picture: Picture, path: StrPath) -> Image.Image:
    """Returns a picture in sRGB, on white where it is transparent.

    Args:
        picture (Picture): Colours, alpha, profile.
        path: What to call it in messages.

    Returns:
        PIL.Image.Image: Mode RGB.
    """
    rgb = None if picture.profile is None else _by_profile(picture, path)
    rgb = _without_profile(picture.colours) if rgb is None else rgb
    if picture.alpha is None:
        return rgb
    warn_of_alpha(path)
    return Image.composite(rgb, Image.new("RGB", rgb.size, "white"), picture.alpha)


def warn_of_alpha(path: StrPath) -> None:
    """Says that what is transparent is laid on white.

    Args:
        path: What to call the file.
    """
    _log.warning("%s: transparency is composited on white", path)


def changes_nothing(profile: object, is_grey: bool) -> bool:
    """Returns whether a profile leaves colours as they are: whether it is one of sRGB.

    Args:
        profile: Of a file, which may be anything; ``None`` if there is none.
        is_grey (bool): Whether it is that of an image of grey.
    """
    if profile is None:
        return True
    probe = _probe(is_grey)
    found = _by_profile(Picture(probe, profile=profile), "a probe", logging.DEBUG)
    if found is None:  # it is left out, too, where it cannot be applied
        return True
    differences = np.asarray(found).astype(int) - np.asarray(probe.convert("RGB"))
    return bool(np.abs(differences).max() <= 1)


@functools.cache
def _probe(is_grey: bool) -> Image.Image:
    """Colours over all that there are."""
    if is_grey:
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    side = np.arange(0, 256, 17, dtype=np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(side, side, side), axis=-1).reshape(64, 64, 3))


def _by_profile(
    picture: Picture, path: StrPath, level: int = logging.WARNING
) -> Image.Image | None:
    """Applies the profile; ``None`` if that cannot be done."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(picture.profile))  # type: ignore[arg-type]
        space = profile.profile.xcolor_space.strip()
        image = picture.colours
        if space == "RGB" and image.mode in ("L", "I;16"):
            image = _without_profile(image)
        if image.mode not in _MODES.get(space, ()):
            raise ValueError(f"a profile of {space} for an image of {image.mode}")
        return _converted(image, profile)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError) as error:
        # A profile of other colours than the image's, or a damaged one: as browsers do.
        _log.log(level, "%s: ignoring its colour profile, which cannot be applied", path)
        _log.debug("the profile: %s", error)
        return None


def _without_profile(image: Image.Image) -> Image.Image:
    if image.mode == "LAB":
        return _converted(image, ImageCms.createProfile("LAB"))
    image = grey_of_8_bits(image) if image.mode == "I;16" else image
    return image if image.mode == "RGB" else image.convert("RGB")


def _converted(image: Image.Image, profile: Any) -> Image.Image:
    srgb = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    assert converted is not None  # it is only where an image is changed in place
    return converted
