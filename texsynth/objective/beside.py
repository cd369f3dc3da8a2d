"""Objectives of what is made of all of an image: of its even contrast, or of all pixels at once.

Each is called with the whole image, on the device, or on the host where processes have it in parts;
and returns its loss, and the gradient for the whole image.
"""

from typing import Any

import numpy as np

from texsynth.compat import chainer
from texsynth.objective.team import Alone, Team, own_part, whole_of
from texsynth.statistics.contrast import EvenContrast, even_contrast
from texsynth.typing import Array, Wrap


def evened(exemplar: Array) -> Array:
    """Returns an exemplar at even local contrast, ``(1, 3, H, W)``, on its device."""
    with chainer.no_backprop_mode():
        image: Array = even_contrast(chainer.Variable(exemplar)).array
    return image


class OnContrast:
    """An objective of an image at even local contrast.

    Args:
        objective: What :mod:`texsynth.objective` makes, of the image at even contrast.
        wrap: ``(rows, columns)``: along which axes the image is taken as one that tiles.

    Attributes:
        is_divided (bool): Whether it is taken in blocks, and by processes, where the image is.
    """

    is_divided = True

    def __init__(self, objective: Any, wrap: Wrap = (False, False)) -> None:
        self._objective, self._wrap = objective, wrap
        self._even: EvenContrast | None = None  # for the size that was evaluated last
        self._size: Any = None
        self._seen: chainer.Parameter | None = None

    @property
    def block(self) -> int | None:
        """Side in pixels of the blocks in which it is taken; ``None`` takes it whole."""
        side: int | None = self._objective.block
        return side

    @block.setter
    def block(self, side: int) -> None:
        self._objective.block = side

    def __call__(self, whole: Array, device: chainer.backend.Device) -> tuple[Any, Array]:
        """Computes loss and gradient.

        Args:
            whole (array): ``(1, 3, H, W)``.
            device (chainer.backend.Device): Where the objective computes.
        """
        even = self._even_of(whole)
        found = even.of(whole)
        seen = self._shown(device.send(own_part(self._objective, found.image)))
        loss = self._objective(seen)
        if self.block is not None:
            self._objective.rest()
        return loss, even.gradient(found, whole_of(self._objective, seen.grad))

    def _even_of(self, whole: Array) -> EvenContrast:
        if self._even is None or self._size != whole.shape:
            xp = chainer.backend.get_array_module(whole)
            self._even = EvenContrast(whole.shape[2:], self._wrap, xp, whole.dtype)
            self._size = whole.shape
        return self._even

    def _shown(self, own: Array) -> chainer.Parameter:
        if self._seen is None or self._seen.shape != own.shape:
            self._seen = chainer.Parameter(own)
        else:
            self._seen.array[...] = own  # a recorded graph reads the same memory each time
        return self._seen

    def rest(self) -> None:
        """Lets go of what only evaluations need; the next one makes it again."""
        self._objective.rest()


class OnPixels:
    """An objective of losses that need all pixels at once, and no network.

    Args:
        objective (texsynth.objective.whole.Objective): Of the whole image.
        team (texsynth.objective.team.Team): Processes that must come to the same loss.

    Attributes:
        is_divided (bool): Whether it is taken in blocks, and by processes, where the image is.
    """

    is_divided = False

    def __init__(self, objective: Any, team: Team | Alone) -> None:
        self._objective, self._team = objective, team

    def __call__(self, whole: Array, device: chainer.backend.Device) -> tuple[Any, Array]:
        """Computes loss and gradient.

        Args:
            whole (array): ``(1, 3, H, W)``.
            device (chainer.backend.Device): Where the objective computes.
        """
        seen = chainer.Parameter(device.send(whole))
        loss = self._objective(seen)
        if self._team.size > 1:  # processes on different machines may round differently
            loss = float(self._team.agreed(np.array([float(loss)]))[0])
        return loss, chainer.backend.get_device_from_array(whole).send(seen.grad)

    def rest(self) -> None:
        """Lets go of what only evaluations need; the next one makes it again."""
        self._objective.rest()
