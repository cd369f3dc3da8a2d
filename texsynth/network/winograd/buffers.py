"""Memory of the passes: padded activations, mask bits and scratch, made once.

A buffer holds (images, 4 * tiles down + 2, 4 * tiles across + 2, channels): a
border of one pixel before the image, and after it whatever completes the last
tile.  Nothing is allocated in the loop, for the first touch of fresh memory costs
more than the arithmetic done on it.
"""

import numpy as np

from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.rooms import Rooms
from texsynth.kernels.simd import LANES
from texsynth.network.winograd.transforms import TILE

_SLACK = 16  # pixels


NO_FLOATS = np.zeros((0, 0, 0, 0), np.float32)  # "not wanted" for the kernels
NO_BITS = np.zeros((0, 0, 0, 0), np.uint16)


ROOMS = Rooms()
"""For gradients, of all networks alike: their losses are computed one after another."""


def tile_count(size):
    """Tiles of 4 that cover ``size`` pixels."""
    return -(-size // TILE)


def padded_buffer(images, height, width, channels, at_least=(0, 0)):
    """Make a zero-bordered activation buffer, (images, rows, columns, channels).

    The passes write the pixels only, so the zeros of the border last: another padding
    is filled in after each pass that writes.

    Args:
        images: number of images.
        height: rows of pixels.
        width: columns of pixels.
        channels: channels, a multiple of 64.
        at_least: rows and columns that the buffer must have at least.
    """
    rows = max(TILE * tile_count(height) + 2, at_least[0])
    columns = max(TILE * tile_count(width) + 2, at_least[1])
    # The product kernel reads whole blocks of pixels: leave some after the last.
    memory = aligned_zeros((images * rows * columns + _SLACK, channels))
    return memory[:-_SLACK].reshape(images, rows, columns, channels)


def bit_buffer(images, height, width, channels):
    """Make mask bits, (images, rows, columns, channels / 16) uint16, border zero."""
    rows, columns = TILE * tile_count(height) + 2, TILE * tile_count(width) + 2
    return aligned_zeros((images, rows, columns, channels // LANES), np.uint16)


def fill_border(buffer, size, wrap):
    """Write the opposite edges into the border, so that the next pass wraps around.

    What completes the last tile stays zero, as it may: no pixel depends on it.

    Args:
        buffer: padded buffer or bits, (images, rows, columns, ...).
        size: height and width of the pixels.
        wrap: (rows, columns), along which axes; the border of the other one is left as it is.
    """
    height, width = size
    rows, columns = wrap
    if rows:
        buffer[:, 0], buffer[:, height + 1] = buffer[:, height], buffer[:, 1]
    if columns:  # after the rows, and over their border too: that fills the corners
        buffer[:, :, 0], buffer[:, :, width + 1] = buffer[:, :, width], buffer[:, :, 1]


def pixels(buffer, height, width):
    """The pixels of a padded buffer without its border, a view."""
    return buffer[:, 1 : height + 1, 1 : width + 1]
