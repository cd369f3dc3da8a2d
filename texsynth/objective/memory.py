"""How much memory a synthesis takes, and the blocks and curvature pairs that fit a budget.

What is said here was measured: the highest resident memory (VmHWM of Linux) of one evaluation of
:class:`texsynth.objective.block_objective.BlockObjective` in a fresh process, less what was
resident before, at two window sizes each (256 and 640 px with the Winograd engine, 128 and 320 px
with the plain one). The slopes between the two, in bytes per pixel of the window:

========================== ======== ========= ======== =========
layers                     winograd estimated    plain estimated
========================== ======== ========= ======== =========
conv1_1, pool1                  725       732     2133      2004
... and pool2                   929       928     2353      2324
... and pool3, pool4           1222      1171     2694      2660
conv1_2, conv2_2, conv3_3      1597      1588     2597      2612
========================== ======== ========= ======== =========
"""

import math
import sys
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from texsynth import machine
from texsynth.errors import ConfigError
from texsynth.network import architecture
from texsynth.network.cuda import stages
from texsynth.objective import blocks, colours
from texsynth.objective.loss_memory import losses_bytes
from texsynth.values import format_memory

MOST_PAIRS = 20
FEWEST_PAIRS = 3
SMALLEST_CORE = 64
"""Pixels; with the default layers, windows are then already six times the size of their cores."""

_COMFORTABLE_CORE = 1024  # overlaps add a sixth; history comes before larger blocks

_FLOAT = 4  # bytes
_PIXEL = 3 * _FLOAT  # bytes: three channels
_IMAGES = 5  # image, start, direction, its gradient and the last; two of them become a pair
_IN_COLOURS = 2  # image and gradient once more, in RGB
_SEEN = 2  # three channels of an image of more, and their gradient
_COPIES_OF_WINDOW = 7  # in the engines' own layouts and colour orders, and gradients
_BAND = 40e6  # what depends on no size: statistics of a band of rows, scratch of the engine
_PLAIN_PASSES = 4  # unfolded input, mask, padding and result of the largest convolution
_NUMBA = 50e6 if sys.version_info >= (3, 13) else 0  # what importing it takes more than before
_PROCESS = {  # interpreter, libraries, the weights as loaded
    "winograd": 240e6 + _NUMBA,
    "winograd-bf16": 240e6 + _NUMBA,
    "plain": 190e6,
    "plain-gpu": 0,  # the interpreter lies in another memory
}
_UNFOLDED = 2 * (64 << 20)  # patches of a few rows and their product, of the plain engine on a GPU
_KERNELS = {
    "winograd": 8,
    "winograd-bf16": 4,
    "plain": 1,
    "plain-gpu": 1,
}  # copies of the kernels: 6x6 points for 3x3, twice; in bfloat16 they take half
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


def available(device):
    """Returns how much memory can still be had, in bytes; ``None`` where nobody says.

    Args:
        device (chainer.backend.Device): A GPU's own memory, or for the CPU the machine's, see
            :func:`texsynth.machine.free_memory`.
    """
    if device.xp is not np:
        with device.device:
            free = int(device.xp.cuda.runtime.memGetInfo()[0])
            return free + device.xp.get_default_memory_pool().free_bytes()
    return machine.free_memory()


def model(engine, device, precision="fp32"):
    """Returns by which of this module's estimates an engine is counted.

    Args:
        engine (str): ``"plain"``, ``"winograd"`` or ``"cuda"``.
        device (chainer.backend.Device): Where it computes.
        precision (str): How the factors of its products are rounded.
    """
    if engine == "winograd" and precision == "bf16":
        return "winograd-bf16"
    return "plain-gpu" if engine == "plain" and device.xp is not np else engine


def block_bytes(engine, layers, window, margin=(0, 0), table=architecture.VGG16):
    """Returns what loss and gradient of one block take, in bytes, beside the weights.

    Args:
        engine (str): What :func:`model` returned.
        layers: Names of the layers of the losses.
        window: ``(height, width)`` of the block's window in pixels.
        margin: ``(rows, columns)`` in pixels at each edge that no loss reads.
        table: The network's layers by name.
    """
    if engine == "cuda":
        return _cuda_bytes(layers, window, margin, table)
    wanted = sum(_bytes_per_pixel(table[name]) for name in layers)
    per_pixel = _COPIES_OF_WINDOW * _PIXEL + wanted + _engine_bytes(engine, layers, table)
    fixed = _UNFOLDED if engine == "plain-gpu" and layers else _BAND
    return int(per_pixel * math.prod(window) + fixed)


def history_bytes(size, pairs, channels=3):
    """Returns what the image and L-BFGS take, in bytes.

    Args:
        size: ``(height, width)`` of the image in pixels.
        pairs (int): Curvature pairs, of two images each.
        channels (int): The image's; of more than three, three at a time are seen by the network.
    """
    images = _IMAGES + 2 * pairs
    if math.prod(size) <= colours.MOST_PIXELS:
        images += _IN_COLOURS
    seen = _SEEN * _PIXEL if channels > 3 else 0
    return (images * channels * _FLOAT + seen) * math.prod(size)


def process_bytes(engine, layers, table=architecture.VGG16):
    """Returns what a process takes that has loaded the network, in bytes.

    Args:
        engine (str): What :func:`model` returned.
        layers: Names of the layers of the losses.
        table: The network's layers by name.
    """
    if engine == "cuda":
        return stages.kernel_bytes(layers, table) if layers else 0
    kernels = sum(
        9 * 4 * layer.in_channels * layer.out_channels
        for layer in architecture.to_deepest(layers, table)
        if isinstance(layer, architecture.Convolution)
    )
    return int(_PROCESS[engine] + _KERNELS[engine] * kernels)


def whole_bytes(
    engine,
    layers,
    size,
    margin=(0, 0),
    losses=None,
    exemplar=None,
    table=architecture.VGG16,
    channels=3,
):
    """Returns what a synthesis takes that is not made in blocks, in bytes.

    Args:
        engine (str): What :func:`model` returned.
        layers: Names of the layers of the losses.
        size: ``(height, width)`` of the image in pixels.
        margin: ``(rows, columns)`` in pixels at each edge that no loss reads.
        losses: Losses to sum, where engine ``"cuda"`` takes them through Chainer's graph; ``None``
            where it records an evaluation. Other engines do not ask.
        exemplar: ``(height, width)`` of the exemplar in pixels; the image's if not given.
        table: The network's layers by name.
        channels (int): As for :func:`history_bytes`.
    """
    if engine == "cuda" and losses is not None:
        evaluation = losses_bytes(losses, size, exemplar, margin)
        evaluation += stages.buffer_bytes(layers, size, "max", table=table) if layers else 0
    else:
        evaluation = block_bytes(engine, layers, size, margin, table)
    history = history_bytes(size, MOST_PAIRS, channels)
    return process_bytes(engine, layers, table) + history + evaluation


def choose(
    budget,
    size,
    layers,
    engine,
    wrap=(False, False),
    table=architecture.VGG16,
    channels=3,
    held=0,
):
    """Chooses blocks and curvature pairs for a budget.

    As many pairs as fit beside blocks of 1024 px, and then what takes the least time beside them:
    large blocks, which overlap less, or smaller ones and room for what the first pass computed.
    (192 px of pebbles: 3, 6, 10 and 20 pairs had a loss of .0161, .0147, .0134 and .0126 after 120
    steps.)

    Args:
        budget (float): Bytes that the whole process may take.
        size: ``(height, width)`` of the image in pixels.
        layers: Names of the layers of the losses.
        engine (str): What :func:`model` returned.
        wrap: ``(rows, columns)``: whether opposite edges of the image are neighbours.
        table: The network's layers by name.
        channels (int): As for :func:`history_bytes`.
        held (int): Bytes that the texture takes beside, see
            :mod:`texsynth.objective.held_memory`.

    Returns:
        Choice: Blocks, what is kept, pairs, and what they come to.

    Raises:
        texsynth.errors.ConfigError: The smallest block and the shortest history do not fit.
    """
    process = process_bytes(engine, layers, table)

    def room(pairs):
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


def kept_bytes(layers, keep, window, table=architecture.VGG16):
    """Returns what is kept of a block between the passes, in bytes.

    Args:
        layers: Names of the layers of the losses.
        keep (str): Convolution from which on it is kept; ``None`` keeps nothing.
        window: ``(height, width)`` of the block's window in pixels.
        table: The network's layers by name.
    """
    if keep is None:
        return 0
    path = architecture.to_deepest(layers, table)
    per_pixel = 0
    for layer in path[path.index(table[keep]) :]:
        values = _bytes_per_pixel(layer)
        per_pixel += values if layer.name in layers else 0
        if isinstance(layer, architecture.Convolution):
            per_pixel += values / 32  # a bit for each
    return int(per_pixel * math.prod(window))


def _keepable(engine, layers, table):
    """The convolutions from which on activations can be kept: the first of each block but one."""
    names = [layer.name for layer in architecture.to_deepest(layers, table)]
    return [f"conv{n}_1" for n in range(2, 6) if f"conv{n}_1" in names and engine in _CAN_KEEP]


def _work(layers, keep, window, number, table):
    """What an evaluation takes, in pixels of an image that is evaluated whole."""
    path = architecture.to_deepest(layers, table)
    convolutions = [x for x in path if isinstance(x, architecture.Convolution)]
    cost = {x.name: x.in_channels * x.out_channels / x.stride**2 for x in convolutions}
    names = list(cost)
    kept = sum(cost[name] for name in names[names.index(keep) :]) if keep else 0
    again = _STATISTICS + FORWARD * (1 - kept / sum(cost.values())) if cost else 0
    return math.prod(window) * (number + (number - 1) * again)


def _cores(size, layers):
    """Sides of cores to choose from, the largest first: the longer side shared out evenly."""
    longest, smallest = max(size), max([SMALLEST_CORE, *map(architecture.stride, layers)])
    shares = range(1, max(1, longest // smallest) + 1)
    return list(dict.fromkeys(max(smallest, -(-longest // share)) for share in shares))


def _cuda_bytes(layers, window, margin, table):
    """The engine's buffers, and a gradient for what is read of each layer."""
    if not layers:
        return 0
    read = blocks.regions(layers, window, margin)
    gradients = sum(
        architecture.channels(name) * math.prod(each.stop - each.start for each in read[name]) * 4
        for name in layers
    )
    # Which pooling is not asked: maxima take a bit more for a value.
    return stages.buffer_bytes(layers, window, "max", read, table) + gradients


def _engine_bytes(engine, layers, table):
    """What an engine keeps for each pixel of the window, in bytes, beside the gradients given."""
    path = architecture.to_deepest(layers, table)
    sizes = {layer.name: _bytes_per_pixel(layer) for layer in path}
    if not sizes:
        return 0
    if engine in ("plain", "plain-gpu"):
        return sum(sizes.values()) + _PLAIN_PASSES * max(sizes.values())
    # A convolution before a pooling is kept as one bit a value unless it is wanted.
    for layer, following in pairwise(path):
        if isinstance(following, architecture.Pooling) and layer.name not in layers:
            sizes[layer.name] /= 32
    return sum(sizes.values())


def _bytes_per_pixel(layer):
    """Of a layer's activations, float32, for a pixel of the image."""
    return 4 * architecture.channels(layer.name) / layer.stride**2
