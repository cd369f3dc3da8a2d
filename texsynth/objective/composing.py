"""The objective of losses that are not all shown the same of an image, or not in the same way."""

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any

from texsynth.compat import chainer
from texsynth.losses import Loss, is_listened_to, parted
from texsynth.objective.beside import OnContrast, OnPixels, evened
from texsynth.objective.team import own_part, whole_of
from texsynth.typing import Array, Size, Wrap

Shown = Callable[[Array], Array]
"""What losses are shown of an exemplar, ``(1, 3, H, W)`` on its device."""
Make = Callable[[Sequence[Loss], Shown], Any]
"""Makes an objective of losses."""

_IMAGE_BYTES = 8 * 3 * 4  # of a pixel: images of three channels that are there at once


def composed(losses: Sequence[Loss], wrap: Wrap, make: Make) -> Any:
    """Returns the objective of losses.

    Args:
        losses: Losses to sum, as those of :mod:`texsynth.losses`.
        wrap: ``(rows, columns)``: along which axes the image is taken as one that tiles.
        make: Makes the objective of some of them; called for each kind of them that there is.
    """
    parts = parted(losses)
    plain = make(parts.plain, _as_it_is)
    beside: list[Any] = []
    if parts.of_contrast:
        beside.append(OnContrast(make(parts.of_contrast, evened), wrap))
    if parts.of_pixels:
        beside.append(OnPixels(make(parts.of_pixels, _as_it_is), plain.team))
    return Composed(plain, beside) if beside else plain


def _as_it_is(exemplar: Array) -> Array:
    return exemplar


def image_bytes(size: Size) -> int:
    """Returns what is made of all of an image takes, beside the objectives, in bytes.

    Args:
        size: ``(height, width)`` of the image in pixels.
    """
    return _IMAGE_BYTES * math.prod(size)


def _reporting_to(observation: dict[str, Any]) -> contextlib.AbstractContextManager[Any]:
    """Has what is reported meanwhile put there, if anybody listens at all."""
    if not is_listened_to():
        return contextlib.nullcontext()
    return chainer.Reporter().scope(observation)


class Composed:
    """The sum of an objective of an image, and of others of what is made of all of it.

    They are computed one after another; those beside by each process of a team, of the whole image.

    Args:
        plain: What :mod:`texsynth.objective` makes, of the image.
        beside: Those of :mod:`texsynth.objective.beside`.

    Attributes:
        team (texsynth.objective.team.Team): The processes among which the image is divided.
    """

    def __init__(self, plain: Any, beside: Sequence[Any]) -> None:
        self._plain, self._beside = plain, list(beside)
        self.team = plain.team

    @property
    def evaluations(self) -> int:
        """How often loss and gradient have been computed."""
        return int(self._plain.evaluations)

    @property
    def block(self) -> int | None:
        """Side in pixels of the blocks in which it is taken; ``None`` takes it whole."""
        sides = [each.block for each in self._in_blocks()]
        return None if None in sides else min(sides)

    @block.setter
    def block(self, side: int) -> None:
        for each in self._in_blocks():
            each.block = side

    def _in_blocks(self) -> list[Any]:
        """Those that are taken in blocks where the image is."""
        return [self._plain, *(each for each in self._beside if each.is_divided)]

    def __call__(self, image: chainer.Variable) -> Any:
        """Computes loss and gradient.

        Args:
            image (chainer.Variable): ``(1, 3, H, W)`` float32; its gradient is set.

        Returns:
            The loss, as the objectives return theirs.
        """
        reported: dict[str, Any] = {}
        with _reporting_to(reported):
            loss = self._sum(image)
        if (side := self.block) is not None:
            self.block = side  # one may have halved its own; a checkpoint holds one for all
        chainer.report({**reported, "loss": loss})  # at once: these are of one evaluation
        return loss

    def _sum(self, image: chainer.Variable) -> Any:
        loss = self._plain(image)
        if self.block is not None:
            self._plain.rest()  # what it keeps would be kept of all of them
        device = chainer.backend.get_device_from_array(image.array)
        whole = whole_of(self._plain, image.array)
        for each in self._beside:
            more, gradient = each(whole, device)
            loss = loss + more
            image.grad += device.send(own_part(self._plain, gradient))
        return loss

    def rest(self) -> None:
        """Lets go of what only evaluations need; the next one makes it again."""
        self._plain.rest()
        for each in self._beside:
            each.rest()

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
