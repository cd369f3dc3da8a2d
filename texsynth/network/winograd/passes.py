"""The parallel loops of a convolution, forward and backward.

Each pass transforms tiles, does the 36 products and transforms back.  There are two
ways to share the work, for the cache:

*grouped*: each worker takes one group of tiles after the other through all three steps,
so what lies between them stays in its own cache; the products are done for one panel
of output channels at a time.  For wide images with few channels.

*shared*: the workers do each step together for many tiles, so that each reads only
its part of the kernels, which are too large to be read again for each group.  For
the deep layers.

Workers take what is to be done by number, as they come to it: where other programs take a
part of a processor, its worker does less, and the others need not wait for it.

Both are the same forward and backward.  What differs, where tiles come from and what
becomes of them, is a ``Forward`` or a ``Backward``: by that type Numba compiles either.
"""

import numpy as np
from numba import prange

from texsynth.kernels.parallel import parallel
from texsynth.kernels.product import PANEL, multiply_point
from texsynth.kernels.simd import take_number
from texsynth.network.winograd.ends import gather
from texsynth.network.winograd.outputs import finish
from texsynth.network.winograd.tiles import tile_position
from texsynth.network.winograd.transforms import POINTS, TILE


@parallel
def grouped(ends, weights, size, v, m, blocks):
    """A pass in which each worker takes groups of tiles through all three steps.

    Args:
        ends: ``Forward`` or ``Backward``.
        weights: transformed kernels, see ``multiply_point``.
        size: height and width of the image.
        v: (workers, 36, tiles, parts, > channels summed over), scratch, see there.
        m: (workers, 36, tiles, PANEL) float32, scratch.
        blocks: (workers, 4, 4, PANEL) float32, scratch.
    """
    workers, group = v.shape[0], v.shape[2]
    down, across = -(-size[0] // TILE), -(-size[1] // TILE)
    tiles = ends.source.shape[0] * down * across
    taken = np.zeros(1, np.int64)
    for worker in prange(workers):
        start = take_number(taken) * group
        while start < tiles:
            count = min(group, tiles - start)
            for tile in range(count):
                place = tile_position(start + tile, down, across)
                gather(ends, place, v[worker], tile)
            for panel in range(weights.shape[0]):
                for point in range(POINTS):
                    multiply_point(v[worker], weights, m[worker], point, panel, 0, count)
                for tile in range(count):
                    place = tile_position(start + tile, down, across)
                    finish(ends, m[worker], tile, 0, panel * PANEL, place, size, blocks[worker])
            start = take_number(taken) * group


@parallel
def shared(ends, weights, size, v, m, blocks):
    """``grouped`` with all workers on the same tiles.

    Args:
        ends: as there.
        weights: as there.
        size: as there.
        v: (36, tiles, parts, > channels summed over), scratch.
        m: (36, tiles, > channels computed) float32, scratch.
        blocks: as there.
    """
    workers, group, panels = blocks.shape[0], v.shape[1], weights.shape[0]
    down, across = -(-size[0] // TILE), -(-size[1] // TILE)
    tiles = ends.source.shape[0] * down * across
    for start in range(0, tiles, group):
        count = min(group, tiles - start)
        gathered, multiplied, finished = np.zeros((3, 1), np.int64)
        for _ in prange(workers):
            tile = take_number(gathered)
            while tile < count:
                gather(ends, tile_position(start + tile, down, across), v, tile)
                tile = take_number(gathered)
        for _ in prange(workers):
            job = take_number(multiplied)
            while job < POINTS * panels:
                point, panel = divmod(job, panels)
                multiply_point(v, weights, m, point, panel, panel * PANEL, count)
                job = take_number(multiplied)
        for worker in prange(workers):
            tile = take_number(finished)
            while tile < count:
                place = tile_position(start + tile, down, across)
                for channel in range(0, panels * PANEL, PANEL):
                    finish(ends, m, tile, channel, channel, place, size, blocks[worker])
                tile = take_number(finished)
