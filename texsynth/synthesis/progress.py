"""What is told of a synthesis after each of its steps, and what it is told to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from texsynth import images
from texsynth.synthesis import presets
from texsynth.typing import Pixels


@dataclass(frozen=True)
class Progress:
    """What a callback is told after each step.

    Attributes:
        level: Pyramid level, 1 is the coarsest.
        levels: Number of levels.
        step: Step within the level, from 1.
        steps: Steps that the level will take at most.
        loss: Loss after the step (before it with Adam).
        evaluations: Computations of loss and gradient so far, over all levels.
        fraction: Share of the whole work that is done, 0..1, by pixels.
        seconds_left: What the rest will take: this level at the pace of its last steps, finer ones
            at that of an evaluation that was tried, or, if they have few steps, by pixels.
        size: ``(width, height)`` of the image now, without its margin.
        scheme: What the preset and the settings came to.
    """

    level: int
    levels: int
    step: int
    steps: int
    loss: float
    evaluations: int
    fraction: float
    seconds_left: float
    size: tuple[int, int]
    scheme: presets.Scheme
    _run: Any = field(repr=False, default=None)  # the LevelRun

    def pixels(self) -> Pixels:
        """Returns the image as it is now, ``(H, W, 3)`` uint8; not where processes share it."""
        return cast(Pixels, self._run.study.shown(images.centre(self._run.pixels(), self.size)))


Callback: TypeAlias = Callable[[Progress], bool | None]
"""Called after each step; the synthesis ends when it returns ``True``.

One that is a context manager too is entered for the time of the levels.
"""
