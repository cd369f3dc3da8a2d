"""Losses on Gram matrices: as they are, about the mean, and between shifted positions."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

from texsynth.compat import chainer
from texsynth.config import DEFAULT_LAYERS
from texsynth.errors import ConfigError
from texsynth.losses.inside import Inside
from texsynth.losses.loss import (
    TINY,
    Activations,
    AdditiveLoss,
    LayerLoss,
    Masks,
    Partial,
    relative_distance,
)
from texsynth.statistics import gram, gram_layers
from texsynth.typing import Array

_LEAST_SQUARE = 1e-6  # of the strongest channel's: what is weaker is next to nothing

_Shifted: TypeAlias = dict[tuple[int, int], chainer.Variable]  # {(axis, shift): (N, C, C)}


class GramLoss(AdditiveLoss):
    """Squared Gram error per layer over the squared norm of its target, weighted and summed.

    ``sum over layers of w ||G - T||^2 / ||T||^2``. Differs from Gatys et al. 2015, equations 3 and
    4, who divide by ``4 N^2 M^2`` (channels, positions): over the target's norm every layer starts
    near the same size whatever its activations' scale, which needs no weights found by hand and
    converges in far fewer steps.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    default_layers = tuple(DEFAULT_LAYERS)

    def partial(self, activations: Activations, masks: Masks | None = None) -> dict[str, Partial]:
        """Returns the sums over these positions, of all layers at once where that can be done.

        Args:
            activations: See :meth:`texsynth.losses.loss.AdditiveLoss.partial`.
            masks: As there.
        """
        if masks is not None or not isinstance(activations, Inside) or not self._is_by_the_book:
            return super().partial(activations, masks)
        sums = activations.gram_sums(self.layers)
        return {
            name: Partial((each,), activations.count(name))
            for name, each in zip(self.layers, sums, strict=True)
        }

    def finish(self, partials: Mapping[str, Partial], target: Any) -> chainer.Variable:
        """Returns the loss from the sums over all positions, of all layers at once.

        Args:
            partials: See :meth:`texsynth.losses.loss.AdditiveLoss.finish`.
            target: As there.
        """
        if not self.layers or not self._is_by_the_book:
            return super().finish(partials, target)
        goals = [
            self._goal(chainer.as_array(target[name]), partials[name].count, weight)
            for name, weight in self.weights.items()
        ]
        return gram_layers.squared_errors([partials[name].sums[0] for name in self.layers], goals)

    def _goal(self, matrix: Array, count: float, weight: float) -> gram_layers.Goal:
        # Kept on the device: a number read here would stop a GPU once a layer.
        scale = self.scale(matrix.shape[1], (matrix**2).sum())
        return gram_layers.Goal(matrix, count, scale * weight)

    @property
    def _is_by_the_book(self) -> bool:
        """Whether a class that somebody derived from this one has no step of its own."""
        return all(
            getattr(type(self), step) is getattr(GramLoss, step)
            for step in ("sums", "finalise", "distance", "sums_gradient")
        )

    def sums(
        self, activations: chainer.Variable | Array, mask: Array | None = None
    ) -> tuple[chainer.Variable, ...]:
        """Returns the sum of the products of channels, ``(N, C, C)``."""
        return (gram.gram_sum(activations, mask)[0],)

    def sums_gradient(
        self, activations: Array, gradients: Sequence[Array], mask: Array | None = None
    ) -> Array:
        """Returns the gradient for activations, without their sums.

        Args:
            activations: See :meth:`texsynth.losses.loss.AdditiveLoss.sums_gradient`.
            gradients: As there.
            mask: As there.
        """
        (gradient,) = gradients
        return gram.gram_sum_gradient(activations, gradient, mask)

    def recalled(self, moments: Mapping[str, Any]) -> dict[str, chainer.Variable]:
        """Returns the target of an exemplar of which only statistics are known.

        Args:
            moments: ``{layer: texsynth.targets.Moments}``, on any device.
        """
        return {name: chainer.Variable(moments[name].gram[None]) for name in self.layers}

    def finalise(self, sums: tuple[chainer.Variable, ...], count: float) -> chainer.Variable:
        """Returns the Gram matrix, ``(N, C, C)``."""
        (products,) = sums
        return gram.finalise(products, count)

    def distance(
        self, statistic: chainer.Variable, target: chainer.Variable | Array
    ) -> chainer.Variable:
        """Returns the squared error of a layer, scaled, a scalar ``chainer.Variable``.

        Args:
            statistic (chainer.Variable): The Gram matrix, ``(N, C, C)``.
            target (chainer.Variable): Of the exemplar, likewise; no gradient goes to it.
        """
        return gram_layers.squared_errors(
            [statistic], [self._goal(chainer.as_array(target), 1, 1.0)]
        )

    @staticmethod
    def scale(channels: int, norm: float) -> float:
        """Returns what a squared error ``||G - T||^2`` is multiplied by.

        Args:
            channels (int): Channels of the layer.
            norm (float): ``||T||^2`` of the target; or an array of no dimensions.
        """
        return 1 / (norm + TINY)


class PaperGramLoss(GramLoss):
    """Squared Gram error per layer as the paper has it, weighted and summed.

    ``sum over layers of w ||G - T||^2 / (4 N^2)`` with ``N`` channels: Gatys et al. 2015, equations
    3 and 4, whose Gram matrices are sums over the ``M`` positions and whose divisor has ``M^2``;
    here they are means, so that exemplar and output may differ in size. It suits a network whose
    activations are near 1 in all layers, as the paper's normalised VGG19.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    @staticmethod
    def scale(channels: int, norm: float) -> float:
        """Returns what a squared error is multiplied by, see :meth:`GramLoss.scale`.

        Args:
            channels (int): Channels of the layer.
            norm (float): Not read.
        """
        return 1 / (4 * channels**2)


class ScaledGramLoss(GramLoss):
    """The Gram loss of channels over their root mean squares in the exemplar.

    ``sum over layers of w / C sum over i, j of (G - T)[i, j]^2 / (T[i, i] T[j, j])``: channels that
    respond to what is faint count as much as others, which next to nothing of :class:`GramLoss` is
    about. It sees full size alone, as :class:`texsynth.losses.contrast.ContrastGramLoss` does.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    default_layers = ("conv1_1", "pool1")
    is_fine = True

    def _goal(self, matrix: Array, count: float, weight: float) -> gram_layers.Goal:
        squares = self.scales(matrix) ** 2
        factor = squares[:, :, None] * squares[:, None, :] * (weight / matrix.shape[1])
        return gram_layers.Goal(matrix, count, factor)

    @staticmethod
    def scales(target: Array) -> Array:
        """Returns what channels are multiplied by, ``(N, C)``.

        Args:
            target (array): The exemplar's Gram matrix, ``(N, C, C)``.
        """
        xp = chainer.backend.get_array_module(target)
        squares = xp.einsum("ncc->nc", target)
        least = squares.max(axis=1, keepdims=True) * _LEAST_SQUARE
        scales: Array = 1 / xp.sqrt(xp.maximum(squares, least) + TINY)
        return scales


class CentredGramLoss(AdditiveLoss):
    """The Gram loss about the mean of each channel: the covariance of the activations.

    ``(F - mean) (F - mean)^T = G - mean mean^T``. Where activations are all positive, the mean
    outweighs what varies about it (Sun, Feng and Saenko 2016 align covariances for that reason).

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    default_layers = GramLoss.default_layers

    def sums(
        self, activations: chainer.Variable | Array, mask: Array | None = None
    ) -> tuple[chainer.Variable, ...]:
        """Returns the sums of products of channels, ``(N, C, C)``, and of channels, ``(N, C)``."""
        return gram.gram_sum(activations, mask)[0], gram.channel_sum(activations, mask)

    def recalled(self, moments: Mapping[str, Any]) -> dict[str, chainer.Variable]:
        """Returns the target from statistics, see :meth:`GramLoss.recalled`.

        Args:
            moments: As there.
        """
        return {name: chainer.Variable(moments[name].covariance[None]) for name in self.layers}

    def finalise(self, sums: tuple[chainer.Variable, ...], count: float) -> chainer.Variable:
        """Returns the covariance, ``(N, C, C)``."""
        products, channels = sums
        mean = chainer.functions.expand_dims(channels / count, 2)
        outer = chainer.functions.matmul(mean, mean, transb=True)
        return gram.finalise(products, count) - outer


class ShiftedGramLoss(LayerLoss):
    """Squared error of the products of channels at two places that lie a shift apart.

    ``G_d[i, j] = mean over p of F[i](p) F[j](p + d)`` for shifts ``d`` of 1, 2, 4 and 8 positions
    along each axis, as far as a layer is at least twice as wide: Berger and Memisevic 2016,
    *Incorporating long-range consistency in CNN-based texture generation*, equation 4. Each shift
    counts by the squared norm of its own target, and a layer by their mean.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.

    Attributes:
        SHIFTS (tuple): The shifts, in positions.
    """

    default_layers: tuple[str, ...] = ("pool1", "pool2", "pool3")
    SHIFTS = (1, 2, 4, 8)

    takes_masks = True

    def statistic(self, activations: chainer.Variable | Array, *mask: Array) -> _Shifted:
        """Returns ``{(axis, shift): (N, C, C)}`` of activations ``(N, C, H, W)``.

        With a mask ``m``, each pair counts by ``m(p) m(p + d)``.
        """
        matrices: _Shifted = {}
        for axis, side in ((2, activations.shape[2]), (3, activations.shape[3])):
            for shift in self.SHIFTS:
                if 2 * shift <= side:
                    here, _ = _parts(activations, axis, side - shift)
                    _, there = _parts(activations, axis, shift)
                    count: Any = here.shape[2]
                    if mask:
                        pairs = _of_pairs(mask[0], axis, shift)
                        here = here * chainer.functions.broadcast_to(pairs, here.shape)
                        count = pairs.sum() + TINY  # none, if nothing lies so far apart
                    product = chainer.functions.matmul(here, there, transb=True)
                    matrices[axis, shift] = product / count
        return matrices

    def compare(
        self, activations: chainer.Variable | Array, target: _Shifted, *mask: Array
    ) -> chainer.Variable:
        """Returns the mean over the shifts that both are wide enough for."""
        statistic = self.statistic(activations, *mask)
        common = statistic.keys() & target.keys()
        if not common:
            raise ConfigError(
                "loss shifted-gram: exemplar or output is too small at one of its layers"
            )
        total: Any = sum(relative_distance(statistic[d], target[d]) for d in sorted(common))
        return cast(chainer.Variable, total / len(common))


def _parts(x: chainer.Variable | Array, axis: int, first: int) -> list[chainer.Variable]:
    """Returns the first positions along an axis, and the others: each ``(N, C, positions)``.

    Not by indexing, whose gradient Chainer adds by what CuPy calls deprecated.
    """
    parts = chainer.functions.split_axis(x, [first], axis)
    return [part.reshape(*part.shape[:2], -1) for part in parts]


def _of_pairs(mask: Array, axis: int, shift: int) -> Array:
    """The weight of each pair of positions that lie a shift apart, ``(1, 1, pairs)``."""
    side = mask.shape[axis]
    first, second = (mask.take(range(start, start + side - shift), axis) for start in (0, shift))
    product: Array = first * second
    return product.reshape(1, 1, -1)
