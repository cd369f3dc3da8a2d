"""The file of a checkpoint: plain fields and large arrays, there whole or not at all.

It is a ZIP file of which nothing is compressed. ``fields.json`` holds what is not an array, and
declares each array's dtype and shape; array ``x`` is ``x.npy``, as NumPy reads it. Nothing is ever
unpickled, and nothing that a file says of itself is believed before it is checked.
"""

import contextlib
import json
import math
import os
import re
import stat
import struct
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeAlias

import numpy as np

from texsynth.errors import CheckpointError
from texsynth.files import parts
from texsynth.files.writing import sync_folder, written_whole
from texsynth.typing import Array, StrPath

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


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        fields: Plain JSON values under their names.
        arrays: ``{name: numpy.ndarray}`` in the order in which they were saved; C-contiguous.
    """

    fields: dict[str, Any]
    arrays: dict[str, Array]


def previous_of(path: StrPath) -> Path:
    """Returns where the last checkpoint but one is kept: ``run.previous.ckpt`` for ``run.ckpt``.

    Args:
        path: Path of the last one.

    Returns:
        pathlib.Path: Path beside it.
    """
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save(path: StrPath, fields: Mapping[str, Any], arrays: Iterable[tuple[str, Array]]) -> None:
    """Writes a checkpoint, and keeps the one that was there as ``previous_of(path)``.

    Killed at any moment, it leaves both files whole: each is what it was, or what comes after. Only
    where there are no hard links, ``path`` is away for the moment between two renames, and what was
    there is the previous one; it goes back should the second of them fail.

    Args:
        path: Path of the file; its folder must exist.
        fields (dict): Plain JSON values: ``str``, ``int``, ``float``, ``bool``, ``None``, and
            lists and dicts of them. Floats come back bit for bit, infinities too; a NaN comes back
            as a NaN.
        arrays: Pairs of a name, of ``[a-z0-9_.-]``, and an array, float32, float64, int64 or uint8
            with any strides. They are taken one at a time, and each is let go before the next.

    Raises:
        texsynth.errors.CheckpointError: It cannot be written; both files are as they were.
        ValueError: A field or an array is not one that could come back.
    """
    path = Path(path)
    fields = _plain(fields)
    try:
        if path.exists() and not path.is_file():
            raise CheckpointError(f"{path}: not a file")
        with _written_and_older_kept(path) as file:
            _write(file, fields, arrays)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error


def load(path: StrPath) -> Checkpoint:
    """Reads a checkpoint; whatever the bytes, it comes back whole and as it was saved, or not.

    Args:
        path: Path of the file.

    Returns:
        Checkpoint: Its fields and arrays.

    Raises:
        texsynth.errors.CheckpointError: The file is missing, unreadable, damaged, of a newer
            format, or no checkpoint.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CheckpointError("not a file")  # to open a pipe would be to wait for its writer
        with path.open("rb") as file:
            return _read(file)
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"no such checkpoint: {path}") from None
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except MemoryError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # Damaged bytes make zipfile and json raise nearly anything, from struct.error and
        # NotImplementedError to RecursionError.
        reason = str(error) or type(error).__name__
        raise CheckpointError(f"{path}: damaged or cut off ({reason})") from error


@contextlib.contextmanager
def _written_and_older_kept(path: Path) -> Iterator[IO[bytes]]:
    """``written_whole``, but what was at ``path`` gets the name ``previous_of(path)``.

    Everything that may take long comes before the first of the names changes.
    """
    previous = previous_of(path)
    aside = path.with_name(f".texsynth-{path.name}.part")
    aside.unlink(missing_ok=True)  # of a process that was killed
    older = None  # the other name of what was at path; noted before it exists
    with contextlib.ExitStack() as holding:
        try:
            with written_whole(path) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if path.exists():
                    holding.enter_context(parts.held(path))  # by its other name it could be swept
                    older = aside
                    try:
                        aside.hardlink_to(path)
                    except (OSError, NotImplementedError):
                        older = previous  # at once: that is where somebody looks who misses it
                        path.replace(previous)
            if older == aside:
                aside.replace(previous)
                sync_folder(previous)
        except BaseException:
            if older == aside or (older == previous and not path.exists()):
                with contextlib.suppress(FileNotFoundError):
                    older.replace(path)
            raise
        finally:
            aside.unlink(missing_ok=True)


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns fields as JSON gives them back, which must be as they are."""
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


def _write(file: IO[bytes], fields: Mapping[str, Any], arrays: Iterable[tuple[str, Array]]) -> None:
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
        member.write(_npy_header(dtype, array.shape))
        for piece in pieces:
            member.write(piece)
    return {"dtype": dtype, "shape": array.shape}


def _npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """Returns the one header that a member may have, of version 1.0 of NumPy's format.

    Written here, because NumPy pads it differently from version to version.
    """
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (-(len(text) + 11) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def _read(file: IO[bytes]) -> Checkpoint:
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
        return Checkpoint(
            fields,
            {
                name: _read_array(archive, members[f"{name}.npy"], *described)
                for name, described in declared.items()
            },
        )


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
    header = _npy_header(dtype, shape)
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
