"""The engine as a Chainer function, in the place of :class:`texsynth.network.vgg.VGGFeatures`."""

import numpy as np

from texsynth.compat import chainer
from texsynth.network.convolution import NO_WRAP
from texsynth.network.cuda.network import CudaVGG
from texsynth.network.cuda.passes import Passes
from texsynth.network.vgg import check_wrap


class CudaFeatures:
    """Image to activations by Winograd convolutions on the current GPU.

    The same names, values and gradients as :class:`texsynth.network.vgg.VGGFeatures`, to
    rounding. The activations are views of buffers that the next call writes over: a target is made
    of them at once, or copied.

    Args:
        weights (texsynth.weights.VGGWeights): Table of layers, kernels, biases and mean colour.
        layers: Names of the layers whose activations are wanted.
        pooling (str): ``"average"`` or ``"max"``.
        precision (str): ``"fp32"`` or ``"tf32"``, see
            :class:`texsynth.network.cuda.products.Products`.

    Attributes:
        network (texsynth.network.cuda.network.CudaVGG): The kernels.
        table: The network's layers by name.
    """

    def __init__(self, weights, layers, pooling="average", precision="fp32"):
        self.table = weights.table
        self.network = CudaVGG(weights, layers, pooling, precision)
        self._passes = None
        self.calls = 0

    def __call__(self, image, wrap=NO_WRAP):
        """Returns ``{layer name: activations}``.

        Args:
            image (chainer.Variable): ``(1, 3, H, W)`` float32, RGB, 0..255, CuPy.
            wrap: ``(rows, columns)``: whether the top and bottom edges, and the left and right
                ones, are neighbours for every convolution; else it pads with zeros.

        Returns:
            dict: Each value a ``chainer.Variable`` of ``(1, C, H // stride, W // stride)``.

        Raises:
            texsynth.errors.ConfigError: See :func:`texsynth.network.vgg.check_wrap`.
            ValueError: There is not one image, or it is not of float32.
        """
        check_wrap(image.shape, wrap, self.network.layers)
        if image.shape[0] != 1 or image.dtype != np.float32:
            raise ValueError(f"the engine takes one float32 image, not {image.dtype} {image.shape}")
        outputs = _Activations(self, image.shape[2:], wrap).apply((image,))
        return dict(zip(self.network.layers, outputs, strict=True))

    def passes(self, size, wrap):
        """Returns the buffers for an image size, those of the last call where they fit.

        Args:
            size: ``(height, width)`` of the image in pixels.
            wrap: As for the call.
        """
        if self._passes is None or (self._passes.size, self._passes.wrap) != (size, tuple(wrap)):
            self._passes = None  # makes room for the next
            self._passes = Passes(self.network, size, wrap)
        self.calls += 1
        return self._passes

    def rest(self):
        """Lets go of the buffers, and with them of the activations last returned."""
        self._passes = None


class _Activations(chainer.FunctionNode):
    def __init__(self, features, size, wrap):
        super().__init__()
        self._features, self._size, self._wrap = features, tuple(size), wrap

    def forward(self, inputs):
        xp = chainer.backend.get_array_module(inputs[0])
        self._image = xp.ascontiguousarray(inputs[0])
        self._passes = self._features.passes(self._size, self._wrap)
        self._call = self._features.calls
        self._passes.forward(self._image)
        return tuple(array[None] for array in self._passes.activations.values())

    def backward(self, indexes, grad_outputs):
        if self._call != self._features.calls:
            raise RuntimeError("the activations were written over by a later call of the features")
        xp = chainer.backend.get_array_module(self._image)
        gradients = {
            name: xp.ascontiguousarray(gradient.array[0])
            for name, gradient in zip(self._passes.activations, grad_outputs, strict=True)
            if gradient is not None
        }
        gradient = xp.empty_like(self._image)
        self._passes.backward(gradients.get, self._image, gradient)
        return (chainer.as_variable(gradient),)
