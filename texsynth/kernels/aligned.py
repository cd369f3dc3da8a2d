"""Memory that begins on a cache line."""

import numpy as np

_CACHE_LINE = 64


def aligned_zeros(shape, dtype=np.float32):
    """Zeros that begin on a cache line, so that no vector crosses two lines."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.zeros(size + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + size].view(dtype).reshape(shape)
