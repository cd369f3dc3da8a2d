"""A VGG's convolutional layers, forward and back to the image."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.parallel import thread_count
from texsynth.kernels.product import STRIP_ROWS, in_panels
from texsynth.network import architecture
from texsynth.network.winograd.buffers import (
    NO_BITS,
    NO_FLOATS,
    ROOMS,
    bit_buffer,
    fill_border,
    padded_buffer,
    pixels,
    tile_count,
)
from texsynth.network.winograd.ends import Backward, Forward
from texsynth.network.winograd.first_layer import (
    KERNEL,
    backward_weights,
    first_backward,
    first_forward,
    forward_weights,
)
from texsynth.network.winograd.gradients import seed_gradient, unpool
from texsynth.network.winograd.kept import Kept
from texsynth.network.winograd.kernels import backward_kernels, forward_kernels
from texsynth.network.winograd.rounding import tile_format
from texsynth.network.winograd.schedule import Scratch, make_schedule
from texsynth.network.winograd.transforms import TILE


@dataclass
class Stage:
    """A convolution with its ReLU and, at the end of a block, the pooling after it."""

    conv: str  # name of the convolution
    pool: str  # name of the pooling; empty: none
    keeps_conv: bool  # whether the activation before the pooling is needed
    channels: int
    kernels: np.ndarray  # as given
    bias: np.ndarray
    forward_weights: np.ndarray = None
    backward_weights: np.ndarray = None  # made when first asked for: measuring needs none
    # Made for an image size:
    size: tuple = (0, 0)
    activation: np.ndarray = field(default_factory=lambda: NO_FLOATS)
    pooled: np.ndarray = field(default_factory=lambda: NO_FLOATS)
    bits: np.ndarray = field(default_factory=lambda: NO_BITS)

    @property
    def output(self):
        """Padded buffer that the next stage reads."""
        return self.pooled if self.pool else self.activation

    @property
    def output_name(self):
        """Name of the layer that the next stage reads."""
        return self.pool or self.conv

    @property
    def output_size(self):
        """Height and width of the layer that the next stage reads."""
        height, width = self.size
        return (height // 2, width // 2) if self.pool else self.size

    def view(self, layer):
        """The activation of a layer of this stage, (N, H, W, C), without border."""
        if layer == self.conv:
            return pixels(self.activation, *self.size)
        return pixels(self.pooled, *self.output_size)


class WinogradVGG:
    """A VGG to the deepest layer wanted, with the gradient of the image.

    The activations and, later, their gradients lie in buffers that are made for an
    image size and used again: what ``forward`` returns is valid until the next call
    of ``backward`` or ``forward``.
    """

    def __init__(self, table, tensors, layers, pooling="average", precision="fp32", made=None):
        """Transform the weights.

        Args:
            table: the network's layers by name, such as architecture.VGG16.
            tensors: {"conv1_1": (kernels (out, in, 3, 3), bias (out,)), ...}, float32.
            layers: names wanted, conv*_* (after the ReLU) and pool*.
            pooling: "average" or "max".
            precision: "fp32"; "bf16" rounds the factors of Winograd's products.
            made: dict where transformed kernels are kept, for other networks of the same
                tensors; None shares them with none.
        """
        self._made = {} if made is None else made
        self.layers = tuple(layers)
        self._takes_maximum = pooling == "max"
        self._precision = precision
        self._stages = self._make_stages(table, tensors)
        self._shape = self._wrap = None
        self._calls = 0  # of forward
        self._is_fresh = False

    def _make_stages(self, table, tensors):
        stages = []
        path = architecture.to_deepest(self.layers, table)
        for layer, following in pairwise([*path, None]):
            if isinstance(layer, architecture.Pooling):
                continue
            conv = layer.name
            pool = following.name if isinstance(following, architecture.Pooling) else ""
            kernels, bias = tensors[conv]
            keeps_conv = not pool or conv in self.layers
            stage = Stage(conv, pool, keeps_conv, bias.size, kernels, bias)
            if stages:
                stage.forward_weights = self._transformed(forward_kernels, stage)
            else:
                stage.forward_weights = in_panels(forward_weights(kernels))
            stages.append(stage)
        return stages

    def _prepare(self, shape, wrap):
        """Make the buffers for images of a shape (N, 3, H, W) and a kind of border."""
        if (shape, wrap) == (self._shape, self._wrap):
            return
        self._shape = None  # a change of wrap, too, begins with borders of zeros
        self.rest()  # let go of the old ones before making the new
        images, _, *size = shape
        self._image = np.zeros((images, 3, size[0] + 2, size[1] + 2), np.float32)
        for stage in self._stages:
            stage.size = tuple(size)
            if min(stage.output_size) < 1:
                raise ValueError(f"images of shape {shape} are too small for {stage.pool}")
            if stage.keeps_conv:
                stage.activation = padded_buffer(images, *size, stage.channels)
            if stage.pool:
                stage.bits = bit_buffer(images, *size, stage.channels)
                at_least = [2 * tile_count(n) + 2 for n in size]
                size = stage.output_size
                stage.pooled = padded_buffer(images, *size, stage.channels, at_least)
        for before, stage in pairwise(self._stages):  # the last tiles read no further
            reach = [TILE * tile_count(n) + 2 for n in stage.size]
            assert all(n <= m for n, m in zip(reach, before.output.shape[1:3], strict=True))
        self._make_scratch(images, shape[3])
        self._shape, self._wrap = shape, wrap

    def rest(self):
        """Let go of all buffers; what ``forward`` returned is still there if somebody has it."""
        self._shape = self._scratch = self._image = None
        self._unrolled = self._sums = self._products = None
        self._is_fresh = False
        ROOMS.rest()
        for stage in self._stages:
            stage.activation, stage.pooled, stage.bits = NO_FLOATS, NO_FLOATS, NO_BITS

    def _make_scratch(self, images, width):
        """Make the memory that the workers need for themselves."""
        workers = thread_count()
        columns = width + 2 + STRIP_ROWS
        channels = self._stages[0].channels
        self._unrolled = aligned_zeros((workers, KERNEL, columns))
        self._sums = aligned_zeros((workers, columns, channels))
        self._products = aligned_zeros((workers, 3, columns, 32))
        convolutions = [
            (before.channels, stage.channels, images * math.prod(map(tile_count, stage.size)))
            for before, stage in pairwise(self._stages)
        ]
        form = tile_format(self._precision, images * math.prod(self._stages[0].size))
        self._schedules = [
            (make_schedule(d, c, tiles, workers, form), make_schedule(c, d, tiles, workers, form))
            for d, c, tiles in convolutions
        ]
        if convolutions:
            self._scratch = Scratch([s for pair in self._schedules for s in pair], workers, form)

    def forward(self, x, wrap, kept=None):
        """Compute the activations.

        Args:
            x: (N, 3, H, W) float32, BGR, mean subtracted.
            wrap: (rows, columns), along which axes the opposite edges are neighbours; a side
                that wraps is a multiple of the deepest layer's stride.
            kept: what ``keep`` returned after a call with the same ``x`` and ``wrap``; its
                stages are not computed again.

        Returns:
            {layer: (N, H, W, C) float32}, views of the buffers; ``token`` is then this
            call's.
        """
        self._prepare(x.shape, tuple(wrap))
        height, width = x.shape[2:]
        self._image[:, :, 1:-1, 1:-1] = x
        fill_border(self._image.transpose(0, 2, 3, 1), (height, width), self._wrap)
        first = self._stages[0]
        first_forward(
            self._image, first.forward_weights, first.bias, first.activation,
            height, width, self._unrolled, self._sums,
        )  # fmt: skip
        fill_border(first.output, first.output_size, self._wrap)
        computed = self._stages if kept is None else self._stages[: kept.first]
        for (before, stage), (schedule, _) in zip(
            pairwise(computed), self._schedules, strict=False
        ):
            ends = Forward(
                before.output, stage.bias, stage.activation, stage.pooled, stage.bits,
                self._takes_maximum,
            )  # fmt: skip
            scratch = self._scratch.arrays(schedule)
            schedule.run(ends, stage.forward_weights, stage.size, *scratch)
            fill_border(stage.output, stage.output_size, self._wrap)
            if stage.pool:
                fill_border(stage.bits, stage.size, self._wrap)
        if kept is not None:
            kept.give_back(self._stages[kept.first :])
        self._calls += 1
        self._is_fresh = True
        return {
            layer: stage.view(layer)
            for stage in self._stages
            for layer in (stage.conv, stage.pool)
            if layer in self.layers
        }

    def keep(self, first, kept=None):
        """Keep what the last ``forward`` computed, from a convolution on; before ``backward``.

        Args:
            first: name of the convolution, not conv1_1.
            kept: what an earlier call for an image of this shape returned, to be written over.

        Returns:
            Kept, for ``forward``.
        """
        if not self._is_fresh:
            raise RuntimeError("only a forward without its backward leaves something to keep")
        number = [stage.conv for stage in self._stages].index(first)
        stages = self._stages[number:]
        if kept is None:
            return Kept(number, stages, self.layers)
        kept.take(stages)
        return kept

    @property
    def token(self):
        """Names the last call of ``forward``, for ``backward``."""
        return self._calls

    def backward(self, grads, token):
        """Compute the gradient with respect to the image, once after each ``forward``.

        The activations that ``forward`` returned are overwritten.

        Args:
            grads: {layer: (N, H, W, C) float32}, gradients with respect to
                activations, of some of the layers.
            token: what ``token`` was after the ``forward`` that this goes back through.

        Returns:
            (N, 3, H, W) float32.
        """
        if not self._is_fresh:
            raise RuntimeError("backward needs a forward before it")
        if token != self._calls:
            raise RuntimeError("backward must follow its own forward: the next wrote over it")
        self._is_fresh = False
        grads = {name: np.ascontiguousarray(g, np.float32) for name, g in grads.items()}
        result = np.zeros(self._shape, np.float32)
        reached = False
        scale = 1.0 if self._takes_maximum else 0.25
        for index in reversed(range(len(self._stages))):
            stage = self._stages[index]
            if reached:
                from_pool = bool(stage.pool)
            else:
                reached, from_pool = self._seed(stage, grads), stage.pool in grads
            if reached:
                self._backward_stage(index, from_pool, grads, scale)
        if reached:
            activation = self._stages[0].activation
            first_backward(activation, self._backward_weights(0), result, self._products)
        return result

    def _backward_weights(self, index):
        stage = self._stages[index]
        if stage.backward_weights is None:
            if index == 0:
                stage.backward_weights = in_panels(backward_weights(stage.kernels))
            else:
                stage.backward_weights = self._transformed(backward_kernels, stage)
        return stage.backward_weights

    def _transformed(self, transform, stage):
        key = transform, stage.conv, self._precision
        if key not in self._made:
            self._made[key] = transform(stage.kernels, self._precision)
        return self._made[key]

    def _seed(self, stage, grads):
        """Begin the backward pass at a stage, if one of its layers has a gradient; tell so."""
        if stage.pool in grads:
            seed_gradient(stage.pooled, grads[stage.pool], False)
            fill_border(stage.pooled, stage.output_size, self._wrap)
            return True
        if stage.conv in grads:
            seed_gradient(stage.activation, grads[stage.conv], True)
            fill_border(stage.activation, stage.size, self._wrap)
            return True
        return False

    def _backward_stage(self, index, from_pool, grads, scale):
        stage = self._stages[index]
        source, bits = stage.output if from_pool else stage.activation, NO_BITS
        if from_pool and stage.keeps_conv:
            own = grads.get(stage.conv, NO_FLOATS)
            unpool(stage.pooled, stage.bits, scale, stage.activation, own, *stage.size)
            fill_border(stage.activation, stage.size, self._wrap)
            source = stage.activation
        elif from_pool:
            bits = stage.bits
        if index == 0:
            return
        before = self._stages[index - 1]
        schedule = self._schedules[index - 1][1]
        added = grads.get(before.output_name, NO_FLOATS)
        ends = Backward(source, bits, scale, before.output, added, not before.pool)
        scratch = self._scratch.arrays(schedule)
        schedule.run(ends, self._backward_weights(index), stage.size, *scratch)
        fill_border(before.output, before.output_size, self._wrap)
