"""The library in which counters, memory and streams are kept, once it is loaded."""

import contextlib
import ctypes

_library = None


def load(path):
    """Loads the library of this name, and returns it.

    Args:
        path (pathlib.Path): ``libhostcuda.so``.
    """
    global _library
    _library = ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    _library.hc_counter.restype = ctypes.c_uint64
    _library.hc_counter_name.restype = ctypes.c_char_p
    _library.hc_trace_length.restype = ctypes.c_long
    _library.hc_trace_entry.argtypes = [ctypes.c_long]
    _library.hc_trace_entry.restype = ctypes.c_char_p
    return _library


def get():
    """Returns the library.

    Raises:
        RuntimeError: hostcuda is not installed in this process.
    """
    if _library is None:
        raise RuntimeError("hostcuda.install() comes first")
    return _library


def is_loaded():
    """Returns whether the library is there."""
    return _library is not None


@contextlib.contextmanager
def open_memory():
    """Within it the host may read and write what lies in the memory of the device."""
    get().hc_open(1)
    try:
        yield
    finally:
        get().hc_open(0)
