"""Images as arrays: pixels to a batch and back, noise, and images beside one another."""

import hashlib
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth.errors import ImageError
from texsynth.typing import Batch, Pixels, Size

_NOISE_AMPLITUDE = 20.0  # grey levels, as in the article's program


def to_batch(pixels: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> Batch:
    """Turns ``(H, W, 3)`` of any real dtype, 0..255, into ``(1, 3, H, W)`` float32.

    Args:
        pixels: The image.
        dtype: Another floating-point type, for what is no more than handed on.

    Raises:
        texsynth.errors.ImageError: A path, another shape, no pixels, no numbers, values that are
            not finite or not within 0..255, or fractions all within 0..1, where white is 1.
    """
    if isinstance(pixels, str | bytes | os.PathLike):
        raise ImageError(
            f"an image must be an array, not {pixels!r}; texsynth.read_image({pixels!r}) reads one"
        )
    try:
        pixels = np.asarray(pixels)
    except ValueError as error:  # rows of different lengths
        raise ImageError(f"an image must be a (height, width, 3) array: {error}") from None
    if pixels.dtype.kind not in "biuf":
        raise ImageError(f"an image must have real numbers, not {pixels.dtype}")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ImageError(f"an image must be a (height, width, 3) array, not {pixels.shape}")
    batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], dtype=dtype)
    if not (batch.min() >= 0 and batch.max() <= 255):  # neither holds of NaN
        raise ImageError("an image must have finite values within 0..255")
    if pixels.dtype.kind in "bf" and 0 < batch.max() <= 1:
        raise ImageError(
            "an image must have values within 0..255, and these are all within 0..1: multiply them "
            "by 255, or, if they are that dark, round them to integers"
        )
    return batch


def to_pixels(batch: npt.NDArray[np.floating[Any]]) -> Pixels:
    """Turns ``(1, 3, H, W)`` float into ``(H, W, 3)`` uint8, rounded and clipped."""
    clipped: npt.NDArray[Any] = np.clip(np.rint(batch[0].transpose(1, 2, 0)), 0, 255)
    return clipped.astype(np.uint8)


def to_values(batch: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Turns ``(1, 3, H, W)`` float into ``(H, W, 3)`` of its type, clipped to 0..255, unrounded."""
    clipped: npt.NDArray[np.floating[Any]] = np.clip(batch[0].transpose(1, 2, 0), 0, 255)
    return np.ascontiguousarray(clipped)


def checksum(array: npt.NDArray[Any]) -> str:
    """Returns the SHA-256 of size and values, 64 hex digits.

    Args:
        array (numpy.ndarray): An image, in either form.
    """
    digest = hashlib.sha256(str(array.shape).encode())
    digest.update(array.tobytes())
    return digest.hexdigest()


def noise(size: Size, seed: int, mean: npt.ArrayLike) -> Batch:
    """Makes uniform noise of 20 grey levels about a colour.

    The article's program takes ImageNet's mean colour. About the exemplar's own, no part of the
    image has to travel far: dark textures keep no grey haze.

    Args:
        size: ``(width, height)`` in pixels.
        mean: ``(C,)``, of each channel: red, green, blue.
        seed (int): The same seed gives the same noise on every device.

    Returns:
        numpy.ndarray: ``(1, C, height, width)`` float32.
    """
    generator = np.random.default_rng(seed)
    mean = np.reshape(mean, (1, -1, 1, 1))
    shape = (1, mean.shape[1], size[1], size[0])
    deviation = generator.uniform(-_NOISE_AMPLITUDE, _NOISE_AMPLITUDE, shape)
    return (mean + deviation).astype(np.float32)


def side_by_side(left: Pixels, right: Pixels, gap: int = 8) -> Pixels:
    """Puts two images beside one another on white, centred, as the article shows its pair.

    Args:
        left: ``(H, W, 3)`` uint8.
        right: ``(H, W, 3)`` uint8.
        gap (int): White pixels between them.

    Returns:
        numpy.ndarray: ``(max H, sum of W + gap, 3)`` uint8.
    """
    height = max(left.shape[0], right.shape[0])
    sheet = np.full((height, left.shape[1] + gap + right.shape[1], 3), 255, dtype=np.uint8)
    for picture, x in ((left, 0), (right, left.shape[1] + gap)):
        top = (height - picture.shape[0]) // 2
        sheet[top : top + picture.shape[0], x : x + picture.shape[1]] = picture
    return sheet


def tiled(pixels: Pixels) -> Pixels:
    """Lays an image two by two.

    Args:
        pixels: ``(H, W, 3)`` uint8.

    Returns:
        numpy.ndarray: ``(2 H, 2 W, 3)`` uint8.
    """
    return np.tile(pixels, (2, 2, 1))
