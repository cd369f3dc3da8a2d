"""Weights that lie, burst, point elsewhere or carry code: each ends in one line, soon and small."""

import io
import os
import pickle
import struct
import time
import tracemalloc
import zipfile

import h5py
import numpy as np
import onnx
import pytest

from tests.weights import torch_files
from tests.weights.test_reading import (
    KERAS_NAMES,
    NAMES,
    SUFFIXES,
    make_tiny_network,
    named,
    old_layer,
    write_h5,
    write_whole_file,
)
from texsynth import weights
from texsynth.errors import WeightsError
from texsynth.weights import checks, pickled, torch


@pytest.fixture
def tiny_network(monkeypatch):
    return make_tiny_network(monkeypatch)


def refused(path, message):
    """Loads a file, which must fail at once, in one line, and take little memory."""
    began = time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=message) as caught:
            weights.load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ") and str(caught.value).isprintable()
    # Nothing is waited for; but the machine may be busy.
    assert time.monotonic() - began < 30
    assert peak < 5 << 20


# Code


class Stowaway:
    """Makes a file if it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.fixture
def stowaway(tmp_path):
    """Would make a file; shown first that it does."""
    made = tmp_path / "made"
    pickle.loads(pickle.dumps(Stowaway(made))).close()
    made.unlink()
    yield Stowaway(made)
    assert not made.exists()


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy", ".pkl", ""])
@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_of_any_name_is_not_loaded(tmp_path, stowaway, suffix, protocol):
    path = tmp_path / f"vgg{suffix}"
    path.write_bytes(pickle.dumps({"conv1_1.weight": stowaway}, protocol))
    message = "damaged, or not a" if suffix in SUFFIXES else "weights must be one of"
    if suffix in (".pth", ".pt") and protocol:
        message = "contains .*open, more than tensors"
    with pytest.raises(WeightsError, match=message):
        weights.load(path)


@pytest.mark.parametrize("name", ["conv1_1/W", "mean"])
def test_objects_in_an_npz_are_not_loaded(tmp_path, stowaway, tiny_network, name):
    arrays = named(tiny_network, NAMES, "/W", "/b")
    arrays[name] = np.array([stowaway] * 3, object)
    np.savez(tmp_path / "vgg.npz", **arrays)
    refused(tmp_path / "vgg.npz", f"{name} must be float16, float32 or float64, not object")


def test_objects_that_went_unnoticed_are_not_loaded(tmp_path, stowaway, monkeypatch):
    monkeypatch.setattr(checks, "layers_in", lambda headers, network: {})
    np.savez(tmp_path / "vgg.npz", **{"conv1_1/W": np.array([stowaway], object)})
    refused(tmp_path / "vgg.npz", "conv1_1/W cannot be read: Object arrays cannot be loaded")


def call(module, attribute, *arguments):
    """A name called with texts, in a pickle."""
    texts = b"".join(map(torch_files.text, arguments))
    return torch_files.name(module, attribute) + b"(" + texts + b"tR"


PROGRAMS = {
    "a call": lambda made: call("builtins", "open", str(made), "w"),
    "a call by another's name": lambda made: call("torch._utils", "_rebuild_tensor", "x"),
    "an import": lambda made: torch_files.name("os", "system"),
    "an attribute": lambda made: torch_files.name("torch._utils", "_rebuild_tensor_v2.__globals__"),
    "a name on the stack": lambda made: b"\x8c\x02os\x8c\x06system\x93",
    "an instance": lambda made: b"(ios\nsystem\n",
    "an object": lambda made: torch_files.name("torch", "FloatStorage") + b")\x81",
    "an extension": lambda made: b"\x82\x01",
    "another's storage": lambda made: b"Px\n",
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_programs_beside_all_tensors_of_a_torch_file_are_not_run(
    tmp_path, tiny_network, program, legacy
):
    arrays = named(tiny_network, NAMES, ".weight", ".bias")
    index = torch_files.pickled(arrays, legacy)
    assert index.endswith(b"b.")
    made = tmp_path / "made"
    index = index[:-1] + torch_files.text("x") + program(made) + b"s."
    data = [array.tobytes() for array in arrays.values()]
    torch_files.write_parts(tmp_path / "vgg.pth", index, arrays, data, legacy)
    refused(tmp_path / "vgg.pth", "contains .*, more than tensors, which is not loaded")
    assert not made.exists()


# Bombs and lies


def write_npz(path, members):
    """Writes a compressed ``.npz``, ``{name: parts}``."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, parts in members.items():
            with archive.open(name, "w") as member:
                for part in parts:
                    member.write(part)


def npy_header(shape, descr="<f4"):
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


def raw_header(text):
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text


ZEROS = [bytes(1 << 20)] * 64
KERNEL = npy_header((1024, 1024, 1, 1))
LONG = b"\x93NUMPY\2\0" + struct.pack("<I", 64 << 20)
BAD_NPZ = {
    "a kernel that unfolds": (
        {"conv1_1/W.npy": [npy_header((4096, 4096, 1, 1)), *ZEROS]},
        "the bias of conv1_1 is missing",
    ),
    "a terabyte": ({"conv1_1/W.npy": [npy_header((1 << 20, 1 << 18, 1, 1))]}, "bias of conv1_1"),
    "a negative side": ({"conv1_1/W.npy": [npy_header((-1, 3, 3, 3))]}, "bias of conv1_1"),
    "a header that unfolds": ({"conv1_1/W.npy": [LONG, *ZEROS]}, "it is not an array"),
    "no header, and unfolds": ({"conv1_1/W": ZEROS}, "it is not an array"),
    "a nested header": ({"conv1_1/W.npy": [raw_header(b"[" * 9900)]}, "it is not an array"),
    "a deep header": ({"conv1_1/W.npy": [raw_header(b"-" * 9900 + b"1")]}, "it is not an array"),
    "an expression": ({"conv1_1/W.npy": [raw_header(b"9**9**9")]}, "it is not an array"),
    "arrays of arrays": (
        {"conv1_1/W.npy": [npy_header((1, 3, 3, 3), ("<f4", (3,)))]},
        "must be float16, float32 or float64, not",
    ),
    "records": (
        {"conv1_1/W.npy": [npy_header((1, 3, 3, 3), [("a", "<f4")])]},
        "must be float16, float32 or float64, not",
    ),
    "many others": (
        {f"features.{n}.weight.npy": [KERNEL, *ZEROS[:4]] for n in range(30, 90)},
        "has features.30, which VGG16 does not",
    ),
    "one name twice": (
        {"conv1_1/W.npy": [npy_header((1,))], "conv1_1/W": [npy_header((1,))]},
        "contains conv1_1/W twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("members", "message"), BAD_NPZ.values(), ids=BAD_NPZ)
def test_npz_that_bursts_or_lies(tmp_path, members, message):
    write_npz(tmp_path / "vgg.npz", members)
    refused(tmp_path / "vgg.npz", message)


def test_npz_with_less_than_its_header_says(tmp_path, tiny_network):
    np.savez(tmp_path / "whole.npz", **named(tiny_network, NAMES, "/W", "/b"))
    with zipfile.ZipFile(tmp_path / "whole.npz") as whole:
        members = {name: [whole.read(name)] for name in whole.namelist()}
    members["conv5_3/W.npy"] = [members["conv5_3/W.npy"][0][:-4]]
    write_npz(tmp_path / "vgg.npz", members)
    refused(tmp_path / "vgg.npz", "conv5_3/W cannot be read: EOF: reading array data")


def test_npz_with_a_bit_that_fell_over(tmp_path, tiny_network):
    np.savez(tmp_path / "vgg.npz", **named(tiny_network, NAMES, "/W", "/b"))
    content = bytearray((tmp_path / "vgg.npz").read_bytes())
    at = content.index(tiny_network["conv3_1"][0].tobytes())
    content[at] ^= 1
    (tmp_path / "vgg.npz").write_bytes(content)
    refused(tmp_path / "vgg.npz", "damaged, or not a .npz file .Bad CRC-32")


def test_h5_whose_arrays_would_fill_the_disk(tmp_path):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        for name in KERAS_NAMES:
            file.create_dataset(f"{name}/kernel:0", (1 << 12,) * 4, "f4", chunks=(8,) * 4)
            file.create_dataset(f"{name}/bias:0", (1 << 48,), "f4", chunks=(8,))
    refused(tmp_path / "vgg.h5", r"conv1_1 has shape \(4096, 4096, 4096, 4096\) and bias")


def test_h5_whose_chunks_unfold(tmp_path):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        options = {"maxshape": (None,), "chunks": (5_000_000,), "compression": "gzip"}
        file.create_dataset("block1_conv1/bias:0", data=np.zeros(64, np.float32), **options)
    refused(tmp_path / "vgg.h5", r"is stored in chunks of \(5000000,\), larger than a kernel")


def test_h5_of_bottomless_groups(tmp_path):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        group = file
        for _ in range(500):
            group = group.create_group("a")
    refused(tmp_path / "vgg.h5", "its groups are nested too deeply for a model")


def test_h5_whose_groups_contain_themselves(tmp_path, tiny_network):
    write_h5(tmp_path / "vgg.h5", named(tiny_network, KERAS_NAMES, "/kernel:0", "/bias:0"))
    with h5py.File(tmp_path / "vgg.h5", "a") as file:
        file["block1_conv1/whole"] = file["/"]
    assert list(weights.load(tmp_path / "vgg.h5").tensors) == NAMES


STRANGE_H5 = {
    "no values": ({"dtype": "f4"}, r"has shape \(\), which fits no kernel or bias"),
    "one value": ({"shape": (), "dtype": "f4"}, r"has shape \(\), which fits no kernel or bias"),
    "references": (
        {"shape": (64,), "dtype": h5py.ref_dtype},
        "must be float16, float32 or float64, not object",
    ),
    "lists": (
        {"shape": (64,), "dtype": h5py.vlen_dtype("f4")},
        "must be float16, float32 or float64, not object",
    ),
    "texts": (
        {"shape": (64,), "dtype": h5py.string_dtype()},
        "must be float16, float32 or float64, not object",
    ),
    "complex": (
        {"shape": (64,), "dtype": "c8"},
        "must be float16, float32 or float64, not complex64",
    ),
}


@pytest.mark.parametrize(("options", "message"), STRANGE_H5.values(), ids=STRANGE_H5)
def test_h5_of_strange_types(tmp_path, options, message):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        if "shape" in options:
            file.create_dataset("block1_conv1/bias:0", **options)
        else:
            file["block1_conv1/bias:0"] = h5py.Empty(options["dtype"])
    refused(tmp_path / "vgg.h5", f"/block1_conv1/bias:0 {message}")


def test_h5_whose_model_is_an_array(tmp_path):
    write_h5(tmp_path / "vgg.h5", {"model_weights": np.zeros(3)})
    refused(tmp_path / "vgg.h5", "damaged, or not a .h5 file")


def onnx_tensor(name, shape, kind=onnx.TensorProto.FLOAT, **external):
    """A tensor whose values are in another file: ``location``, ``offset``, ``length``."""
    tensor = onnx.TensorProto(name=name, data_type=kind, dims=shape)
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in external.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def write_onnx_of(path, tensors):
    graph = onnx.helper.make_graph([], "vgg", [], [], tensors)
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())


@pytest.mark.parametrize("shape", [(1 << 40,), (-1,), (2,)])
def test_onnx_with_less_than_its_shape_says(tmp_path, tiny_network, shape):
    arrays = named(tiny_network, KERAS_NAMES, "/kernel", "/bias")
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    del tensors[1].dims[:]
    tensors[1].dims.extend(shape)
    write_onnx_of(tmp_path / "vgg.onnx", tensors)
    refused(tmp_path / "vgg.onnx", "conv1_1 has shape .* and bias ")


@pytest.mark.parametrize("kind", [99, onnx.TensorProto.STRING, onnx.TensorProto.INT4])
def test_onnx_of_strange_types(tmp_path, kind):
    tensor = onnx.TensorProto(name="block1_conv1/bias", data_type=kind, dims=[1])
    write_onnx_of(tmp_path / "vgg.onnx", [tensor])
    refused(
        tmp_path / "vgg.onnx", r"damaged, or not a .onnx file|must be float16, float32 or float64"
    )


def write_torch_bias(path, bias, legacy, data=None, **others):
    """Writes a file of the tiny network whose first bias, and what else, is pickled like this."""
    parts = {}
    for number, name in enumerate(NAMES):
        shape = (1, 1 if number else 3, 3, 3)
        parts[f"{name}.weight"] = torch_files.tensor(str(2 * number), "Float", shape, legacy)
        parts[f"{name}.bias"] = torch_files.tensor(str(2 * number + 1), "Float", (1,), legacy)
    parts.update({"conv1_1.bias": bias, **others})
    shapes = [shape for n in range(13) for shape in ((1, 1 if n else 3, 3, 3), (1,))]
    arrays = {str(number): np.zeros(shape, np.float32) for number, shape in enumerate(shapes)}
    contents = [array.tobytes() for array in arrays.values()]
    contents[1] = contents[1] if data is None else data
    torch_files.write_parts(path, torch_files.state(parts), arrays, contents, legacy)


LYING_BIASES = {
    "endless": ({"shape": (1 << 20, 1 << 20), "strides": (0, 0), "length": 1}, "which fits no"),
    "a long storage": ({"length": 1 << 40}, "has a storage of .* bytes, more than|another length"),
    "beyond its end": ({"offset": 1}, "a tensor reaches beyond its storage"),
    "before its beginning": ({"offset": -1}, "a number that counts nothing"),
    "backwards": ({"strides": (-1,)}, "a number that counts nothing"),
    "a side below zero": ({"shape": (-1,)}, "a number that counts nothing"),
    "fewer strides": ({"strides": ()}, "another number of strides"),
    "complex": ({"kind": "ComplexFloat"}, "float64, not complex64"),
    "whole numbers": ({"kind": "Long"}, "float64, not int64"),
    "another kind": ({"kind": "Untyped"}, "contains torch.UntypedStorage, more than tensors"),
    "another type": ({"kind": "Half"}, "storage 1 has 4 bytes|read"),
    "no storage": ({"key": "none"}, "damaged, or not a .pth"),
    "another's folder": ({"key": "../data.pkl"}, "damaged, or not a .pth"),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(("lie", "message"), LYING_BIASES.values(), ids=LYING_BIASES)
def test_torch_tensors_that_lie(tmp_path, tiny_network, lie, message, legacy):
    told = {"key": "1", "kind": "Float", "shape": (1,), **lie}
    write_torch_bias(tmp_path / "vgg.pth", torch_files.tensor(legacy=legacy, **told), legacy)
    if lie == {"kind": "Half"} and legacy:  # the next storage then begins too early
        message = "storage 2 has another length"
    refused(tmp_path / "vgg.pth", message)


SECOND_STORAGES = {
    "longer": {"kind": "Float", "length": 64, "offset": 63},
    "shorter": {"kind": "Float", "length": 1},
    "of the same bytes": {"kind": "Half", "length": 18, "offset": 17},
}


def write_torch_bias_of_another(path, legacy, **told):
    """Writes a file whose first bias is in the storage of the second kernel, of 9 values."""
    bias = torch_files.tensor("2", shape=(1,), legacy=legacy, **told)
    write_torch_bias(path, bias, legacy, spare=torch_files.tensor("1", "Float", (1,), legacy))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("second", SECOND_STORAGES.values(), ids=SECOND_STORAGES)
def test_torch_tensors_that_share_a_key_but_not_a_storage(tmp_path, tiny_network, second, legacy):
    write_torch_bias_of_another(tmp_path / "vgg.pth", legacy, **second)
    refused(tmp_path / "vgg.pth", "damaged, .* .storage 2 is of two types or lengths")


@pytest.mark.parametrize("legacy", [False, True])
def test_torch_tensors_that_share_a_storage(tmp_path, tiny_network, legacy):
    write_torch_bias_of_another(tmp_path / "vgg.pth", legacy, kind="Float", offset=8, length=9)
    assert weights.load(tmp_path / "vgg.pth").tensors["conv1_1"][1] == [0]


@pytest.mark.parametrize(
    ("offset", "shape", "strides"), [(16, (1,), (1,)), (0, (2, 9), (9, 1)), (1, (2,), (15,))]
)
def test_torch_tensors_are_measured_by_the_values_that_are_there(offset, shape, strides):
    tensor = pickled.Tensor(pickled.Storage("0", "f4", 64), offset, shape, strides)
    with pytest.raises(ValueError, match="a tensor reaches beyond its storage"):
        torch._array(tensor, {"0": np.zeros(16, np.float32)})


@pytest.mark.parametrize("legacy", [False, True])
def test_torch_storage_with_less_than_it_says(tmp_path, tiny_network, legacy):
    bias = torch_files.tensor("1", "Float", (1,), legacy)
    write_torch_bias(tmp_path / "vgg.pth", bias, legacy, data=b"xy")
    refused(tmp_path / "vgg.pth", "storage 1 has 2 bytes|storage 2 has another length")


PICKLES = {
    "a memory of a million places": b"\x80\x02Nr\xff\xff\xff\x7f0",
    "many instructions": b"\x80\x02" + b"]" * 300_000,
    "a long text": b"\x80\x02\x8d" + struct.pack("<Q", 1 << 40),
    "a long number": b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1),
    "a deep tuple for a key": b"\x80\x02}" + b")" + b"\x85" * 20_000 + b"Ns",
    "a list within itself": b"\x80\x02]q\0h\0a",
    "nothing on the stack": b"\x80\x02s",
    "a mark for a value": b"\x80\x02(",
    "no end": b"\x80\x02}",
    "nothing": b"",
    "a number for a dict": b"\x80\x02K\x01(u",
    "a dict for a name": b"\x80\x02})R",
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("index", PICKLES.values(), ids=PICKLES)
def test_torch_pickles_that_burst_or_make_no_sense(tmp_path, index, legacy):
    torch_files.write_parts(tmp_path / "vgg.pth", index + b".", {}, [], legacy)
    refused(tmp_path / "vgg.pth", "damaged, or not a .pth|contains ")


def test_torch_archive_that_unfolds(tmp_path):
    arrays = {"features.0.bias": np.zeros(1 << 20, np.float32)}
    index, data = torch_files.pickled(arrays, False), [bytes(4 << 20)]
    torch_files.write_archive(tmp_path / "vgg.pth", index, data, compression=zipfile.ZIP_DEFLATED)
    refused(tmp_path / "vgg.pth", r"its 41\d{5} bytes are compressed, but torch never compresses")


def test_caffemodel_of_empty_layers_without_number(tmp_path):
    (tmp_path / "vgg.caffemodel").write_bytes(b"\x12\0" * 200_000)
    refused(tmp_path / "vgg.caffemodel", "contains none of VGG16's convolutions")


def test_caffemodel_with_a_layer_twice(tmp_path, tiny_network):
    layer = old_layer("conv1_1", tiny_network["conv1_1"])
    (tmp_path / "vgg.caffemodel").write_bytes(layer + layer)
    refused(tmp_path / "vgg.caffemodel", "contains conv1_1 twice")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_a_million_megabytes_of_nothing(tmp_path, suffix):
    path = tmp_path / f"vgg{suffix}"
    path.touch()
    os.truncate(path, 1 << 40)
    refused(path, "damaged, or not a|too large: .* files cannot exceed 2 GB")


def test_names_that_would_drive_a_terminal(tmp_path):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        file["\x1b[2J\n" + "x" * 5000 + "/block1_conv1/bias:0"] = np.zeros((2, 2))
    refused(tmp_path / "vgg.h5", r"h5: /\?\[2J\?xxx")


def test_a_long_reason_is_cut(tmp_path):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        file["x" * 5000 + "/block1_conv1/bias:0"] = np.zeros((2, 2))
    with pytest.raises(WeightsError) as caught:
        weights.load(tmp_path / "vgg.h5")
    assert len(str(caught.value)) <= len(str(tmp_path)) + 310


# Other files


@pytest.fixture
def secret(tmp_path):
    """A file elsewhere, of the size of one bias."""
    path = tmp_path / "elsewhere" / "secret"
    path.parent.mkdir()
    path.write_bytes(struct.pack("<f", 1))
    return path


@pytest.fixture
def pipe(tmp_path):
    """A named pipe, which to open would take for ever."""
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_h5_does_not_follow_links_to_other_files(tmp_path, pipe, tiny_network):
    arrays = named(tiny_network, KERAS_NAMES, "/kernel:0", "/bias:0")
    write_h5(tmp_path / "other.h5", arrays)
    for target in ("other.h5", "nowhere.h5", pipe.name):
        with h5py.File(tmp_path / "vgg.h5", "w") as file:
            file["model_weights"] = h5py.ExternalLink(target, "/")
        refused(
            tmp_path / "vgg.h5", "model_weights is a link to another place, which is not followed"
        )
        with h5py.File(tmp_path / "vgg.h5", "w") as file:
            file["block1_conv1"] = h5py.ExternalLink(target, "/block1_conv1")
        refused(tmp_path / "vgg.h5", "contains none of VGG16's convolutions")


@pytest.mark.parametrize("name", ["elsewhere/secret", "pipe", "/etc/passwd", "nowhere"])
def test_h5_does_not_read_values_from_other_files(tmp_path, pipe, secret, name):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        place = [(str(tmp_path / name), 0, 256)]
        file.create_dataset("block1_conv1/bias:0", (64,), "f4", external=place)
    refused(
        tmp_path / "vgg.h5", "/block1_conv1/bias:0 is stored in another file, which is not read"
    )


def test_h5_does_not_assemble_values_from_other_files(tmp_path):
    with h5py.File(tmp_path / "vgg.h5", "w") as file:
        layout = h5py.VirtualLayout((64,), "f4")
        layout[:] = h5py.VirtualSource("other.h5", "x", (64,))
        file.create_virtual_dataset("block1_conv1/bias:0", layout)
    refused(
        tmp_path / "vgg.h5", "/block1_conv1/bias:0 is stored in another file, which is not read"
    )


def write_onnx_with_a_bias_elsewhere(path, tensors, **external):
    arrays = named(tensors, KERAS_NAMES, "/kernel", "/bias")
    protos = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    protos[1] = onnx_tensor("block1_conv1/bias", (1,), **external)
    write_onnx_of(path, protos)


def test_onnx_reads_no_other_files_than_those_beside_it(tmp_path, tiny_network, secret, pipe):
    (tmp_path / "link").symlink_to(secret)
    path = tmp_path / "models" / "vgg.onnx"
    path.parent.mkdir()
    (path.parent / "inner_link").symlink_to(secret)
    os.mkfifo(path.parent / "inner_pipe")
    places = (
        "/etc/passwd", str(secret), "../elsewhere/secret", "inner_link", "inner_pipe", "nowhere",
        "", ".", "/dev/zero",
    )  # fmt: skip
    for place in places:
        write_onnx_with_a_bias_elsewhere(path, tiny_network, location=place)
        with pytest.raises(WeightsError, match=r"damaged, or not a .onnx file"):
            weights.load(path)
    write_onnx_with_a_bias_elsewhere(path, tiny_network, location="bias")
    (path.parent / "bias").write_bytes(secret.read_bytes())
    assert weights.load(path).tensors["conv1_1"][1] == [1]


def test_onnx_reads_no_more_beside_it_than_the_values_take(tmp_path, tiny_network):
    (tmp_path / "data").touch()
    os.truncate(tmp_path / "data", 1 << 40)
    path = tmp_path / "vgg.onnx"
    write_onnx_with_a_bias_elsewhere(path, tiny_network, location="data", offset=1 << 39)
    assert weights.load(path).tensors["conv1_1"][1] == [0]
    for length in (1 << 40, 0, -1, "x"):
        write_onnx_with_a_bias_elsewhere(path, tiny_network, location="data", length=length)
        refused(path, f"block1_conv1/bias must have 4 bytes of external data, not {length}")


def test_onnx_reads_nothing_beside_it_for_other_layers(tmp_path, tiny_network, pipe):
    arrays = named(tiny_network, KERAS_NAMES, "/kernel", "/bias")
    protos = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    protos.append(onnx_tensor("fc1/kernel", (4096, 25088), location=pipe.name))
    write_onnx_of(tmp_path / "vgg.onnx", protos)
    assert list(weights.load(tmp_path / "vgg.onnx").tensors) == NAMES


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pipes_and_devices_are_not_opened(tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"zero{suffix}").symlink_to("/dev/zero")
    for name in ("pipe", "zero"):
        refused(tmp_path / f"{name}{suffix}", ": a pipe or a device, not a file")


def test_links_that_lead_nowhere(tmp_path):
    (tmp_path / "dangling.npz").symlink_to("nowhere.npz")
    (tmp_path / "loop.npz").symlink_to("loop.npz")
    with pytest.raises(WeightsError, match=r"no such weights file: .*dangling.npz"):
        weights.load(tmp_path / "dangling.npz")
    refused(tmp_path / "loop.npz", "cannot be read: Too many levels of symbolic links")


def test_a_name_that_no_file_can_have():
    with pytest.raises(WeightsError, match=r"cannot be read: .*embedded null"):
        weights.load("a\0b.npz")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_cut_off_file(tmp_path, tiny_network, suffix):
    path = tmp_path / f"vgg{suffix}"
    write_whole_file(path, tiny_network)
    size = path.stat().st_size
    for part in (0.99, 0.5, 0.1):
        os.truncate(path, int(size * part))
        with pytest.raises(WeightsError, match=f"vgg{suffix}: "):
            weights.load(path)


def test_no_memory_is_not_told_as_damage(tmp_path, tiny_network, monkeypatch):
    def none_left(*arguments, **options):
        raise MemoryError

    np.savez(tmp_path / "vgg.npz", **named(tiny_network, NAMES, "/W", "/b"))
    monkeypatch.setattr(np.lib.format, "read_array", none_left)
    refused(tmp_path / "vgg.npz", "vgg.npz: cannot be read: not enough memory")
