"""Images: file to array and back, resizing, noise.

Inside the package an image is ``(N, 3, H, W)`` float32, RGB, 0..255; at its borders (files, the
library's callers) it is ``(H, W, 3)`` uint8.
"""

import os
import select
import stat
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from texsynth import decoding
from texsynth.errors import ImageError
from texsynth.files import written_whole
from texsynth.printable import one_line

_LANCZOS_REACH = 32  # pixels: the filter at a tenth of the size; pyramids halve
_NOISE_AMPLITUDE = 20.0  # grey levels, as in the article's program

# What a file may cost. Pillow refuses twice its limit of pixels, 179 million; at 16 bits a channel
# and uncompressed these fill _LARGEST_FILE.
_LARGEST_FILE = 1 << 30  # bytes
_LARGEST_FROM_PIPE = 1 << 28  # bytes: something may write without end
_PATIENCE = 60  # seconds, with a pipe that nothing comes through


def read(path):
    """Reads an image file, upright, as RGB.

    EXIF orientation and colour profile are applied, palettes and grey become RGB, 16 bits become 8
    bits with rounding, transparency is composited on white (and a warning logged).

    Args:
        path: Path of any image that Pillow reads, or of a pipe that one comes through; of several
            frames the first is taken.

    Returns:
        numpy.ndarray: ``(H, W, 3)`` uint8.

    Raises:
        texsynth.errors.ImageError: Missing, unreadable, not an image, damaged, or absurdly large.
    """
    path = Path(path)
    try:
        content = _content(path)
        return decoding.decode(content, path)
    except ImageError:
        raise
    except FileNotFoundError:
        raise ImageError(f"no such file: {path}") from None
    except Image.DecompressionBombError as error:
        size = len(content)
        raise ImageError(f"{path}: too many pixels for its {size} bytes ({error})") from error
    except Image.UnidentifiedImageError:
        raise ImageError(f"{path} is not an image that Pillow can read") from None
    except MemoryError as error:
        raise ImageError(f"{path} cannot be read: not enough memory") from error
    except Exception as error:
        # Pillow's decoders raise nearly anything on damaged files.
        reason = getattr(error, "strerror", None) or str(error) or "it is damaged"
        raise ImageError(f"{path} cannot be read: {one_line(reason)}") from error


def _content(path):
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


def _piped(path):
    """Yields what comes through a pipe; nobody waits for ever for one that nobody writes to."""
    left = _LARGEST_FROM_PIPE
    pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            if not select.select([pipe], [], [], _PATIENCE)[0]:
                raise ImageError(f"{path} is a pipe that nothing comes through")
            part = os.read(pipe, 1 << 20)
            if not part:
                return
            left -= len(part)
            if left < 0:
                raise _too_large(path, _LARGEST_FROM_PIPE)
            yield part
    finally:
        os.close(pipe)


def _too_large(path, limit):
    return ImageError(f"{path} is too large: of an image, {limit >> 20} MiB are read at most")


def to_batch(pixels):
    """Turns ``(H, W, 3)`` of any real dtype, 0..255, into ``(1, 3, H, W)`` float32.

    Raises:
        texsynth.errors.ImageError: Another shape, no pixels, or values that are not finite or not
            within 0..255.
    """
    pixels = np.asarray(pixels)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise ImageError(f"an image must be an array of (height, width, 3), not {pixels.shape}")
    batch = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], dtype=np.float32)
    if not (batch.min() >= 0 and batch.max() <= 255):  # neither holds of NaN
        raise ImageError("an image must have finite values within 0..255")
    return batch


def to_pixels(batch):
    """Turns ``(1, 3, H, W)`` float into ``(H, W, 3)`` uint8, rounded and clipped."""
    return np.clip(np.rint(batch[0].transpose(1, 2, 0)), 0, 255).astype(np.uint8)


def resize(batch, size, wrap=(False, False)):
    """Resizes by Lanczos' filter, in float: nothing is rounded, and nothing clipped.

    Args:
        batch: ``(N, 3, H, W)`` float32.
        size: ``(width, height)`` in pixels.
        wrap: ``(rows, columns)``: whether the filter goes on at the opposite edge.

    Returns:
        numpy.ndarray: ``(N, 3, height, width)`` float32; ``batch`` itself if it has that size.
    """
    if batch.shape[:1:-1] == tuple(size):
        return batch
    pads = [min(_LANCZOS_REACH, side) * on for side, on in zip(batch.shape[2:], wrap, strict=True)]
    for axis, pad in zip((2, 3), pads, strict=True):
        # A filter that reaches further than the image is wide goes round once.
        widths = [(0, 0)] * axis + [(pad, pad)] + [(0, 0)] * (3 - axis)
        batch = np.pad(batch, widths, mode="wrap") if pad else batch  # not a copy for nothing
    top, left = pads
    box = (left, top, batch.shape[3] - left, batch.shape[2] - top)
    planes = [
        np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.LANCZOS, box))
        for plane in batch.reshape(-1, *batch.shape[2:])
    ]
    return np.stack(planes).reshape(*batch.shape[:2], size[1], size[0])


def centre(batch, size):
    """Cuts out the middle.

    Args:
        batch: ``(N, 3, H, W)``.
        size: ``(width, height)``, no larger than the image.

    Returns:
        numpy.ndarray: ``(N, 3, height, width)``, a view.
    """
    left, top = ((own - wanted) // 2 for own, wanted in zip(batch.shape[:1:-1], size, strict=True))
    return batch[:, :, top : top + size[1], left : left + size[0]]


def mirrored(batch, size):
    """Enlarges an image to a canvas around it, by mirroring it at its edges.

    Args:
        batch: ``(N, 3, H, W)``.
        size: ``(width, height)``, no smaller than the image; it comes to lie where :func:`centre`
            would cut it out.
    """
    pads = []
    for own, wanted in zip(batch.shape[2:], size[::-1], strict=True):
        before = (wanted - own) // 2
        pads.append((before, wanted - own - before))
    return np.pad(batch, ((0, 0), (0, 0), *pads), mode="symmetric")


def fitted_size(size, longer_side):
    """Returns ``(width, height)`` with the longer side at the given length; 0 keeps the size."""
    scale = longer_side / max(size) if longer_side else 1
    return tuple(max(1, round(side * scale)) for side in size)


def fit(batch, size):
    """Resizes to ``(width, height)`` within 0..255, which Lanczos' filter overshoots."""
    return np.clip(resize(batch, size), 0, 255)


def noise(size, seed, mean):
    """Makes uniform noise of 20 grey levels about a colour.

    The article's program takes ImageNet's mean colour. About the exemplar's own, no part of the
    image has to travel far: dark textures keep no grey haze.

    Args:
        size: ``(width, height)`` in pixels.
        mean: ``(3,)`` red, green, blue.
        seed (int): The same seed gives the same noise on every device.

    Returns:
        numpy.ndarray: ``(1, 3, height, width)`` float32.
    """
    generator = np.random.default_rng(seed)
    deviation = generator.uniform(-_NOISE_AMPLITUDE, _NOISE_AMPLITUDE, (1, 3, size[1], size[0]))
    return (np.reshape(mean, (1, 3, 1, 1)) + deviation).astype(np.float32)


def side_by_side(left, right, gap=8):
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


def tiled(pixels):
    """Lays an image two by two.

    Args:
        pixels: ``(H, W, 3)`` uint8.

    Returns:
        numpy.ndarray: ``(2 H, 2 W, 3)`` uint8.
    """
    return np.tile(pixels, (2, 2, 1))


def save_png(path, pixels, text=None):
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
