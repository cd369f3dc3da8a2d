"""Losses: each names the layers it reads, makes its target from the exemplar, measures a candidate.

:data:`texsynth.terms.LOSSES` is the registry: another loss is one class and one entry there.
"""

import importlib
import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.losses.components import ComponentsLoss
from texsynth.losses.contrast import ContrastGramLoss
from texsynth.losses.gram import GramLoss, PaperGramLoss, ScaledGramLoss
from texsynth.losses.loss import IMAGE, AdditiveLoss, LayerLoss, Loss
from texsynth.losses.parting import parted
from texsynth.losses.pixels import RangePenalty
from texsynth.terms import GRAM_LOSSES, Term, as_layers
from texsynth.terms import LOSSES as KINDS

__all__ = [
    "IMAGE",
    "LOSSES",
    "AdditiveLoss",
    "ContrastGramLoss",
    "GramLoss",
    "LayerLoss",
    "Loss",
    "PaperGramLoss",
    "RangePenalty",
    "ScaledGramLoss",
    "check_additive",
    "check_takes_masks",
    "is_listened_to",
    "make_losses",
    "parted",
    "recalled",
    "report",
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

_NAMES: dict[type, str] = {RangePenalty: "range", **{each: name for name, each in LOSSES.items()}}


def _name(loss: object) -> str:
    """What a loss is called in reports and messages."""
    while hasattr(loss, "inner"):  # along components, in parts
        loss = loss.inner
    kind = type(loss)
    return _NAMES.get(kind, kind.__name__)


def report(
    total: Any, losses: Iterable[Loss], values: Iterable[Any], observer: chainer.Link | None = None
) -> None:
    """Hands a loss and its terms to ``chainer.report``, for ``LogReport`` and the like.

    They are called ``loss`` and by the registry's names, or those of their classes; a second of a
    name ``<name>_2``. The penalty of what is beyond 0..255 is ``range``.

    Args:
        total: The loss: a number, an array of no dimensions or a ``chainer.Variable``.
        losses: The losses that it sums.
        values: The value of each, with its weight.
        observer: The link whose name the reporter puts before them; ``None`` reports them as they
            are.
    """
    observed = {"loss": total}
    for loss, value in zip(losses, values, strict=True):
        kind = _name(loss)
        places = itertools.count(2)
        name = kind
        while name in observed:
            name = f"{kind}_{next(places)}"
        observed[name] = value
    chainer.report({name: _without_graph(value) for name, value in observed.items()}, observer)


def is_listened_to() -> bool:
    """Returns whether what :func:`report` hands on reaches anybody, a trainer for example."""
    try:
        chainer.get_current_reporter()
    except IndexError:  # which is how Chainer says that there is none
        return False
    return True


def _without_graph(value: Any) -> Any:
    return value.array if isinstance(value, chainer.Variable) else value


def make_losses(
    terms: Iterable[Term], gram_layers: Mapping[str, float], components: int | None = None
) -> list[Loss]:
    """Makes losses of the terms that users write.

    Args:
        terms: Sequence of :class:`texsynth.terms.Term`; those of weight 0 are left out.
        gram_layers: ``{layer: weight}`` of Gram terms that name no layers; other losses have their
            own defaults.
        components (int): Principal components of each layer that Gram terms are taken along;
            ``None`` takes all channels.

    Returns:
        list: One loss for each term.
    """
    losses: list[Loss] = []
    for term in terms:
        loss = LOSSES[term.name]
        layers, is_gram = as_layers(term.layers), term.name in GRAM_LOSSES
        if layers is None:
            layers = gram_layers if is_gram else dict.fromkeys(loss.default_layers, 1.0)
        if term.weight > 0:
            made: Any = loss({name: term.weight * weight for name, weight in layers.items()})
            if is_gram and components is not None:
                made = ComponentsLoss(made, components)
            losses.append(made)
    return losses


def check_additive(losses: Iterable[Loss]) -> None:
    """Raises a ConfigError unless all losses can be summed over blocks of an image.

    Args:
        losses: Objects with the methods of :class:`texsynth.losses.loss.AdditiveLoss`, or without.

    Raises:
        texsynth.errors.ConfigError: A loss needs the whole image at once; it names that loss.
    """
    for loss in losses:
        if not hasattr(loss, "partial"):
            raise ConfigError(
                f"loss {_name(loss)} needs the whole image at once and cannot be computed in parts"
            )


def check_takes_masks(losses: Iterable[Loss]) -> None:
    """Raises a ConfigError unless all losses can be told how much each position counts.

    Args:
        losses: Objects with the methods of :class:`texsynth.losses.loss.LayerLoss`.

    Raises:
        texsynth.errors.ConfigError: A loss counts all positions alike; it names that loss.
    """
    for loss in losses:
        if not getattr(loss, "takes_masks", False):
            raise ConfigError(
                f"loss {_name(loss)} counts all positions of an image alike, and cannot be had of"
                " a part"
            )


def recalled(losses: Iterable[Loss], moments: Mapping[str, Any]) -> list[Any]:
    """Returns the target of each loss, of an exemplar of which only statistics are known.

    Args:
        losses: Losses to sum.
        moments: ``{layer: texsynth.targets.Moments}``, on the device of the losses.

    Raises:
        texsynth.errors.ConfigError: A loss needs the exemplar itself, or a layer that is not known.
    """
    targets = []
    for loss in losses:
        name = _name(loss)
        recall: Any = getattr(loss, "recalled", None)
        if recall is None:
            able = [known for known, kind in LOSSES.items() if getattr(kind, "recalled", None)]
            raise ConfigError(
                f"loss {name} needs the exemplar itself, not its statistics; "
                f"{', '.join(able)} do without"
            )
        if missing := [layer for layer in loss.layers if layer not in {*moments, IMAGE}]:
            raise ConfigError(
                f"loss {name} reads {missing[0]}, of which there are no statistics; "
                f"there are those of {', '.join(moments)}: use --layers {','.join(moments)}"
            )
        targets.append(recall(moments))
    return targets
