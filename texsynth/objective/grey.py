"""The objective of a grey image: one channel, of which the network is shown three."""

from collections.abc import Callable
from typing import Any

from texsynth.compat import chainer


class OneChannel:
    """An objective as a function of an image's one channel.

    Optimised as three, the channels of a grey image part: the network tells colours so coarse that
    a haze of them costs nothing. As one they cannot, and the optimizer takes a third of the memory.

    Args:
        objective: What :mod:`texsynth.objective` makes, of an image of three channels.
        in_place (bool): Whether all gradients are written into one array, as what is recorded as
            a graph on a GPU needs it; an optimizer that keeps gradients needs them apart.
    """

    def __init__(
        self, objective: Callable[[chainer.Variable], Any], in_place: bool = False
    ) -> None:
        self._objective, self._in_place = objective, in_place
        self._image: Any = None
        self._gradient: Any = None

    def __call__(self, grey: chainer.Variable) -> Any:
        """Computes loss and gradient.

        Args:
            grey (chainer.Variable): ``(1, 1, H, W)`` float32; its gradient is set.

        Returns:
            What the objective returns, the loss.
        """
        xp = chainer.backend.get_array_module(grey.array)
        if self._image is None:
            self._image = chainer.Parameter(xp.repeat(grey.array, 3, axis=1))
        self._image.array[...] = grey.array
        loss = self._objective(self._image)
        grey.grad = xp.sum(self._image.grad, axis=1, keepdims=True, out=self._gradient)
        if self._in_place:
            self._gradient = grey.grad
        return loss
