"""Reads a torch state dict, without torch: tensors alone, from either of torch's formats.

A zip archive has a pickle that says what there is, and a member for the values of each storage. A
file of before torch 1.6 is a sequence of pickles: a number to know it by, a version, the machine's
habits, the state dict, the storages' names; then the values of each of them.
"""

import contextlib
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import numpy as np

from texsynth.errors import WeightsError
from texsynth.typing import Array
from texsynth.weights import checks, pickled

_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_LONGEST_TEXT = 1 << 16  # bytes, of what stands in a pickle
_LARGEST_STORAGE = 1 << 30  # bytes; of VGG19 with all that a texture never uses, half
_Choose: TypeAlias = Callable[[Any], Mapping[str, pickled.Tensor]]
_Order: TypeAlias = Literal["<", ">"]
_ORDERS: dict[bytes, _Order] = {b"little": "<", b"big": ">"}


def read(path: Path, network: str) -> dict[str, Array]:
    """Reads the arrays of a VGG's convolutions, kernels as ``(O, C, 3, 3)``.

    Args:
        path (pathlib.Path): The file.
        network (str): What it should hold, see :func:`texsynth.weights.checks.layer_of`.

    Returns:
        dict: ``{name in the file: array}``.

    Raises:
        texsynth.errors.WeightsError: It does not hold the network, or more than tensors.
        Exception: Whatever ``zipfile``, ``pickletools`` and NumPy raise on damaged files.
    """
    return read_chosen(path, lambda state: _wanted(state, network))


def read_chosen(path: Path, choose: _Choose) -> dict[str, Array]:
    """Reads some of the arrays of a state dict.

    Args:
        path (pathlib.Path): The file.
        choose: Returns those that are wanted of what the file's pickle says, ``{name: tensor}``.

    Returns:
        dict: ``{name: array}``; bfloat16 becomes float32.

    Raises:
        texsynth.errors.WeightsError: It holds more than tensors, or ``choose`` says so.
        Exception: As for :func:`read`.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return _read_archive(archive, path.stat().st_size, choose)
    with path.open("rb") as file:
        return _read_legacy(_Bounded(file, path.stat().st_size), choose)


def tensors(state: Any) -> dict[str, pickled.Tensor]:
    """Returns the tensors of a state dict, ``{name: tensor}``.

    Args:
        state: What a file's pickle says.

    Raises:
        texsynth.errors.WeightsError: It is no dict.
    """
    if not isinstance(state, dict):
        raise WeightsError(f"contains a {type(state).__name__}, not a state dict")
    return {name: value for name, value in state.items() if isinstance(value, pickled.Tensor)}


def _read_archive(archive: zipfile.ZipFile, size: int, choose: _Choose) -> dict[str, Array]:
    unfolded = sum(info.file_size for info in archive.infolist())
    if unfolded > size:
        raise WeightsError(f"its {unfolded} bytes are compressed, but torch never compresses")
    (folder,) = (n.removesuffix("data.pkl") for n in archive.namelist() if _is_index(n))
    index = archive.getinfo(f"{folder}data.pkl")
    with archive.open(index) as file:
        wanted = choose(pickled.load(_Bounded(file, index.file_size)))
    order: _Order = "<"
    with contextlib.suppress(KeyError):  # files of before torch 2.1 do not say
        order = _ORDERS[archive.read(f"{folder}byteorder")]
    storages = {}
    for storage in {tensor.storage for tensor in wanted.values()}:
        _size(storage)
        content = archive.read(f"{folder}data/{storage.key}")
        storages[storage.key] = _values(content, storage, order)
    return {name: _array(tensor, storages) for name, tensor in wanted.items()}


def _is_index(name: str) -> bool:
    return name.count("/") == 1 and name.endswith("/data.pkl")


def _read_legacy(file: "_Bounded", choose: _Choose) -> dict[str, Array]:
    if pickled.load(file) != _MAGIC or pickled.load(file) != _LEGACY_VERSION:
        raise ValueError("not one of torch's")
    order: _Order = "<" if pickled.load(file)["little_endian"] else ">"
    state = pickled.load(file)
    wanted = choose(state)
    known = {t.storage.key: t.storage for t in tensors(state).values()}
    needed = {tensor.storage.key for tensor in wanted.values()}
    storages = {}
    for key in pickled.load(file):
        storage = known[key]
        (length,) = struct.unpack(f"{order}q", file.read(8))
        if length != storage.length:
            raise ValueError(f"storage {key} has another length")
        if key in needed:
            storages[key] = _values(file.values(_size(storage)), storage, order)
        else:
            file.skip(length * _itemsize(storage))
    return {name: _array(tensor, storages) for name, tensor in wanted.items()}


class _Bounded:
    """A file of which no read takes more memory than it may.

    Args:
        file: The file, at its start.
        size (int): Its bytes.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size

    def read(self, count: int, /) -> bytes:
        """Returns the next bytes of a pickle; fewer where that is more than a pickle says."""
        return self._file.read(min(count, _LONGEST_TEXT))

    def readline(self) -> bytes:
        return self._file.readline(_LONGEST_TEXT)

    def values(self, count: int) -> bytes:
        """Returns the next bytes of a storage; fewer at the file's end."""
        return self._file.read(min(count, self._size - self._file.tell()))

    def skip(self, count: int) -> None:
        self._file.seek(min(count, self._size - self._file.tell()), 1)


def _wanted(state: Any, network: str) -> dict[str, pickled.Tensor]:
    """The tensors of a network's convolutions, once their shapes are known to be right."""
    found = {n: t for n, t in tensors(state).items() if checks.layer_of(n, network)}
    # The shapes first: a tensor may repeat one value a million million times.
    headers = {name: checks.Header(t.shape, _dtype(t)) for name, t in found.items()}
    checks.layers_in(headers, network)
    return found


def _dtype(tensor: pickled.Tensor) -> "np.dtype[Any]":
    """As the values will be had: NumPy has no bfloat16."""
    kind = tensor.storage.kind
    return np.dtype("f4" if kind == "bfloat16" else kind)


def _itemsize(storage: pickled.Storage) -> int:
    return 2 if storage.kind == "bfloat16" else np.dtype(storage.kind).itemsize


def _size(storage: pickled.Storage) -> int:
    """The bytes of a storage that is to be read."""
    size = storage.length * _itemsize(storage)
    if size > _LARGEST_STORAGE:
        raise WeightsError(f"has a storage of {size} bytes, more than a VGG takes")
    return size


def _values(content: bytes, storage: pickled.Storage, order: _Order) -> Array:
    if len(content) != storage.length * _itemsize(storage):
        raise ValueError(f"storage {storage.key} has {len(content)} bytes")
    if storage.kind == "bfloat16":  # the upper half of a float32
        upper = np.frombuffer(content, f"{order}u2").astype(np.uint32)
        return (upper << 16).view(np.float32)
    return np.frombuffer(content, np.dtype(storage.kind).newbyteorder(order))


def _array(tensor: pickled.Tensor, storages: Mapping[str, Array]) -> Array:
    values = storages[tensor.storage.key]
    if tensor.end > len(values):  # as_strided would go on in memory that is not its own
        raise ValueError("a tensor reaches beyond its storage")
    values = values[tensor.offset :]
    strides = tuple(step * values.itemsize for step in tensor.strides)
    return np.array(np.lib.stride_tricks.as_strided(values, tensor.shape, strides), _dtype(tensor))
