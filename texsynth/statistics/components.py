"""Principal components: the directions of activations in which most of a statistic lies."""

import numpy as np

from texsynth.compat import chainer
from texsynth.typing import Array


def leading(matrix: Array, number: int) -> Array:
    """Returns the eigenvectors of the largest eigenvalues.

    Args:
        matrix: ``(1, C, C)``, symmetric, NumPy or CuPy: a Gram matrix or a covariance.
        number (int): How many, at most ``C``.

    Returns:
        array: ``(C, number)``, of the dtype and on the device of the matrix; orthonormal columns,
        that of the largest eigenvalue first.
    """
    device = chainer.backend.get_device_from_array(matrix)
    own = chainer.get_device("@numpy").send(matrix)[0].astype(np.float64)
    _, vectors = np.linalg.eigh(own)  # in ascending order
    chosen = vectors[:, : -number - 1 : -1].astype(matrix.dtype)
    return device.send(np.ascontiguousarray(chosen))


class Projection(chainer.FunctionNode):
    """``(N, C, H, W)`` to ``(N, K, H, W)``: the coordinates along K directions.

    In the memory layout of the activations: channels last, as the Winograd engine has them, or
    not. Differentiable once.

    Args:
        basis: ``(C, K)``, orthonormal columns.
    """

    def __init__(self, basis: Array) -> None:
        super().__init__()
        self._basis = basis

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes ``(activations,)``; returns ``(coordinates,)``."""
        return (_applied(inputs[0], self._basis),)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Returns the gradient for the activations."""
        return (chainer.as_variable(_applied(grad_outputs[0].array, self._basis.T)),)


def project(activations: chainer.Variable | Array, basis: Array) -> chainer.Variable:
    """Returns coordinates along some directions, see :class:`Projection`.

    Args:
        activations (chainer.Variable or array): ``(N, C, H, W)``.
        basis: ``(C, K)``, orthonormal columns, on the same device.
    """
    return Projection(basis).apply((activations,))[0]


def _applied(x: Array, matrix: Array) -> Array:
    """``(N, C, H, W)`` times ``(C, K)`` along the channels."""
    if x.strides[1] == x.itemsize:  # channels last
        rows: Array = x.transpose(0, 2, 3, 1) @ matrix
        return rows.transpose(0, 3, 1, 2)
    product: Array = matrix.T @ x.reshape(*x.shape[:2], -1)
    return product.reshape(x.shape[0], -1, *x.shape[2:])
