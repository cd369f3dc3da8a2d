"""The engine as a Chainer function, in the place of :class:`texsynth.network.vgg.VGGFeatures`."""

import logging

import numpy as np

from texsynth.compat import chainer
from texsynth.kernels import cache
from texsynth.kernels.gram import gram_sum
from texsynth.kernels.simd import has_bfloat16_products
from texsynth.network.convolution import NO_WRAP
from texsynth.network.vgg import check_wrap
from texsynth.network.winograd import SOURCES
from texsynth.network.winograd.buffers import ROOMS
from texsynth.network.winograd.network import WinogradVGG

_log = logging.getLogger(__name__)


def try_out():
    """Runs a small kernel, so that a Numba without its compiler or its threads fails here.

    Raises:
        Exception: Whatever Numba raises.
    """
    if cache.is_empty(SOURCES):
        how_often = "once per machine"
        if not cache.is_kept():
            how_often = "on every run, as no cache folder can be written (see NUMBA_CACHE_DIR)"
        _log.info("compiling the Winograd engine first: half a minute more, %s", how_often)
    gram_sum(np.zeros((1, 1, 1, 64), np.float32))


def fastest_precision():
    """Returns ``"bf16"`` on a processor that has its products, elsewhere ``"fp32"``."""
    return "bf16" if has_bfloat16_products() else "fp32"


class WinogradFeatures:
    """Image to activations by Winograd convolutions on the CPU.

    The same names, values and gradients as :class:`texsynth.network.vgg.VGGFeatures`, to
    rounding: with ``"bf16"`` the factors of the matrix products have 8 bits. The activations are
    views of buffers that the next call writes over: a target is made of them at once, or copied.

    Args:
        weights (texsynth.weights.VGGWeights): Table of layers, kernels, biases and mean colour.
        layers: Names of the layers whose activations are wanted.
        pooling (str): ``"average"`` or ``"max"``.
        precision (str): ``"fp32"`` or ``"bf16"``.

    Attributes:
        table: The network's layers by name.
        rooms (texsynth.kernels.rooms.Rooms): Memory for gradients of activations, which is let go
            of with the network's.
    """

    rooms = ROOMS

    def __init__(self, weights, layers, pooling="average", precision="fp32"):
        self.table = weights.table
        self._network = WinogradVGG(
            weights.table, weights.tensors, tuple(layers), pooling, precision, weights.made
        )
        self._mean = weights.mean.reshape(1, 3, 1, 1)

    def __call__(self, image, wrap=NO_WRAP, kept=None):
        """Returns ``{layer name: activations}``.

        Args:
            image (chainer.Variable): ``(N, 3, H, W)`` float32, RGB, 0..255, NumPy.
            wrap: ``(rows, columns)``: whether the top and bottom edges, and the left and right
                ones, are neighbours for every convolution; else it pads with zeros.
            kept: What :meth:`keep` returned after a call with the same arguments, which
                need not compute all again.

        Returns:
            dict: Each value a ``chainer.Variable`` of ``(N, C, H // stride, W // stride)`` whose
            array has the channels last in memory.

        Raises:
            texsynth.errors.ConfigError: See :func:`texsynth.network.vgg.check_wrap`.
        """
        check_wrap(image.shape, wrap, self._network.layers)
        node = _Activations(self._network, self._mean, wrap, kept)
        outputs = node.apply((image,))
        return dict(zip(node.names, outputs, strict=True))

    def rest(self):
        """Lets go of the buffers, and with them of the activations last returned."""
        self._network.rest()

    def keep(self, first, kept=None):
        """Returns what the last call computed, from a convolution on, for one with the same image.

        Args:
            first (str): Name of the convolution, not ``conv1_1``.
            kept: What was returned for an image of the same shape before, to be written over.
        """
        return self._network.keep(first, kept)


class _Activations(chainer.FunctionNode):
    def __init__(self, network, mean, wrap, kept):
        super().__init__()
        self._network, self._mean, self._wrap, self._kept = network, mean, wrap, kept
        self.names = ()

    def forward(self, inputs):
        (image,) = inputs
        activations = self._network.forward(image[:, ::-1] - self._mean, self._wrap, self._kept)
        self.names, self._token = tuple(activations), self._network.token
        return tuple(a.transpose(0, 3, 1, 2) for a in activations.values())

    def backward(self, indexes, grad_outputs):
        grads = {
            name: grad.array.transpose(0, 2, 3, 1)
            for name, grad in zip(self.names, grad_outputs, strict=True)
            if grad is not None
        }
        gradient = self._network.backward(grads, self._token)
        return (chainer.as_variable(np.ascontiguousarray(gradient[:, ::-1])),)
