"""Reads the symbols of a shared object (ELF, 64 bits)."""

import struct
from typing import NamedTuple

_SECTION_OFFSET, _SECTION_SIZES = 0x28, 0x3A
_FUNCTION = 2


class Symbol(NamedTuple):
    """A function that is defined in a shared object, or wanted by it."""

    name: str
    value: int
    is_defined: bool


def symbols(path, kind):
    """Yields the functions of a table of symbols.

    Args:
        path (pathlib.Path): The shared object.
        kind (str): ``"all"``, local ones too, or ``"dynamic"``: what the loader knows.
    """
    data = path.read_bytes()
    (start,) = struct.unpack_from("<Q", data, _SECTION_OFFSET)
    size, count = struct.unpack_from("<HH", data, _SECTION_SIZES)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, start + i * size) for i in range(count)]
    wanted = {"all": 2, "dynamic": 11}[kind]
    for _, section_kind, _, _, offset, length, link, _, _, entry in sections:
        if section_kind == wanted:
            names = sections[link][4]
            for at in range(offset, offset + length, entry):
                yield from _function(data, at, names)


def _function(data, at, names):
    name, info, _, section, value, _ = struct.unpack_from("<IBBHQQ", data, at)
    is_defined = section != 0
    if not is_defined or info & 15 == _FUNCTION:  # what is only wanted has no type
        end = data.index(b"\0", names + name)
        yield Symbol(data[names + name : end].decode(), value, is_defined)
