"""What the way back needs of the upper stages, kept so that they need not be computed again.

Where a loss reads a layer its values are kept, elsewhere a bit for each: whether the ReLU let it
through, or who gets the gradient of a pooling.
"""

import numpy as np
from numba import prange

from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.parallel import parallel
from texsynth.kernels.simd import LANES, greater_bits, keep, load, store, zeros

_ONES = aligned_zeros((LANES,))
_ONES[:] = 1


class Kept:
    """A copy of what some stages computed.

    Args:
        first: number of the first of the stages, at least 1.
        stages: all from there on, just computed.
        layers: names of the layers that are wanted.
    """

    def __init__(self, first, stages, layers):
        self.first = first
        self._values = [
            {
                name: np.empty_like(buffer)
                for name, buffer in (("activation", stage.activation), ("pooled", stage.pooled))
                if {"activation": stage.conv, "pooled": stage.pool}[name] in layers
            }
            for stage in stages
        ]
        self._bits = [np.empty_like(stage.bits) for stage in stages]
        self._signs = [
            np.empty((*stage.activation.shape[:3], stage.channels // LANES), np.uint16)
            if stage.keeps_conv and stage.conv not in layers
            else None
            for stage in stages
        ]
        self.take(stages)

    def take(self, stages):
        """Copy again what stages of the same sizes have computed since."""
        for stage, values, bits, signs in self._with(stages):
            for name, values_kept in values.items():
                np.copyto(values_kept, getattr(stage, name))
            np.copyto(bits, stage.bits)
            if signs is not None:
                _take_signs(stage.activation, signs)

    def give_back(self, stages):
        """Write it where the stages would have computed it; for a sign, one or zero."""
        for stage, values, bits, signs in self._with(stages):
            for name, values_kept in values.items():
                np.copyto(getattr(stage, name), values_kept)
            np.copyto(stage.bits, bits)
            if signs is not None:
                _give_signs(signs, _ONES, stage.activation)

    def _with(self, stages):
        return zip(stages, self._values, self._bits, self._signs, strict=True)


@parallel
def _take_signs(activation, signs):
    """Write a bit for each value above 0.

    Args:
        activation: (images, rows, columns, channels) float32.
        signs: (images, rows, columns, channels / 16) uint16, written.
    """
    images, rows, columns, channels = activation.shape
    for row in prange(images * rows):
        image, y = divmod(np.intp(row), rows)  # prange counts unsigned
        for x in range(columns):
            for lanes in range(channels // LANES):
                values = load(activation, (image, y, x, lanes * LANES))
                signs[image, y, x, lanes] = greater_bits(values, zeros())


@parallel
def _give_signs(signs, ones, activation):
    """Write one for each bit, and zero elsewhere.

    Args:
        signs: as ``_take_signs`` wrote it.
        ones: (16,) float32, all one.
        activation: (images, rows, columns, channels) float32, written.
    """
    images, rows, columns, channels = activation.shape
    for row in prange(images * rows):
        image, y = divmod(np.intp(row), rows)  # prange counts unsigned
        for x in range(columns):
            for lanes in range(channels // LANES):
                values = keep(signs[image, y, x, lanes], load(ones, (0,)))
                store(activation, (image, y, x, lanes * LANES), values)
