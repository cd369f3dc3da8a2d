"""How long the rest of a synthesis will take: each level at a pace of its own."""

import statistics
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from texsynth import images
from texsynth.compat import chainer
from texsynth.network import clock, device
from texsynth.synthesis.pyramid import Level
from texsynth.typing import Size

_WORTH = 40  # steps of a level from which an evaluation or two more are not noticed
_MANY = 1_000_000  # pixels; on a GPU smaller levels are over before a trial would be
_USUAL = 16  # steps of one evaluation each, beside those that are seen
_WEIGHT = 8  # evaluations that a trial counts for, as if they came before those that are seen
_MORE = 2  # evaluations of a level beyond one a step: the start has none to go by
_WINDOW = 32  # steps whose mean is the pace: what else the machine does may change it


class Forecast:
    """The time that is left, from what each level's steps took, or a trial of them.

    A pixel costs more at a coarse level, where overheads count, or less, where all fits in caches;
    and the first step holds what is done once. So the pace of a level says little of the others:
    each is tried before the first one begins, and measured from its second step on.

    Args:
        plan: The levels, the coarsest first.
    """

    def __init__(self, plan: Sequence[Level]) -> None:
        self._plan = plan
        self._tried: dict[int, float] = {}  # seconds of an evaluation, by the level's number
        self._paces: dict[int, float] = {}  # the same, with what was seen of it
        self._ends: deque[tuple[float, int]] = deque(maxlen=_WINDOW + 1)
        self._steps = 0  # of the level under way that were seen

    def try_levels(self, study: Any, first: int, stop: Callable[[], bool]) -> None:
        """Measures what an evaluation takes at each level that has enough steps.

        Args:
            study (texsynth.synthesis.study.Study): The exemplar and the plan.
            first (int): The level that will begin; those before it are over.
            stop: Asked before each trial; ``True`` ends them.
        """
        workshop = study.workshop
        for number, level in enumerate(self._plan, 1):
            is_large = level.canvas_size[0] * level.canvas_size[1] >= _MANY
            is_worth_it = level.steps >= _WORTH and (is_large or workshop.engine != "cuda")
            if number < first or not is_worth_it:
                continue
            if workshop.team.any(stop()):
                return
            self.try_level(study, number)

    def try_level(self, study: Any, number: int, seconds: float = 0.0) -> None:
        """Measures what an evaluation takes at a level.

        Args:
            study (texsynth.synthesis.study.Study): The exemplar and the plan.
            number (int): The level, from 1.
            seconds (float): As long as it may be repeated for: the median is taken.
        """
        # The first of all loads what is compiled, or compiles it; a GPU records each.
        repeats = not self._tried or study.workshop.engine == "cuda"
        found = _tried(study, number, repeats, seconds)
        self._tried[number] = self._paces[number] = found

    def pace(self, number: int) -> float:
        """Returns the seconds of an evaluation at a level that was tried.

        Args:
            number (int): The level, from 1.
        """
        return self._paces[number]

    def seconds(self) -> list[float]:
        """Returns how long each level will take from its start on, once all were tried."""
        steps = [level.steps + _MORE for level in self._plan]
        return [self._paces[number] * taken for number, taken in enumerate(steps, 1)]

    def begin(self, evaluations: int) -> None:
        """Says that a level begins; what it needed before its first step is done.

        Args:
            evaluations (int): How many there were so far.
        """
        self._ends.clear()
        self._ends.append((clock.now(), evaluations))
        self._steps = 0

    def step(self, number: int, evaluations: int) -> None:
        """Says that a step is done.

        Args:
            number (int): Its level, from 1.
            evaluations (int): How many there were so far.
        """
        self._ends.append((clock.now(), evaluations))
        self._steps += 1
        if self._steps == 2:
            self._ends.popleft()  # the first step, with what is done once
        seconds, seen = self._over_window(0), self._over_window(1)
        if number in self._tried:
            # It leaves a full window as a step does: the machine may have been busy meanwhile.
            weight = min(_WEIGHT, max(_WINDOW + _WEIGHT - self._steps, 0))
            seconds, seen = seconds + weight * self._tried[number], seen + weight
        self._paces[number] = seconds / seen

    def _over_window(self, which: int) -> float:
        """What passed within the last steps: seconds (0) or evaluations (1)."""
        return max(self._ends[-1][which] - self._ends[0][which], which)

    def seconds_left(self, number: int, steps: int) -> float:
        """Returns how long the rest will take.

        Args:
            number (int): The level under way, from 1; a step of it was taken.
            steps (int): Steps of it that are left.
        """
        known, size = self._paces[number], self._plan[number - 1].canvas_size
        taken = len(self._ends) - 1
        # A step takes one evaluation, or more where a search goes on, as at the start.
        evaluations = (_USUAL + self._over_window(1)) / (_USUAL + taken)
        seconds = known * steps * evaluations
        for later, level in enumerate(self._plan[number:], number + 1):
            if later in self._paces:
                known, size = self._paces[later], level.canvas_size
            seconds += known * level.steps * _pixels(level.canvas_size) / _pixels(size)
        return seconds


def _pixels(size: Size) -> int:
    return size[0] * size[1]


def _tried(study: Any, number: int, repeats: bool, most: float) -> float:
    """Returns the seconds of an evaluation at a level; if it ``repeats``, of the second one.

    It is the median of those that follow within so many seconds at ``most``.
    """
    workshop, objective = study.workshop, study.objective(number)
    # Noise, for what all pixels have in common would be sorted, or multiplied, sooner.
    start = images.noise(study.plan[number - 1].canvas_size, 0, np.full(study.channels, 128.0))
    start = objective.own(study.colours.coordinates(start))
    evaluate = study.colours.objective(objective)
    image = chainer.Parameter(workshop.device.send(start))
    seconds = _timed(evaluate, image)
    if repeats:
        seconds = _timed(evaluate, image)
    several = [seconds]
    while sum(several) + seconds < most:
        several.append(_timed(evaluate, image))
    objective.rest()
    device.free(workshop.device)
    return statistics.median(several)


def _timed(evaluate: Callable[[Any], Any], image: Any) -> float:
    began = clock.now()
    float(evaluate(image))  # which waits for a GPU
    return clock.now() - began
