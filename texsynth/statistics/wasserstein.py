"""Sliced Wasserstein distance: distributions compared along directions, by sorting.

Between two sets of numbers the optimal transport is that of their sorted values; between sets of
vectors, the mean over directions of the distances of their projections is the sliced distance
(Bonneel et al. 2015, *Sliced and Radon Wasserstein barycenters of measures*).
"""

import zlib

import numpy as np
import numpy.typing as npt

from texsynth.compat import chainer
from texsynth.typing import Array, Batch


def directions(channels: int, count: int, key: str = "") -> npt.NDArray[np.float32]:
    """Makes random unit vectors.

    Args:
        channels (int): Dimensions.
        count (int): Number of vectors.
        key (str): The same key gives the same vectors.

    Returns:
        numpy.ndarray: ``(count, channels)`` float32.
    """
    generator = np.random.default_rng(zlib.crc32(key.encode()))
    vectors = generator.standard_normal((count, channels))
    length: Array = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / length).astype(np.float32)


def sorted_projections(x: Array, vectors: Array) -> Array:
    """Returns the projections of activations on directions, each sorted.

    Args:
        x (array): ``(N, C, H, W)``.
        vectors (array): ``(K, C)``.

    Returns:
        array: ``(N, K, H W)``, ascending.
    """
    projections = vectors @ x.reshape(*x.shape[:2], -1)
    projections.sort(axis=2)
    return projections


def resample(ordered: Array, count: int) -> Array:
    """Reads sorted values at other quantiles, linearly between them.

    Value ``i`` of ``n`` is the quantile ``(i + 1/2) / n``.

    Args:
        ordered (array): ``(..., n)``, ascending.
        count (int): Number of quantiles.

    Returns:
        array: ``(..., count)``.
    """
    own = ordered.shape[-1]
    if own == count:
        return ordered
    xp = chainer.backend.get_array_module(ordered)
    places: Array = xp.clip((xp.arange(count) + 0.5) * (own / count) - 0.5, 0, own - 1)
    below = places.astype(int)
    above: Array = xp.minimum(below + 1, own - 1)
    share = (places - below).astype(ordered.dtype)
    between: Array = ordered[..., below] * (1 - share) + ordered[..., above] * share
    return between


class SlicedDistance(chainer.FunctionNode):
    """Mean squared difference of sorted projections, ``(N, C, H, W)`` to a scalar.

    Args:
        vectors (array): ``(K, C)`` directions.
        ordered (array): ``(N, K, n)``: the target's sorted projections; n may be any number.
    """

    def __init__(self, vectors: Array, ordered: Array) -> None:
        super().__init__()
        self._vectors, self._ordered = vectors, ordered

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes ``(x,)``; returns ``(distance,)``, a scalar."""
        (x,) = inputs
        xp = chainer.backend.get_array_module(x)
        projections = self._vectors @ x.reshape(*x.shape[:2], -1)
        order = projections.argsort(axis=2)
        target = resample(self._ordered, projections.shape[2])
        ranked = xp.take_along_axis(projections, order, axis=2) - target
        # By the inverse permutation: CuPy 13 cannot write along an axis.
        self._difference = xp.take_along_axis(ranked, order.argsort(axis=2), axis=2)
        self._shape = x.shape
        return (xp.asarray((ranked**2).mean(), dtype=x.dtype),)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Returns the gradient for ``x``; the order counts as constant, which is exact."""
        scale = grad_outputs[0].array * (2 / self._difference.size)
        gx = self._vectors.T @ (self._difference * scale.astype(self._difference.dtype))
        return (chainer.as_variable(gx.reshape(self._shape)),)


def sliced_distance(
    x: chainer.Variable | Array, vectors: Array, ordered: Array
) -> chainer.Variable:
    """Returns the squared sliced Wasserstein distance to a target, a scalar Variable.

    Args:
        x (chainer.Variable or array): ``(N, C, H, W)``.
        vectors (array): ``(K, C)`` directions.
        ordered (array): ``(N, K, n)``: the target's :func:`sorted_projections`.
    """
    return SlicedDistance(vectors, ordered).apply((x,))[0]


def match_colours(image: Batch, exemplar: Batch) -> Batch:
    """Gives an image the colour histogram of another, channel by channel.

    The order of the values stays, each becomes the exemplar's at its rank: the last step of Gatys'
    own notebook.

    Args:
        image: ``(N, C, H, W)`` float32, NumPy.
        exemplar: ``(N, C, h, w)`` float32, NumPy.

    Returns:
        numpy.ndarray: The shape of ``image``.
    """
    flat = image.reshape(*image.shape[:2], -1)
    goal = np.sort(exemplar.reshape(*exemplar.shape[:2], -1), axis=2)
    matched = np.empty_like(flat)
    # Stable, so that equal values (a flat image has many) are told apart in the same way always.
    order = flat.argsort(axis=2, kind="stable")
    np.put_along_axis(matched, order, resample(goal, flat.shape[2]), axis=2)
    return matched.reshape(image.shape)
