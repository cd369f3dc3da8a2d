"""The sum of scalars, each times its weight, as one function."""

from collections.abc import Sequence
from typing import Any, cast

from texsynth.compat import chainer
from texsynth.typing import Array


class _WeightedSum(chainer.FunctionNode):
    """Some scalars to their sum: one function, where a graph would have two for each."""

    def __init__(self, weights: Sequence[float]) -> None:
        super().__init__()
        self._weights = weights

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        total: Any = 0
        for value, weight in zip(inputs, self._weights, strict=True):
            total = total + value * weight
        xp = chainer.backend.get_array_module(*inputs)
        return (xp.asarray(total, inputs[0].dtype),)  # NumPy makes a scalar of it

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable, ...]:
        g = grad_outputs[0].array
        xp = chainer.backend.get_array_module(g)
        return tuple(
            chainer.as_variable(xp.asarray(g * self._weights[index], g.dtype)) for index in indexes
        )


def weighted_sum(
    values: Sequence[chainer.Variable], weights: Sequence[float] | None = None
) -> chainer.Variable:
    """Returns the sum of scalars, each times its weight, a scalar ``chainer.Variable``.

    Args:
        values (list): Of ``chainer.Variable``, of one dtype.
        weights (list): Of numbers; ``None`` are ones.
    """
    if not values:
        return cast(chainer.Variable, 0)
    function = _WeightedSum([1.0] * len(values) if weights is None else weights)
    return function.apply(tuple(values))[0]
