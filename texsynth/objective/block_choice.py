"""The blocks and curvature pairs that fit a budget."""

import math
from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from texsynth import machine
from texsynth.errors import ConfigError
from texsynth.network import architecture
from texsynth.objective import blocks
from texsynth.objective.memory import (
    MOST_PAIRS,
    block_bytes,
    history_bytes,
    kept_bytes,
    process_bytes,
)
from texsynth.typing import Size, Wrap
from texsynth.values import format_memory

FEWEST_PAIRS = 3
SMALLEST_CORE = 64
"""Pixels; with the default layers, windows are then already six times the size of their cores."""

_COMFORTABLE_CORE = 1024  # overlaps add a sixth; history comes before larger blocks
_CAN_KEEP = ("winograd", "winograd-bf16")
FORWARD = 0.42
"""What activations alone take, as a share of an evaluation."""
_STATISTICS = 0.04


class Choice(NamedTuple):
    """What fits a budget.

    Attributes:
        block (int): Side of a block's core in pixels, see :func:`texsynth.objective.blocks.plan`.
        keep (str): Convolution from which on activations are kept between the passes; or ``None``.
        pairs (int): Curvature pairs of L-BFGS.
        bytes (int): What the synthesis takes with them at most, estimated.
        work (float): What an evaluation takes, in pixels of an image that is evaluated whole.
        description (str): One line for the user.
    """

    block: int
    keep: str | None
    pairs: int
    bytes: int
    work: float
    description: str


def available(device: Any) -> int | None:
    """Returns how much memory can still be had, in bytes; ``None`` where nobody says.

    Args:
        device (chainer.backend.Device): A GPU's own memory, or for the CPU the machine's, see
            :func:`texsynth.machine.free_memory`.
    """
    if device.xp is not np:
        with device.device:
            free = int(device.xp.cuda.runtime.memGetInfo()[0])
            return free + int(device.xp.get_default_memory_pool().free_bytes())
    return machine.free_memory()


def choose(
    budget: float,
    size: Size,
    layers: Collection[str],
    engine: str,
    wrap: Wrap = (False, False),
    table: architecture.Table = architecture.VGG16,
    channels: int = 3,
    held: int = 0,
) -> Choice:
    """Chooses blocks and curvature pairs for a budget.

    As many pairs as fit beside blocks of 1024 px, and then what takes the least time beside them:
    large blocks, which overlap less, or smaller ones and room for what the first pass computed.
    (192 px of pebbles: 3, 6, 10 and 20 pairs had a loss of .0161, .0147, .0134 and .0126 after 120
    steps.)

    Args:
        budget (float): Bytes that the whole process may take.
        size: ``(height, width)`` of the image in pixels.
        layers: Names of the layers of the losses.
        engine (str): What :func:`texsynth.objective.memory.model` returned.
        wrap: ``(rows, columns)``: whether opposite edges of the image are neighbours.
        table: The network's layers by name.
        channels (int): As for :func:`texsynth.objective.memory.history_bytes`.
        held (int): Bytes that the texture takes beside, see
            :mod:`texsynth.objective.held_memory`.

    Returns:
        Choice: Blocks, what is kept, pairs, and what they come to.

    Raises:
        texsynth.errors.ConfigError: The smallest block and the shortest history do not fit.
    """
    process = process_bytes(engine, layers, table)

    def room(pairs: int) -> float:
        return budget - process - held - history_bytes(size, pairs, channels)

    cores = _cores(size, layers)
    outlines = {core: blocks.outline(size, layers, core, wrap, table) for core in cores}
    costs = {
        core: block_bytes(engine, layers, window, table=table)
        for core, (window, _) in outlines.items()
    }
    comfortable = costs[max((c for c in cores if c <= _COMFORTABLE_CORE), default=min(cores))]
    fitting = (p for p in range(MOST_PAIRS, FEWEST_PAIRS, -1) if comfortable <= room(p))
    pairs = next(fitting, FEWEST_PAIRS)
    ways = []
    for core, (window, number) in outlines.items():
        for keep in [None, *_keepable(engine, layers, table)] if number > 1 else [None]:
            taken = costs[core] + (number - 1) * kept_bytes(layers, keep, window, table)
            if taken <= room(pairs):
                ways.append((_work(layers, keep, window, number, table), core, keep, taken))
    if not ways:
        needed = budget - room(FEWEST_PAIRS) + min(costs.values())
        raise ConfigError(
            f"memory must be at least {format_memory(needed)} for {size[1]}x{size[0]} px, "
            f"not {format_memory(budget)}"
        )
    work, core, keep, taken = min(ways, key=lambda way: (way[0], -way[1]))
    (height, width), number = outlines[core]
    kind = "1 block" if number == 1 else f"{number} blocks"
    kept = "" if keep is None else f", {keep} and deeper kept"
    parts = taken, history_bytes(size, pairs, channels), process + held
    description = (
        f"{kind} of {width}x{height} px{kept} ({format_memory(parts[0])}), image and {pairs} "
        f"curvature pairs ({format_memory(parts[1])}), the rest ({format_memory(parts[2])})"
    )
    return Choice(core, keep, pairs, sum(parts), work, description)


def _keepable(engine: str, layers: Collection[str], table: architecture.Table) -> list[str]:
    """The convolutions from which on activations can be kept: the first of each block but one."""
    names = [layer.name for layer in architecture.to_deepest(layers, table)]
    return [f"conv{n}_1" for n in range(2, 6) if f"conv{n}_1" in names and engine in _CAN_KEEP]


def _work(
    layers: Collection[str], keep: str | None, window: Size, number: int, table: architecture.Table
) -> float:
    """What an evaluation takes, in pixels of an image that is evaluated whole."""
    path = architecture.to_deepest(layers, table)
    convolutions = [x for x in path if isinstance(x, architecture.Convolution)]
    cost = {x.name: x.in_channels * x.out_channels / x.stride**2 for x in convolutions}
    names = list(cost)
    kept = sum(cost[name] for name in names[names.index(keep) :]) if keep else 0
    again = _STATISTICS + FORWARD * (1 - kept / sum(cost.values())) if cost else 0
    return math.prod(window) * (number + (number - 1) * again)


def _cores(size: Size, layers: Collection[str]) -> list[int]:
    """Sides of cores to choose from, the largest first: the longer side shared out evenly."""
    longest, smallest = max(size), max([SMALLEST_CORE, *map(architecture.stride, layers)])
    shares = range(1, max(1, longest // smallest) + 1)
    return list(dict.fromkeys(max(smallest, -(-longest // share)) for share in shares))
