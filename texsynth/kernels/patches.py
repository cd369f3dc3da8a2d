"""Patches of activations: the nearest of an exemplar's for each, and how far each is from its own.

Patches are 3 x 3 positions with all channels.  A worker takes some that lie next to each other:
their components, their distances from all of the exemplar's and the least of these, in its cache.
"""

import numpy as np
from numba import njit, prange

from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.parallel import parallel, thread_count
from texsynth.kernels.product import PANEL, STRIP_ROWS, in_panels, multiply_panel
from texsynth.kernels.simd import LANES, equal_bits, load, maximum, store, take_number, zeros

_SIDE = 3
_AT_ONCE = 48  # patches


@njit(cache=True)
def _largest(values, row, columns, lanes):
    """Find the column of the first of the largest values of a row; 0 if there is none."""
    best = load(values, (row, 0))
    for column in range(LANES, columns, LANES):
        best = maximum(best, load(values, (row, column)))
    store(lanes, (0,), best)
    most = lanes[0]
    for lane in range(1, LANES):
        most = max(most, lanes[lane])
    lanes[:] = most
    for column in range(0, columns, LANES):
        if equal_bits(load(values, (row, column)), load(lanes, (0,))) != 0:
            for lane in range(LANES):
                if values[row, column + lane] == most:
                    return column + lane
    return 0


@njit(cache=True)
def _measure(activation, y, first, count, basis, middle, near, components):
    """Write the principal components of patches of a row, about the middle, and a one."""
    channels = activation.shape[3]
    for dy in range(_SIDE):
        for x in range(count + _SIDE - 1):
            for channel in range(0, channels, LANES):
                value = load(activation, (0, y + dy, first + x, channel))
                store(near, (dy, x, channel), value)
    for dy in range(_SIDE):
        for dx in range(_SIDE):
            for panel in range(basis.shape[0]):
                multiply_panel(
                    near, (dy, dx, 0), channels, 1,
                    basis, (panel, dy, dx, 0, 0), PANEL,
                    components, (0, panel * PANEL), components.shape[1],
                    count, channels, dy + dx > 0,
                )  # fmt: skip
    for patch in range(count):
        for k in range(middle.size):
            components[patch, k] -= middle[k]
        components[patch, middle.size] = 1


@parallel
def _find(activation, basis, middle, keys, found, near, components, values, lanes):
    """Find the nearest of the exemplar's patches for each patch.

    Args:
        activation: (1, height, width, channels) float32.
        basis: (panels, 3, 3, channels, PANEL) float32.
        middle: (K,) float32, components from which all are taken.
        keys: (panels, K + 1, PANEL) float32: components of the exemplar's patches, and half of
            their squared lengths, negative.
        found: (height - 2, width - 2) int64, written: which of the exemplar's.
        near: (workers, 3, positions, channels) float32, scratch.
        components: (workers, patches + STRIP_ROWS, > K) float32, scratch.
        values: (workers, patches + STRIP_ROWS, panels * PANEL) float32, scratch.
        lanes: (workers, LANES) float32, scratch.
    """
    workers, at_once = components.shape[0], components.shape[1] - STRIP_ROWS
    down, across = found.shape
    parts = -(-across // at_once)
    taken = np.zeros(1, np.int64)
    for worker in prange(workers):
        own, product = components[worker], values[worker]
        job = take_number(taken)
        while job < down * parts:
            y, part = divmod(job, parts)
            first = part * at_once
            count = min(at_once, across - first)
            _measure(activation, y, first, count, basis, middle, near[worker], own)
            for panel in range(keys.shape[0]):
                multiply_panel(
                    own, (0, 0), own.shape[1], 1,
                    keys, (panel, 0, 0), PANEL,
                    product, (0, panel * PANEL), product.shape[1],
                    count, middle.size + 1, False,
                )  # fmt: skip
            for patch in range(count):
                best = _largest(product, patch, product.shape[1], lanes[worker])
                found[y, first + patch] = best
            job = take_number(taken)


def panels_of(basis, keys):
    """Lays out an exemplar's patches for ``nearest``.

    Args:
        basis: (3, 3, channels, K) float32: principal components of patches.
        keys: (K + 1, P) float32: negative components of the exemplar's patches, and half of
            their squared lengths.

    Returns:
        Two arrays.
    """
    return in_panels(_filled(basis, 0)), in_panels(-_filled(keys, np.inf))


def nearest(activation, panels, middle):
    """Finds the nearest of an exemplar's patches for each of a candidate's.

    Args:
        activation: (1, height, width, channels) float32, channels next to each other in
            memory, a multiple of 64.
        panels: what ``panels_of`` returned for the exemplar.
        middle: (K,) float32: components from which all are taken.

    Returns:
        (height - 2, width - 2) int64: which of the exemplar's.
    """
    _, height, width, channels = activation.shape
    workers, at_once = thread_count(), min(_AT_ONCE, width - _SIDE + 1)
    basis, keys = panels
    found = np.empty((height - _SIDE + 1, width - _SIDE + 1), np.int64)
    _find(
        activation, basis, middle, keys, found,
        aligned_zeros((workers, _SIDE, at_once + _SIDE - 1 + STRIP_ROWS, channels)),
        aligned_zeros((workers, at_once + STRIP_ROWS, basis.shape[0] * PANEL + LANES)),
        aligned_zeros((workers, at_once + STRIP_ROWS, keys.shape[0] * PANEL)),
        aligned_zeros((workers, LANES)),
    )  # fmt: skip
    return found


def _filled(matrices, last):
    """Matrices with columns of zeros, but for a number in their last row, to a whole panel."""
    columns = matrices.shape[-1]
    filled = np.zeros((*matrices.shape[:-1], -(-columns // PANEL) * PANEL), np.float32)
    filled[..., :columns] = matrices
    filled[..., -1, columns:] = last
    return filled


@parallel
def _measure_excess(activation, exemplar, rows, columns, tolerance, factors, sums, lanes):
    """Measure how much too far each patch is from one of the exemplar's.

    Args:
        activation: (1, height, width, channels) float32.
        exemplar: (height, width, channels) float32, contiguous.
        rows: (height - 2, width - 2) int64: where that patch begins in the exemplar.
        columns: likewise.
        tolerance: distance that is near enough.
        factors: (height - 2, width - 2) float32, written: the excess over the distance.
        sums: (height - 2,) float64, zero, written: of the squares of the excess.
        lanes: (height - 2, LANES) float32, scratch.
    """
    channels = activation.shape[3]
    down, across = rows.shape
    for line in prange(down):
        top = np.intp(line)  # prange counts unsigned
        for left in range(across):
            squares = zeros()
            for dy in range(_SIDE):
                for dx in range(_SIDE):
                    row, column = rows[top, left] + dy, columns[top, left] + dx
                    for channel in range(0, channels, LANES):
                        missing = load(activation, (0, top + dy, left + dx, channel)) - load(
                            exemplar, (row, column, channel)
                        )
                        squares = squares + missing * missing
            store(lanes, (top, 0), squares)
            square = np.float32(0)
            for lane in range(LANES):
                square += lanes[top, lane]
            distance = np.sqrt(square)
            if distance <= tolerance:  # not where it is no number
                factors[top, left] = 0
            else:
                excess = distance - tolerance
                factors[top, left] = excess / distance
                sums[top] += np.float64(excess) * excess


@parallel
def _add_differences(activation, exemplar, rows, columns, factors, scale, gradient):
    """Add up by how much each position is off in the patches that it is in.

    Args:
        activation: (1, height, width, channels) float32.
        exemplar: (height, width, channels) float32, contiguous.
        rows: (height - 2, width - 2) int64: where each patch begins in the exemplar.
        columns: likewise.
        factors: (height - 2, width - 2) float32: what the differences of each are multiplied by.
        scale: what all are multiplied by.
        gradient: (1, height, width, channels) float32, written.
    """
    _, height, width, channels = activation.shape
    down, across = rows.shape
    for line in prange(height):
        y = np.intp(line)  # prange counts unsigned
        for x in range(width):
            for channel in range(0, channels, LANES):
                here, total = load(activation, (0, y, x, channel)), zeros()
                for top in range(max(0, y - _SIDE + 1), min(y + 1, down)):
                    for left in range(max(0, x - _SIDE + 1), min(x + 1, across)):
                        row, column = rows[top, left] + y - top, columns[top, left] + x - left
                        missing = here - load(exemplar, (row, column, channel))
                        total = total + factors[top, left] * missing
                store(gradient, (0, y, x, channel), scale * total)


def compare(activation, exemplar, places, tolerance, scale):
    """Sums the squares of how much too far patches are from those of an exemplar.

    Args:
        activation: (1, height, width, channels) float32, channels next to each other in
            memory, a multiple of 64.
        exemplar: (height, width, channels) float32, contiguous.
        places: (height - 2, width - 2) int64: which patch of the exemplar, row by row.
        tolerance: distance that is near enough.
        scale: what the gradient is multiplied by, beside the 2 of a square.

    Returns:
        The sum, and (1, height, width, channels) float32, the gradient.
    """
    rows, columns = np.divmod(places, exemplar.shape[1] - _SIDE + 1)
    factors, sums = np.empty(rows.shape, np.float32), np.zeros(len(rows))
    lanes = np.empty((len(rows), LANES), np.float32)
    tolerance = np.float32(tolerance)
    _measure_excess(activation, exemplar, rows, columns, tolerance, factors, sums, lanes)
    gradient = np.empty(activation.shape, np.float32)
    scale = np.float32(2 * scale)
    _add_differences(activation, exemplar, rows, columns, factors, scale, gradient)
    return float(sums.sum()), gradient
