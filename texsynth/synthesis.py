"""The synthesis itself: ``synthesize`` goes through the levels, coarse to fine."""

import math
import time
from dataclasses import dataclass, field

import numpy as np

from texsynth import engine, image, metrics, optimizers, presets, spectrum, wasserstein
from texsynth.compat import chainer
from texsynth.config import Config
from texsynth.errors import DivergenceError
from texsynth.team import ALONE
from texsynth.workshop import Workshop

_LARGE = 2048 * 2048  # pixels; the memory of the optimizer is then enough for another network

STOPPED = "the callback asked to stop"
"""The reason for stopping when the callback returned ``True``."""


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
    _image: object = field(repr=False, default=None)

    def pixels(self):
        """Returns the image as it is now, ``(H, W, 3)`` uint8; not where processes share it."""
        canvas = chainer.get_device("@numpy").send(self._image.pixels.array)
        return image.to_pixels(image.centre(canvas, self.size))


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
        engine: What evaluated the network, ``"plain"`` or ``"winograd"``.
        scheme: What the preset and the settings came to.
        seconds: Time of the levels, without loading and measuring; in the first run on a machine
            with the compiling of the engine.
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

    @property
    def is_finished(self):
        """Whether it came to its end, and was not stopped by the callback."""
        return self.reason != STOPPED


def synthesize(exemplar, config=None, *, init=None, losses=None, callback=None, team=ALONE):
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
        team (texsynth.team.Team): The processes that make it together, each of which calls this
            with the same arguments; the result is the same in all.

    Returns:
        Result: The texture and how it came about.

    Raises:
        texsynth.errors.TexsynthError: An image is unusable or too small, the weights cannot be had,
            the device or engine cannot be used, or the loss is no longer finite.
    """
    config = Config() if config is None else config
    study = Workshop(config, losses, team).study(exemplar)
    return make_variation(study, config.seed, init=init, callback=callback)


def make_variation(study, seed, *, init=None, callback=None):
    """Makes one of the textures of an exemplar: what :func:`synthesize` does for each seed.

    Args:
        study (texsynth.workshop.Study): The exemplar; its settings hold but for their seed.
        seed (int): Seed of the start, at least 0.
        init: As for :func:`synthesize`.
        callback: As for :func:`synthesize`.

    Returns:
        Result: The texture and how it came about, the same as if it were made alone.

    Raises:
        texsynth.errors.TexsynthError: ``init`` is unusable, the weights cannot be had, or the loss
            is no longer finite.
    """
    workshop, config, exemplar = study.workshop, study.workshop.config, study.exemplar
    init = None if init is None else image.to_batch(init)
    workshop.device.use()
    workshop.features(study.layers)  # before the clock starts
    run = _Run(study, callback)
    start = _start(exemplar, init, study.plan[0], study.scheme, seed)
    # An overflow is noticed by the loss that it makes.
    with engine.threads(workshop.engine), np.errstate(over="ignore", invalid="ignore"):
        texture = run.through_levels(start)
    seconds = time.perf_counter() - run.began
    # A coarser one, if it was stopped there.
    texture = image.resize(texture, study.plan[-1].output_size, config.wrap)
    if config.match_colours:
        texture = wasserstein.match_colours(texture, exemplar)
    pixels = image.to_pixels(texture)
    del texture
    by = workshop.engine if pixels[..., 0].size >= _LARGE else "plain"
    with engine.threads(by):
        errors = metrics.gram_errors(
            pixels, exemplar, workshop.weights, config, workshop.device, by
        )
    return Result(
        image=pixels,
        exemplar=image.to_pixels(exemplar),
        errors=errors,
        history=run.history,
        evaluations=run.evaluations,
        reason=run.reason,
        engine=workshop.engine,
        scheme=study.scheme,
        seconds=seconds,
    )


def _start(exemplar, init, level, scheme, seed):
    """The image that the coarsest level starts from."""
    if init is not None:
        return init
    if scheme.start == "phase":
        coarsest = image.fit(exemplar, level.exemplar_size)
        return spectrum.random_phase(coarsest, level.output_size, seed)
    return image.noise(level.output_size, seed, exemplar.mean(axis=(0, 2, 3)))


class _Run:
    """One synthesis under way: what goes on from level to level."""

    def __init__(self, study, callback):
        self._study = study
        self._plan = study.plan
        self._config = study.workshop.config
        self._device, self._team = study.workshop.device, study.workshop.team
        self._callback = callback or (lambda progress: False)
        self.history = []
        self.evaluations = 0
        self.reason = None
        self.began = time.perf_counter()

    def through_levels(self, texture):
        """Optimises ``texture``, ``(1, 3, H, W)`` float32, at each level; returns the last one."""
        for number, level in enumerate(self._plan, 1):
            texture = self._one_level(number, level, texture)
            if self.reason == STOPPED:
                break
        return texture

    def _one_level(self, number, level, texture):
        objective = self._study.objective(number)
        start = image.resize(texture, level.output_size, self._config.wrap)
        start = image.mirrored(start, level.canvas_size)
        strips = getattr(objective, "strips", None)
        team = ALONE if strips is None else self._team
        candidate = optimizers.Image(np.array(start if strips is None else start[:, :, strips.own]))
        del start, texture  # each as large as the image
        candidate.to_device(self._device)
        optimizer = optimizers.make(
            self._config.optimizer, self._config.learning_rate, self._study.pairs, team
        )
        optimizer.setup(candidate)
        # The objective may have served another texture before.
        before, losses_so_far = self.evaluations - objective.evaluations, []
        self.history.append(losses_so_far)
        self.reason = f"all {level.steps} steps of the last level were taken"
        self._level_began = time.perf_counter()
        for step in range(1, level.steps + 1):
            loss = optimizer.update(objective, candidate.pixels)
            self.evaluations = before + objective.evaluations
            if not math.isfinite(loss):
                raise DivergenceError(
                    f"the loss is not finite after {self.evaluations} evaluations; "
                    "smaller weights of losses or layers, or a smaller learning rate, may help"
                )
            if optimizer.stop_reason is not None:
                self.reason = optimizer.stop_reason
                break
            losses_so_far.append(loss)
            if self._team.any(self._callback(self._progress(number, step, loss, candidate))):
                self.reason = STOPPED
                break
        if strips is None:
            canvas = chainer.get_device("@numpy").send(candidate.pixels.array)
        else:
            canvas = strips.gather(candidate.pixels.array)
        # Processes on different machines may round differently.
        return image.centre(self._team.agreed(canvas), level.output_size)

    def _progress(self, number, step, loss, candidate):
        level = self._plan[number - 1]
        done_here = level.work * step / level.steps
        done = sum(earlier.work for earlier in self._plan[: number - 1]) + done_here
        work = sum(each.work for each in self._plan)
        # This level's pace: a coarser one takes longer for a pixel.
        pace = (time.perf_counter() - self._level_began) / done_here
        return Progress(
            level=number,
            levels=len(self._plan),
            step=step,
            steps=level.steps,
            loss=loss,
            evaluations=self.evaluations,
            fraction=done / work,
            seconds_left=pace * (work - done),
            size=level.output_size,
            scheme=self._study.scheme,
            _image=candidate,
        )
