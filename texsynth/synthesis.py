"""The synthesis itself: ``synthesize`` goes through the levels, coarse to fine."""

import functools
import logging
import math
import time
from dataclasses import dataclass, field

import numpy as np

from texsynth import (
    architecture,
    device,
    engine,
    image,
    metrics,
    optimizers,
    presets,
    pyramid,
    spectrum,
    wasserstein,
    weights,
)
from texsynth.compat import chainer
from texsynth.config import Config
from texsynth.errors import DivergenceError
from texsynth.losses import IMAGE, RangePenalty, make_losses
from texsynth.objective import Objective

_log = logging.getLogger(__name__)

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
        """Returns the image as it is now, ``(H, W, 3)`` uint8."""
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


def synthesize(exemplar, config=None, *, init=None, losses=None, callback=None):
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

    Returns:
        Result: The texture and how it came about.

    Raises:
        texsynth.errors.TexsynthError: An image is unusable or too small, the weights cannot be had,
            the device or engine cannot be used, or the loss is no longer finite.
    """
    config = Config() if config is None else config
    target_device = device.select(config.gpu)
    engine_name = engine.choose(config.engine, target_device)
    exemplar = image.to_batch(exemplar)
    exemplar = image.fit(exemplar, image.fitted_size(exemplar.shape[:1:-1], config.size))
    init = None if init is None else image.to_batch(init)
    scheme = presets.choose(config, exemplar)
    if losses is None:
        losses = make_losses(scheme.losses, config.layers)
    layers = sorted({name for loss in losses for name in loss.layers} - {IMAGE})
    plan = _plan(exemplar, config, scheme, layers)
    weights_path = config.weights or weights.find_or_fetch()
    _log.debug("device %s, engine %s, weights %s", target_device, engine_name, weights_path)
    _log.debug("levels %s", ", ".join("x".join(map(str, level.canvas_size)) for level in plan))
    vgg_weights = weights.load(weights_path)
    target_device.use()
    features = engine.make_features(engine_name, vgg_weights, layers, config.pooling, target_device)
    losses = [*losses, RangePenalty(config.range_weight)]
    run = _Run(
        functools.partial(Objective, features, losses),
        functools.partial(optimizers.make, config.optimizer, config.learning_rate),
        target_device,
        plan,
        scheme,
        callback,
    )
    start = _start(exemplar, init, plan[0], scheme, config.seed)
    # An overflow is noticed by the loss that it makes.
    with engine.threads(engine_name), np.errstate(over="ignore", invalid="ignore"):
        texture = run.through_levels(exemplar, start)
    seconds = time.perf_counter() - run.began
    texture = image.resize(texture, plan[-1].output_size)  # a coarser one, if it was stopped there
    if config.match_colours:
        texture = wasserstein.match_colours(texture, exemplar)
    pixels = image.to_pixels(texture)
    return Result(
        image=pixels,
        exemplar=image.to_pixels(exemplar),
        errors=metrics.gram_errors(pixels, exemplar, vgg_weights, config, target_device),
        history=run.history,
        evaluations=run.evaluations,
        reason=run.reason,
        engine=engine_name,
        scheme=scheme,
        seconds=seconds,
    )


def _plan(exemplar, config, scheme, layers):
    exemplar_size = exemplar.shape[:1:-1]
    return pyramid.plan(
        exemplar_size,
        config.output_size or exemplar_size,
        scheme.iterations,
        scheme.levels,
        architecture.smallest_side(layers) if layers else 1,
        scheme.margin,
        scheme.trim,
        scheme.trims_coarse,
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

    def __init__(self, make_objective, make_optimizer, target_device, plan, scheme, callback):
        self._make_objective = make_objective
        self._make_optimizer = make_optimizer
        self._device = target_device
        self._plan = plan
        self._scheme = scheme
        self._callback = callback or (lambda progress: False)
        self.history = []
        self.evaluations = 0
        self.reason = None
        self.began = time.perf_counter()

    def through_levels(self, exemplar, texture):
        """Optimises ``texture``, ``(1, 3, H, W)`` float32, at each level; returns the last one."""
        for number, level in enumerate(self._plan, 1):
            texture = self._one_level(number, level, exemplar, texture)
            if self.reason == STOPPED:
                break
        return texture

    def _one_level(self, number, level, exemplar, texture):
        scaled = image.resize(exemplar, level.exemplar_size)
        objective = self._make_objective(self._device.send(scaled), level.trim, level.margin)
        start = image.mirrored(image.resize(texture, level.output_size), level.canvas_size)
        candidate = optimizers.Image(start.copy())
        candidate.to_device(self._device)
        optimizer = self._make_optimizer().setup(candidate)
        before, losses_so_far = self.evaluations, []
        self.history.append(losses_so_far)
        self.reason = f"all {level.steps} steps of the last level were taken"
        self._level_began = time.perf_counter()
        for step in range(1, level.steps + 1):
            loss = optimizer.update(objective, candidate.pixels)
            self.evaluations = before + objective.evaluations
            if not math.isfinite(loss):
                raise DivergenceError(
                    f"the loss is not finite after {self.evaluations} evaluations; "
                    "a smaller learning rate or smaller layer weights may help"
                )
            if optimizer.stop_reason is not None:
                self.reason = optimizer.stop_reason
                break
            losses_so_far.append(loss)
            if self._callback(self._progress(number, step, loss, candidate)):
                self.reason = STOPPED
                break
        canvas = chainer.get_device("@numpy").send(candidate.pixels.array)
        return image.centre(canvas, level.output_size)

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
            scheme=self._scheme,
            _image=candidate,
        )
