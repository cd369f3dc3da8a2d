"""Two-dimensional FFTs of many channels, which share the processor's cores.

NumPy transforms one after the other; autocorrelation takes as long as the network then.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from texsynth import machine
from texsynth.compat import chainer
from texsynth.typing import Array, Size

_LEAST = 1 << 18  # values from which a thread is worth its start


def rfft2(x: Array, shape: Size) -> Array:
    """Transforms real channels, zero-padded to a shape.

    Args:
        x (array): ``(N, C, H, W)`` float32 or float64.
        shape: ``(rows, columns)``, at least H and W.

    Returns:
        array: ``(N, C, rows, columns // 2 + 1)`` complex64 or complex128.
    """
    return _over_channels("rfft2", x, shape)


def irfft2(spectrum: Array, shape: Size) -> Array:
    """Transforms the half spectra of :func:`rfft2` back.

    Args:
        spectrum (array): ``(N, C, rows, columns // 2 + 1)``, complex or real.
        shape: ``(rows, columns)``.

    Returns:
        array: ``(N, C, rows, columns)`` float32 or float64.
    """
    return _over_channels("irfft2", spectrum, shape)


def _over_channels(name: str, x: Array, shape: Size) -> Array:
    xp = chainer.backend.get_array_module(x)
    transform: Callable[[Array, Size], Array] = getattr(xp.fft, name)
    threads = min(_threads(), x.shape[1], x.size // _LEAST)
    if xp is not np or threads < 2:
        return transform(x, shape)
    parts = np.array_split(x, threads, axis=1)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(lambda part: transform(part, shape), parts)), axis=1)


def _threads() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    available = machine.processors()
    return min(int(asked), available) if asked.isdecimal() and int(asked) else available
