"""Stands in for Thrust, whose sorts CuPy's wheel has as machine code for GPUs: NumPy's sorts."""

import ctypes
import sys
import types

import numpy as np

from tests.hostcuda import core


def stand_in():
    """Puts the module where CuPy looks for it."""
    module = types.ModuleType("cupy.cuda.thrust")
    module.available = True
    module.sort, module.argsort, module.lexsort = _sort, _argsort, _lexsort
    module.get_build_version = lambda: 300000
    sys.modules[module.__name__] = module


def _sort(dtype, data, keys, shape, *stream_and_memory):
    _count("sort")
    with core.open_memory():
        _array(data, dtype, shape).sort(axis=-1)


def _argsort(dtype, index, data, keys, shape, *stream_and_memory):
    _count("argsort")
    with core.open_memory():
        values = _array(data, dtype, shape)
        order = values.argsort(axis=-1, kind="stable")
        _array(index, np.intp, shape)[...] = order
        values[...] = np.take_along_axis(values, order, -1)


def _lexsort(dtype, index, keys, k, n, *stream_and_memory):
    raise NotImplementedError("hostcuda: lexsort")


def _count(what):
    if core.get().hc_library_call(f"thrust {what}".encode()):
        raise RuntimeError("operation not permitted when stream is capturing")


def _array(pointer, dtype, shape):
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer((ctypes.c_char * size).from_address(pointer), dtype).reshape(shape)
