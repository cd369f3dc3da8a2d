"""Stacks of maps: textures of several maps of one surface, made together."""

from collections.abc import Callable, Mapping

from texsynth.config import Config
from texsynth.materials.kinds import Map
from texsynth.network import engine
from texsynth.synthesis import environment
from texsynth.synthesis.loop import Callback, optimised
from texsynth.synthesis.result import NO_STEPS, STOPPED
from texsynth.synthesis.resuming import Checkpoints
from texsynth.synthesis.stack_result import StackResult
from texsynth.synthesis.stack_study import StackStudy, fitted
from texsynth.synthesis.workshop import Workshop

__all__ = ["StackResult", "StackStudy", "fitted", "make_stack", "synthesize_stack"]


def synthesize_stack(
    stack: Mapping[str, Map],
    config: Config | None = None,
    *,
    callback: Callback | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoints: Checkpoints | None = None,
) -> StackResult:
    """Makes new maps of a surface with the texture of given ones, all together.

    What lies above one another in the given maps, as cracks of the colour and of the height, does
    so in the new ones.

    Args:
        stack: Arrays by the names of their kinds (:data:`texsynth.materials.kinds.KINDS`), float,
            ``(H, W, 1)`` or ``(H, W, 3)``, 0..1, all of one size; normals as OpenGL has them.
        config (Config): The settings; ``None`` takes the defaults, but keeps the maps' size.
        callback: As for :func:`texsynth.synthesize`; pictures of progress show the first map.
        stop: As there.
        checkpoints: As there.

    Returns:
        StackResult: The maps and how they came about.

    Raises:
        texsynth.errors.TexsynthError: The stack is unusable or too small; or as for
            :func:`texsynth.synthesize`.
    """
    config = Config(size=0) if config is None else config
    study = StackStudy(Workshop(config), stack)
    return make_stack(study, config.seed, callback=callback, stop=stop, checkpoints=checkpoints)


def make_stack(
    study: StackStudy,
    seed: int,
    *,
    callback: Callback | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoints: Checkpoints | None = None,
) -> StackResult:
    """Makes one of the textures of a stack: what :func:`synthesize_stack` does for each seed.

    Args:
        study (StackStudy): The stack; its settings hold but for their seed.
        seed (int): Seed of the start, at least 0.
        callback: As for :func:`synthesize_stack`.
        stop: As there.
        checkpoints: As there.

    Returns:
        StackResult: The maps, the same as if they were made alone.

    Raises:
        texsynth.errors.TexsynthError: As for :func:`texsynth.make_variation`.
    """
    texture, run = optimised(study, seed, None, callback, stop, checkpoints)
    if run.reason not in (STOPPED, NO_STEPS):
        texture = study.touched_up(texture)
    maps = study.planes.stack(texture)
    study.rest()  # type: ignore[no-untyped-call]
    workshop = study.workshop
    made_with = environment.describe(workshop)
    with engine.threads(workshop.engine):
        errors = study.errors_of_maps(texture)
    return StackResult(
        maps=maps,
        exemplar=study.planes.stack(study.exemplar),
        errors=errors,
        history=run.history,
        evaluations=run.evaluations,
        networks=study.networks,
        reason=run.reason,
        engine=workshop.engine,
        scheme=study.scheme,
        seconds=run.seconds,
        environment=made_with,
        weights_sha256=workshop.weights.checksum(),
    )
