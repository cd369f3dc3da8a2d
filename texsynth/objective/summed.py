"""The objective of an image of more channels than the network sees: a sum over some at a time."""

from collections.abc import Sequence
from typing import Any

from texsynth.compat import chainer
from texsynth.statistics import colours
from texsynth.typing import Array


class Summed:
    """A sum of objectives, each of an image that some matrix makes of the channels.

    With ``seen_t = A_t image`` the loss is the sum of ``L_t(seen_t)``, and its gradient the sum of
    ``A_t^T dL_t / dseen_t``. They are computed one after another, in the memory of one.

    Args:
        terms: Pairs of a matrix ``(3, K)`` and what :mod:`texsynth.objective` makes, an objective
            of an image of three channels.

    Attributes:
        team (texsynth.objective.team.Team): The processes among which the image is divided.
    """

    def __init__(self, terms: Sequence[tuple[Array, Any]]) -> None:
        self._terms = list(terms)
        self._first = self._terms[0][1]
        self.team = self._first.team

    @property
    def evaluations(self) -> int:
        """How often loss and gradient have been computed."""
        return int(self._first.evaluations)

    @property
    def block(self) -> int | None:
        """Side in pixels of the blocks in which it is taken; ``None`` takes it whole."""
        sides = [objective.block for _, objective in self._terms]
        return None if None in sides else min(sides)

    @block.setter
    def block(self, side: int) -> None:
        for _, objective in self._terms:
            objective.block = side

    def __call__(self, image: chainer.Variable) -> Any:
        """Computes loss and gradient.

        Args:
            image (chainer.Variable): ``(1, K, H, W)`` float32; its gradient is set.

        Returns:
            The loss, as the objectives return theirs.
        """
        total, gradient = 0.0, None
        for matrix, objective in self._terms:
            seen = chainer.Parameter(colours.applied(matrix, image.array))
            total = total + objective(seen)
            part = colours.applied(matrix.T, seen.grad)
            if gradient is None:
                gradient = part
            else:
                gradient += part
            if objective.block is not None:
                objective.rest()  # what it keeps would be kept of all of them
        if (side := self.block) is not None:
            self.block = side  # some may have halved theirs; a checkpoint holds one for all
        image.grad = gradient
        return total

    def rest(self) -> None:
        """Lets go of what only evaluations need; the next one makes it again."""
        for _, objective in self._terms:
            objective.rest()

    def own(self, canvas: Array) -> Array:
        """Returns this process's part of an image, a copy.

        Args:
            canvas (numpy.ndarray): ``(1, K, H, W)``.
        """
        part: Array = self._first.own(canvas)
        return part

    def gathered(self, part: Array) -> Array:
        """Returns the whole image of which this is the process's part, on the host.

        Args:
            part (array): ``(1, K, h, W)``, on any device.
        """
        whole: Array = self._first.gathered(part)
        return whole
