"""Texture by numbers: a map says which texture is to be where."""

import dataclasses
from collections.abc import Callable, Hashable, Mapping

import numpy as np
import numpy.typing as npt

from texsynth.config import Config
from texsynth.errors import ConfigError
from texsynth.synthesis.loop import make_variation
from texsynth.synthesis.masked import Source
from texsynth.synthesis.progress import Callback
from texsynth.synthesis.result import Result
from texsynth.synthesis.resuming import Checkpoints
from texsynth.synthesis.varied import Varied
from texsynth.synthesis.workshop import Workshop


def paint(
    textures: Mapping[Hashable, Source | npt.ArrayLike],
    regions: npt.ArrayLike,
    config: Config | None = None,
    *,
    init: npt.ArrayLike | None = None,
    callback: Callback | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoints: Checkpoints | None = None,
) -> Result:
    """Makes an image of several textures, each where a map wants it.

    Hertzmann et al. 2001, *Image analogies*, section 4.4, call it texture by numbers; statistics
    by region are those of Gatys et al. 2017, *Controlling perceptual factors in neural style
    transfer*, section 4.

    Args:
        textures: An exemplar for each label, ``(H, W, 3)``, RGB, 0..255; or, if only a part of it
            has the texture, a :class:`Source`.
        regions: ``(H, W)`` array of labels. The output has its size unless the settings say
            another, to which it is brought then.
        config (Config): The settings; ``None`` takes the defaults.
        init: As for :func:`texsynth.synthesize`.
        callback: As there.
        stop: As there.
        checkpoints: As there.

    Returns:
        Result: The image; its ``exemplar`` shows the exemplars beside one another, and its
        ``errors`` are the mean over the regions.

    Raises:
        texsynth.errors.TexsynthError: As :func:`texsynth.synthesize`; or a label has no texture, or
            too little of one.
    """
    config = at_size_of(Config() if config is None else config, regions)
    study = painted(Workshop(config), textures, regions)
    return make_variation(
        study, config.seed, init=init, callback=callback, stop=stop, checkpoints=checkpoints
    )


def at_size_of(config: Config, regions: npt.ArrayLike) -> Config:
    """Returns settings whose output has the size of a map, if they say no other.

    Args:
        config (texsynth.Config): The settings.
        regions: ``(H, W)`` array.
    """
    shape = np.shape(regions)
    if len(shape) != 2 or 0 in shape:
        raise ConfigError(f"regions must be a (height, width) array of labels, not {shape}")
    if config.output_size is not None:
        return config
    return dataclasses.replace(config, output_size=(shape[1], shape[0]))


def painted(
    workshop: Workshop,
    textures: Mapping[Hashable, Source | npt.ArrayLike],
    regions: npt.ArrayLike,
) -> Varied:
    """Returns what is known of the image before a seed is chosen.

    Args:
        workshop (texsynth.synthesis.workshop.Workshop): Where it will be made.
        textures: As for :func:`paint`.
        regions: As there.

    Raises:
        texsynth.errors.TexsynthError: As there.
    """
    labels = np.asarray(regions)
    wanted = [label.item() for label in np.unique(labels)]
    missing = [label for label in wanted if label not in textures]
    if missing:
        raise ConfigError(f"regions have labels without a texture: {', '.join(map(str, missing))}")
    sources = []
    for label in wanted:
        texture = textures[label]
        sources.append(texture if isinstance(texture, Source) else Source(texture))
    weights = np.stack([labels == label for label in wanted]).astype(np.float32)
    return Varied(workshop, sources, np.eye(len(sources)).tolist(), weights)
