"""Images: bytes to pixels and back, arrays, noise, resizing.

Inside the package an image is ``(N, 3, H, W)`` float32, RGB, 0..255; at its borders (files, the
library's callers) it is ``(H, W, 3)`` uint8. A map, as :func:`read_map` and :func:`write_map` have
it, is ``(H, W, C)`` float32 of which 1 is white.
"""

from texsynth.images.arrays import (
    checksum,
    noise,
    side_by_side,
    tiled,
    to_batch,
    to_pixels,
    to_values,
)
from texsynth.images.grey import LUMA, is_grey, without_colours
from texsynth.images.reading import (
    read,
    read_apart,
    read_deep,
    read_deep_apart,
    read_map,
    rounded,
)
from texsynth.images.resizing import centre, fit, fitted_size, mirrored, resize
from texsynth.images.texts import text_of
from texsynth.images.writing import save, save_png, write_map

__all__ = [
    "LUMA",
    "centre",
    "checksum",
    "fit",
    "fitted_size",
    "is_grey",
    "mirrored",
    "noise",
    "read",
    "read_apart",
    "read_deep",
    "read_deep_apart",
    "read_map",
    "resize",
    "rounded",
    "save",
    "save_png",
    "side_by_side",
    "text_of",
    "tiled",
    "to_batch",
    "to_pixels",
    "to_values",
    "without_colours",
    "write_map",
]
