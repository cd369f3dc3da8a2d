"""The synthesis itself: ``synthesize`` goes through the levels, coarse to fine."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from texsynth import images
from texsynth.config import Config
from texsynth.files.checkpoint import Checkpoint
from texsynth.losses import Loss
from texsynth.network import engine
from texsynth.objective.team import ALONE, Alone, Team
from texsynth.optimizers import Stopped
from texsynth.synthesis import environment, presets
from texsynth.synthesis.errors_of import errors_of
from texsynth.synthesis.forecast import Forecast
from texsynth.synthesis.level_run import LevelRun
from texsynth.synthesis.result import NO_STEPS, STOPPED, Result
from texsynth.synthesis.resuming import Checkpoints
from texsynth.synthesis.study import Study
from texsynth.synthesis.workshop import Workshop
from texsynth.targets import Statistics
from texsynth.typing import Batch, Pixels


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


def synthesize(
    exemplar: npt.ArrayLike | Statistics,
    config: Config | None = None,
    *,
    init: npt.ArrayLike | None = None,
    losses: Sequence[Loss] | None = None,
    callback: Callback | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoints: Checkpoints | None = None,
    team: Team | Alone = ALONE,
) -> Result:
    """Makes a new image with the texture of an exemplar (Gatys, Ecker and Bethge 2015).

    Args:
        exemplar: ``(H, W, 3)`` array, RGB, 0..255; :func:`texsynth.read_image` reads a file. Or a
            :class:`texsynth.Statistics` in its place, of which the settings' ``size`` is no matter.
        config (Config): The settings; ``None`` takes the defaults.
        init: ``(H, W, 3)`` array, RGB, 0..255, to start from, resized as needed; ``None`` starts
            as the settings or their preset say.
        losses: Losses to sum in place of the preset's, objects with ``layers``, ``target`` and
            ``measure`` as those of :mod:`texsynth.losses`; the range penalty is added.
        callback: Called with a :class:`Progress` after each step; when it returns ``True`` the
            synthesis ends, and the image so far is the result. A context manager, as
            :class:`texsynth.Show` is one, is entered before the first step and left after the last.
        stop: Asked before each evaluation of the network, of which a step may take several; when
            it returns ``True``, the step is given up, and the synthesis ends likewise.
        checkpoints (texsynth.Checkpoints): Where to save the state, and what to go on from;
            ``None`` saves none.
        team (texsynth.objective.team.Team): The processes that make it together, each of which
            calls this with the same arguments; the result is the same in all.

    Returns:
        Result: The texture and how it came about.

    Raises:
        texsynth.errors.TexsynthError: An image is unusable or too small, the weights cannot be had,
            the device or engine cannot be used, or the loss is no longer finite.
    """
    config = Config() if config is None else config
    study = Workshop(config, losses, team).study(exemplar)
    return make_variation(
        study, config.seed, init=init, callback=callback, stop=stop, checkpoints=checkpoints
    )


def make_variation(
    study: Study,
    seed: int,
    *,
    init: npt.ArrayLike | None = None,
    callback: Callback | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoints: Checkpoints | None = None,
) -> Result:
    """Makes one of the textures of an exemplar: what :func:`synthesize` does for each seed.

    The network is loaded and the exemplar measured once for all of them::

        study = texsynth.Workshop(texsynth.Config()).study(exemplar)
        results = [texsynth.make_variation(study, seed) for seed in range(4)]

    Args:
        study (texsynth.synthesis.study.Study): The exemplar; its settings hold but for their
            seed.
        seed (int): Seed of the start, at least 0.
        init: As for :func:`synthesize`.
        callback: As for :func:`synthesize`.
        stop: As for :func:`synthesize`.
        checkpoints: As for :func:`synthesize`.

    Returns:
        Result: The texture and how it came about, the same as if it were made alone.

    Raises:
        texsynth.errors.TexsynthError: ``init`` is unusable, the weights cannot be had, or the loss
            is no longer finite.
    """
    workshop = study.workshop
    # What no step changes is handed on as it is, of any depth.
    dtype = np.float32 if study.scheme.iterations else np.float64
    init = None if init is None else images.to_batch(init, dtype)
    texture, run = optimised(study, seed, init, callback, stop, checkpoints)
    values = images.to_values(study.finished(texture))
    pixels = images.rounded(values)
    del texture
    study.rest()
    made_with = environment.describe(workshop)
    errors = errors_of(study, pixels)
    return Result(
        image=pixels,
        values=values,
        exemplar=study.pictured,
        errors=errors,
        history=run.history,
        evaluations=run.evaluations,
        reason=run.reason,
        engine=workshop.engine,
        scheme=study.scheme,
        seconds=run.seconds,
        environment=made_with,
        weights_sha256=workshop.weights.checksum(),
    )


def _entered(callback: Callback | None) -> contextlib.AbstractContextManager[Any]:
    """The callback, if it is to know when the steps begin and end."""
    if isinstance(callback, contextlib.AbstractContextManager):
        return callback
    return contextlib.nullcontext()


class Run(Protocol):
    """How a texture came about, see :class:`texsynth.synthesis.result.Result`."""

    history: list[list[float]]
    reason: Any
    seconds: float

    @property
    def evaluations(self) -> int:
        """Computations of loss and gradient."""


def optimised(
    study: Study,
    seed: int,
    init: Batch | None,
    callback: Callback | None,
    stop: Callable[[], bool] | None,
    checkpoints: Checkpoints | None,
) -> tuple[Batch, Run]:
    """Makes one of the textures of an exemplar, all but its last touch.

    Args:
        study (texsynth.synthesis.study.Study): The exemplar.
        seed (int): Seed of the start.
        init: ``(1, C, H, W)`` float32 to start from; ``None`` starts as the study says.
        callback: As for :func:`synthesize`.
        stop: As there.
        checkpoints: As there.

    Returns:
        tuple: The texture, ``(1, C, H, W)`` float32 of full size, and how it came about.

    Raises:
        texsynth.errors.TexsynthError: As for :func:`make_variation`.
    """
    workshop = study.workshop
    workshop.device.use()
    study.make_network()
    checkpoints = Checkpoints() if checkpoints is None else checkpoints
    resumed = checkpoints.begin(study, seed, init)
    run = _Run(study, callback, stop, checkpoints)
    start = None
    if resumed is None:
        start = study.start(seed) if init is None else init
        start = images.without_colours(start) if study.is_grey else start
    # An overflow is noticed by the loss that it makes.
    ignored = np.errstate(over="ignore", invalid="ignore")
    with engine.threads(workshop.engine), ignored, _entered(callback):
        texture = run.through_levels(start, resumed)
    run.seconds = time.perf_counter() - run.began
    # A coarser one, if it was stopped there.
    return study.enlarged(texture), run


def _remembered(stop: Callable[[], bool]) -> Callable[[], bool]:
    """Returns ``stop``, not asked again once it said so: it may have been before a trial."""
    is_over = False

    def answer() -> bool:
        nonlocal is_over
        is_over = is_over or bool(stop())
        return is_over

    return answer


class _Run:
    """One synthesis under way: what goes on from level to level."""

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
        self.reason: Any = None  # a text in the end
        self.began = time.perf_counter()
        self.seconds = 0.0

    @property
    def evaluations(self) -> int:
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
            if self._team.any(self._callback(self._progress(loss))):
                raise Stopped
        except Stopped:
            self.reason = STOPPED
            return False
        return True

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
