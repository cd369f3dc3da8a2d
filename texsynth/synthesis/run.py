"""One synthesis under way, from level to level, coarse to fine."""

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, cast

from texsynth.files.checkpoint import Checkpoint
from texsynth.network import clock
from texsynth.objective.team import Alone, Team
from texsynth.optimizers import Stopped
from texsynth.synthesis.forecast import Forecast
from texsynth.synthesis.level_run import LevelRun
from texsynth.synthesis.progress import Callback, Progress
from texsynth.synthesis.result import NO_STEPS, STOPPED
from texsynth.synthesis.resuming import Checkpoints
from texsynth.synthesis.study import Study
from texsynth.typing import Batch
from texsynth.values import format_time

_log = logging.getLogger(__name__)

_NOTICED = 1.0  # seconds


class Run:
    """One synthesis under way: what goes on from level to level.

    Args:
        study (texsynth.synthesis.study.Study): The exemplar and the plan.
        callback: Called with a :class:`texsynth.Progress` after each step; when it returns
            ``True``, the synthesis ends.
        stop: Asked before each evaluation of the network; when it returns ``True``, likewise.
        checkpoints: Where to save the state.

    Attributes:
        history: Loss after each step, one list for each level.
        reason: Why it ended, a text; ``None`` until then.
        began: When it began, by :mod:`texsynth.network.clock`.
        seconds: What the levels took, without compiling; whoever began it says so in the end.
    """

    def __init__(
        self,
        study: Study,
        callback: Callback | None,
        stop: Callable[[], bool] | None,
        checkpoints: Checkpoints,
    ) -> None:
        self._study = study
        self._plan = study.plan
        self._team: Team | Alone = study.workshop.team
        self._callback = callback or (lambda progress: False)
        self._stop = _remembered(stop or (lambda: False))
        self._checkpoints = checkpoints
        self.history: list[list[float]] = []
        self._forecast = Forecast(study.plan)
        self._evaluated_before = 0  # in earlier levels
        self._level: Any = None  # the LevelRun
        self.reason: Any = None
        self.began = clock.now()
        self._compiled = clock.compiling()
        self.seconds = 0.0

    @property
    def evaluations(self) -> int:
        """Computations of loss and gradient so far, over all levels."""
        return self._evaluated_before + (self._level.evaluations if self._level else 0)

    def through_levels(self, texture: Any, resumed: Checkpoint | None) -> Batch:
        """Optimises ``texture``, ``(1, 3, H, W)`` float32, at each level; returns the last one."""
        if not (self._plan[-1].steps or resumed) and self._study.keep(1) is None:
            self.history, self.reason = [[]], NO_STEPS
            return cast(Batch, self._study.begun(1, texture))
        first = 1 if resumed is None else self._level_of(resumed)
        self._forecast.try_levels(self._study, first, self._stop)
        for number in range(first, len(self._plan) + 1):
            self._begin(number, texture, resumed if number == first else None)
            self.history.append(self._level.losses)
            self._forecast.begin(self.evaluations)
            self._through_steps()
            texture = self._level.texture()
            self._evaluated_before = self.evaluations
            self._level.end()
            self._level = None
            if self.reason == STOPPED:
                break
        return cast(Batch, texture)

    def _level_of(self, resumed: Checkpoint) -> int:
        """Returns the number of the level in which a checkpoint was saved."""
        with self._checkpoints.reading():
            number: int = resumed.fields["run"]["level"]
            if number not in range(1, len(self._plan) + 1):
                raise ValueError(f"there is no level {number}")
        return number

    def _begin(self, number: int, texture: Any, resumed: Checkpoint | None) -> None:
        """Begins a level, or goes back to where a checkpoint was saved in it."""
        with self._checkpoints.reading() if resumed else contextlib.nullcontext():
            self._level = LevelRun(self._study, number, texture, self._stop)
            if resumed:
                self._level.restore(resumed.fields["run"], resumed.arrays)
                self.history = list(resumed.fields["history"])
                self._evaluated_before = int(resumed.fields["evaluations_before"])

    def _through_steps(self) -> None:
        level, steps = self._level, self._level.steps()
        saved, goes_on = None, True
        while goes_on:
            goes_on = self._take(steps)
            step = len(level.losses)
            if goes_on:
                is_due = self._checkpoints.is_due(step)
            else:
                is_last = self.reason == STOPPED or level.number == len(self._plan)
                is_due = is_last and saved != step
            if is_due:
                saved = step if self._save() else None  # or it is tried again at the end

    def _take(self, steps: Iterator[float]) -> bool:
        """Takes a step and tells of it; returns whether there may be another."""
        try:
            loss = next(steps, None)
            if loss is None:
                self.reason = self._level.reason
                return False
            self._forecast.step(self._level.number, self.evaluations)
            self._tell_of_compiling()
            if self._team.any(self._callback(self._progress(loss))):
                raise Stopped
        except Stopped:
            self.reason = STOPPED
            return False
        return True

    def _tell_of_compiling(self) -> None:
        """Says how long it took so far, if more of it was noticed."""
        seconds, before = clock.compiling(), self._compiled
        self._compiled = seconds
        if seconds - before >= _NOTICED:
            _log.info("compiling took %s; times are told without it", format_time(seconds))

    def _save(self) -> bool:
        """Saves the state; returns whether that went well, the same to all processes."""
        fields, arrays = self._level.state()
        self._checkpoints.save(
            self._study,
            {
                "history": self.history[:-1],
                "evaluations_before": self._evaluated_before,
                "run": fields,
            },
            arrays,
        )
        return self._team.any(self._checkpoints.is_saved)  # as the first of them knows

    def _progress(self, loss: float) -> Progress:
        run, level = self._level, self._level.level
        done_here = level.work * len(run.losses) / level.steps
        done = sum(earlier.work for earlier in self._plan[: run.number - 1]) + done_here
        work = sum(each.work for each in self._plan)
        return Progress(
            level=run.number,
            levels=len(self._plan),
            step=len(run.losses),
            steps=level.steps,
            loss=loss,
            evaluations=self.evaluations,
            fraction=done / work,
            seconds_left=self._forecast.seconds_left(run.number, level.steps - len(run.losses)),
            size=level.output_size,
            scheme=self._study.scheme,
            _run=run,
        )


def _remembered(stop: Callable[[], bool]) -> Callable[[], bool]:
    """Returns ``stop``, not asked again once it said so: it may have been before a trial."""
    is_over = False

    def answer() -> bool:
        nonlocal is_over
        is_over = is_over or bool(stop())
        return is_over

    return answer
