"""Gram matrices, as a sum and a count that are finalised last.

Gatys et al. 2015, equation 1: ``G[i, j] = sum over positions of F[i] F[j]``. Sums over parts of an
image add up to the sum over the whole, so that an image in blocks, or spread over processes, has
exactly the Gram matrix of the image in one piece; a mean or a covariance would not add up.
"""

import numpy as np

from texsynth.compat import chainer
from texsynth.typing import Array


class GramSum(chainer.FunctionNode):
    """``(N, C, H, W)`` to ``(N, C, C)``: ``F F^T``, differentiable once.

    One product in each direction: the derivative is ``(g + g^T) F``, where the general matrix
    product, which cannot know that both its factors are the same, takes two.
    """

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes ``(activations,)``; returns ``(sums,)``."""
        self.retain_inputs((0,))
        (x,) = inputs
        if _is_channels_last(x):
            from texsynth.kernels.gram import gram_sum as channels_last_gram_sum

            return (channels_last_gram_sum(x.transpose(0, 2, 3, 1)),)
        flat = _flatten(x)
        return (flat @ flat.transpose(0, 2, 1),)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Returns the gradient for the activations."""
        (x,) = self.get_retained_inputs()
        return (chainer.as_variable(gram_sum_gradient(x.array, grad_outputs[0].array)),)


def gram_sum(activations: chainer.Variable | Array) -> tuple[chainer.Variable, int]:
    """Sums the products of all pairs of channels over all positions.

    Args:
        activations (chainer.Variable or array): ``(N, C, H, W)``.

    Returns:
        tuple: The sums, a ``chainer.Variable`` of ``(N, C, C)``, and the number of positions.
    """
    _, _, height, width = activations.shape
    return GramSum().apply((activations,))[0], height * width


def gram_sum_gradient(activations: Array, gradient: Array) -> Array:
    """Returns the gradient for activations, from that for the sums of their products.

    Args:
        activations (array): ``(N, C, H, W)``.
        gradient (array): ``(N, C, C)``.

    Returns:
        array: ``(g + g^T) F``, ``(N, C, H, W)``.
    """
    g = gradient + gradient.transpose(0, 2, 1)
    if _is_channels_last(activations):
        from texsynth.kernels.gram import gram_sum_backward

        rows = activations.transpose(0, 2, 3, 1)
        backward: Array = gram_sum_backward(rows, g)
        return backward.transpose(0, 3, 1, 2)
    return (g @ _flatten(activations)).reshape(activations.shape)


def finalise(total: chainer.Variable, count: int) -> chainer.Variable:
    """Returns the Gram matrix, the mean over positions, of sums and the number of positions.

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


def _is_channels_last(x: Array) -> bool:
    """Whether these are activations as the Winograd engine leaves them.

    Its own products take them as they lie in memory, and share its threads.
    """
    is_its_kind = isinstance(x, np.ndarray) and x.dtype == np.float32 and x.shape[1] % 64 == 0
    return is_its_kind and x.strides[1] == x.itemsize < x.strides[3]
