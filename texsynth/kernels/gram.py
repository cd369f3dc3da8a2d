"""Gram matrices and their gradient, in the thread pool of the passes."""

import numpy as np
from numba import njit, prange

from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.parallel import parallel, thread_count
from texsynth.kernels.product import BLOCK_ROWS, PANEL, STRIP_ROWS, in_panels, multiply_panel
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
    """Add the parts, always in the same order, and mirror the upper triangle."""
    parts, channels, _ = sums.shape
    for line in prange(channels):
        row = np.intp(line)  # prange counts unsigned
        for column in range(channels):
            first, second = min(row, column), max(row, column)
            total = sums[0, first, second]
            for part in range(1, parts):
                total += sums[part, first, second]
            result[row, column] = total


def gram_sum(activation, factors=NO_FACTORS):
    """``A^T A`` over the positions of each image.

    Args:
        activation: (images, height, width, channels) float32, channels next to each
            other in memory, a multiple of 64.
        factors: (height * width,) float32: what each position of A is multiplied by
            first, in all images; by default nothing is.

    Returns:
        (images, channels, channels) float32.
    """
    images, height, width, channels = activation.shape
    workers = thread_count()
    # Many positions: each worker sums some of them; few: each takes rows of the result.
    parts = _PARTS if height * width >= _CHUNK * _PARTS and channels <= _CHUNK else 1
    packed = aligned_zeros((workers, min(_CHUNK, height * width), channels))
    result = np.empty((images, channels, channels), np.float32)
    for image in range(images):
        sums = aligned_zeros((parts, channels, channels))
        row_parts = max(workers, _ROW_PARTS) if parts == 1 else -(-workers // parts)
        _sum_parts(activation[image : image + 1], sums, packed, row_parts, factors)
        _add_parts(sums, result[image])
    return result


@parallel
def _multiply_positions(activation, matrix, out, packed, factors):
    """Multiply the positions of an image by a matrix.

    Args:
        activation: (1, height, width, channels) float32.
        matrix: (channels / PANEL, channels, PANEL) float32.
        out: (at least positions + STRIP_ROWS - 1, channels) float32, written.
        packed: (workers, positions, channels) float32, scratch.
        factors: (positions,) float32, what each position is multiplied by; or none.
    """
    workers, chunk, channels = packed.shape
    positions = activation[..., 0].size
    taken = np.zeros(1, np.int64)
    for worker in prange(workers):
        own = packed[worker]
        first = take_number(taken) * chunk
        while first < positions:
            count = _pack(activation, first, own, factors)
            for panel in range(matrix.shape[0]):
                multiply_panel(
                    own, (0, 0), channels, 1,
                    matrix, (panel, 0, 0), PANEL,
                    out, (first, panel * PANEL), channels,
                    count, channels, False,
                )  # fmt: skip
            first = take_number(taken) * chunk


def gram_sum_backward(activation, matrix, factors=NO_FACTORS):
    """``A M`` at every position: the gradient of a loss on the Gram matrices.

    Args:
        activation: (images, height, width, channels) float32, as for ``gram_sum``.
        matrix: (images, channels, channels) float32.
        factors: as for ``gram_sum``.

    Returns:
        (images, height, width, channels) float32.
    """
    images, height, width, channels = activation.shape
    positions = height * width
    # The product kernel writes whole strips of rows: leave some after the last.
    out = aligned_zeros((images * positions + STRIP_ROWS, channels))
    packed = aligned_zeros((thread_count(), _BLOCKS * BLOCK_ROWS, channels))
    for image in range(images):
        # The junk after the last position is overwritten by the next image.
        _multiply_positions(
            activation[image : image + 1],
            in_panels(matrix[image]),
            out[image * positions :],
            packed,
            factors,
        )
    return out[: images * positions].reshape(activation.shape)
