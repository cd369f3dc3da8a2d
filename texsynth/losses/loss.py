"""What all losses have in common: layers with weights, and the error relative to the target.

A loss names the layers it reads (``layers``), makes its target from the exemplar (``target``), and
measures a candidate against it (``measure``). The name ``image`` stands for the pixels themselves
beside the layers of the network.

An additive loss can also be taken in parts: what it measures are sums over positions, so that those
of disjoint sets of positions (``partial``) add up, and give target (``summary``) and loss
(``finish``) as the positions together would.

A loss with ``takes_masks`` can be told how much each position counts: its ``target``, ``measure``
and ``partial`` take masks, ``{layer: (1, 1, H, W)}``, beside the activations.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from texsynth.compat import chainer
from texsynth.losses.weighted_sum import weighted_sum
from texsynth.statistics import gram
from texsynth.typing import Array

Activations: TypeAlias = Mapping[str, chainer.Variable | Array]
"""``{layer: (N, C, H, W)}``, under ``"image"`` the pixels."""

Masks: TypeAlias = Mapping[str, Array]
"""``{layer: (1, 1, H, W)}``, of the activations' dtype and at their positions, each at least 0."""


class Counted(dict[str, Array]):
    """Masks that never change: what they sum to is computed once.

    Each sum would have a GPU waited for, at each layer in each evaluation.
    """

    def __init__(self, masks: Masks) -> None:
        super().__init__(masks)
        self._counts: dict[str, npt.NDArray[np.float64]] = {}

    def counts(self, name: str) -> npt.NDArray[np.float64]:
        """Returns the sum of the weights in each part, ``(K,)``, on the host.

        Args:
            name: A layer, whose mask is ``(K, 1, H, W)``.
        """
        if name not in self._counts:
            sums = self[name].sum(axis=(1, 2, 3), dtype=np.float64)
            self._counts[name] = chainer.get_device("@numpy").send(sums)
        return self._counts[name]


def counts_of(masks: Masks, name: str) -> npt.NDArray[np.float64]:
    """Returns the sum of the weights in each part of a layer, see :meth:`Counted.counts`.

    Args:
        masks: ``{layer: (K, 1, H, W)}``; any, which may change.
        name: The layer.
    """
    return (masks if isinstance(masks, Counted) else Counted(masks)).counts(name)


IMAGE = "image"
TINY = 1e-12  # keeps the relative error of an all-zero target finite, in float32 too


class Loss(Protocol):
    """What :func:`texsynth.synthesize` takes as a loss, and all classes of this room are."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that are read."""

    def target(self, activations: Any) -> Any:
        """Returns what :meth:`measure` needs to know of the exemplar, see :class:`LayerLoss`."""

    def measure(self, activations: Any, target: Any) -> chainer.Variable:
        """Returns the loss of a candidate, a scalar, see :class:`LayerLoss`."""


class LayerLoss:
    """A statistic of each layer, compared with the exemplar's: the base of most losses.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.

    Attributes:
        weights (dict): The weights above 0.
        layers (tuple): Names of the layers that are read.
        default_layers (tuple): Layers that the loss is taken at when none are asked for.
        takes_masks (bool): Whether it can be told how much each position counts.
    """

    default_layers: tuple[str, ...] = ()
    takes_masks = False

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.layers = tuple(self.weights)

    def of_layers(self, names: Collection[str]) -> Self:
        """Returns the loss at some of its layers alone, with their weights.

        Args:
            names: At least one of :attr:`layers`.
        """
        fewer = copy.copy(self)
        fewer.weights = {name: weight for name, weight in self.weights.items() if name in names}
        fewer.layers = tuple(fewer.weights)
        return fewer

    def target(self, activations: Activations, masks: Masks | None = None) -> dict[str, Any]:
        """Returns the exemplar's statistics, ``{layer: statistic}``.

        Args:
            activations: ``{layer: (N, C, H, W) array or chainer.Variable}``; nothing of them is
                kept, for engines may write over them.
            masks: How much each position counts, for a loss that takes them.
        """
        return {name: self.statistic(activations[name], *_of(masks, name)) for name in self.layers}

    def measure(
        self, activations: Activations, target: Any, masks: Masks | None = None
    ) -> chainer.Variable:
        """Returns the loss of a candidate's activations, a scalar ``chainer.Variable``.

        Args:
            activations: As in :meth:`target`, of the candidate.
            target: What :meth:`target` returned for the exemplar.
            masks: As in :meth:`target`, of the candidate.
        """
        distances = [
            self.compare(activations[name], target[name], *_of(masks, name)) for name in self.layers
        ]
        return weighted_sum(distances, list(self.weights.values()))

    def statistic(self, activations: chainer.Variable | Array, *mask: Array) -> Any:
        """Returns a ``chainer.Variable`` that describes activations, ``(N, C, H, W)``.

        Args:
            activations: The activations.
            mask: ``(1, 1, H, W)``, if there is one; only a loss that takes masks is given one.
        """
        raise NotImplementedError

    def compare(
        self, activations: chainer.Variable | Array, target: Any, *mask: Array
    ) -> chainer.Variable:
        """Returns how far activations are from a target, a scalar ``chainer.Variable``."""
        return self.distance(self.statistic(activations, *mask), target)

    def distance(self, statistic: Any, target: Any) -> chainer.Variable:
        """Returns how far a statistic is from its target, a scalar ``chainer.Variable``."""
        return relative_distance(statistic, target)


class Partial(NamedTuple):
    """Sums over some of a layer's positions.

    Attributes:
        sums: Tuple of ``chainer.Variable``, each a sum over the positions.
        count: How many positions, or the sum of their weights.
    """

    sums: tuple[chainer.Variable, ...]
    count: float  # type: ignore[assignment]  # hides a tuple's method, which nobody calls here


class AdditiveLoss(LayerLoss):
    """A :class:`LayerLoss` whose statistic comes of sums over positions.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    takes_masks = True

    def partial(self, activations: Activations, masks: Masks | None = None) -> dict[str, Partial]:
        """Returns the sums over these positions, ``{layer: Partial}``.

        Args:
            activations: As in :meth:`target`, at some positions; a layer without any may be left
                out.
            masks: How much each of these positions counts; ``None`` counts all alike.
        """
        found = {}
        for name in self.layers:
            if name in activations:
                x, mask = activations[name], None if masks is None else masks[name]
                count = gram.count(x) if masks is None else float(counts_of(masks, name)[0])
                found[name] = Partial(self.sums(x, mask), count)
        return found

    def summary(self, partials: Mapping[str, Partial]) -> dict[str, Any]:
        """Returns the target from the sums over all positions of the exemplar.

        Args:
            partials: ``{layer: Partial}``, with all layers.
        """
        return {name: self.finalise(*partials[name]) for name in self.layers}

    def finish(self, partials: Mapping[str, Partial], target: Any) -> chainer.Variable:
        """Returns the loss from the sums over all positions, a scalar ``chainer.Variable``.

        Args:
            partials: ``{layer: Partial}``, with all layers, of the candidate.
            target: What :meth:`target` or :meth:`summary` returned for the exemplar.
        """
        distances = [
            self.distance(self.finalise(*partials[name]), target[name]) for name in self.layers
        ]
        return weighted_sum(distances, list(self.weights.values()))

    def target(self, activations: Activations, masks: Masks | None = None) -> dict[str, Any]:
        """Returns the exemplar's statistics, see :meth:`LayerLoss.target`.

        Args:
            activations: As there.
            masks: As there.
        """
        return self.summary(self.partial(activations, masks))

    def measure(
        self, activations: Activations, target: Any, masks: Masks | None = None
    ) -> chainer.Variable:
        """Returns the loss of a candidate, see :meth:`LayerLoss.measure`.

        Args:
            activations: As there.
            target: As there.
            masks: As there.
        """
        return self.finish(self.partial(activations, masks), target)

    def sums(
        self, activations: chainer.Variable | Array, mask: Array | None = None
    ) -> tuple[chainer.Variable, ...]:
        """Returns sums over the positions of activations, a tuple of ``chainer.Variable``.

        Args:
            activations: ``(N, C, H, W)``.
            mask: ``(1, 1, H, W)``, the weight of each position in the sums.
        """
        raise NotImplementedError

    def sums_gradient(
        self, activations: Array, gradients: Sequence[Array], mask: Array | None = None
    ) -> Array:
        """Returns the gradient for activations, ``(N, C, H, W)``, from those for their sums.

        Args:
            activations (array): ``(N, C, H, W)``, at some positions.
            gradients: Arrays, one for each of the sums: a derivative by a sum over some positions
                is that by the sum over all.
            mask (array): As for :meth:`sums`.
        """
        x = chainer.Variable(activations)
        sums = self.sums(x, mask)
        pairs = zip(sums, gradients, strict=True)
        total: Any = sum(chainer.functions.sum(each * gradient) for each, gradient in pairs)
        total.backward()
        return cast(Array, x.grad)

    def finalise(self, sums: tuple[chainer.Variable, ...], count: float) -> chainer.Variable:
        """Returns the statistic from sums over ``count`` positions, a ``chainer.Variable``."""
        raise NotImplementedError


def _of(masks: Masks | None, name: str) -> tuple[Array, ...]:
    """The mask of a layer, if there are masks."""
    return () if masks is None else (masks[name],)


class _RelativeDistance(chainer.FunctionNode):
    """A statistic to its distance from a target: one function, where a graph would have four."""

    def __init__(self, target: Array, least: float) -> None:
        super().__init__()
        self._target, self._least = target, least

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        (statistic,) = inputs
        # Kept on the device: a scalar read here would stop a GPU once a layer.
        self._scale = 1 / ((self._target**2).sum() + self._least)
        self._difference = statistic - self._target
        distance = (self._difference**2).sum() * self._scale
        xp = chainer.backend.get_array_module(statistic)
        return (xp.asarray(distance, statistic.dtype),)  # NumPy makes a scalar of it

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        gradient = self._difference * (2 * self._scale * grad_outputs[0].array)
        return (chainer.as_variable(gradient),)


def relative_distance(
    statistic: chainer.Variable, target: chainer.Variable | Array, least: float = TINY
) -> chainer.Variable:
    """Returns ``||statistic - target||^2 / (||target||^2 + least)``, a scalar ``chainer.Variable``.

    Args:
        statistic (chainer.Variable): Of the candidate.
        target (chainer.Variable): Of the exemplar, the same shape; no gradient goes to it.
        least (float): What of a target is as good as nothing, squared.
    """
    function = _RelativeDistance(chainer.as_array(target), least)
    distance: chainer.Variable = function.apply((chainer.as_variable(statistic),))[0]
    return distance
