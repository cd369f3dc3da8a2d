"""The objective of an image whose pixels are each measured in a unit of their own."""

from collections.abc import Callable
from typing import Any

from texsynth.compat import chainer
from texsynth.typing import Array


class InUnits:
    """An objective as a function of an image over its units.

    A change of variables: what an optimizer takes for steps of one length are longer where units
    are, which is a diagonal preconditioner of the units' squares (Nocedal and Wright 2006, section
    5.1), for L-BFGS on any device. Its first step, of 20 at most, is of as many units.

    Args:
        objective: What :mod:`texsynth.objective` makes.
        units (array): ``(1, 1, H, W)``, on its device; read at each call.
        in_place (bool): As for :class:`texsynth.objective.colours.InColours`.
    """

    def __init__(
        self, objective: Callable[[chainer.Variable], Any], units: Array, in_place: bool = False
    ) -> None:
        self._objective, self._units, self._in_place = objective, units, in_place
        self._image: Any = None
        self._gradient: Any = None

    def __call__(self, values: chainer.Variable) -> Any:
        """Computes loss and gradient.

        Args:
            values (chainer.Variable): ``(1, K, H, W)`` float32, the image over its units; its
                gradient is set.

        Returns:
            What the objective returns, the loss.
        """
        xp = chainer.backend.get_array_module(values)
        if self._image is None:
            self._image = chainer.Parameter(values.array * self._units)
        else:
            xp.multiply(values.array, self._units, out=self._image.array)
        loss = self._objective(self._image)
        values.grad = xp.multiply(self._image.grad, self._units, out=self._gradient)
        if self._in_place:
            self._gradient = values.grad
        return loss
