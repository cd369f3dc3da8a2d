"""A loss that wants other statistics in other parts of an image.

Each part has a mask, how much each position counts in it, and a target of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np

from texsynth.compat import chainer
from texsynth.losses.loss import Activations, AdditiveLoss, Masks, Partial, counts_of
from texsynth.typing import Array

_FILLED = 0.8  # of a rectangle; where less of it counts, its positions are better taken together


class InParts(AdditiveLoss):
    """The sum over parts of an additive loss, of each part's positions and against its own target.

    Its masks are ``{layer: (K, 1, H, W)}`` of K parts, and a target is a sequence of what the loss
    has as target of each. A part counts by its share of the image, so that a pixel is pulled as
    hard in a small part as in a large one.

    Args:
        loss: What is measured in each part.
        shares: The share of each part in the image; they sum to 1.
    """

    def __init__(self, loss: AdditiveLoss, shares: Sequence[float]) -> None:
        super().__init__(loss.weights)
        self.inner, self._shares = loss, tuple(shares)

    def partial(self, activations: Activations, masks: Masks | None = None) -> dict[str, Partial]:
        """Returns the sums over these positions, those of a part after those of another.

        Args:
            activations: As for :meth:`texsynth.losses.loss.AdditiveLoss.partial`.
            masks: How much each position counts in each part, ``{layer: (K, 1, H, W)}``.
        """
        assert masks is not None
        found = {}
        for name in self.layers:
            if name in activations:
                sums = _Sums(self.inner, masks[name]).apply((activations[name],))
                counts: Any = counts_of(masks, name)  # one for each part
                found[name] = Partial(sums, counts)
        return found

    def finish(self, partials: Mapping[str, Partial], target: Any) -> chainer.Variable:
        """Returns the loss from the sums over all positions, a scalar ``chainer.Variable``.

        Args:
            partials: ``{layer: Partial}``, with all layers, of the candidate.
            target: What the loss has as target of each part.
        """
        total: Any = 0
        for number, (share, its_target) in enumerate(zip(self._shares, target, strict=True)):
            part = {name: self._of_part(number, *partials[name]) for name in self.layers}
            total += self.inner.finish(part, its_target) * share
        return cast(chainer.Variable, total)

    def summary(self, partials: Mapping[str, Partial]) -> Any:
        """Returns what the loss has as target of each part, of the sums over all positions.

        Args:
            partials: ``{layer: Partial}``, with all layers.
        """
        return [
            self.inner.summary({name: self._of_part(n, *partials[name]) for name in self.layers})
            for n in range(len(self._shares))
        ]

    def sums_gradient(
        self, activations: Array, gradients: Sequence[Array], mask: Array | None = None
    ) -> Array:
        """Returns the gradient for activations, ``(N, C, H, W)``, from those for their sums.

        Args:
            activations: As for :meth:`texsynth.losses.loss.AdditiveLoss.sums_gradient`.
            gradients: Arrays, those of a part after those of another.
            mask: ``(K, 1, H, W)``.
        """
        assert mask is not None
        return _gradient(self.inner, list(_places(mask)), activations, gradients)

    def _of_part(self, number: int, sums: Sequence[chainer.Variable], counts: Any) -> Partial:
        each = len(sums) // len(self._shares)
        return Partial(tuple(sums[number * each : (number + 1) * each]), float(counts[number]))


class EachPart:
    """The sum over parts of a loss that is no sum over positions, see :class:`InParts`.

    Args:
        loss: What is measured in each part; it takes masks.
        shares: The share of each part in the image; they sum to 1.
    """

    takes_masks = True

    def __init__(self, loss: Any, shares: Sequence[float]) -> None:
        self.layers: tuple[str, ...] = loss.layers
        self.inner, self._shares = loss, tuple(shares)

    def target(self, activations: Activations, masks: Masks | None = None) -> list[Any]:
        """Returns what the loss has as target of each part.

        Args:
            activations: As for :meth:`texsynth.losses.loss.LayerLoss.target`.
            masks: How much each position counts in each part, ``{layer: (K, 1, H, W)}``.
        """
        return [self.inner.target(activations, part) for part in self._of_parts(masks)]

    def measure(
        self, activations: Activations, target: Any, masks: Masks | None = None
    ) -> chainer.Variable:
        """Returns the loss of a candidate's activations, a scalar ``chainer.Variable``.

        Args:
            activations: As for :meth:`target`, of the candidate.
            target: What the loss has as target of each part.
            masks: As for :meth:`target`, of the candidate.
        """
        total: Any = 0
        triples = zip(self._shares, target, self._of_parts(masks), strict=True)
        for share, its_target, part in triples:
            total += self.inner.measure(activations, its_target, part) * share
        return cast(chainer.Variable, total)

    def _of_parts(self, masks: Masks | None) -> list[dict[str, Array]]:
        assert masks is not None
        return [
            {name: masks[name][number : number + 1] for name in self.layers}
            for number in range(len(self._shares))
        ]


def in_parts(loss: Any, shares: Sequence[float]) -> InParts | EachPart:
    """Returns the sum over parts of a loss.

    Args:
        loss: What is measured in each part; it takes masks.
        shares: The share of each part in the image; they sum to 1.
    """
    return (InParts if isinstance(loss, AdditiveLoss) else EachPart)(loss, shares)


class _Sums(chainer.FunctionNode):
    """``(N, C, H, W)`` to the sums of a loss in each part."""

    def __init__(self, loss: AdditiveLoss, masks: Array) -> None:
        super().__init__()
        self._loss, self._places = loss, list(_places(masks))

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
        """Takes ``(activations,)``; returns the sums, those of a part after those of another."""
        self.retain_inputs((0,))
        (x,) = inputs
        with chainer.no_backprop_mode():
            parts = [self._loss.sums(place.of(x), mask) for place, mask in self._places]
        return tuple(chainer.as_array(each) for sums in parts for each in sums)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Returns the gradient for the activations."""
        (x,) = self.get_retained_inputs()
        given = [each.array for each in grad_outputs]
        return (chainer.as_variable(_gradient(self._loss, self._places, x.array, given)),)


class _Rectangle(NamedTuple):
    """Positions that lie in a rectangle, or all of them."""

    place: tuple[slice, ...]

    def of(self, x: Array) -> Array:
        """Returns the activations there, a view."""
        return x[self.place]

    def add(self, total: Array, gradient: Array) -> None:
        """Adds a gradient for what :meth:`of` returned to that for all activations."""
        total[self.place] += gradient


class _Scattered(NamedTuple):
    """Positions that lie apart; they are taken together as one column."""

    rows: Array
    columns: Array

    def of(self, x: Array) -> Array:
        """Returns the activations there, ``(N, C, positions, 1)``, a copy in their layout."""
        if _is_channels_last(x):
            taken = np.ascontiguousarray(x.transpose(0, 2, 3, 1)[:, self.rows, self.columns])
            # Reshaped, for a new axis would have no stride, by which kernels know their layout.
            return taken.reshape(len(x), -1, 1, x.shape[1]).transpose(0, 3, 1, 2)
        return np.ascontiguousarray(x[:, :, self.rows, self.columns, None])

    def add(self, total: Array, gradient: Array) -> None:
        """Adds a gradient for what :meth:`of` returned to that for all activations."""
        if _is_channels_last(total):
            there = total.transpose(0, 2, 3, 1)
            there[:, self.rows, self.columns] += gradient[..., 0].transpose(0, 2, 1)
        else:
            total[:, :, self.rows, self.columns] += gradient[..., 0]


def _is_channels_last(x: Array) -> bool:
    return x.strides[1] < x.strides[3]


_Places: TypeAlias = Sequence[tuple[_Rectangle | _Scattered, Array]]


def _places(masks: Array) -> Iterator[tuple[_Rectangle | _Scattered, Array]]:
    """Yields where the positions lie that count in a part, and how much they do.

    Elsewhere nothing is computed; on a GPU, which would have to be waited for, all is.
    """
    for number in range(len(masks)):
        mask = masks[number : number + 1]
        if not isinstance(masks, np.ndarray):
            yield _Rectangle((slice(None), slice(None))), mask
            continue
        rows, columns = (np.flatnonzero(mask[0, 0].any(axis=axis)) for axis in (1, 0))
        sides = [slice(x[0], x[-1] + 1) if x.size else slice(0, 1) for x in (rows, columns)]
        within = mask[:, :, *sides]
        there = np.nonzero(mask[0, 0])
        if 0 < there[0].size < _FILLED * within.size:
            yield _Scattered(*there), mask[:, :, *there, None]
        else:
            yield _Rectangle((slice(None), slice(None), *sides)), within


def _gradient(loss: AdditiveLoss, places: _Places, x: Array, gradients: Sequence[Array]) -> Array:
    xp = chainer.backend.get_array_module(x)
    total: Array = xp.zeros_like(x)  # in the layout of the activations, which engines mind
    each = len(gradients) // len(places)
    with chainer.force_backprop_mode():  # a loss may find its gradient by a way back of its own
        for number, (place, mask) in enumerate(places):
            given = gradients[number * each : (number + 1) * each]
            place.add(total, loss.sums_gradient(place.of(x), given, mask))
    return total
