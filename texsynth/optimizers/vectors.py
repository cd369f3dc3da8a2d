"""The parameters of a link, and their gradients, as one vector each."""

from collections.abc import Sequence

from texsynth.compat import chainer
from texsynth.typing import Array


class Vectors:
    """All values of a link that may change, one parameter after the other.

    One parameter alone is its own vector, of its own shape, and is not copied.

    Args:
        link (chainer.Link): The link.

    Raises:
        ValueError: When asked for, if no parameter may change.
    """

    def __init__(self, link: chainer.Link) -> None:
        self._link = link

    @property
    def values(self) -> Array:
        """The values; what is set must be of the same size."""
        return _joined([each.array for each in self._parameters()])

    @values.setter
    def values(self, vector: Array) -> None:
        parameters = self._parameters()
        if len(parameters) == 1:
            parameters[0].array = vector.reshape(parameters[0].shape)
            return
        for parameter, part in zip(parameters, _parts(vector, parameters), strict=True):
            parameter.array[...] = part

    @property
    def gradient(self) -> Array:
        """The gradient, likewise."""
        return _joined([each.grad for each in self._parameters()])

    @gradient.setter
    def gradient(self, vector: Array) -> None:
        parameters = self._parameters()
        for parameter, part in zip(parameters, _parts(vector, parameters), strict=True):
            parameter.grad = part.astype(parameter.array.dtype, copy=False)

    def fill_gradients(self) -> None:
        """Gives a gradient of zero to each parameter that the loss does not depend on."""
        for parameter in self._parameters():
            if parameter.grad is None:
                xp = chainer.backend.get_array_module(parameter.array)
                parameter.grad = xp.zeros_like(parameter.array)

    def _parameters(self) -> list[chainer.Parameter]:
        """Those that are not frozen, and have got their shape."""
        return [
            each
            for each in self._link.params()
            if each.array is not None and each.update_rule.enabled
        ]


def _joined(arrays: Sequence[Array]) -> Array:
    if not arrays:
        raise ValueError("no parameter of the link may be updated")
    if len(arrays) == 1:
        return arrays[0]
    xp = chainer.backend.get_array_module(*arrays)
    vector: Array = xp.concatenate([each.ravel() for each in arrays])
    return vector


def _parts(vector: Array, parameters: Sequence[chainer.Parameter]) -> list[Array]:
    if len(parameters) == 1:
        return [vector.reshape(parameters[0].shape)]
    parts, begin = [], 0
    for each in parameters:
        parts.append(vector[begin : begin + each.size].reshape(each.shape))
        begin += each.size
    return parts
