"""Which losses take part at a level, and of which layers: where an image has few pixels."""

from collections.abc import Iterable, Sequence

from texsynth.errors import ConfigError
from texsynth.losses import IMAGE, LOSSES, Loss, RangePenalty
from texsynth.losses.loss import LayerLoss
from texsynth.network import architecture
from texsynth.synthesis.pyramid import Level

_MOST_EXEMPLAR = 160  # pixels of the shorter side; what is finer the layers of Gram matrices see
_MOST_OUTPUT = 640 * 640  # pixels, which fit into any memory that larger ones need in blocks


def is_coarse(loss: Loss) -> bool:
    """Whether a loss is for coarse levels only."""
    return bool(getattr(loss, "is_coarse", False))


def is_fine(loss: Loss) -> bool:
    """Whether a loss is for full size only."""
    return bool(getattr(loss, "is_fine", False))


def at_level(losses: Iterable[Loss], plan: Sequence[Level], number: int) -> list[Loss]:
    """Returns the losses to sum at a level, of the layers that take part there.

    Args:
        losses: All that were asked for, as those of :mod:`texsynth.losses`.
        plan: All levels.
        number: Which one, from 1, the coarsest.
    """
    deepest = plan[number - 1].deepest
    return [_reaching(loss, deepest) for loss in _taking_part(losses, plan, number)]


def _taking_part(losses: Iterable[Loss], plan: Sequence[Level], number: int) -> list[Loss]:
    level = plan[number - 1]
    width, height = level.output_size
    has_all = (
        number < len(plan)
        and min(level.exemplar_size) <= _MOST_EXEMPLAR
        and width * height <= _MOST_OUTPUT
    )
    left_out = is_coarse if number == len(plan) else is_fine
    found = [loss for loss in losses if not left_out(loss)]
    return found if has_all else [loss for loss in found if not is_coarse(loss)]


def _reaching(loss: Loss, deepest: float) -> Loss:
    """A loss without the layers that are deeper; itself if there are none, or no others."""
    kept = [name for name in loss.layers if architecture.stride(name) <= deepest]
    if not isinstance(loss, LayerLoss) or len(kept) in (0, len(loss.layers)):
        return loss
    return loss.of_layers(kept)


def layers_of(losses: Iterable[Loss]) -> list[str]:
    """Names of the layers that losses read."""
    return sorted({name for loss in losses for name in loss.layers} - {IMAGE})


def check(losses: Iterable[Loss], plan: Sequence[Level]) -> None:
    """Raises a ConfigError if a loss that was asked for would take no part, or leave a level empty.

    Args:
        losses: As for :func:`at_level`.
        plan: All levels.
    """
    losses = list(losses)
    _check_none_is_empty(losses, plan)
    coarse = [loss for loss in losses if is_coarse(loss)]
    if coarse and coarse[0] not in _taking_part(losses, plan, 1):
        width, height = plan[0].output_size
        raise ConfigError(
            f"loss {_name(coarse[0])} takes part at levels that are coarser than full size, of at"
            f" most {_MOST_EXEMPLAR} px of the exemplar and {_MOST_OUTPUT} pixels of the texture,"
            " and there is none (--levels, --output-size); the coarsest is of"
            f" {width}x{height} px"
        )


def _check_none_is_empty(losses: Sequence[Loss], plan: Sequence[Level]) -> None:
    """Raises a ConfigError if a level has none of the losses that the others have."""
    told = [loss for loss in losses if not isinstance(loss, RangePenalty)]
    for number in range(len(plan), 0, -1):
        if not told or any(loss in told for loss in _taking_part(losses, plan, number)):
            continue
        where = "full size" if number == len(plan) else "coarser levels"
        rather = "" if number == len(plan) else ", or --levels 1"
        raise ConfigError(
            f"loss {_name(told[0])} needs another beside it at {where}, as --loss gram{rather}"
        )


def _name(loss: Loss) -> str:
    names: dict[type, str] = {kind: name for name, kind in LOSSES.items()}
    return names.get(type(loss), type(loss).__name__)
