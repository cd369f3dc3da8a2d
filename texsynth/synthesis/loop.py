"""The synthesis itself: ``synthesize`` goes through the levels, coarse to fine."""

import time
from dataclasses import dataclass, field

import numpy as np

from texsynth import images, metrics
from texsynth.config import Config
from texsynth.network import engine
from texsynth.objective.team import ALONE
from texsynth.optimizers import Stopped
from texsynth.statistics import spectrum, wasserstein
from texsynth.synthesis import environment, presets
from texsynth.synthesis.level_run import LevelRun
from texsynth.synthesis.resuming import Checkpoints
from texsynth.synthesis.workshop import Workshop

_LARGE = 2048 * 2048  # pixels; the memory of the optimizer is then enough for another network
_BLOCK, _LARGE_BLOCK = 256, 512  # pixels, in which a texture is measured if memory is short, or not

STOPPED = "the callback asked to stop"
"""The reason for stopping when ``callback`` or ``stop`` returned ``True``."""


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
        seconds_left: What the rest will take at this level's pace, by pixels.
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
    _run: LevelRun = field(repr=False, default=None)

    def pixels(self):
        """Returns the image as it is now, ``(H, W, 3)`` uint8; not where processes share it."""
        return images.to_pixels(images.centre(self._run.pixels(), self.size))


@dataclass(frozen=True)
class Result:
    """What a synthesis made.

    Attributes:
        image: ``(H, W, 3)`` uint8, RGB.
        exemplar: ``(H, W, 3)`` uint8, RGB: the exemplar at the size it was used at.
        errors: ``{layer: ||G - T|| / ||T||}`` of ``image`` (the 8-bit one), for the layers of the
            loss, the default layers, and ``pool5``, as far as the image is large enough.
        history: Loss after each step, one list for each level.
        evaluations: Computations of loss and gradient.
        reason: Why it stopped.
        engine: What evaluated the network, ``"plain"``, ``"winograd"`` or ``"cuda"``.
        scheme: What the preset and the settings came to.
        seconds: Time of the levels, without loading and measuring; in the first run on a machine
            with the compiling of the engine.
        environment: What it was made with, see :func:`texsynth.synthesis.environment.describe`.
        weights_sha256: Checksum of the network's weights.
    """

    image: np.ndarray
    exemplar: np.ndarray
    errors: dict
    history: list
    evaluations: int
    reason: str
    engine: str
    scheme: presets.Scheme
    seconds: float
    environment: dict
    weights_sha256: str

    @property
    def is_finished(self):
        """Whether it came to its end, and was not stopped by the callback."""
        return self.reason != STOPPED


def synthesize(
    exemplar,
    config=None,
    *,
    init=None,
    losses=None,
    callback=None,
    stop=None,
    checkpoints=None,
    team=ALONE,
):
    """Makes a new image with the texture of an exemplar (Gatys, Ecker and Bethge 2015).

    Args:
        exemplar: ``(H, W, 3)`` array, RGB, 0..255.
        config (Config): The settings; ``None`` takes the defaults.
        init: ``(H, W, 3)`` array, RGB, 0..255, to start from, resized as needed; ``None`` starts
            as the settings or their preset say.
        losses: Losses to sum in place of the preset's, objects with ``layers``, ``target`` and
            ``measure`` as those of :mod:`texsynth.losses`; the range penalty is added.
        callback: Called with a :class:`Progress` after each step; when it returns ``True`` the
            synthesis ends, and the image so far is the result.
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


def make_variation(study, seed, *, init=None, callback=None, stop=None, checkpoints=None):
    """Makes one of the textures of an exemplar: what :func:`synthesize` does for each seed.

    Args:
        study (texsynth.synthesis.workshop.Study): The exemplar; its settings hold but for their
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
    workshop, config, exemplar = study.workshop, study.workshop.config, study.exemplar
    init = None if init is None else images.to_batch(init)
    workshop.device.use()
    workshop.features(study.layers)  # before the clock starts
    checkpoints = Checkpoints() if checkpoints is None else checkpoints
    resumed = checkpoints.begin(study, seed, init)
    run = _Run(study, callback, stop, checkpoints)
    start = None
    if resumed is None:
        start = _start(exemplar, init, study.plan[0], study.scheme, seed)
    # An overflow is noticed by the loss that it makes.
    with engine.threads(workshop.engine), np.errstate(over="ignore", invalid="ignore"):
        texture = run.through_levels(start, resumed)
    seconds = time.perf_counter() - run.began
    # A coarser one, if it was stopped there.
    texture = images.resize(texture, study.plan[-1].output_size, config.wrap)
    if config.match_colours:
        texture = wasserstein.match_colours(texture, exemplar)
    pixels = images.to_pixels(texture)
    del texture
    study.rest()
    is_worth_it = pixels[..., 0].size >= _LARGE or workshop.engine == "cuda"
    by = workshop.engine if is_worth_it else "plain"
    block = _BLOCK if study.is_in_blocks else _LARGE_BLOCK
    with engine.threads(workshop.engine):  # as before: then their number changes no bit of it
        errors = metrics.gram_errors(
            pixels, exemplar, workshop.weights, config, workshop.device, by, block
        )
    return Result(
        image=pixels,
        exemplar=images.to_pixels(exemplar),
        errors=errors,
        history=run.history,
        evaluations=run.evaluations,
        reason=run.reason,
        engine=workshop.engine,
        scheme=study.scheme,
        seconds=seconds,
        environment=environment.describe(workshop),
        weights_sha256=workshop.weights.checksum(),
    )


def _start(exemplar, init, level, scheme, seed):
    """The image that the coarsest level starts from."""
    if init is not None:
        return init
    if scheme.start == "phase":
        coarsest = images.fit(exemplar, level.exemplar_size)
        return spectrum.random_phase(coarsest, level.output_size, seed)
    return images.noise(level.output_size, seed, exemplar.mean(axis=(0, 2, 3)))


class _Run:
    """One synthesis under way: what goes on from level to level."""

    def __init__(self, study, callback, stop, checkpoints):
        self._study = study
        self._plan = study.plan
        self._team = study.workshop.team
        self._callback = callback or (lambda progress: False)
        self._stop = stop or (lambda: False)
        self._checkpoints = checkpoints
        self.history = []
        self._evaluated_before = 0  # in earlier levels
        self._level = None
        self.reason = None
        self.began = time.perf_counter()

    @property
    def evaluations(self):
        return self._evaluated_before + (self._level.evaluations if self._level else 0)

    def through_levels(self, texture, resumed):
        """Optimises ``texture``, ``(1, 3, H, W)`` float32, at each level; returns the last one."""
        first = 1
        if resumed is not None:
            with self._checkpoints.reading():
                first = self._restore(resumed)
        for number in range(first, len(self._plan) + 1):
            if self._level is None:
                self._level = LevelRun(self._study, number, texture, self._stop)
            self.history.append(self._level.losses)
            self._through_steps()
            texture = self._level.texture()
            self._evaluated_before = self.evaluations
            self._level.end()
            self._level = None
            if self.reason == STOPPED:
                break
        return texture

    def _restore(self, resumed):
        """Goes back to where a checkpoint was saved; returns the number of the level."""
        fields = resumed.fields["run"]
        number = fields["level"]
        if number not in range(1, len(self._plan) + 1):
            raise ValueError(f"there is no level {number}")
        self._level = LevelRun(self._study, number, None, self._stop)
        self._level.restore(fields, resumed.arrays)
        self.history = list(resumed.fields["history"])
        self._evaluated_before = int(resumed.fields["evaluations_before"])
        return number

    def _through_steps(self):
        level = self._level
        saved = None
        try:
            for loss in level.steps():
                step = len(level.losses)
                stopped = self._team.any(self._callback(self._progress(loss)))
                if stopped:
                    raise Stopped
                if self._checkpoints.is_due(step):
                    saved = step if self._save() else None  # or it is tried again at the end
            self.reason = level.reason
        except Stopped:
            self.reason = STOPPED
        is_end = self.reason == STOPPED or level.number == len(self._plan)
        if is_end and saved != len(level.losses):
            self._save()

    def _save(self):
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

    def _progress(self, loss):
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
            # At this level's pace: a coarser one takes longer for a pixel.
            seconds_left=run.pace * (work - done),
            size=level.output_size,
            scheme=self._study.scheme,
            _run=run,
        )
