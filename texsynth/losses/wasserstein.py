"""Losses on distributions: of activations along random directions, of colours by channel."""

from collections.abc import Mapping
from typing import Any, cast

import numpy.typing as npt

from texsynth.compat import chainer
from texsynth.losses.loss import IMAGE, TINY, Activations
from texsynth.statistics import wasserstein
from texsynth.typing import Array


class _DistributionLoss:
    """Sorted projections of each layer, compared with the exemplar's."""

    default_layers: tuple[str, ...] = ()

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.layers = tuple(self._weights)

    def target(self, activations: Activations) -> dict[str, tuple[Array, Array, Any]]:
        """Returns ``{layer: (directions, sorted projections, scale)}`` of the exemplar."""
        return {name: self._of_layer(name, activations[name]) for name in self.layers}

    def _directions(self, name: str, channels: int) -> npt.ArrayLike:
        raise NotImplementedError

    def _of_layer(
        self, name: str, activations: chainer.Variable | Array
    ) -> tuple[Array, Array, Any]:
        x = chainer.as_array(activations)
        xp = chainer.backend.get_array_module(x)
        vectors = xp.asarray(self._directions(name, x.shape[1]), dtype=x.dtype)
        ordered = wasserstein.sorted_projections(x, vectors)
        return vectors, ordered, 1 / ((ordered**2).mean() + TINY)

    def measure(
        self, activations: Activations, target: Mapping[str, tuple[Array, Array, Any]]
    ) -> chainer.Variable:
        """Returns the loss of a candidate's activations, a scalar ``chainer.Variable``."""
        total: Any = 0
        for name, weight in self._weights.items():
            vectors, ordered, scale = target[name]
            distance = wasserstein.sliced_distance(activations[name], vectors, ordered)
            total += distance * (scale * weight)
        return cast(chainer.Variable, total)


class WassersteinLoss(_DistributionLoss):
    """Squared sliced Wasserstein distance over the mean square of the target's projections.

    Heitz, Vanhoey, Chambon and Belcour 2021, *A sliced Wasserstein loss for neural texture
    synthesis*, equation 5, with as many directions as channels. Differs from them: the directions
    stay the same, for L-BFGS needs the same function at each step; and quantiles are read between
    the target's, so that the sizes may differ.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    default_layers: tuple[str, ...] = ("pool1", "pool2", "pool3")

    def _directions(self, name: str, channels: int) -> npt.ArrayLike:
        return wasserstein.directions(channels, channels, name)


class HistogramLoss(_DistributionLoss):
    """Squared distance to the image with the exemplar's histogram in each colour channel.

    Risser, Wilmot and Barnes 2017, *Stable and controllable neural texture synthesis and style
    transfer using histogram losses*, section 4.2, on the pixels instead of activations.

    Args:
        weights: Weight of the image, ``{"image": weight}``.
    """

    default_layers: tuple[str, ...] = (IMAGE,)

    def _directions(self, name: str, channels: int) -> npt.ArrayLike:
        return [[float(i == j) for j in range(channels)] for i in range(channels)]
