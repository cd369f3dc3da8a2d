"""What a checkpoint's file holds: plain fields and large arrays.

It is a ZIP file of which nothing is compressed. ``fields.json`` holds what is not an array, and
declares each array's dtype and shape; array ``x`` is ``x.npy``, as NumPy reads it. Nothing is ever
unpickled, and nothing that a file says of itself is believed before it is checked.
"""

import json
import math
import os
import re
import struct
import zipfile
from collections.abc import Iterable, Mapping
from typing import IO, Any, TypeAlias

import numpy as np

from texsynth.errors import CheckpointError
from texsynth.typing import Array

FORMAT = 1
"""Version of the format; a reader refuses what is newer than itself."""

_KIND = "texsynth checkpoint"
_FIELDS = "fields.json"
_MOST_FIELDS = 2**24  # bytes; more is damage, or an attempt to fill the memory
_NAME = re.compile(r"[a-z0-9_.-]{1,100}")
_DTYPES = ("<f4", "<f8", "<i8", "|u1")
_MOST_AXES = 32
_PIECE = 2**20  # bytes written or read at a time
_Declared: TypeAlias = tuple[str, tuple[int, ...]]  # dtype and shape


def plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns fields as JSON gives them back, which must be as they are.

    Args:
        fields (dict): As for :func:`texsynth.files.checkpoint.save`.

    Raises:
        ValueError: One is not what could come back.
    """
    plain: dict[str, Any] = {}
    for name, value in fields.items():
        try:
            back = json.loads(json.dumps({name: value}))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"the field {name!r} is not plain JSON: {error}") from error
        # Tuples, keys that are numbers and much else become something else without a word; their
        # representation tells, and unlike == knows a NaN from none.
        if repr(back) != repr({name: value}):
            raise ValueError(f"the field {name!r} would not come back from JSON as it is")
        plain |= back
    return plain


def write(file: IO[bytes], fields: Mapping[str, Any], arrays: Iterable[tuple[str, Array]]) -> None:
    """Writes fields and arrays, which are taken one at a time.

    Args:
        file: Binary, to write to, and to seek in.
        fields (dict): What :func:`plain` returned.
        arrays: Pairs of a name and an array, see :func:`texsynth.files.checkpoint.save`.

    Raises:
        OSError: They cannot be written.
        ValueError: One is not what could come back.
    """
    declared: dict[str, Any] = {}
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays:
            if not _NAME.fullmatch(name):
                raise ValueError(f"an array cannot be called {name!r}")
            if name in declared:
                raise ValueError(f"two arrays are called {name!r}")
            declared[name] = _write_array(archive, name, np.asarray(array))
            del array  # it may be large, and the next one is only made now
        text = json.dumps({"kind": _KIND, "format": FORMAT, "fields": fields, "arrays": declared})
        if len(text) > _MOST_FIELDS:
            raise ValueError(f"the fields take {len(text)} bytes; {_MOST_FIELDS} are the most")
        archive.writestr(zipfile.ZipInfo(_FIELDS), text)


def _write_array(archive: zipfile.ZipFile, name: str, array: Array) -> dict[str, Any]:
    """Writes an array piece by piece; returns its declaration."""
    dtype = array.dtype.str
    if dtype not in _DTYPES or array.ndim > _MOST_AXES:
        raise ValueError(f"the array {name!r} of {array.dtype} with {array.ndim} axes is not kept")
    pieces = np.nditer(  # type: ignore[call-overload]  # which knows no "contig"
        array,
        flags=["buffered", "external_loop", "zerosize_ok"],
        op_flags=["readonly", "contig"],
        order="C",
        buffersize=_PIECE // array.itemsize,
    )
    # How large it will be is told after it is written; only then zipfile could need zip64's fields.
    with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
        member.write(npy_header(dtype, array.shape))
        for piece in pieces:
            member.write(piece)
    return {"dtype": dtype, "shape": array.shape}


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Returns the one header that a member may have, of version 1.0 of NumPy's format.

    Written here, because NumPy pads it differently from version to version.

    Args:
        dtype (str): As NumPy writes it, ``"<f4"``.
        shape (tuple): The array's.
    """
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def read(file: IO[bytes]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Returns the fields and the arrays by name, in the order in which they were written.

    Args:
        file: Binary, a file on a disk.

    Raises:
        texsynth.errors.CheckpointError: It is damaged, of a newer format, or no checkpoint.
        Exception: Whatever zipfile and json raise on damaged bytes.
    """
    size = os.fstat(file.fileno()).st_size
    if not size:
        raise CheckpointError("empty file")
    if file.read(4) != b"PK\3\4":
        raise CheckpointError("not a checkpoint")
    with zipfile.ZipFile(file) as archive:
        members = _members(archive)
        fields, declared = _read_fields(archive, members.pop(_FIELDS))
        _check_complete(members, declared)
        for info in members.values():
            _check_stored(info)
        if sum(info.file_size for info in members.values()) > size:
            raise CheckpointError("damaged (its members are larger than the file)")
        return fields, {
            name: _read_array(archive, members[f"{name}.npy"], *described)
            for name, described in declared.items()
        }


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Returns ``{name: zipfile.ZipInfo}``, ``fields.json`` among them."""
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if info.orig_filename in members:
            raise CheckpointError(f"contains {info.orig_filename!r} twice")
        members[info.orig_filename] = info
    if _FIELDS not in members:
        raise CheckpointError(f"not a checkpoint (a ZIP file without {_FIELDS})")
    return members


def _check_stored(info: zipfile.ZipInfo) -> None:
    """Refuses what is not as large in memory as it is in the file."""
    if info.flag_bits & 1:
        raise CheckpointError(f"damaged ({info.filename} is encrypted)")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise CheckpointError(f"damaged ({info.filename} is compressed)")


def _read_fields(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> tuple[dict[str, Any], dict[str, _Declared]]:
    """Returns the fields, and ``{name: (dtype, shape)}`` of the arrays."""
    _check_stored(info)
    if info.file_size > _MOST_FIELDS:
        raise CheckpointError(f"damaged ({_FIELDS} would take {info.file_size} bytes)")
    content = json.loads(archive.read(info).decode())
    if type(content) is not dict or content.get("kind") != _KIND:
        raise CheckpointError(f"not a checkpoint ({_FIELDS} is of another kind)")
    version = content.get("format")
    if type(version) is not int or version < FORMAT:
        raise CheckpointError(f"damaged ({_FIELDS} has an unknown format)")
    if version > FORMAT:
        raise CheckpointError(
            f"format {version} is newer than this version of texsynth can read ({FORMAT})"
        )
    fields, arrays = content.get("fields"), content.get("arrays")
    if type(fields) is not dict or type(arrays) is not dict:
        raise CheckpointError(f"damaged ({_FIELDS} lacks fields or arrays)")
    return fields, {name: _declaration(name, declared) for name, declared in arrays.items()}


def _declaration(name: str, declared: Any) -> _Declared:
    """Returns dtype and shape that are declared of an array, checked but for its size."""
    if not _NAME.fullmatch(name):
        raise CheckpointError(f"damaged (invalid array name {name!r:.200})")
    match declared:
        case {"dtype": str(dtype), "shape": list(shape)} if dtype in _DTYPES:
            # Bounded before they are multiplied: a product of large numbers can take hours.
            if len(shape) <= _MOST_AXES and all(
                type(length) is int and 0 <= length < 2**63 for length in shape
            ):
                return dtype, tuple(shape)
    raise CheckpointError(f"damaged (invalid dtype or shape of {name})")


def _check_complete(
    members: Mapping[str, zipfile.ZipInfo], declared: Mapping[str, _Declared]
) -> None:
    expected = {f"{name}.npy" for name in declared}
    for name in sorted(expected - members.keys()):
        raise CheckpointError(f"damaged ({name} is declared but missing)")
    for name in sorted(members.keys() - expected):
        raise CheckpointError(f"damaged ({name!r:.200} is not declared)")


def _read_array(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, dtype: str, shape: tuple[int, ...]
) -> Array:
    header = npy_header(dtype, shape)
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if info.file_size != len(header) + size:
        raise CheckpointError(f"damaged ({info.filename} does not have the size of its shape)")
    with archive.open(info) as member:
        if member.read(len(header)) != header:
            raise CheckpointError(f"damaged ({info.filename} is not as declared)")
        array = np.empty(shape, dtype)
        content = array.reshape(-1).view(np.uint8)
        for start in range(0, size, _PIECE):
            member.readinto(content[start : start + _PIECE])  # type: ignore[attr-defined]
    return array
