"""The network as the engine goes through it, stage by stage, and what that takes of memory.

Nothing here needs a GPU: a plan of memory is made before one is used.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from texsynth.network import architecture

POINTS = 36
"""Products that take the place of a convolution: 6x6 points for 4x4 results."""

TAPS = 28
"""conv1_1's 27 taps, and a zero for loads of four."""

TILE = 4
"""Results of a convolution along the side of a tile."""

WORKSPACE = 32 << 20
"""Bytes that cuBLAS works in: what it recommends for Hopper, and enough for all before it."""

_FLOAT, _BITS = np.dtype(np.float32), np.dtype(np.uint16)
_ALIGNMENT = 512  # bytes, to which CuPy's pool rounds

# Transformed tiles are made, multiplied and taken back a chunk at a time, which bounds the memory.
# Chunks of 24 MB, which stay in a H100's cache, were slower: 15.8 ms an evaluation at 1024 px where
# whole layers took 13.7, since small products do not fill the device.
_CHUNK_BYTES = 256 << 20


class Stage(NamedTuple):
    """A convolution with its ReLU and, at the end of a block, the pooling after it.

    Attributes:
        conv: Name of the convolution.
        pool: Name of the pooling; empty where there is none.
        inputs: Channels that come in.
        outputs: Channels that go out.
        stride: Image pixels from one position of the convolution's result to the next.
    """

    conv: str
    pool: str
    inputs: int
    outputs: int
    stride: int

    @property
    def last(self):
        """Name of the layer that the next stage reads."""
        return self.pool or self.conv

    def shape(self, size):
        """Returns ``(O, h, w)`` of the convolution's result for an image of ``(height, width)``."""
        return self.outputs, *(side // self.stride for side in size)

    def last_shape(self, size):
        """Returns ``(O, h, w)`` of the layer that the next stage reads."""
        outputs, height, width = self.shape(size)
        return (outputs, height // 2, width // 2) if self.pool else (outputs, height, width)


def stages(layers, table=architecture.VGG16):
    """Returns the stages to the deepest of some layers, a list of :class:`Stage`.

    Args:
        layers: Names of layers, at least one.
        table: The network's layers by name.
    """
    found = []
    for layer, following in pairwise([*architecture.to_deepest(layers, table), None]):
        if isinstance(layer, architecture.Convolution):
            pool = following.name if isinstance(following, architecture.Pooling) else ""
            sizes = layer.in_channels, layer.out_channels, layer.stride
            found.append(Stage(layer.name, pool, *sizes))
    return found


def chunk(stage, size):
    """Returns the tiles of a stage that are multiplied at once, a multiple of four.

    Args:
        stage (Stage): The stage.
        size: ``(height, width)`` of the image in pixels.
    """
    total = math.prod(tiles(*stage.shape(size)[1:]))
    channels = max(stage.inputs, stage.outputs)
    most = _CHUNK_BYTES // (POINTS * _FLOAT.itemsize * channels)
    parts = -(-total // most)
    return -(-total // (4 * parts)) * 4


def tiles(height, width):
    """Returns the rows and columns of tiles of a layer.

    Args:
        height (int): Rows of the layer.
        width (int): Columns of the layer.
    """
    return -(-height // TILE), -(-width // TILE)


def buffers(layers, size, pooling, regions=None, table=architecture.VGG16):
    """Returns what the passes through the network take for an image, ``{name: (shape, dtype)}``.

    Args:
        layers: Names of the layers whose activations are wanted.
        size: ``(height, width)`` of the image in pixels.
        pooling (str): ``"average"`` or ``"max"``.
        regions: ``{layer: (rows, columns)}``, slices: the positions that are read of a layer, where
            they are not all.
        table: The network's layers by name.
    """
    found, path = {}, stages(layers, table)
    transformed, gradients = [0], {0: [0], 1: [0]}
    for number, stage in enumerate(path):
        whole, last = stage.shape(size), stage.last_shape(size)
        if stage.conv in layers or not stage.pool:
            found[stage.conv] = whole, _FLOAT
        if stage.pool:
            found[stage.pool] = last, _FLOAT
        if number:
            bits = stage.outputs, math.prod(tiles(*whole[1:]))
            found[f"{stage.conv}.lit"] = bits, _BITS
            if stage.pool and pooling == "max":
                found[f"{stage.conv}.chosen"] = bits, _BITS
            channels = max(stage.inputs, stage.outputs)
            transformed.append(POINTS * channels * chunk(stage, size))
        if stage is not path[-1] or not number:
            gradients[number % 2].append(math.prod(last))
        for name, shape in ((stage.conv, whole), (stage.last, last)):
            rows, columns = (regions or {}).get(name, (slice(0, side) for side in shape[1:]))
            inner = rows.stop - rows.start, columns.stop - columns.start
            if inner != shape[1:]:
                found[f"{name}.inner"] = (stage.outputs, *inner), _FLOAT
    found["transformed"] = found["multiplied"] = (max(transformed),), _FLOAT
    found["taps"] = (TAPS, *size), _FLOAT
    for parity, sizes in gradients.items():
        found[f"gradient.{parity}"] = (max(sizes),), _FLOAT
    return found


def buffer_bytes(layers, size, pooling, regions=None, table=architecture.VGG16):
    """Returns what the arrays of :func:`buffers` take of the device's memory, in bytes.

    Args:
        layers: As there.
        size: As there.
        pooling: As there.
        regions: As there.
        table: As there.
    """
    shapes = buffers(layers, size, pooling, regions, table).values()
    return sum(rounded(math.prod(shape) * dtype.itemsize) for shape, dtype in shapes)


def rounded(amount):
    """Returns the bytes that CuPy's pool gives for an array.

    Args:
        amount (int): Bytes of the array.
    """
    return -(-amount // _ALIGNMENT) * _ALIGNMENT


def kernel_bytes(layers, table=architecture.VGG16):
    """Returns what the network takes of the device's memory whatever the image, in bytes.

    Args:
        layers: Names of the layers whose activations are wanted.
        table: The network's layers by name.
    """
    return 2 * WORKSPACE + 2 * POINTS * _FLOAT.itemsize * sum(
        s.inputs * s.outputs for s in stages(layers, table)[1:]
    )
