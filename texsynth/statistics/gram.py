"""Gram matrices, as a sum and a count that are finalised last.

Gatys et al. 2015, equation 1: ``G[i, j] = sum over positions of F[i] F[j]``. Sums over parts of an
image add up to the sum over the whole, so that an image in blocks, or spread over processes, has
exactly the Gram matrix of the image in one piece; a mean or a covariance would not add up.

With a mask, each position counts by its weight: ``sum over p of m(p) F[i](p) F[j](p)``, and the
count is ``sum over p of m(p)`` (Gatys et al. 2017, *Controlling perceptual factors in neural style
transfer*, equation 4). Both still add up.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from texsynth.compat import chainer
from texsynth.typing import Array

if TYPE_CHECKING:
    from texsynth.kernels.rooms import Rooms

_CHUNK = 1 << 19  # values of activations that are weighted at once: more leave a core's cache
_APART = 16  # values between rows of them; rows that lie a power of two apart share places in it


class GramSum(chainer.FunctionNode):
    """``(N, C, H, W)`` to ``(N, C, C)``: ``F M F^T``, differentiable once.

    One product in each direction: the derivative is ``(g + g^T) F M``, where the general matrix
    product, which cannot know that both its factors are the same, takes two.

    Args:
        mask (array): ``(1, 1, H, W)``, the diagonal ``M``; ``None`` counts all positions alike.
    """

    def __init__(self, mask: Array | None = None) -> None:
        super().__init__()
        self._mask = mask

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes ``(activations,)``; returns ``(sums,)``."""
        self.retain_inputs((0,))
        return (sums_of(inputs[0], self._mask),)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Returns the gradient for the activations."""
        (x,) = self.get_retained_inputs()
        gradient = gram_sum_gradient(x.array, grad_outputs[0].array, self._mask)
        return (chainer.as_variable(gradient),)


def gram_sum(
    activations: chainer.Variable | Array, mask: Array | None = None
) -> tuple[chainer.Variable, float]:
    """Sums the products of all pairs of channels over all positions.

    Args:
        activations (chainer.Variable or array): ``(N, C, H, W)``.
        mask (array): ``(1, 1, H, W)`` of their dtype: the weight of each position, at least 0;
            ``None`` counts all alike.

    Returns:
        tuple: The sums, a ``chainer.Variable`` of ``(N, C, C)``, and the number of positions, or
        the sum of their weights.
    """
    return GramSum(mask).apply((activations,))[0], count(activations, mask)


def count(activations: chainer.Variable | Array, mask: Array | None = None) -> float:
    """Returns the number of positions, or the sum of their weights.

    Args:
        activations (chainer.Variable or array): ``(N, C, H, W)``.
        mask (array): ``(1, 1, H, W)``, or ``None``.
    """
    if mask is None:
        return activations.shape[2] * activations.shape[3]
    return float(mask.sum(dtype=np.float64))


def sums_of(activations: Array, mask: Array | None = None, rooms: "Rooms | None" = None) -> Array:
    """Returns the sums of the products of all pairs of channels, ``(N, C, C)``, of arrays alone.

    Args:
        activations (array): ``(N, C, H, W)``.
        mask (array): As for :func:`gram_sum`.
        rooms (texsynth.kernels.rooms.Rooms): Where scratch is taken from; ``None`` makes it anew.
    """
    # The root, on both sides of a product: the result is as symmetric as without a mask.
    factors: Any = None if mask is None else mask.ravel() ** 0.5
    if is_channels_last(activations):
        from texsynth.kernels import gram

        rows = activations.transpose(0, 2, 3, 1)
        factors = gram.NO_FACTORS if factors is None else factors
        sums: Array = gram.gram_sum(rows, factors, rooms)
        return sums
    flat = _flatten(activations)
    if factors is None:
        return flat @ flat.transpose(0, 2, 1)
    products: Any = None
    xp = chainer.backend.get_array_module(flat)
    for place, few, room in _chunks(flat, factors):
        weighted = xp.multiply(flat[:, :, place], few, out=room)
        product = weighted @ weighted.transpose(0, 2, 1)
        products = product if products is None else products + product
    return cast(Array, products)


def gram_sum_gradient(
    activations: Array,
    gradient: Array,
    mask: Array | None = None,
    out: Array | None = None,
    rooms: "Rooms | None" = None,
) -> Array:
    """Returns the gradient for activations, from that for the sums of their products.

    Args:
        activations (array): ``(N, C, H, W)``.
        gradient (array): ``(N, C, C)``.
        mask (array): As for :func:`gram_sum`.
        out (array): ``(N, C, H, W)``, where to write it if :func:`is_channels_last` of both.
        rooms (texsynth.kernels.rooms.Rooms): As for :func:`sums_of`.

    Returns:
        array: ``(g + g^T) F M``, ``(N, C, H, W)``.
    """
    if is_channels_last(activations):
        from texsynth.kernels import gram

        rows = activations.transpose(0, 2, 3, 1)
        factors = gram.NO_FACTORS if mask is None else mask.ravel()
        there = None if out is None else out.transpose(0, 2, 3, 1)
        backward: Array = gram.gram_sum_backward(rows, gradient, factors, there, rooms)
        return backward.transpose(0, 3, 1, 2)
    g = gradient + gradient.transpose(0, 2, 1)
    flat = _flatten(activations)
    if mask is None:
        return (g @ flat).reshape(activations.shape)
    xp = chainer.backend.get_array_module(flat)
    found: Array = xp.empty_like(flat)
    for place, factors, room in _chunks(flat, mask.ravel()):
        there = found[:, :, place]
        product = xp.matmul(g, flat[:, :, place], out=there if room is None else room)
        xp.multiply(product, factors, out=there)
    return found.reshape(activations.shape)


class ChannelSum(chainer.FunctionNode):
    """``(N, C, H, W)`` to ``(N, C)``: ``sum over p of m(p) F(p)``, differentiable once.

    Args:
        mask (array): ``(1, 1, H, W)``.
    """

    def __init__(self, mask: Array) -> None:
        super().__init__()
        self._mask = mask

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes ``(activations,)``; returns ``(sums,)``."""
        (x,) = inputs
        # In the order in which they lie in memory: a matrix by a vector, and no copy.
        if is_channels_last(x):
            rows = x.transpose(0, 2, 3, 1).reshape(len(x), -1, x.shape[1])
            return (self._mask.ravel() @ rows,)
        return (_flatten(x) @ self._mask.ravel(),)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Returns the gradient for the activations."""
        return (chainer.as_variable(grad_outputs[0].array[:, :, None, None] * self._mask),)


def channel_sum(
    activations: chainer.Variable | Array, mask: Array | None = None
) -> chainer.Variable:
    """Sums each channel over all positions.

    Args:
        activations (chainer.Variable or array): ``(N, C, H, W)``.
        mask (array): As for :func:`gram_sum`.

    Returns:
        chainer.Variable: ``(N, C)``.
    """
    if mask is None:
        total: chainer.Variable = chainer.functions.sum(activations, axis=(2, 3))
        return total
    return ChannelSum(mask).apply((activations,))[0]


def finalise(total: chainer.Variable, count: float) -> chainer.Variable:
    """Returns the Gram matrix, the mean over positions, of sums and the number of positions.

    With a mask, the number is the sum of the weights.

    Differs from Gatys et al., who keep the sum and divide in the loss (equation 3): a mean compares
    an exemplar and a texture of different sizes.
    """
    return total / count


def gram_matrix(activations: chainer.Variable | Array) -> chainer.Variable:
    """Returns the Gram matrix of activations.

    Args:
        activations (chainer.Variable or array): ``(N, C, H, W)``.

    Returns:
        chainer.Variable: ``(N, C, C)``, squared activation units.
    """
    return finalise(*gram_sum(activations))


def relative_error(gram: Array, target: Array) -> float:
    """Returns ``||gram - target|| / ||target||`` (Frobenius norms), a float.

    Args:
        gram (array): ``(N, C, C)``.
        target (array): ``(N, C, C)``; where it is all zero, so must the other be for an error of 0.
    """
    difference: float = float(((gram - target) ** 2).sum()) ** 0.5
    norm: float = float((target**2).sum()) ** 0.5
    if norm == 0.0:
        return 0.0 if difference == 0.0 else float("inf")
    return difference / norm


def _flatten(x: Array) -> Array:
    return x.reshape(*x.shape[:2], -1)


def _chunks(flat: Array, factors: Array) -> Iterator[tuple[slice, Array, Array | None]]:
    """Yields where some positions are, their factors, and room for as many activations.

    Where all are taken at once, as on a GPU, there is no room.
    """
    images, channels, positions = flat.shape
    step = max(1, _CHUNK // channels)
    if step >= positions or not isinstance(flat, np.ndarray):
        yield slice(None), factors, None
        return
    room = np.empty((images, channels, step + _APART), flat.dtype)
    for first in range(0, positions, step):
        few = factors[first : first + step]
        yield slice(first, first + step), few, room[:, :, : few.size]


def is_channels_last(x: Array) -> bool:
    """Returns whether these are activations as the Winograd engine leaves them.

    Its own products take them as they lie in memory, and share its threads.
    """
    is_its_kind = isinstance(x, np.ndarray) and x.dtype == np.float32 and x.shape[1] % 64 == 0
    return is_its_kind and x.strides[1] == x.itemsize < x.strides[3]
