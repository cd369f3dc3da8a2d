"""Autocorrelation by FFT: unbiased, with a gradient.

``R(d) = sum over p of f(p) f(p + d) / count(d)``, where ``count(d)`` is the number of places ``p``
at which both ``p`` and ``p + d`` lie within: what is beyond the border takes no part, and R does
not fade with the lag as the biased one does (Wiener-Khinchin theorem on a zero-padded signal).
"""

from types import ModuleType

import numpy.typing as npt

from texsynth.compat import chainer
from texsynth.statistics.fourier import irfft2, rfft2
from texsynth.typing import Array, Size


class Autocorrelation(chainer.FunctionNode):
    """``(N, C, H, W)`` to ``(N, C, 2 l + 1, m + 1)``, differentiable once.

    Args:
        lags: ``(l, m)``: the largest lag in rows and in columns, less than H and W.
    """

    def __init__(self, lags: Size) -> None:
        super().__init__()
        self._lags = lags

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes ``(x,)``; returns ``(autocorrelation,)``."""
        (x,) = inputs
        xp = chainer.backend.get_array_module(x)
        self._shape = x.shape
        down, across = self._lags
        self._padded = fast_length(x.shape[2] + down), fast_length(x.shape[3] + across)
        spectrum = rfft2(x, self._padded)
        # The half of the spectrum that the FFT of real values leaves is kept for the gradient.
        self._spectrum = spectrum
        power = xp.square(spectrum.real) + xp.square(spectrum.imag)
        circular = irfft2(power, self._padded).astype(x.dtype, copy=False)
        before = circular[:, :, self._padded[0] - down :]
        rows = xp.concatenate([before, circular[:, :, : down + 1]], 2)
        return (rows[..., : across + 1] / self._counts(xp, x.dtype),)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Returns the gradient for ``x``: ``sum over d of g(d) (f(p + d) + f(p - d))``."""
        g = grad_outputs[0].array
        xp = chainer.backend.get_array_module(g)
        g = g / self._counts(xp, g.dtype)
        down, across = self._lags
        circular = xp.zeros((*g.shape[:2], *self._padded), g.dtype)
        circular[:, :, : down + 1, : across + 1] = g[:, :, down:]
        circular[:, :, self._padded[0] - down :, : across + 1] = g[:, :, :down]
        spectrum = rfft2(circular, self._padded).real * self._spectrum
        height, width = self._shape[2:]
        gx = 2 * irfft2(spectrum, self._padded)[:, :, :height, :width]
        return (chainer.as_variable(gx.astype(g.dtype, copy=False)),)

    def _counts(self, xp: ModuleType, dtype: npt.DTypeLike) -> Array:
        (height, width), (down, across) = self._shape[2:], self._lags
        rows: Array = height - abs(xp.arange(-down, down + 1, dtype=dtype))
        columns: Array = width - xp.arange(across + 1, dtype=dtype)
        return rows[:, None] * columns


def autocorrelation(x: chainer.Variable | Array, lags: Size) -> chainer.Variable:
    """Returns the unbiased autocorrelation of each channel.

    Args:
        x (chainer.Variable or array): ``(N, C, H, W)`` float32 or float64.
        lags: ``(l, m)``: the largest lag in rows and in columns, less than H and W.

    Returns:
        chainer.Variable: ``(N, C, 2 l + 1, m + 1)``, squared units of ``x``: lag ``(d, e)`` is at
        ``[l + d, e]``; the other half is the same by symmetry.
    """
    return Autocorrelation(lags).apply((x,))[0]


def fast_length(least: int) -> int:
    """Returns the smallest even length from ``least`` on whose only prime factors are 2, 3, 5.

    Args:
        least (int): What must fit, at least 1.
    """
    length = least + least % 2
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 2
