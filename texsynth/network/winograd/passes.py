"""The parallel loops of a convolution, forward and backward.

Each pass transforms tiles, does the 36 products and transforms back.  There are two
ways to share the work, for the cache:

*grouped*: each worker takes every so-many-th group of tiles through all three steps,
so what lies between them stays in its own cache; the products are done for one panel
of output channels at a time.  For wide images with few channels.

*shared*: the workers do each step together for many tiles, so that each reads only
its part of the kernels, which are too large to be read again for each group.  For
the deep layers.
"""

import numpy as np
from numba import njit, prange

from texsynth.kernels.product import PANEL, multiply_point
from texsynth.network.winograd.outputs import finish_backward, finish_forward
from texsynth.network.winograd.tiles import tile_position, transform_tile, transform_unpooled_tile
from texsynth.network.winograd.transforms import PATCH, POINTS, TILE


@njit(cache=True)
def _gather_forward(source, number, down, across, v, tile):
    image, y, x = tile_position(number, down, across)
    transform_tile(source, image, y, x, 1, v, tile)


@njit(cache=True)
def _gather_backward(source, bits, scale, number, down, across, v, tile):
    image, y, x = tile_position(number, down, across)
    y, x = y + PATCH - 1, x + PATCH - 1
    if bits.size:
        transform_unpooled_tile(source, bits, scale, image, y, x, v, tile)
    else:
        transform_tile(source, image, y, x, -1, v, tile)


@njit(parallel=True, cache=True)
def forward_grouped(source, weights, bias, target, pooled, bits, take_maximum, size, v, m, blocks):
    """Convolution 3x3, bias, ReLU and, if wanted, 2x2 pooling.

    Args:
        source: padded buffer of the input, (images, rows, columns, in) float32.
        weights: (out / PANEL, 36, in, PANEL) float32, transformed kernels.
        bias: (out,) float32.
        target: padded buffer for the activation; empty: not stored.
        pooled: padded buffer for the pooled activation; empty: no pooling.
        bits: padded bits, which pixels get the gradient of ``pooled``.
        take_maximum: pool by maximum, else by average.
        size: height and width of the image.
        v: (workers, 36, tiles, > in) float32, scratch.
        m: (workers, 36, tiles, PANEL) float32, scratch.
        blocks: (workers, 4, 4, PANEL) float32, scratch.
    """
    workers, group = v.shape[0], v.shape[2]
    down, across = -(-size[0] // TILE), -(-size[1] // TILE)
    tiles = source.shape[0] * down * across
    for worker in prange(workers):
        for start in range(worker * group, tiles, workers * group):
            count = min(group, tiles - start)
            for tile in range(count):
                _gather_forward(source, start + tile, down, across, v[worker], tile)
            for panel in range(weights.shape[0]):
                for point in range(POINTS):
                    multiply_point(v[worker], weights, m[worker], point, panel, 0, count)
                for tile in range(count):
                    place = tile_position(start + tile, down, across)
                    finish_forward(
                        m[worker], tile, 0, panel * PANEL, bias, target, pooled, bits,
                        take_maximum, place, size, blocks[worker],
                    )  # fmt: skip


@njit(parallel=True, cache=True)
def forward_shared(source, weights, bias, target, pooled, bits, take_maximum, size, v, m, blocks):
    """``forward_grouped`` with all workers on the same tiles.

    Args: as there, but v (36, tiles, > in) and m (36, tiles, > out).
    """
    workers, group, panels = blocks.shape[0], v.shape[1], weights.shape[0]
    down, across = -(-size[0] // TILE), -(-size[1] // TILE)
    tiles = source.shape[0] * down * across
    for start in range(0, tiles, group):
        count = min(group, tiles - start)
        for tile in prange(count):
            _gather_forward(source, start + tile, down, across, v, tile)
        for job in prange(POINTS * panels):
            point, panel = divmod(np.intp(job), panels)  # prange counts unsigned
            multiply_point(v, weights, m, point, panel, panel * PANEL, count)
        for worker in prange(workers):
            for tile in range(worker, count, workers):
                place = tile_position(start + tile, down, across)
                for channel in range(0, bias.size, PANEL):
                    finish_forward(
                        m, tile, channel, channel, bias, target, pooled, bits,
                        take_maximum, place, size, blocks[worker],
                    )  # fmt: skip


@njit(parallel=True, cache=True)
def backward_grouped(source, bits, scale, weights, target, added, is_rectified, size, v, m, blocks):
    """Gradient with respect to the input of a convolution, written over the input.

    Args:
        source: padded buffer of the gradient with respect to the output before the
            ReLU; with ``bits``, of the gradient with respect to the pooled output.
        bits: padded bits, see ``transform_unpooled_tile``; empty: no pooling.
        scale: share of the pooled gradient that a pixel gets.
        weights: (in / PANEL, 36, out, PANEL) float32, transformed kernels.
        target: padded buffer of the input, (images, rows, columns, in), overwritten.
        added: (images, height, width, in) float32, see ``finish_backward``.
        is_rectified: whether the input comes out of a ReLU.
        size: height and width of the image.
        v: (workers, 36, tiles, > out) float32, scratch.
        m: (workers, 36, tiles, PANEL) float32, scratch.
        blocks: (workers, 4, 4, PANEL) float32, scratch.
    """
    workers, group = v.shape[0], v.shape[2]
    down, across = -(-size[0] // TILE), -(-size[1] // TILE)
    tiles = source.shape[0] * down * across
    for worker in prange(workers):
        for start in range(worker * group, tiles, workers * group):
            count = min(group, tiles - start)
            for tile in range(count):
                _gather_backward(
                    source, bits, scale, start + tile, down, across, v[worker], tile
                )  # fmt: skip
            for panel in range(weights.shape[0]):
                for point in range(POINTS):
                    multiply_point(v[worker], weights, m[worker], point, panel, 0, count)
                for tile in range(count):
                    place = tile_position(start + tile, down, across)
                    finish_backward(
                        m[worker], tile, 0, panel * PANEL, target, added, is_rectified,
                        place, size, blocks[worker],
                    )  # fmt: skip


@njit(parallel=True, cache=True)
def backward_shared(source, bits, scale, weights, target, added, is_rectified, size, v, m, blocks):
    """``backward_grouped`` with all workers on the same tiles.

    Args: as there, but v (36, tiles, > out) and m (36, tiles, > in).
    """
    workers, group, panels = blocks.shape[0], v.shape[1], weights.shape[0]
    down, across = -(-size[0] // TILE), -(-size[1] // TILE)
    tiles = source.shape[0] * down * across
    for start in range(0, tiles, group):
        count = min(group, tiles - start)
        for tile in prange(count):
            _gather_backward(source, bits, scale, start + tile, down, across, v, tile)
        for job in prange(POINTS * panels):
            point, panel = divmod(np.intp(job), panels)  # prange counts unsigned
            multiply_point(v, weights, m, point, panel, panel * PANEL, count)
        for worker in prange(workers):
            for tile in range(worker, count, workers):
                place = tile_position(start + tile, down, across)
                for channel in range(0, panels * PANEL, PANEL):
                    finish_backward(
                        m, tile, channel, channel, target, added, is_rectified,
                        place, size, blocks[worker],
                    )  # fmt: skip
