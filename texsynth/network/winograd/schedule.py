"""How the workers share a convolution: grouped or shared, and how many tiles at once."""

from dataclasses import dataclass

import numpy as np

from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.product import BLOCK_ROWS, PANEL
from texsynth.network.winograd.passes import grouped, shared
from texsynth.network.winograd.transforms import POINTS, TILE

_ROW_PADDING = 16  # floats between rows of tiles: strides of 2**n evict one another
_GROUPED_BYTES = 384 * 1024  # transformed tiles of a worker, in its L2 cache
_SHARED_BYTES = 10 * 2**20  # transformed tiles of all, in the L3 cache
_SHARED_FROM = 512  # channels from which the kernels outweigh the tiles


@dataclass(frozen=True)
class Schedule:
    """The pass of a convolution and the shapes of its scratch."""

    run: object
    v_shape: tuple
    m_shape: tuple


def make_schedule(depth, channels, tiles, workers, tile_format):
    """Choose the pass of a convolution.

    Args:
        depth: channels summed over.
        channels: channels computed.
        tiles: tiles of all images.
        workers: threads.
        tile_format: a ``TileFormat``.
    """
    parts, row = tile_format.parts, depth + _ROW_PADDING
    tile_bytes = POINTS * row * tile_format.item_bytes
    if max(depth, channels) >= _SHARED_FROM:
        group = max(_SHARED_BYTES // tile_bytes, BLOCK_ROWS) // BLOCK_ROWS * BLOCK_ROWS
        group = min(group, -(-tiles // BLOCK_ROWS) * BLOCK_ROWS)
        shapes = (POINTS, group, parts, row), (POINTS, group, channels + _ROW_PADDING)
        return Schedule(shared, *shapes)
    share = -(-tiles // workers)  # no larger groups than keep all workers busy
    group = min(_GROUPED_BYTES // tile_bytes, share)
    group = max(1, group // BLOCK_ROWS) * BLOCK_ROWS
    shapes = (workers, POINTS, group, parts, row), (workers, POINTS, group, PANEL)
    return Schedule(grouped, *shapes)


class Scratch:
    """Memory for the steps between, the same for all convolutions."""

    def __init__(self, schedules, workers, tile_format):
        """Make enough for the largest of the schedules."""
        tiles = max(int(np.prod(s.v_shape)) for s in schedules)
        self._v = aligned_zeros((tiles,), tile_format.dtype)
        self._m = aligned_zeros((max(int(np.prod(s.m_shape)) for s in schedules),))
        self._blocks = aligned_zeros((workers, TILE, TILE, PANEL))
        self._arrays = {schedule: self._made(schedule) for schedule in schedules}

    def _made(self, schedule):
        v, m = (
            memory[: np.prod(shape)].reshape(shape)
            for memory, shape in ((self._v, schedule.v_shape), (self._m, schedule.m_shape))
        )
        return v, m, self._blocks

    def arrays(self, schedule):
        """The scratch arguments of a pass: v, m, blocks."""
        return self._arrays[schedule]
