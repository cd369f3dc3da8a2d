"""The synthesis itself: from an exemplar to a texture, at one call."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth import images
from texsynth.config import Config
from texsynth.losses import Loss
from texsynth.network import clock, engine
from texsynth.objective.team import ALONE, Alone, Team
from texsynth.synthesis import environment
from texsynth.synthesis.errors_of import errors_of
from texsynth.synthesis.progress import Callback
from texsynth.synthesis.result import Result
from texsynth.synthesis.resuming import Checkpoints
from texsynth.synthesis.run import Run
from texsynth.synthesis.study import Study
from texsynth.synthesis.workshop import Workshop
from texsynth.targets import Statistics
from texsynth.typing import Batch

__all__ = ["Callback", "make_variation", "optimised", "synthesize"]


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
    run = Run(study, callback, stop, checkpoints)
    start = None
    if resumed is None:
        start = study.start(seed) if init is None else study.begun_from(init)
        start = images.without_colours(start) if study.is_grey else start
    # An overflow is noticed by the loss that it makes.
    ignored = np.errstate(over="ignore", invalid="ignore")
    with engine.threads(workshop.engine), ignored, _entered(callback):
        texture = run.through_levels(start, resumed)
    run.seconds = clock.now() - run.began
    # A coarser one, if it was stopped there.
    return study.enlarged(texture), run


def _entered(callback: Callback | None) -> contextlib.AbstractContextManager[Any]:
    """The callback, if it is to know when the steps begin and end."""
    if isinstance(callback, contextlib.AbstractContextManager):
        return callback
    return contextlib.nullcontext()
