"""Gram matrices and their gradient, in the thread pool of the passes."""

import numpy as np
from numba import njit, prange

from texsynth.kernels.parallel import parallel, thread_count
from texsynth.kernels.product import BLOCK_ROWS, PANEL, STRIP_ROWS, multiply_panel
from texsynth.kernels.rooms import take_from
from texsynth.kernels.simd import LANES, load, store, take_number

_CHUNK = 256  # positions packed at a time, so that they stay in the cache
_BLOCKS = 8  # the same for the product, in blocks of rows
_ROW_PARTS = 4  # of the result's rows, at least, so that a worker that is slower does fewer
_PARTS = 16  # of many positions; whatever the number of workers, for sums to be the same bits


NO_FACTORS = np.empty(0, np.float32)
"""In place of a factor for each position: all count alike."""


@njit(cache=True)
def _pack(activation, first, packed, factors):
    """Copy positions from ``first`` on, in a row, times their factors; return how many."""
    images, height, width, channels = activation.shape
    count = min(packed.shape[0], images * height * width - first)
    for k in range(count):
        line, x = divmod(first + k, width)
        image, y = divmod(line, height)
        if factors.size:
            factor = factors[first + k]
            for channel in range(0, channels, LANES):
                store(packed, (k, channel), factor * load(activation, (image, y, x, channel)))
        else:
            for channel in range(0, channels, LANES):
                store(packed, (k, channel), load(activation, (image, y, x, channel)))
    return count


@parallel
def _sum_parts(activation, sums, packed, row_parts, factors):
    """Sum A^T A over parts of the positions, and parts of the rows of the result.

    Args:
        activation: (1, height, width, channels) float32.
        sums: (position parts, channels, channels) float32, zero; the upper triangle
            is written.
        packed: (workers, positions, channels) float32, scratch.
        row_parts: into how many parts the rows are shared out.
        factors: (positions,) float32, what each position is multiplied by; or none.
    """
    parts, workers, chunk = sums.shape[0], packed.shape[0], packed.shape[1]
    positions, channels = activation[..., 0].size, activation.shape[3]
    taken = np.zeros(1, np.int64)
    for worker in prange(workers):
        own = packed[worker]
        job = take_number(taken)
        while job < parts * row_parts:
            part, row_part = divmod(job, row_parts)
            for first in range(part * chunk, positions, parts * chunk):
                count = _pack(activation, first, own, factors)
                for row in range(row_part * BLOCK_ROWS, channels, row_parts * BLOCK_ROWS):
                    for column in range(row // PANEL * PANEL, channels, PANEL):
                        multiply_panel(
                            own, (0, row), 1, channels,
                            own, (0, column), channels,
                            sums, (part, row, column), channels,
                            min(BLOCK_ROWS, channels - row), count, True,
                        )  # fmt: skip
            job = take_number(taken)


@parallel
def _add_parts(sums, result):
    """Add the parts, always in the same order, and mirror the upper triangle.

    In squares: a column read from first to last has a line of the cache to itself for each value.
    """
    parts, channels, _ = sums.shape
    squares = channels // LANES
    for line in prange(squares):
        top = np.intp(line) * LANES  # prange counts unsigned
        for left in range(top, channels, LANES):
            for row in range(top, top + LANES):
                for column in range(max(row, left), left + LANES):
                    total = sums[0, row, column]
                    for part in range(1, parts):
                        total += sums[part, row, column]
                    result[row, column] = total
                    result[column, row] = total


def gram_sum(activation, factors=NO_FACTORS, rooms=None):
    """``A^T A`` over the positions of each image.

    Args:
        activation: (images, height, width, channels) float32, channels next to each
            other in memory, a multiple of 64.
        factors: (height * width,) float32: what each position of A is multiplied by
            first, in all images; by default nothing is.
        rooms: ``Rooms``, where scratch is taken from; None makes it anew.

    Returns:
        (images, channels, channels) float32.
    """
    images, height, width, channels = activation.shape
    take, workers = take_from(rooms), thread_count()
    # Many positions: each worker sums some of them; few: each takes rows of the result.
    parts = _PARTS if height * width >= _CHUNK * _PARTS and channels <= _CHUNK else 1
    packed = take((workers, min(_CHUNK, height * width), channels))
    sums = take((parts, channels, channels))
    result = np.empty((images, channels, channels), np.float32)
    for image in range(images):
        sums[...] = 0
        row_parts = max(workers, _ROW_PARTS) if parts == 1 else -(-workers // parts)
        _sum_parts(activation[image : image + 1], sums, packed, row_parts, factors)
        _add_parts(sums, result[image])
    return result


@parallel
def _symmetrise(matrix, panels):
    """Add a matrix and its transpose, in panels as ``in_panels`` makes them.

    In squares, as ``_add_parts``.

    Args:
        matrix: (channels, channels) float32.
        panels: (channels / PANEL, channels, PANEL) float32, written.
    """
    for number in prange(panels.shape[0]):
        panel = np.intp(number)  # prange counts unsigned
        left = panel * PANEL
        for top in range(0, panels.shape[1], LANES):
            for k in range(PANEL):
                for row in range(top, top + LANES):
                    panels[panel, row, k] = matrix[left + k, row]
            for row in range(top, top + LANES):
                for k in range(PANEL):
                    panels[panel, row, k] += matrix[row, left + k]


@njit(cache=True)
def _unpack(product, first, count, out):
    """Copy positions in a row to where they belong, from ``first`` on."""
    _, height, width, channels = out.shape
    for k in range(count):
        line, x = divmod(first + k, width)
        image, y = divmod(line, height)
        for channel in range(0, channels, LANES):
            store(out, (image, y, x, channel), load(product, (k, channel)))


@parallel
def _multiply_positions(activation, matrix, out, packed, products, factors):
    """Multiply the positions of an image by a matrix.

    Args:
        activation: (1, height, width, channels) float32.
        matrix: (channels / PANEL, channels, PANEL) float32.
        out: (1, height, width, channels) float32, written.
        packed: (workers, positions + STRIP_ROWS, channels) float32, scratch.
        products: the same.
        factors: (positions,) float32, what each position is multiplied by; or none.
    """
    workers, chunk, channels = packed.shape[0], packed.shape[1] - STRIP_ROWS, packed.shape[2]
    positions = activation[..., 0].size
    taken = np.zeros(1, np.int64)
    for worker in prange(workers):
        own, product = packed[worker], products[worker]
        first = take_number(taken) * chunk
        while first < positions:
            count = _pack(activation, first, own[:chunk], factors)
            for panel in range(matrix.shape[0]):
                multiply_panel(
                    own, (0, 0), channels, 1,
                    matrix, (panel, 0, 0), PANEL,
                    product, (0, panel * PANEL), channels,
                    count, channels, False,
                )  # fmt: skip
            _unpack(product, first, count, out)
            first = take_number(taken) * chunk


def gram_sum_backward(activation, gradient, factors=NO_FACTORS, out=None, rooms=None):
    """``A (G + G^T)`` at every position: the gradient of a loss on the Gram matrices.

    Args:
        activation: (images, height, width, channels) float32, as for ``gram_sum``.
        gradient: (images, channels, channels) float32, of the loss for the sums.
        factors: as for ``gram_sum``.
        out: where to write it, float32 of the activation's shape, channels next to each
            other in memory; by default to an array of its own.
        rooms: ``Rooms``, where memory is taken from; None makes it anew.

    Returns:
        (images, height, width, channels) float32.
    """
    images, _, _, channels = activation.shape
    take = take_from(rooms)
    found = take(activation.shape) if out is None else out
    # The product kernel reads and writes whole strips of rows: there are some after the last.
    shape = (thread_count(), _BLOCKS * BLOCK_ROWS + STRIP_ROWS, channels)
    packed, products = take(shape), take(shape)
    panels = take((channels // PANEL, channels, PANEL))
    for image in range(images):
        _symmetrise(gradient[image], panels)
        here = slice(image, image + 1)
        _multiply_positions(activation[here], panels, found[here], packed, products, factors)
    return found
