"""The objective of a grey image: one channel, of which the network is shown three."""

from collections.abc import Callable
from typing import Any

from texsynth.compat import chainer
from texsynth.typing import Array

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luminance, ITU-R BT.601."""


def is_grey(image: Array) -> bool:
    """Returns whether the channels of ``(1, 3, H, W)`` are the same."""
    return bool((image[:, 1:] == image[:, :1]).all())


def luminance(image: Array) -> Array:
    """Returns the luminance of ``(1, 3, H, W)``, of the same shape: three channels alike."""
    xp = chainer.backend.get_array_module(image)
    grey = image[:, :1] if is_grey(image) else xp.tensordot(LUMA, image[0], 1)[None, None]
    alike: Array = xp.repeat(grey.astype(image.dtype), 3, axis=1)
    return alike


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
