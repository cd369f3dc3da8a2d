"""Turns functions inside a loaded extension module into jumps to others."""

import ctypes
import os
import re
import struct

from tests.hostcuda import elf

_PAGE = 4096
_READ, _WRITE, _EXECUTE = 1, 2, 4


def overwrite(path, pattern, libraries):
    """Overwrites functions in memory: CUDA's runtime is linked into CuPy's wheel, not beside it.

    The file stays as it is; it has to keep its table of local symbols.

    Args:
        path (pathlib.Path): The extension module.
        pattern (str): Regular expression for the start of their names.
        libraries (list of ctypes.CDLL): Where the functions of these names are that take their
            place, the first that has one.
    """
    ctypes.CDLL(str(path), os.RTLD_LAZY)
    base = _loaded_at(path)
    functions = {
        symbol.name: base + symbol.value
        for symbol in elf.symbols(path, "all")
        if symbol.is_defined and re.match(pattern, symbol.name)
    }
    _protect(functions.values(), _READ | _WRITE | _EXECUTE)
    for name, place in functions.items():
        target = next(getattr(each, name) for each in libraries if hasattr(each, name))
        address = ctypes.cast(target, ctypes.c_void_p).value
        # jmp *0(%rip), and the address behind it
        ctypes.memmove(place, b"\xff\x25\0\0\0\0" + struct.pack("<Q", address), 14)
    _protect(functions.values(), _READ | _EXECUTE)


def _loaded_at(path):
    with open("/proc/self/maps") as maps:  # noqa: PTH123
        return min(int(line.split("-")[0], 16) for line in maps if str(path) in line)


def _protect(places, protection):
    first, last = min(places) // _PAGE * _PAGE, max(places) // _PAGE * _PAGE + 2 * _PAGE
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    if libc.mprotect(first, last - first, protection):
        raise OSError(ctypes.get_errno(), "mprotect")
