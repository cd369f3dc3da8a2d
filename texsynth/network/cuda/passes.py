"""The ways through the network for images of one size: to the activations, and back."""

import math

import cupy
import numpy as np

from texsynth import cuda
from texsynth.network.cuda import structures
from texsynth.network.cuda.stages import POINTS, TAPS, buffers, chunk, tiles

_THREADS = 128  # a block of tiles; each takes some hundred registers
_PIXELS = 256  # a block of conv1_1's kernels
_NOTHING = cuda.structure(structures.GRADIENT, *([0] * 8))


class Passes:
    """All arrays that the network needs for an image size, made once and used again.

    Args:
        network (texsynth.network.cuda.network.CudaVGG): The kernels.
        size: ``(height, width)`` of the image in pixels.
        wrap: ``(rows, columns)``: whether opposite edges are neighbours.
        regions: ``{layer: (rows, columns)}``, slices: the positions that are read of a layer, all
            of them where a layer is not named.

    Attributes:
        size (tuple): The same.
        wrap (tuple): The same.
        activations (dict): ``{layer: (C, h, w) cupy.ndarray}`` for the layers wanted, the positions
            that are read; written by :meth:`forward`.
        blocks (int): Parts that :meth:`backward` leaves of the range penalty.
    """

    def __init__(self, network, size, wrap, regions=None):
        self._network, self.size, self.wrap = network, tuple(size), tuple(wrap)
        self._regions = dict(regions or {})
        shapes = buffers(network.layers, size, network.pooling, self._regions, network.table)
        self._arrays = {name: cupy.empty(*each) for name, each in shapes.items()}
        self.activations = {
            name: self._arrays.get(f"{name}.inner", self._arrays[name]) for name in network.layers
        }
        self._grids = [self._chunks(stage) for stage in network.stages]
        self.blocks = cuda.blocks(math.prod(size), _PIXELS)
        self._winograd = cuda.load(__package__, "winograd")
        self._first = cuda.load(__package__, "first_layer")

    def forward(self, image, reached=lambda layer: None):
        """Computes the activations.

        Args:
            image (cupy.ndarray): ``(1, 3, H, W)`` float32, RGB, 0..255, C-contiguous.
            reached: Called with the name of each layer wanted when its activations are under way.
        """
        network, (height, width) = self._network, self.size
        name = network.stages[0].conv
        self._first("first_forward")(
            (cuda.blocks(height * width, _PIXELS),),
            (_PIXELS,),
            (
                *(image, network.mean, network.first_kernels, network.biases[0]),
                *(self._arrays[name], *self._frame(), self._copy(name)),
            ),
        )
        for number, stage in enumerate(network.stages):
            if number:
                self._through(number)
            for layer in (stage.conv, stage.pool):
                if layer in network.layers:
                    reached(layer)

    def backward(self, gradient_of, image, gradient, penalty=None, excess=None):
        """Computes the gradient for the image of the last :meth:`forward`.

        Args:
            gradient_of: Function from a layer's name to the gradient for what is read of its
                activations, ``(C, h, w)``, or to ``None``; called once a layer, the deepest first.
            image (cupy.ndarray): What :meth:`forward` was called with.
            gradient (cupy.ndarray): ``(1, 3, H, W)`` float32, written.
            penalty: The range penalty's ``(rows, columns)``, slices of the image, and weight over
                the number of values, or ``None``.
            excess (cupy.ndarray): ``(blocks,)`` float32, written: sums of squared distances from
                0..255.
        """
        network = self._network
        dense = None
        for number in range(len(network.stages) - 1, 0, -1):
            self._back_through(number, dense, gradient_of)
            dense = self._arrays[f"gradient.{(number - 1) % 2}"]
        self._to_image(dense, gradient_of)
        rows, columns = (slice(0, 0),) * 2 if penalty is None else penalty[0]
        place = rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
        factor = 0 if penalty is None else 2 * penalty[1]
        excess = cupy.empty(self.blocks, np.float32) if excess is None else excess
        self._first("fold_taps")(
            (self.blocks,),
            (_PIXELS,),
            (
                *(self._arrays["taps"], image, gradient, *self._frame()),
                *(cuda.structure(structures.RANGE, *place, factor), excess),
            ),
        )

    def _to_image(self, dense, gradient_of):
        """conv1_1 back, as far as a product goes: what each tap of its kernels gives."""
        network, (height, width) = self._network, self.size
        name, channels = network.stages[0].conv, network.stages[0].outputs
        own = self._gradient(name, self.size, dense, gradient_of(name))
        # In place, where there is something.
        result, taps = self._arrays["gradient.0"], self._arrays["taps"]
        self._first("unlit")(
            (cuda.blocks(height * width, _PIXELS), channels),
            (_PIXELS,),
            (own, self._arrays[name], result, np.int32(height), np.int32(width)),
        )
        sizes = TAPS, height * width, channels
        network.products.multiply(network.first_turned, result, taps, sizes)

    def _through(self, number):
        """A stage forward: tiles, products, activations."""
        network = self._network
        stage, source = network.stages[number], self._arrays[network.stages[number - 1].last]
        transformed, multiplied = self._arrays["transformed"], self._arrays["multiplied"]
        largest = np.int32(network.pooling == "max")
        for grid in self._grids[number]:
            self._launch("transform_input", stage.inputs, grid, (source, transformed, grid))
            self._multiply(network.forward_kernels[number], stage.outputs, stage.inputs, grid)
            arguments = (
                *(multiplied, network.biases[number], grid, self._pointer(stage.conv)),
                *(self._pointer(stage.pool), largest, *self._bits(stage)),
                *(self._copy(stage.conv), self._copy(stage.pool)),
            )
            self._launch("transform_output", stage.outputs, grid, arguments)

    def _back_through(self, number, dense, gradient_of):
        """A stage back: gradients through pooling and ReLU to tiles, products, gradients."""
        network, stage = self._network, self._network.stages[number]
        pooled = _NOTHING
        if stage.pool:
            half = stage.last_shape(self.size)[1:]
            pooled = self._gradient(stage.pool, half, dense, gradient_of(stage.pool))
            dense = None
        size = stage.shape(self.size)[1:]
        own = self._gradient(stage.conv, size, dense, gradient_of(stage.conv))
        share = np.float32(1 if network.pooling == "max" else 0.25)
        transformed, multiplied = self._arrays["transformed"], self._arrays["multiplied"]
        result = self._arrays[f"gradient.{(number - 1) % 2}"]
        for grid in self._grids[number]:
            arguments = own, pooled, share, *self._bits(stage), transformed, grid
            self._launch("transform_gradient", stage.outputs, grid, arguments)
            self._multiply(network.backward_kernels[number], stage.inputs, stage.outputs, grid)
            arguments = multiplied, result, grid
            self._launch("transform_input_gradient", stage.inputs, grid, arguments)

    def _multiply(self, U, rows, inner, grid):
        sizes = rows, int(grid["pitch"]), inner
        V, M = self._arrays["transformed"], self._arrays["multiplied"]
        self._network.products.multiply(U, V, M, sizes, POINTS)

    def _launch(self, name, channels, grid, arguments):
        count = int(grid["count"])
        threads = min(_THREADS, cuda.blocks(count, 32) * 32)
        self._winograd(name)((cuda.blocks(count, threads), channels), (threads,), arguments)

    def _chunks(self, stage):
        """The tiles of a stage, in chunks that are multiplied at once."""
        _, height, width = stage.shape(self.size)
        shape = height, width, *tiles(height, width), *self.wrap
        total, most = math.prod(tiles(height, width)), chunk(stage, self.size)
        firsts = range(0, total, most)
        counts = [min(most, total - first) for first in firsts]
        return [
            cuda.structure(structures.GRID, *shape, first, count, cuda.blocks(count, 4) * 4)
            for first, count in zip(firsts, counts, strict=True)
        ]

    def _frame(self):
        return tuple(np.int32(number) for number in (*self.size, *self.wrap))

    def _pointer(self, name):
        """An array that is there, or a null pointer."""
        return self._arrays.get(name, np.uint64(0))

    def _bits(self, stage):
        lit = self._arrays[f"{stage.conv}.lit"]
        return lit, self._arrays.get(f"{stage.conv}.chosen", lit)

    def _copy(self, name):
        inner = self._arrays.get(f"{name}.inner")
        if inner is None:
            return cuda.structure(structures.COPY, *([0] * 5))
        rows, columns = self._regions[name]
        place = rows.start, columns.start, *inner.shape[1:]
        return cuda.structure(structures.COPY, inner.data.ptr, *place)

    def _gradient(self, name, size, dense, inner):
        """What arrives at a layer of ``size`` from the next stage, and from the losses."""
        rows, columns = self._regions.get(name, (slice(0, size[0]), slice(0, size[1])))
        place = rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start
        pointers = (0 if array is None else array.data.ptr for array in (dense, inner))
        return cuda.structure(structures.GRADIENT, *pointers, *size, *place)
