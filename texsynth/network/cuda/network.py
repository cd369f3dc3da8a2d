"""A VGG's kernels on the GPU, transformed once for both ways."""

import cupy
import numpy as np

from texsynth import cuda
from texsynth.network.cuda.products import Products
from texsynth.network.cuda.stages import POINTS, TAPS, stages

_THREADS = 128


class CudaVGG:
    """The network on the current device, to the deepest layer wanted.

    Args:
        weights (texsynth.weights.VGGWeights): Table of layers, kernels, biases and mean colour.
        layers: Names of the layers whose activations are wanted.
        pooling (str): ``"average"`` or ``"max"``.
        precision (str): See :class:`texsynth.network.cuda.products.Products`.

    Attributes:
        layers (tuple): The same.
        pooling (str): The same.
        table: The network's layers by name.
        stages (list): Of :class:`Stage`, from the image to the deepest layer.
        products (texsynth.network.cuda.products.Products): Does the matrix products.
        beside (texsynth.network.cuda.products.Products): Does those on another stream.
        mean (cupy.ndarray): ``(3,)``, RGB, 0..255.
        first_kernels (cupy.ndarray): conv1_1's, ``(64, 28)``: RGB, rows, columns, and a zero.
        first_turned (cupy.ndarray): The same, ``(28, 64)``.
        biases (list): Of each stage, ``(O,)``.
        forward_kernels (list): ``(36, O, C)`` of each stage; ``None`` for conv1_1.
        backward_kernels (list): ``(36, C, O)``, of the kernels turned by 180 degrees; likewise.
    """

    def __init__(self, weights, layers, pooling="average", precision="fp32"):
        self.layers, self.pooling = tuple(layers), pooling
        self.table = weights.table
        self.stages = stages(self.layers, self.table)
        self.products, self.beside = Products(precision), Products(precision)
        self.mean = cupy.asarray(weights.mean[::-1].copy())
        tensors = [weights.tensors[stage.conv] for stage in self.stages]
        self.biases = [cupy.asarray(b) for _, b in tensors]
        first = tensors[0][0][:, ::-1].reshape(self.stages[0].outputs, -1)  # Caffe's are for BGR
        self.first_kernels = cupy.asarray(
            np.pad(first, ((0, 0), (0, TAPS - first.shape[1]))), dtype=np.float32
        )
        self.first_turned = cupy.ascontiguousarray(self.first_kernels.T)
        deeper = [cupy.asarray(np.ascontiguousarray(W)) for W, _ in tensors[1:]]
        self.forward_kernels = [None, *(_transform(W, turned=False) for W in deeper)]
        self.backward_kernels = [None, *(_transform(W, turned=True) for W in deeper)]

    def channels(self):
        """Yields each layer wanted with its number of channels."""
        for stage in self.stages:
            for name in (stage.conv, stage.pool):
                if name in self.layers:
                    yield name, stage.outputs


def _transform(W, turned):
    outputs, inputs = W.shape[:2]
    shape = (POINTS, inputs, outputs) if turned else (POINTS, outputs, inputs)
    U = cupy.empty(shape, np.float32)
    kernel = cuda.load(__package__, "winograd")("transform_kernels")
    sizes = np.int32(outputs), np.int32(inputs), np.int32(turned)
    kernel((-(-outputs * inputs // _THREADS),), (_THREADS,), (W, U, *sizes))
    return U
