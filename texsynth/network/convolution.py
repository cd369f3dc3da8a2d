"""The frozen 3x3 convolution with bias and ReLU, and its gradient for the input alone.

Stride 1, padding 1: the only convolution that VGG has. The padding is of zeros, as VGG was trained,
or wraps around, so that opposite edges are neighbours and what is synthesised tiles. The weights
never change, so no gradient is computed for them, and the sum is one matrix product over unfolded
patches. The patches are unfolded a block of rows at a time: whole, they would take nine times the
memory of the input.
"""

from types import ModuleType

import numpy as np

from texsynth.compat import chainer
from texsynth.typing import Array, Wrap

_BLOCK_BYTES_CPU = 2 << 20  # stays in the cache of one core
_BLOCK_BYTES_GPU = 64 << 20  # few launches; bounded, since the device's memory is

NO_WRAP = (False, False)
"""Zero padding along rows and columns, as VGG was trained."""


def convolve(x: Array, W: Array, wrap: Wrap = NO_WRAP) -> Array:
    """Correlates with 3x3 kernels, stride 1, padding 1.

    Args:
        x: Input, ``(N, C, H, W)``, float32 or float64, NumPy or CuPy.
        W: Kernels, ``(O, C, 3, 3)``, same dtype and device.
        wrap: ``(rows, columns)``: along which axes the padding is the opposite edge, not zeros.

    Returns:
        ``(N, O, H, W)``, C-contiguous.
    """
    xp = chainer.backend.get_array_module(x)
    batch, channels, height, width = x.shape
    padded = _pad(xp, x, wrap)
    strides = padded.strides
    # Not sliding_window_view: CuPy's reads the device twice for it.
    patches = xp.lib.stride_tricks.as_strided(
        padded, (batch, channels, 3, 3, height, width), (*strides, *strides[2:])
    )
    matrix = W.reshape(W.shape[0], -1)
    y: Array = xp.empty((batch, W.shape[0], height, width), dtype=x.dtype)
    budget = _BLOCK_BYTES_CPU if xp is np else _BLOCK_BYTES_GPU
    rows = max(1, budget // (9 * channels * width * x.dtype.itemsize))
    for image, target in zip(patches, y, strict=True):
        for top in range(0, height, rows):
            block = image[..., top : top + rows, :]
            columns = xp.ascontiguousarray(block).reshape(matrix.shape[1], -1)
            product = matrix @ columns
            target[:, top : top + rows] = product.reshape(-1, *block.shape[-2:])
    return y


def _pad(xp: ModuleType, x: Array, wrap: Wrap) -> Array:
    batch, channels, height, width = x.shape
    padded: Array = xp.zeros((batch, channels, height + 2, width + 2), dtype=x.dtype)
    padded[:, :, 1:-1, 1:-1] = x
    rows, columns = wrap
    if rows:
        padded[:, :, 0], padded[:, :, -1] = padded[:, :, -2], padded[:, :, 1]
    if columns:  # after the rows, and over their padding too: that fills the corners
        padded[..., 0], padded[..., -1] = padded[..., -2], padded[..., 1]
    return padded


class ConvolutionReLU(chainer.FunctionNode):
    """``max(x * W + b, 0)``, differentiable once, for ``x`` alone.

    Args:
        W: Kernels, ``(O, C, 3, 3)``.
        b: Bias, ``(O,)``.
        wrap: ``(rows, columns)``, as for :func:`convolve`.
    """

    def __init__(self, W: Array, b: Array, wrap: Wrap = NO_WRAP) -> None:
        super().__init__()
        self._W, self._b, self._wrap = W, b, wrap

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes ``(x,)``, ``(N, C, H, W)``; returns ``(y,)``, ``(N, O, H, W)``."""
        (x,) = inputs
        xp = chainer.backend.get_array_module(x)
        y = convolve(x, self._W, self._wrap)
        y += self._b[:, None, None]
        xp.maximum(y, 0, out=y)
        self.retain_outputs((0,))
        return (y,)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Correlates the masked gradient with the kernels turned by 180 degrees, padded alike."""
        (y,) = self.get_retained_outputs()
        masked = grad_outputs[0].array * (y.array > 0)
        turned = self._W.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
        return (chainer.as_variable(convolve(masked, turned, self._wrap)),)


class FrozenConvolutionReLU(chainer.Link):
    """Link around :class:`ConvolutionReLU`; its arrays are persistent, not parameters.

    Args:
        W: Kernels, ``(O, C, 3, 3)`` float32.
        b: Bias, ``(O,)`` float32.
    """

    def __init__(self, W: Array, b: Array) -> None:
        super().__init__()
        with self.init_scope():
            self.W, self.b = W, b
        self.register_persistent("W")
        self.register_persistent("b")

    def forward(self, x: chainer.Variable, wrap: Wrap = NO_WRAP) -> chainer.Variable:
        """Returns the activations after the ReLU.

        Args:
            x (chainer.Variable): ``(N, C, H, W)`` float32.
            wrap: ``(rows, columns)``, as for :func:`convolve`.
        """
        return ConvolutionReLU(self.W, self.b, wrap).apply((x,))[0]
