"""Repair: a part of a photograph is made anew, with the texture of the rest; the rest stays."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy.typing as npt

from texsynth.config import Config
from texsynth.losses import Loss
from texsynth.synthesis.holes import BAND, Damaged
from texsynth.synthesis.loop import make_variation
from texsynth.synthesis.progress import Callback
from texsynth.synthesis.repair_study import RepairStudy
from texsynth.synthesis.workshop import Workshop

if TYPE_CHECKING:
    from texsynth.synthesis.result import Result
    from texsynth.synthesis.resuming import Checkpoints


def repair(
    photo: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    config: Config | None = None,
    *,
    source: npt.ArrayLike | None = None,
    band: int = BAND,
    grow: int | Mapping[str, int] | None = None,
    init: npt.ArrayLike | None = None,
    losses: Sequence[Loss] | None = None,
    callback: Callback | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoints: "Checkpoints | None" = None,
) -> "Result":
    """Makes a part of a photograph anew, with the texture of the rest; the rest stays to the bit.

    What is made anew is what a mask says, a band where the photograph is to tile (``config.tile``),
    what is added on its sides, or all of them.

    Args:
        photo: ``(H, W, 3)`` array, RGB, 0..255. What stays does so in the result's
            ``values``, and in its ``image`` if they are whole numbers.
        mask: ``(H, W)`` array of booleans, or of 0..255: white is made anew, grey is blended.
        config (Config): The settings; ``None`` takes the defaults. The photograph keeps its size:
            ``size``, ``output_size``, ``flatten`` and ``margin`` have no part in it.
        source: ``(H, W, 3)`` array, RGB, 0..255, whose texture is taken; ``None`` takes what is not
            made anew.
        band: Pixels across the band, half of them at each of two edges that meet.
        grow: Pixels that are added on each side, or ``{"left": ..., "top": ..., "right": ...,
            "bottom": ...}``.
        init: As for :func:`texsynth.synthesize`; of the size of the result.
        losses: As for :func:`texsynth.synthesize`; each must have ``takes_masks``.
        callback: As for :func:`texsynth.synthesize`.
        stop: As for :func:`texsynth.synthesize`.
        checkpoints: As for :func:`texsynth.synthesize`.

    Returns:
        Result: The photograph, repaired; its ``exemplar`` is the photograph, or the source. Its
        errors are those of what was made anew.

    Raises:
        texsynth.errors.TexsynthError: An image is unusable or too small, there is nothing to make,
            or too little to take the texture from; or as for :func:`texsynth.synthesize`.
    """
    config = Config() if config is None else config
    study = study_of(
        photo,
        mask,
        config,
        source=source,
        band=band,
        grow=grow,
        losses=losses,
        fills=init is None,
    )
    return make_variation(
        study, config.seed, init=init, callback=callback, stop=stop, checkpoints=checkpoints
    )


def study_of(
    photo: npt.ArrayLike,
    mask: npt.ArrayLike | None,
    config: Config,
    *,
    source: npt.ArrayLike | None = None,
    band: int = BAND,
    grow: int | Mapping[str, int] | None = None,
    losses: Sequence[Loss] | None = None,
    fills: bool = True,
) -> RepairStudy:
    """Returns what is known of a repair before it is made.

    Args:
        photo: As for :func:`repair`, and so are the others.
        mask: As there.
        config: As there.
        source: As there.
        band: As there.
        grow: As there.
        losses: As there.
        fills: Whether holes may begin with pieces of what stays; not where there is an ``init``.

    Raises:
        texsynth.errors.TexsynthError: As there.
    """
    config = dataclasses.replace(config, size=0, output_size=None, flatten=None)
    damaged = Damaged.of(photo, mask, config, band, grow)
    return RepairStudy(Workshop(config, losses), damaged, source, fills=fills)
