"""The objective of an image that is optimised in other colours than those the network is shown."""

from collections.abc import Callable
from typing import Any

from texsynth.compat import chainer
from texsynth.statistics import colours
from texsynth.typing import Array, Batch

MOST_PIXELS = 1 << 22
"""Of an image that is optimised in three colours of its own; in larger ones memory counts more."""


class Colours:
    """The colours in which an image is optimised.

    Args:
        basis (numpy.ndarray): ``(C, K)``: the colours as columns; ``None`` takes the image's
            channels as they are.
        channels (int): The image's, C.

    Attributes:
        number (int): How many there are.
    """

    def __init__(self, basis: Array | None, channels: int = 3) -> None:
        self._basis = basis
        self.number = channels if basis is None else basis.shape[1]

    def coordinates(self, image: Batch) -> Batch:
        """Returns an image's coordinates, ``(1, K, H, W)``, of ``(1, 3, H, W)``."""
        return image if self._basis is None else colours.coordinates(image, self._basis)

    def rgb(self, coordinates: Batch) -> Batch:
        """Returns the image of coordinates, ``(1, 3, H, W)``."""
        return coordinates if self._basis is None else colours.applied(self._basis, coordinates)

    def objective(self, objective: Any, in_place: bool = False) -> Any:
        """Returns an objective as a function of coordinates, see :class:`InColours`."""
        return objective if self._basis is None else InColours(objective, self._basis, in_place)


class InColours:
    """An objective as a function of an image's coordinates in other colours.

    A grey image has one: optimised as three, the channels part, for the network tells colours so
    coarse that a haze of them costs nothing. As one they cannot, and the optimizer takes a third of
    the memory. Others have three, see :func:`texsynth.statistics.colours.own`.

    Args:
        objective: What :mod:`texsynth.objective` makes, of an image of three channels.
        basis (numpy.ndarray): ``(3, K)``: the colours as columns.
        in_place (bool): Whether all gradients are written into one array, as what is recorded as
            a graph on a GPU needs it; an optimizer that keeps gradients needs them apart.
    """

    def __init__(
        self, objective: Callable[[chainer.Variable], Any], basis: Array, in_place: bool = False
    ) -> None:
        self._objective, self._basis, self._in_place = objective, basis, in_place
        self._image: Any = None
        self._gradient: Any = None

    def __call__(self, coordinates: chainer.Variable) -> Any:
        """Computes loss and gradient.

        Args:
            coordinates (chainer.Variable): ``(1, K, H, W)`` float32; its gradient is set.

        Returns:
            What the objective returns, the loss.
        """
        if self._image is None:
            self._image = chainer.Parameter(colours.applied(self._basis, coordinates.array))
        else:
            colours.applied(self._basis, coordinates.array, self._image.array)
        loss = self._objective(self._image)
        coordinates.grad = colours.applied(self._basis.T, self._image.grad, self._gradient)
        if self._in_place:
            self._gradient = coordinates.grad
        return loss
