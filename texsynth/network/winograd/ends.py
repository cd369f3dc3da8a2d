"""The ends of a pass: where its tiles come from, and where they go.

Which way, forward or backward, is a type: Numba compiles a pass for each.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

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
    # (images, height, width, in) float32, gradient of the losses on the input itself, added
    # before the mask of its ReLU; empty: none
    added: np.ndarray
    is_rectified: bool  # whether the input comes out of a ReLU


def by_direction(forward, backward):
    """Returns a function for compiled code: the one of two that suits its first argument.

    Args:
        forward: function whose first argument is a ``Forward``.
        backward: function of as many arguments, the first of which is a ``Backward``.
    """

    def either(*arguments):
        raise NotImplementedError("it is there for compiled code alone")

    either.__doc__ = forward.__doc__

    @overload(either, strict=False, jit_options={"forceinline": True})
    def choose(ends, *others):
        return forward if ends.instance_class is Forward else backward

    return either


def _gather_forward(ends, place, v, tile):
    """Transforms the patch of the tile whose outputs begin at a place."""
    image, y, x = place
    transform_tile(ends.source, image, y, x, 1, v, tile)


def _gather_backward(ends, place, v, tile):
    image, y, x = place
    y, x = y + PATCH - 1, x + PATCH - 1
    if ends.bits.size:
        transform_unpooled_tile(ends.source, ends.bits, ends.scale, image, y, x, v, tile)
    else:
        transform_tile(ends.source, image, y, x, -1, v, tile)


gather = by_direction(_gather_forward, _gather_backward)
