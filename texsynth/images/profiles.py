"""Colour profiles at full depth, by littleCMS with floating-point numbers.

Pillow's own littleCMS has 8 bits a channel; the package imagecodecs has the same library with any
depth. It is an extra: where it is missing, :mod:`texsynth.images.colour` applies the profile at 8
bits, which is said.
"""

import functools
import importlib
import io
import logging
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ImageCms

from texsynth.images import colour
from texsynth.typing import StrPath

_log = logging.getLogger(__name__)

Conversion: TypeAlias = Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
"""From colours of a file, ``(H, W, C)`` of 0..255, grey or RGB, to those of sRGB, unrounded."""

_SPACES = {"GRAY": "minisblack", "RGB": "rgb"}  # as imagecodecs calls them


def to_srgb(profile: object, is_grey: bool, path: StrPath) -> Conversion | None:
    """Returns what brings colours to sRGB; ``None`` if it cannot be done at full depth.

    That is logged as a warning, with what to do.

    Args:
        profile: Of the file, which may be anything; ``None`` if there is none.
        is_grey (bool): Whether it is that of an image of grey.
        path: What to call the file.
    """
    if colour.changes_nothing(profile, is_grey):
        return _unchanged
    assert isinstance(profile, bytes)  # or it could not have changed anything
    codecs = _imagecodecs()
    if codecs is None:
        _log.warning(
            "%s: its colour profile is applied at 8 bits a channel; at full depth it needs the"
            " package imagecodecs (pip install 'texsynth[profiles]', or pip install imagecodecs)",
            path,
        )
        return None
    conversion = functools.partial(_converted, codecs, profile)
    try:
        conversion(np.zeros((1, 1, 1 if is_grey else 3), np.float32))
    except (codecs.CmsError, ValueError) as error:  # of kinds that are for other uses
        _log.warning("%s: its colour profile is applied at 8 bits a channel", path)
        _log.debug("the profile: %s", error)
        return None
    return conversion


def _unchanged(colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return colours


def _imagecodecs() -> ModuleType | None:
    """The package, if it is there and has littleCMS."""
    try:
        codecs = importlib.import_module("imagecodecs")
    except ImportError:
        return None
    return codecs if codecs.CMS.available else None


@functools.cache
def _srgb() -> bytes:
    """The same profile of sRGB that colours of 8 bits are brought to."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _converted(codecs: ModuleType, profile: bytes, colours: npt.NDArray[Any]) -> npt.NDArray[Any]:
    opened: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
    space = opened.xcolor_space.strip()
    if space == "RGB":
        colours = np.broadcast_to(colours, (*colours.shape[:2], 3))
    else:
        colours = colours[..., 0]
    found: npt.NDArray[Any] = codecs.cms_transform(
        np.ascontiguousarray(colours / colours.dtype.type(255)),
        profile,
        _srgb(),
        colorspace=_SPACES[space],
        planar=False,
        outcolorspace="rgb",
        outplanar=False,
        outdtype=colours.dtype,
        intent=ImageCms.Intent.PERCEPTUAL,  # as Pillow does by default
    )
    # Colours that sRGB has not come out beyond it.
    levels: npt.NDArray[Any] = np.clip(found, 0, 1) * colours.dtype.type(255)
    return levels
