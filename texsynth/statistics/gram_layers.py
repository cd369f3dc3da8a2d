"""The Gram matrices of several layers at once, for Chainer one function, and their errors another.

A graph of a function for each step at each layer takes longer than the arithmetic where images are
small, and it takes it on one processor.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from texsynth.compat import chainer
from texsynth.statistics import gram
from texsynth.typing import Array

if TYPE_CHECKING:
    from texsynth.kernels.rooms import Rooms

Place = tuple[slice, slice]
"""Rows and columns."""


class GramSums(chainer.FunctionNode):
    """``(N, C, H, W)`` of each layer to the sums over the positions that count, ``(N, C, C)`` each.

    The gradient of a layer is written to where these positions lie in one of all positions.

    Args:
        places: The positions of each layer that count.
        rooms (texsynth.kernels.rooms.Rooms): Where memory is taken from, if somebody keeps it.
    """

    def __init__(self, places: Sequence[Place], rooms: "Rooms | None" = None) -> None:
        super().__init__()
        self._places, self._rooms = places, rooms

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array, ...]:
        """Takes the activations of each layer; returns their sums."""
        self._layers = inputs
        pairs = zip(inputs, self._places, strict=True)
        return tuple(gram.sums_of(x[:, :, *place], None, self._rooms) for x, place in pairs)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable | None, ...]
    ) -> tuple[chainer.Variable | None, ...]:
        """Returns the gradients for the activations."""
        return tuple(self._gradient(index, grad_outputs[index]) for index in indexes)

    def _gradient(self, index: int, given: chainer.Variable | None) -> chainer.Variable | None:
        if given is None:
            return None
        x, place = self._layers[index], self._places[index]
        part = x[:, :, *place]
        if self._rooms is not None and gram.is_channels_last(x):
            whole = _room_around(x.shape, place, self._rooms)
            gram.gram_sum_gradient(part, given.array, None, whole[:, :, *place], self._rooms)
            return chainer.as_variable(whole)
        found = gram.gram_sum_gradient(part, given.array)
        if found.shape != x.shape:
            whole = chainer.backend.get_array_module(x).zeros_like(x)
            whole[:, :, *place] = found
            found = whole
        return chainer.as_variable(found)


def _room_around(shape: Sequence[int], place: Place, rooms: "Rooms") -> Array:
    """Room for a gradient, channels last, that is zero where no positions count."""
    images, channels, height, width = shape
    room: Array = rooms.take((images, height, width, channels))
    rows, columns = place
    room[:, : rows.start] = room[:, rows.stop :] = 0
    room[:, rows, : columns.start] = room[:, rows, columns.stop :] = 0
    return room.transpose(0, 3, 1, 2)


class Goal(NamedTuple):
    """What the Gram matrix of a layer is to be.

    Attributes:
        matrix: ``(N, C, C)``.
        count: Number of positions over which the layer's sums are, or the sum of their weights.
        factor: What the squared error is multiplied by: a number, an array of no dimensions, or
            ``(N, C, C)``, of each entry, symmetric.
    """

    matrix: Array
    count: float  # type: ignore[assignment]  # hides a tuple's method, which nobody calls here
    factor: float | Array


class SquaredErrors(chainer.FunctionNode):
    """Sums of each layer to ``sum of factor (sums / count - matrix)^2`` over entries and layers.

    Args:
        goals: Of each layer.
    """

    def __init__(self, goals: Sequence[Goal]) -> None:
        super().__init__()
        self._goals = goals

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes the sums of each layer, ``(N, C, C)``; returns the error."""
        xp = chainer.backend.get_array_module(*inputs)
        self._weighed = []
        total: Array | float = 0.0
        for sums, goal in zip(inputs, self._goals, strict=True):
            difference = xp.multiply(sums, 1 / goal.count)  # as finalised targets are
            difference -= goal.matrix
            weighed = difference * goal.factor
            self._weighed.append(weighed)
            total = total + xp.vdot(difference, weighed)
        return (xp.asarray(total, inputs[0].dtype),)  # NumPy makes a scalar of it

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable, ...]:
        """Returns the gradients for the sums."""
        found = []
        for index in indexes:
            goal, g = self._goals[index], grad_outputs[0].array
            gradient = self._weighed[index] * (2 / goal.count * g)
            found.append(chainer.as_variable(gradient))
        return tuple(found)


def squared_errors(
    sums: Sequence[chainer.Variable | Array], goals: Sequence[Goal]
) -> chainer.Variable:
    """Returns ``sum of factor (sums / count - matrix)^2`` over entries and layers, a scalar.

    Args:
        sums: Of each layer, ``(N, C, C)``.
        goals: Of each layer.
    """
    error: chainer.Variable = SquaredErrors(goals).apply(tuple(sums))[0]
    return error
