"""Writes files as torch does, without torch: its pickles byte by byte, and what comes after."""

import pickle
import struct
import zipfile

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {
    "f4": "Float",
    "u1": "Byte",
    "f2": "Half",
    "f8": "Double",
    "i8": "Long",
    "c8": "ComplexFloat",
}


def text(content):
    data = content.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value):
    return b"J" + struct.pack("<i", value) if abs(value) < 1 << 31 else b"\x8a\x08" + struct.pack(
        "<q", value
    )  # fmt: skip


def numbers(values):
    return b"(" + b"".join(map(integer, values)) + b"t"


def name(module, attribute):
    return b"c" + f"{module}\n{attribute}\n".encode()


def storage(key, kind, length, legacy):
    view = b"N" if legacy else b""
    location = text("cpu")
    content = text("storage") + name("torch", f"{kind}Storage") + text(key) + location
    return b"(" + content + integer(length) + view + b"tQ"


def tensor(key, kind, shape, legacy, strides=None, offset=0, length=None):
    """A tensor in a pickle, of a whole storage unless said otherwise."""
    strides = contiguous(shape) if strides is None else strides
    length = int(np.prod(shape, dtype=object)) if length is None else length
    hooks = name("collections", "OrderedDict") + b")R"
    content = storage(key, kind, length, legacy) + integer(offset) + numbers(shape)
    content += numbers(strides) + b"\x89" + hooks
    return name("torch._utils", "_rebuild_tensor_v2") + b"(" + content + b"tR"


def contiguous(shape):
    return [int(np.prod(shape[axis + 1 :], dtype=object)) for axis in range(len(shape))]


def state(items):
    """The pickle of an ``OrderedDict`` with a version, of ``{name: pickled value}``."""
    pairs = b"".join(text(key) + value for key, value in items.items())
    metadata = b"}" + text("_metadata") + b"}s"
    return (
        b"\x80\x02" + name("collections", "OrderedDict") + b")R(" + pairs + b"u" + metadata + b"b."
    )


def pickled(arrays, legacy):
    return state(
        {
            key: tensor(str(number), STORAGES[array.dtype.str[1:]], array.shape, legacy)
            for number, (key, array) in enumerate(arrays.items())
        }
    )


def write(path, arrays, legacy=False, order="<"):
    """Writes a state dict, ``{name: array}``.

    Args:
        path: The file.
        arrays: Of the types in ``STORAGES``.
        legacy: Whether in the format of before torch 1.6.
        order: Of the bytes, ``"<"`` or ``">"``.
    """
    data = [array.astype(array.dtype.newbyteorder(order)).tobytes() for array in arrays.values()]
    write_parts(path, pickled(arrays, legacy), arrays, data, legacy, order)


def write_parts(path, index, arrays, data, legacy=False, order="<"):
    """Writes a pickle and the bytes of its storages, whatever they are."""
    if not legacy:
        write_archive(path, index, data, order)
        return
    habits = {"protocol_version": 1001, "little_endian": order == "<", "type_sizes": {"int": 4}}
    head = [pickle.dumps(each, 2) for each in (MAGIC, 1001, habits)]
    keys = pickle.dumps([str(number) for number in range(len(data))], 2)
    sizes = [struct.pack(f"{order}q", array.size) for array in arrays.values()]
    values = [part for pair in zip(sizes, data, strict=True) for part in pair]
    path.write_bytes(b"".join([*head, index, keys, *values]))


def write_archive(path, index, data, order="<", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("vgg/data.pkl", index)
        archive.writestr("vgg/byteorder", {"<": "little", ">": "big"}[order])
        for number, content in enumerate(data):
            archive.writestr(f"vgg/data/{number}", content)
        archive.writestr("vgg/version", "3\n")
