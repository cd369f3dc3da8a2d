"""Pixels that stay: the objective of an image of which only a part may change."""

from collections.abc import Callable
from typing import Any, NamedTuple

from texsynth.compat import chainer
from texsynth.typing import Array


class Keep(NamedTuple):
    """What of an image stays as it is.

    Attributes:
        image: ``(1, 3, H, W)`` float32: what stays, and anything where nothing does.
        mask: ``(1, 1, H, W)`` float32: 0 where it stays, 1 where the optimizer's pixel takes its
            place, between them what is blended of both.
    """

    image: Array
    mask: Array

    def shown(self, pixels: Array) -> Array:
        """Returns the image with what the optimizer makes where it may, ``(1, 3, H, W)`` float32.

        What stays has the same bits as in :attr:`image`.

        Args:
            pixels: ``(1, 3, H, W)`` float32, on the same device, all finite.
        """
        xp = chainer.backend.get_array_module(pixels)
        made: Array = xp.subtract(pixels, self.image)
        made *= self.mask
        made += self.image
        return made


class WithKept:
    """An objective as a function of what the optimizer makes of an image, of which a part stays.

    The gradient is zero for pixels that stay: neither a step of an optimizer nor its line search
    moves them, for all are sums of gradients. They are shown to the network as they are.

    Args:
        objective: What :mod:`texsynth.objective` makes.
        keep (Keep): What stays, on its device.
        in_place: As for :class:`texsynth.objective.colours.InColours`.
    """

    def __init__(
        self, objective: Callable[[chainer.Variable], Any], keep: Keep, in_place: bool = False
    ) -> None:
        self._objective, self._keep, self._in_place = objective, keep, in_place
        self._shown: Any = None
        self._gradient: Any = None

    def __call__(self, image: chainer.Variable) -> Any:
        """Computes loss and gradient.

        Args:
            image (chainer.Variable): ``(1, 3, H, W)`` float32; its gradient is set.

        Returns:
            What the objective returns, the loss.
        """
        shown = self._keep.shown(image.array)
        if self._shown is None:
            self._shown = chainer.Parameter(shown)
        else:
            self._shown.array[...] = shown  # a recorded graph reads the same memory each time
        loss = self._objective(self._shown)
        xp = chainer.backend.get_array_module(shown)
        image.grad = xp.multiply(self._shown.grad, self._keep.mask, out=self._gradient)
        if self._in_place:
            self._gradient = image.grad
        return loss
