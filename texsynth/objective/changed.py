"""The objective of an image as a function of what an optimizer changes: a change of variables."""

from collections.abc import Callable
from typing import Any, Protocol

from texsynth.compat import chainer
from texsynth.typing import Array


class Change(Protocol):
    """A linear way from variables to an image, but for a constant, and the way of gradients back.

    Both are computed on the device of their argument.
    """

    def image(self, variables: Array, out: Array | None = None) -> Array:
        """Returns the image of variables.

        Args:
            variables: ``(1, K, H, W)`` float32.
            out: ``(1, C, H, W)``, where to put it; ``None`` makes a new array.
        """

    def gradient(self, of_image: Array, out: Array | None = None) -> Array:
        """Returns the gradient for the variables, from that for the image.

        Args:
            of_image: ``(1, C, H, W)``; it may be written over.
            out: ``(1, K, H, W)``, where to put it; ``None`` makes a new array.
        """


class Changed:
    """An objective as a function of variables.

    Args:
        objective: What :mod:`texsynth.objective` makes, of an image.
        change: From variables to the image.
        in_place (bool): Whether all gradients are written into one array, as what is recorded as
            a graph on a GPU needs it; an optimizer that keeps gradients needs them apart.
    """

    def __init__(
        self,
        objective: Callable[[chainer.Variable], Any],
        change: Change,
        in_place: bool = False,
    ) -> None:
        self._objective, self._change, self._in_place = objective, change, in_place
        self._image: Any = None
        self._gradient: Any = None

    def __call__(self, variables: chainer.Variable) -> Any:
        """Computes loss and gradient.

        Args:
            variables (chainer.Variable): ``(1, K, H, W)`` float32; its gradient is set.

        Returns:
            What the objective returns, the loss.
        """
        if self._image is None:
            self._image = chainer.Parameter(self._change.image(variables.array))
        else:  # a recorded graph reads the same memory each time
            self._change.image(variables.array, self._image.array)
        loss = self._objective(self._image)
        variables.grad = self._change.gradient(self._image.grad, self._gradient)
        if self._in_place:
            self._gradient = variables.grad
        return loss
