"""Arrays in a zip archive, as ``numpy.savez`` writes them: their headers first, and no pickles."""

import io
import zipfile
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_LONGEST_HEADER = 1 << 16  # bytes; NumPy's own are shorter than 10000
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class Header(NamedTuple):
    """What is known of an array before its values are read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def header(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Header:
    """Returns the header of an array.

    Args:
        archive (zipfile.ZipFile): The archive.
        member (zipfile.ZipInfo): The file in it.

    Raises:
        ValueError: It is not an array.
        Exception: Whatever zipfile raises on damaged archives.
    """
    with archive.open(member) as file:
        # No further than it can reach: the length that a header claims may be anything.
        start = io.BytesIO(file.read(_LONGEST_HEADER))
    try:
        version = np.lib.format.read_magic(start)
        shape, _, dtype = _HEADERS[version](start)
    except Exception as error:
        # Among them MemoryError, of an expression that is nested too deep for Python's parser.
        raise ValueError("it is not an array") from error
    return Header(shape, dtype)


def array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    """Returns an array, whose header was found to be right.

    Args:
        archive (zipfile.ZipFile): The archive.
        member (zipfile.ZipInfo): The file in it.

    Raises:
        ValueError: It is shorter than its header says, or has Python's objects.
        Exception: Whatever zipfile raises on damaged archives.
    """
    with archive.open(member) as file:
        values: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    return values
