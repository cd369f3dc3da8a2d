"""Images: bytes to pixels and back, arrays, noise, resizing.

Inside the package an image is ``(N, 3, H, W)`` float32, RGB, 0..255; at its borders (files, the
library's callers) it is ``(H, W, 3)`` uint8.
"""

from texsynth.images.arrays import checksum, noise, side_by_side, tiled, to_batch, to_pixels
from texsynth.images.grey import LUMA, is_grey, without_colours
from texsynth.images.reading import read, read_apart, read_opaque
from texsynth.images.resizing import centre, fit, fitted_size, mirrored, resize
from texsynth.images.writing import save_png

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
    "read_opaque",
    "resize",
    "save_png",
    "side_by_side",
    "tiled",
    "to_batch",
    "to_pixels",
    "without_colours",
]
