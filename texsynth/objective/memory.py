"""How much memory a synthesis takes.

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
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from texsynth.losses import Loss
from texsynth.network import architecture
from texsynth.network.cuda import stages
from texsynth.objective import blocks, colours
from texsynth.objective.loss_memory import losses_bytes
from texsynth.typing import Size

MOST_PAIRS = 20

_FLOAT = 4  # bytes
_PIXEL = 3 * _FLOAT  # bytes: three channels
_IMAGES = 5  # image, start, direction, its gradient and the last; two of them become a pair
_IN_COLOURS = 2  # image and gradient once more, in RGB
_IN_UNITS = 7 / 3  # and again, over units for each pixel, and these
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


def model(engine: str, device: Any, precision: str = "fp32") -> str:
    """Returns by which of this module's estimates an engine is counted.

    Args:
        engine (str): ``"plain"``, ``"winograd"`` or ``"cuda"``.
        device (chainer.backend.Device): Where it computes.
        precision (str): How the factors of its products are rounded.
    """
    if engine == "winograd" and precision == "bf16":
        return "winograd-bf16"
    return "plain-gpu" if engine == "plain" and device.xp is not np else engine


def block_bytes(
    engine: str,
    layers: Collection[str],
    window: Size,
    margin: Size = (0, 0),
    table: architecture.Table = architecture.VGG16,
) -> int:
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


def second_bytes(
    engine: str,
    layers: Collection[str],
    size: Size,
    margin: Size = (0, 0),
    table: architecture.Table = architecture.VGG16,
) -> int:
    """Returns what a second network keeps beside one that has had its turn, in bytes.

    Args:
        engine: What :func:`model` returned.
        layers: Names of the layers of its losses.
        size: ``(height, width)`` of the image in pixels.
        margin: ``(rows, columns)`` in pixels at each edge that no loss reads.
        table: The network's layers by name.
    """
    if engine == "cuda":
        return _cuda_bytes(layers, size, margin, table)
    if engine in ("plain", "plain-gpu"):
        return 0  # its graph is gone when the other's begins
    return int(_engine_bytes(engine, layers, table) * math.prod(size))


def history_bytes(size: Size, pairs: int, channels: int = 3) -> int:
    """Returns what the image and L-BFGS take, in bytes.

    Args:
        size: ``(height, width)`` of the image in pixels.
        pairs (int): Curvature pairs, of two images each.
        channels (int): The image's; of more than three, three at a time are seen by the network.
    """
    images: float = _IMAGES + 2 * pairs
    if math.prod(size) <= colours.MOST_PIXELS:
        images += _IN_COLOURS + _IN_UNITS
    seen = _SEEN * _PIXEL if channels > 3 else 0
    return int((images * channels * _FLOAT + seen) * math.prod(size))


def process_bytes(
    engine: str, layers: Collection[str], table: architecture.Table = architecture.VGG16
) -> int:
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
    engine: str,
    layers: Collection[str],
    size: Size,
    margin: Size = (0, 0),
    losses: Sequence[Loss] | None = None,
    exemplar: Size | None = None,
    table: architecture.Table = architecture.VGG16,
    channels: int = 3,
) -> int:
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


def kept_bytes(
    layers: Collection[str],
    keep: str | None,
    window: Size,
    table: architecture.Table = architecture.VGG16,
) -> int:
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
    per_pixel = 0.0
    for layer in path[path.index(table[keep]) :]:
        values = _bytes_per_pixel(layer)
        per_pixel += values if layer.name in layers else 0
        if isinstance(layer, architecture.Convolution):
            per_pixel += values / 32  # a bit for each
    return int(per_pixel * math.prod(window))


def _cuda_bytes(
    layers: Collection[str], window: Size, margin: Size, table: architecture.Table
) -> int:
    """The engine's buffers, and a gradient for what is read of each layer."""
    if not layers:
        return 0
    read = blocks.regions(layers, window, margin)
    gradients = sum(
        architecture.channels(name) * math.prod(each.stop - each.start for each in read[name]) * 4
        for name in layers
    )
    # Which pooling is not asked: maxima take a bit more for a value.
    return int(stages.buffer_bytes(layers, window, "max", read, table) + gradients)


def _engine_bytes(engine: str, layers: Collection[str], table: architecture.Table) -> float:
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


def _bytes_per_pixel(layer: architecture.Convolution | architecture.Pooling) -> float:
    """Of a layer's activations, float32, for a pixel of the image."""
    return 4 * architecture.channels(layer.name) / layer.stride**2
