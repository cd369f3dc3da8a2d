"""The objective of an image of which some losses see the contrast alone, made even."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from texsynth.compat import chainer
from texsynth.losses import Loss, parted
from texsynth.statistics.contrast import EvenContrast, even_contrast
from texsynth.typing import Array, Size, Wrap

Shown = Callable[[Array], Array]
"""What losses are shown of an exemplar, ``(1, 3, H, W)`` on its device."""
Make = Callable[[Sequence[Loss], Shown], Any]
"""Makes an objective of losses."""

_IMAGE_BYTES = 8 * 3 * 4  # of a pixel: images of three channels that are there at once


def evened(exemplar: Array) -> Array:
    """Returns an exemplar at even local contrast, ``(1, 3, H, W)``, on its device."""
    with chainer.no_backprop_mode():
        image: Array = even_contrast(chainer.Variable(exemplar)).array
    return image


def composed(losses: Sequence[Loss], wrap: Wrap, make: Make) -> Any:
    """Returns the objective of losses, some of which may see even contrast.

    Args:
        losses: Losses to sum, as those of :mod:`texsynth.losses`.
        wrap: ``(rows, columns)``: along which axes the image is taken as one that tiles.
        make: Makes the objective of some of them; called once or twice.
    """
    plain, of_contrast = parted(losses)
    made = make(plain, lambda exemplar: exemplar)
    return WithContrast(made, make(of_contrast, evened), wrap) if of_contrast else made


def image_bytes(size: Size) -> int:
    """Returns what even contrast takes beside the two objectives, in bytes.

    Args:
        size: ``(height, width)`` of the image in pixels.
    """
    return _IMAGE_BYTES * math.prod(size)


class WithContrast:
    """The sum of an objective of an image, and one of the image at even local contrast.

    They are computed one after another. Even contrast is made of the whole image, by each process
    of a team.

    Args:
        plain: What :mod:`texsynth.objective` makes, of the image.
        contrast: Likewise, of the image at even contrast.
        wrap: As for :func:`composed`.

    Attributes:
        team (texsynth.objective.team.Team): The processes among which the image is divided.
    """

    def __init__(self, plain: Any, contrast: Any, wrap: Wrap = (False, False)) -> None:
        self._plain, self._contrast, self._wrap = plain, contrast, wrap
        self._even: EvenContrast | None = None  # for the size that was evaluated last
        self._size: Any = None
        self._seen: chainer.Parameter | None = None
        self.team = plain.team

    @property
    def evaluations(self) -> int:
        """How often loss and gradient have been computed."""
        return int(self._plain.evaluations)

    @property
    def block(self) -> int | None:
        """Side in pixels of the blocks in which it is taken; ``None`` takes it whole."""
        sides = [self._plain.block, self._contrast.block]
        return None if None in sides else min(sides)

    @block.setter
    def block(self, side: int) -> None:
        self._plain.block = self._contrast.block = side

    def __call__(self, image: chainer.Variable) -> Any:
        """Computes loss and gradient.

        Args:
            image (chainer.Variable): ``(1, 3, H, W)`` float32; its gradient is set.

        Returns:
            The loss, as the objectives return theirs.
        """
        loss = self._plain(image)
        if self.block is not None:
            self._plain.rest()  # what it keeps would be kept of both
        device = chainer.backend.get_device_from_array(image.array)
        whole = _whole(self._plain, image.array)
        even = self._even_of(whole)
        found = even.of(whole)
        seen = self._shown(device.send(_own(self._contrast, found.image)))
        loss = loss + self._contrast(seen)
        passed = even.gradient(found, _whole(self._contrast, seen.grad))
        image.grad += device.send(_own(self._plain, passed))
        if (side := self.block) is not None:
            self._contrast.rest()
            self.block = side  # one may have halved its own; a checkpoint holds one for both
        chainer.report({"loss": loss})  # each of them reported its own
        return loss

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
        self._plain.rest()
        self._contrast.rest()

    def own(self, canvas: Array) -> Array:
        """Returns this process's part of an image, a copy.

        Args:
            canvas (numpy.ndarray): ``(1, 3, H, W)``.
        """
        part: Array = self._plain.own(canvas)
        return part

    def gathered(self, part: Array) -> Array:
        """Returns the whole image of which this is the process's part, on the host.

        Args:
            part (array): ``(1, 3, h, W)``, on any device.
        """
        whole: Array = self._plain.gathered(part)
        return whole


def _whole(objective: Any, part: Array) -> Array:
    """All of an image: on its device, or on the host where processes have it in parts."""
    return objective.gathered(part) if objective.team.size > 1 else part


def _own(objective: Any, whole: Array) -> Array:
    """This process's part of an image."""
    return objective.own(whole) if objective.team.size > 1 else whole
