"""Colours of an image's own, in which an optimizer converges in fewer steps.

Textures vary far more in brightness than in colour. Steps that are scaled alike in all channels
would have to be as small as the colours allow; in colours that are stretched as the exemplar's are,
they need not (preconditioning, Nocedal and Wright 2006, section 5.1).
"""

from collections.abc import Sequence

import numpy as np

from texsynth.compat import chainer
from texsynth.typing import Array, Batch

_POWER = 1 / 8  # of the covariance; 1/2 would be its square root, and goes too far
_LEAST = 0.01  # of the largest variance, that each colour is taken to have

GREY = np.ones((3, 1), np.float32)
"""The one colour of grey images."""


def own(exemplar: Batch) -> Array:
    """Returns the exemplar's own colours, a symmetric ``(C, C)`` float32 as long as the identity.

    Args:
        exemplar: ``(1, C, H, W)``.
    """
    return own_of([exemplar], [1.0])


def own_of(exemplars: Sequence[Batch], shares: Sequence[float]) -> Array:
    """Returns the own colours of a mixture, by the mean of the exemplars' covariances.

    Args:
        exemplars: ``(1, C, H, W)`` each.
        shares: One for each; they sum to 1.
    """
    covariances = [
        share * np.atleast_2d(np.cov(_rows(each), bias=True))
        for each, share in zip(exemplars, shares, strict=True)
    ]
    variances, axes = np.linalg.eigh(sum(covariances[1:], start=covariances[0]))
    largest = variances[-1]
    if not largest > 0:
        return np.eye(len(variances), dtype=np.float32)
    lengths = np.maximum(variances / largest, _LEAST) ** _POWER
    lengths /= np.sqrt((lengths**2).mean())
    basis: Array = ((axes * lengths) @ axes.T).astype(np.float32)
    return basis


def _rows(image: Batch) -> Array:
    """The values of each channel, ``(C, pixels)`` float64."""
    rows: Array = image[0].reshape(image.shape[1], -1).astype(np.float64)
    return rows


def coordinates(image: Batch, basis: Array) -> Batch:
    """Returns an image's coordinates in a basis, ``(1, K, H, W)``.

    Args:
        image: ``(1, 3, H, W)`` float32, NumPy.
        basis: ``(3, K)``: the colours as columns.
    """
    inverse = np.linalg.pinv(basis.astype(np.float64)).astype(np.float32)
    found: Batch = applied(inverse, image)
    return found


def applied(matrix: Array, image: Array, out: Array | None = None) -> Array:
    """Multiplies the channels of each pixel by a matrix, in the same order wherever it is.

    Args:
        matrix: ``(M, N)``, NumPy.
        image: ``(1, N, H, W)`` float32, on any device.
        out: ``(1, M, H, W)``, where to put it; ``None`` makes a new one.

    Returns:
        array: ``(1, M, H, W)`` float32.
    """
    xp = chainer.backend.get_array_module(image)
    if out is None:
        out = xp.empty((1, len(matrix), *image.shape[2:]), image.dtype)
    for row, target in zip(matrix, out[0], strict=True):
        xp.multiply(image[0, 0], row[0], out=target)
        for value, channel in zip(row[1:], image[0, 1:], strict=True):
            target += value * channel
    return out
