"""Losses: each names the layers it reads, makes its target from the exemplar, measures a candidate.

:data:`texsynth.terms.LOSSES` is the registry: another loss is one class and one entry there.
"""

import importlib
from collections.abc import Iterable, Mapping
from typing import Protocol

from texsynth.errors import ConfigError
from texsynth.losses.gram import CentredGramLoss, GramLoss, PaperGramLoss
from texsynth.losses.loss import IMAGE, Loss
from texsynth.losses.pixels import RangePenalty
from texsynth.terms import LOSSES as KINDS
from texsynth.terms import Term, as_layers

__all__ = [
    "IMAGE",
    "LOSSES",
    "GramLoss",
    "Loss",
    "PaperGramLoss",
    "RangePenalty",
    "check_additive",
    "check_takes_masks",
    "make_losses",
]


class LossOfLayers(Loss, Protocol):
    """A loss as the registry has it: made of ``{layer: weight}``.

    Attributes:
        default_layers: Layers that the loss is taken at when none are asked for.
    """

    default_layers: tuple[str, ...]

    def __init__(self, weights: Mapping[str, float]) -> None: ...


def _class(path: str) -> type[LossOfLayers]:
    module, _, name = path.partition(".")
    found: type[LossOfLayers] = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found


LOSSES = {name: _class(kind.path) for name, kind in KINDS.items()}
"""The classes of the registry; each takes ``{layer: weight}``."""


def make_losses(terms: Iterable[Term], gram_layers: Mapping[str, float]) -> list[Loss]:
    """Makes losses of the terms that users write.

    Args:
        terms: Sequence of :class:`texsynth.terms.Term`; those of weight 0 are left out.
        gram_layers: ``{layer: weight}`` of Gram terms that name no layers; other losses have their
            own defaults.

    Returns:
        list: One loss for each term.
    """
    losses: list[Loss] = []
    for term in terms:
        loss = LOSSES[term.name]
        layers = as_layers(term.layers)
        if layers is None:
            is_gram = loss in (GramLoss, PaperGramLoss, CentredGramLoss)
            layers = gram_layers if is_gram else dict.fromkeys(loss.default_layers, 1.0)
        if term.weight > 0:
            losses.append(loss({name: term.weight * weight for name, weight in layers.items()}))
    return losses


def check_additive(losses: Iterable[Loss]) -> None:
    """Raises a ConfigError unless all losses can be summed over blocks of an image.

    Args:
        losses: Objects with the methods of :class:`texsynth.losses.loss.AdditiveLoss`, or without.

    Raises:
        texsynth.errors.ConfigError: A loss needs the whole image at once; it names that loss.
    """
    names: dict[type, str] = {loss: name for name, loss in LOSSES.items()}
    for loss in losses:
        if not hasattr(loss, "partial"):
            name = names.get(type(loss), type(loss).__name__)
            raise ConfigError(
                f"loss {name} needs the whole image at once and cannot be computed in parts"
            )


def check_takes_masks(losses: Iterable[Loss]) -> None:
    """Raises a ConfigError unless all losses can be told how much each position counts.

    Args:
        losses: Objects with the methods of :class:`texsynth.losses.loss.LayerLoss`.

    Raises:
        texsynth.errors.ConfigError: A loss counts all positions alike; it names that loss.
    """
    names: dict[type, str] = {loss: name for name, loss in LOSSES.items()}
    for loss in losses:
        if not getattr(loss, "takes_masks", False):
            name = names.get(type(loss), type(loss).__name__)
            raise ConfigError(
                f"loss {name} counts all positions of an image alike, and cannot be had of a part"
            )
