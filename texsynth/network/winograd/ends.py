"""The ends of a pass: where its tiles come from, and what becomes of them.

Which end, forward or backward, is a type: Numba compiles a pass for each.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from texsynth.network.winograd.outputs import finish_backward, finish_forward
from texsynth.network.winograd.tiles import transform_tile, transform_unpooled_tile
from texsynth.network.winograd.transforms import PATCH


class Forward(NamedTuple):
    """Convolution 3x3, bias, ReLU and, if wanted, 2x2 pooling."""

    source: np.ndarray  # padded buffer of the input, (images, rows, columns, in) float32
    bias: np.ndarray  # (out,) float32
    target: np.ndarray  # padded buffer for the activation; empty: not stored
    pooled: np.ndarray  # padded buffer for the pooled activation; empty: no pooling
    bits: np.ndarray  # padded bits, which pixels get the gradient of ``pooled``
    take_maximum: bool  # pool by maximum, else by average


class Backward(NamedTuple):
    """Gradient with respect to the input of a convolution, written over the input."""

    # padded buffer of the gradient with respect to the output before the ReLU; with
    # ``bits``, of the gradient with respect to the pooled output
    source: np.ndarray
    bits: np.ndarray  # padded bits, see ``transform_unpooled_tile``; empty: no pooling
    scale: float  # share of the pooled gradient that a pixel gets
    target: np.ndarray  # padded buffer of the input, (images, rows, columns, in), overwritten
    added: np.ndarray  # (images, height, width, in) float32, see ``finish_backward``
    is_rectified: bool  # whether the input comes out of a ReLU


def gather(ends, place, v, tile):
    """Transform the patch of the tile whose outputs begin at ``place``."""
    raise NotImplementedError("compiled alone")


@overload(gather)
def _gather(ends, place, v, tile):
    if ends.instance_class is Forward:
        return _gather_forward
    return _gather_backward


def _gather_forward(ends, place, v, tile):
    image, y, x = place
    transform_tile(ends.source, image, y, x, 1, v, tile)


def _gather_backward(ends, place, v, tile):
    image, y, x = place
    y, x = y + PATCH - 1, x + PATCH - 1
    if ends.bits.size:
        transform_unpooled_tile(ends.source, ends.bits, ends.scale, image, y, x, v, tile)
    else:
        transform_tile(ends.source, image, y, x, -1, v, tile)


def finish(ends, m, tile, m_channel, channel, place, size, block):
    """Turn a tile's products into what is wanted, for one panel of channels."""
    raise NotImplementedError("compiled alone")


@overload(finish)
def _finish(ends, m, tile, m_channel, channel, place, size, block):
    if ends.instance_class is Forward:
        return _finish_forward
    return _finish_backward


def _finish_forward(ends, m, tile, m_channel, channel, place, size, block):
    finish_forward(
        m, tile, m_channel, channel, ends.bias, ends.target, ends.pooled, ends.bits,
        ends.take_maximum, place, size, block,
    )  # fmt: skip


def _finish_backward(ends, m, tile, m_channel, channel, place, size, block):
    finish_backward(
        m, tile, m_channel, channel, ends.target, ends.added, ends.is_rectified, place, size, block
    )
