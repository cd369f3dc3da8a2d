"""What fits in memory: whole canvases, or blocks, and how many curvature pairs."""

import logging
import math
from typing import Any, NamedTuple

from texsynth.errors import ConfigError
from texsynth.losses import check_additive, parted
from texsynth.objective import block_choice, composing, memory
from texsynth.objective.held_memory import NOTHING, held_bytes
from texsynth.objective.loss_memory import losses_bytes
from texsynth.objective.whole import Objective
from texsynth.synthesis import level_losses
from texsynth.values import format_memory, format_time

_log = logging.getLogger(__name__)

_SHARE = 0.8  # of the free memory; the rest is for estimates that fall short, and for others


class Fitted(NamedTuple):
    """What fits in memory.

    Attributes:
        pairs (int): Curvature pairs that L-BFGS may keep.
        blocks (dict): Settings of blocks; empty if the largest canvas fits whole.
        bytes (int): What the synthesis takes with them at most, estimated.
    """

    pairs: int
    blocks: dict[str, Any]
    bytes: int


def on_a_gpu(losses):
    """The kind of objective by engine cuda: a recorded one, if these losses have it."""
    from texsynth.objective import captured

    return captured.CapturedObjective if captured.can_capture(losses) else Objective


def fit(workshop, losses, plan, may_record=True, channels=3, times=1, held=NOTHING):
    """Returns the :class:`Fitted`: whole, or in blocks if the largest canvas does not fit.

    Args:
        workshop (texsynth.synthesis.workshop.Workshop): Where the texture will be made.
        losses: All losses that were asked for, as those of :mod:`texsynth.losses`.
        plan: The levels, each a :class:`texsynth.synthesis.pyramid.Level`.
        may_record (bool): Whether a GPU may record an evaluation, with its targets.
        channels (int): The image's.
        times (int): How often an evaluation of the image goes through the network.
        held (texsynth.objective.held_memory.Held): What the texture holds beside.

    Raises:
        texsynth.errors.ConfigError: The memory does not suffice, or a loss cannot be had in blocks.
    """
    finest = level_losses.at_level(losses, plan, len(plan))
    layers = level_losses.layers_of(finest)
    parts = parted(finest)
    divided = [*parts.plain, *parts.of_contrast]
    if workshop.team.size > 1:
        check_additive(divided)
    budget = workshop.config.memory
    if budget is None:
        free = block_choice.available(workshop.device)
        budget = math.inf if free is None else _SHARE * free
    budget = workshop.team.least(budget)  # or each would plan, and wait, for itself
    # The exemplar goes through the network too.
    canvas, exemplar = plan[-1].canvas_size[::-1], plan[-1].padded_size[::-1]
    size = max(canvas, exemplar, key=math.prod)
    model = memory.model(workshop.engine, workshop.device, workshop.precision)
    whole = _whole_bytes(workshop, model, finest, plan[-1], channels, held, may_record)
    _check_coarse(workshop, model, losses, plan, budget, channels, held)
    if whole <= budget:
        return Fitted(memory.MOST_PAIRS, {}, whole)
    wrap = plan[-1].wrap if size == canvas else (False, False)
    beside = held_bytes(held, layers, canvas, exemplar, workshop.table)
    if parts.of_contrast or parts.of_pixels:
        beside += composing.image_bytes(size)
    choice = block_choice.choose(
        budget, size, layers, model, wrap, workshop.table, channels, beside
    )
    try:
        check_additive(divided)
    except ConfigError as error:
        needed = format_memory(whole)
        raise ConfigError(
            f"{error}; the whole image needs {needed} of memory, but only "
            f"{format_memory(budget)} may be used (--memory); "
            "--preset natural can be made in blocks"
        ) from None
    told = f"{format_memory(choice.bytes)} of {format_memory(budget)}"
    _log.info("memory: %s: %s", told, choice.description)
    networks = [seen for part in parts if (seen := level_losses.layers_of(part))]
    if networks:
        once = sum(map(workshop.pace, networks)) * choice.work * times
        steps = sum(level.work for level in plan) / math.prod(canvas)
        told = format_time(once), format_time(once * steps)
        _log.info("time: about %s per evaluation at full size, %s in total", *told)
    return Fitted(choice.pairs, {"block": choice.block, "keep": choice.keep}, choice.bytes)


def _whole_bytes(workshop, model, losses, level, channels, held, may_record=False):
    """What a level takes whole, with as many curvature pairs as there may be, in bytes."""
    canvas, padded = level.canvas_size[::-1], level.padded_size[::-1]
    size = max(canvas, padded, key=math.prod)  # the exemplar goes through the network too
    sides = zip(level.exemplar_size[::-1], level.trim, strict=True)
    exemplar = tuple(max(0, side - 2 * cut) for side, cut in sides)
    parts = parted(losses)
    losses = parts.plain
    is_recorded = may_record and workshop.engine == "cuda" and on_a_gpu(losses) is not Objective
    counted = None if is_recorded else losses
    layers = level_losses.layers_of(losses)
    network = workshop.table, channels
    found = memory.whole_bytes(model, layers, size, level.margin, counted, exemplar, *network)
    if parts.of_contrast:
        seen = level_losses.layers_of(parts.of_contrast)
        found += memory.second_bytes(model, seen, size, level.margin, workshop.table)
    if parts.of_contrast or parts.of_pixels:
        found += composing.image_bytes(size)
    if model != "cuda":  # which counts all losses; elsewhere, Gram matrices take next to nothing
        coarse = [loss for loss in losses if level_losses.is_coarse(loss)]
        each = losses_bytes(coarse, size, exemplar, level.margin) if coarse else 0
        found += held.parts * each
    return found + held_bytes(held, layers, canvas, padded, workshop.table)


def _check_coarse(workshop, model, losses, plan, budget, channels, held):
    """Raises a ConfigError if a level that must be whole for its losses is too large for that."""
    for number, level in enumerate(plan, 1):
        here = level_losses.at_level(losses, plan, number)
        if not any(level_losses.is_coarse(loss) for loss in here):
            continue
        # These are none that are recorded.
        needed = _whole_bytes(workshop, model, here, level, channels, held)
        if needed > budget:
            raise ConfigError(
                f"the level of {level.output_size[0]}x{level.output_size[1]} px needs "
                f"{format_memory(needed)} of memory whole, but only "
                f"{format_memory(budget)} may be used (--memory); --loss gram does with less"
            )
