"""What of a photograph is made anew: masks, the band about a wrap-around, more on each side."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from texsynth import images
from texsynth.config import Config
from texsynth.errors import ConfigError
from texsynth.typing import Array, Batch, Size, Wrap

BAND = 32
"""Pixels across the band that is made anew where a photograph is to tile."""

MOST_GROWN = 16384
"""Pixels that a photograph may grow by on a side."""


@dataclasses.dataclass(frozen=True, eq=False)
class Damaged:
    """A photograph, and what of it is made anew.

    Attributes:
        photo: ``(1, 3, H, W)`` float32, NumPy.
        mask: ``(1, 1, H, W)`` float32, NumPy: 1 where all is made anew, 0 where it stays.
    """

    photo: Batch
    mask: Array

    @classmethod
    def of(
        cls,
        photo: npt.ArrayLike,
        mask: npt.ArrayLike | None,
        config: Config,
        band: int = BAND,
        grow: int | Mapping[str, int] | None = None,
    ) -> Self:
        """Makes one of what :func:`texsynth.repair` takes, as it says there.

        Args:
            photo: As there.
            mask: As there.
            config: As there.
            band: As there.
            grow: As there.

        Raises:
            texsynth.errors.TexsynthError: As there.
        """
        batch = images.to_batch(photo)
        size = batch.shape[:1:-1]
        made = np.zeros((1, 1, *batch.shape[2:]), np.float32)
        if mask is not None:
            made = to_mask(mask, size)
        if grow is not None:
            sides = to_sides(grow)
            batch, made = grown(batch, sides, 0), grown(made, sides, 1)
        if config.tile is not None:
            if isinstance(band, bool) or not isinstance(band, int | np.integer) or band < 2:
                raise ConfigError(f"band must be a whole number of at least 2, not {band!r}")
            made = np.maximum(made, band_mask(batch.shape[:1:-1], config.wrap, int(band)))
        if not made.any():
            raise ConfigError("there is nothing to repair: the mask is black, and no band is asked")
        return cls(batch, made)


def to_mask(mask: npt.ArrayLike, size: Size) -> Array:
    """Turns a mask into ``(1, 1, H, W)`` float32, 1 where all is made and 0 where nothing is.

    Args:
        mask: ``(H, W)``, or ``(H, W, 3)`` whose channels are averaged: booleans, or 0..255.
        size: ``(width, height)`` of the photograph.

    Raises:
        texsynth.errors.ConfigError: It has another size or other values.
    """
    values = np.asarray(mask)
    if values.dtype.kind not in "biuf" or values.ndim not in (2, 3) or values.size == 0:
        raise ConfigError(
            f"mask must be a (height, width) array, not {values.dtype} {values.shape}"
        )
    scale = 1.0 if values.dtype.kind == "b" else 255.0
    values = values.astype(np.float64)
    values = (values.mean(axis=2) if values.ndim == 3 else values) / scale
    if values.shape != size[::-1]:
        told = ["x".join(map(str, each)) for each in (values.shape[::-1], size)]
        raise ConfigError(f"mask must have the photograph's size, {told[1]} px, not {told[0]}")
    if 0 < values.max() * scale <= 1 < scale:
        raise ConfigError("mask is black but for values of 1 of 255: white is 255")
    if not (values.min() >= 0 and values.max() <= 1):
        raise ConfigError("mask must have values within 0..255, or be of booleans")
    return values[None, None].astype(np.float32)


def band_mask(size: Size, wrap: Wrap, width: int) -> Array:
    """Returns the mask of a band about where a photograph meets itself, ``(1, 1, H, W)`` float32.

    Args:
        size: ``(width, height)`` of the photograph.
        wrap: ``(rows, columns)``: along which axes it is to tile.
        width: Pixels across the band, half of them on each side, at least 2.

    Raises:
        texsynth.errors.ConfigError: Nothing would be left of the photograph.
    """
    mask = np.zeros((1, 1, size[1], size[0]), np.float32)
    before = width // 2
    for axis, wraps in zip((2, 3), wrap, strict=True):
        if wraps and width >= mask.shape[axis]:
            raise ConfigError(
                f"band of {width} px leaves nothing of a photograph of {size[0]}x{size[1]} px"
            )
        if wraps:
            along = mask.swapaxes(2, axis)
            along[:, :, :before] = 1
            along[:, :, along.shape[2] - (width - before) :] = 1
    return mask


def grown(image: Array, sides: Sequence[int], value: float) -> Array:
    """Returns an image with so many pixels of a value on each side.

    Args:
        image: ``(N, C, H, W)``.
        sides: ``(left, top, right, bottom)`` in pixels.
        value: That of the new pixels.
    """
    left, top, right, bottom = sides
    widths = ((0, 0), (0, 0), (top, bottom), (left, right))
    return np.pad(image, widths, constant_values=value)


def to_sides(grow: Any) -> tuple[int, int, int, int]:
    """Returns by how much a photograph grows, ``(left, top, right, bottom)``.

    Args:
        grow: A whole number for all sides, or ``{side: number}`` for some.

    Raises:
        texsynth.errors.ConfigError: It is something else, or beyond 16384 px.
    """
    names = ("left", "top", "right", "bottom")
    sides = grow if isinstance(grow, dict) else dict.fromkeys(names, grow)
    for name, number in sides.items():
        if name not in names:
            raise ConfigError(f"grow must name {', '.join(names)}, not {name!r}")
        is_whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
        if not (is_whole and 0 <= number <= MOST_GROWN):
            raise ConfigError(f"grow must be 0 to {MOST_GROWN} pixels on a side, not {number!r}")
    if not any(sides.values()):
        raise ConfigError("grow must be at least 1 pixel on some side")
    left, top, right, bottom = (int(sides.get(name, 0)) for name in names)
    return left, top, right, bottom


def parse_sides(text: str) -> int | dict[str, int]:
    """Reads ``"128"`` as a number for all sides, and ``"left=64,right=32"`` as ``{side: number}``.

    Raises:
        texsynth.errors.ConfigError: The text has another form.
    """
    try:
        if "=" not in text:
            return int(text)
        pairs = [item.split("=") for item in text.split(",")]
        sides = {name.strip(): int(number) for name, number in pairs}
        if len(sides) < len(pairs):
            raise ValueError("a side twice")
    except ValueError:
        raise ConfigError(f"grow must look like 128, or left=64,right=32, not {text!r}") from None
    return sides


def filled(image: Batch, mask: Array) -> Batch:
    """Fills what is masked smoothly, from what is around it.

    Each hole takes the mean of what is known about it at the finest scale at which anything is.

    Args:
        image: ``(1, 3, H, W)`` float32.
        mask: ``(1, 1, H, W)`` float32: 1 where nothing is known.

    Returns:
        numpy.ndarray: ``(1, 3, H, W)`` float32, the image itself where the mask is 0.
    """
    known = 1 - mask
    if (known > 0).all() or min(image.shape[2:]) == 1:
        total = max(float(known.sum()), 1e-6)
        mean = (image * known).sum(axis=(2, 3), keepdims=True) / total
        found: Batch = (image * known + mean * mask).astype(np.float32)
        return found
    size = tuple((side + 1) // 2 for side in image.shape[:1:-1])
    weights = _resampled(known, size, Image.Resampling.BOX)
    sums = _resampled(image * known, size, Image.Resampling.BOX)
    there = weights > 0
    coarse = np.where(there, sums / np.where(there, weights, 1), 0).astype(np.float32)
    around = filled(coarse, (~there).astype(np.float32))
    smooth = _resampled(around, image.shape[:1:-1], Image.Resampling.BILINEAR)
    found = (image + mask * (smooth - image)).astype(np.float32)
    return found


def at_size(mask: Array, size: Size) -> Array:
    """Returns the share of each larger pixel that is masked, ``(1, 1, height, width)`` float32.

    Args:
        mask: ``(1, 1, H, W)`` float32.
        size: ``(width, height)``, no larger.
    """
    if mask.shape[:1:-1] == tuple(size):
        return mask
    share: Array = _resampled(mask, size, Image.Resampling.BOX).clip(0, 1)
    return share


def _resampled(image: Array, size: Any, by: Image.Resampling) -> Array:
    planes = [
        np.asarray(Image.fromarray(plane).resize(size, by))
        for plane in image.reshape(-1, *image.shape[2:])
    ]
    return np.stack(planes).reshape(*image.shape[:2], size[1], size[0])
