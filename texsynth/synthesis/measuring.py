"""Measures exemplars: their statistics as arrays, to be saved, averaged, edited."""

import dataclasses
from typing import Any

import numpy.typing as npt

from texsynth.compat import chainer
from texsynth.config import Config
from texsynth.losses import IMAGE
from texsynth.losses.gram import CentredGramLoss
from texsynth.network import architecture, engine
from texsynth.objective.block_objective import BlockObjective
from texsynth.statistics import gram
from texsynth.synthesis import pyramid
from texsynth.synthesis.sources import Photograph
from texsynth.synthesis.workshop import Workshop
from texsynth.targets import Moments, Statistics

_BLOCK = 512  # pixels, so that an exemplar of any size can be measured


class _MomentsLoss(CentredGramLoss):
    """A loss whose target is all that is saved of a layer."""

    def finalise(self, sums: tuple[chainer.Variable, ...], count: float) -> Any:
        """Returns Gram matrix, mean and covariance, each with an axis for the batch."""
        products, channels = sums
        return gram.finalise(products, count), channels / count, super().finalise(sums, count)


def measure(exemplar: npt.ArrayLike, config: Config | None = None) -> Statistics:
    """Returns the statistics of an exemplar, from which :func:`texsynth.synthesize` makes textures.

    They are those of preset ``gatys``: of the whole exemplar, at one size. For those of several
    exemplars, measure each and average them (:meth:`texsynth.Statistics.average`).

    Args:
        exemplar: ``(H, W, 3)`` array, RGB, 0..255.
        config (texsynth.Config): Its ``size``, ``flatten``, ``network``, ``pooling``, ``weights``,
            ``gpu``, ``engine`` and ``precision`` hold (``"auto"`` is then ``"fp32"``), and
            ``layers`` names the layers; ``None`` takes the defaults.

    Raises:
        texsynth.errors.TexsynthError: The exemplar is unusable or too small, the weights cannot be
            had, or the device or engine cannot be used.
    """
    return measure_by(Workshop(unrounded(Config() if config is None else config)), exemplar)


def unrounded(config: Config) -> Config:
    """Returns settings for measuring: what is saved is not to be rounded unless that is asked for.

    Args:
        config (texsynth.Config): The settings.
    """
    is_open = config.precision == "auto"
    return dataclasses.replace(config, precision="fp32") if is_open else config


def measure_by(workshop: Workshop, exemplar: npt.ArrayLike) -> Statistics:
    """Returns the statistics of an exemplar, see :func:`measure`, with a network that is there.

    Args:
        workshop (texsynth.synthesis.workshop.Workshop): The network and its settings.
        exemplar: ``(H, W, 3)`` array, RGB, 0..255.

    Raises:
        texsynth.errors.TexsynthError: As for :func:`measure`.
    """
    config, photograph = workshop.config, Photograph(exemplar, workshop.config)
    table = architecture.NETWORKS[str(config.network)]
    layers = [name for name in table if name in (config.layers or {})]
    pyramid.check_sides("exemplar", photograph.size, architecture.smallest_side(layers))
    workshop.device.use()
    loss = _MomentsLoss(dict.fromkeys([*layers, IMAGE], 1.0))
    with engine.threads(workshop.engine):
        batch = workshop.device.send(photograph.batch)
        found = BlockObjective(workshop.features(layers), [loss], batch, block=_BLOCK).targets[0]
    workshop.rest()
    moments = {
        name: Moments(*(chainer.get_device("@numpy").send(each.array[0]) for each in of_layer))
        for name, of_layer in found.items()
    }
    image = moments.pop(IMAGE)
    return Statistics(
        {name: moments[name] for name in layers},
        image,
        (photograph.size,),
        str(config.network),
        config.pooling,
        workshop.weights.checksum(),
        photograph.is_grey,
    )
