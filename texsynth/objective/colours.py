"""The objective of an image that is optimised in other colours than those the network is shown."""

from typing import Any

from texsynth.objective.changed import Changed
from texsynth.statistics import colours
from texsynth.typing import Array, Batch

MOST_PIXELS = 1 << 22
"""Of an image that is optimised in three colours of its own; in larger ones memory counts more."""


class Colours:
    """The colours in which an image is optimised: a change of variables, or none.

    A grey image has one: optimised as three, the channels part, for the network tells colours so
    coarse that a haze of them costs nothing. As one they cannot, and the optimizer takes a third of
    the memory. Others have three, see :func:`texsynth.statistics.colours.own`.

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

    def image(self, coordinates: Array, out: Array | None = None) -> Array:
        """Returns the image of coordinates, see :class:`texsynth.objective.changed.Change`."""
        if self._basis is None:
            return coordinates
        return colours.applied(self._basis, coordinates, out)

    def gradient(self, of_image: Array, out: Array | None = None) -> Array:
        """Returns the gradient for coordinates, see :class:`texsynth.objective.changed.Change`."""
        if self._basis is None:
            return of_image
        return colours.applied(self._basis.T, of_image, out)

    def objective(self, objective: Any, in_place: bool = False) -> Any:
        """Returns an objective of an image as a function of coordinates."""
        return objective if self._basis is None else Changed(objective, self, in_place)
