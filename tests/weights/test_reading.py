"""Each format is written by its own library, or byte by byte, and must load to the same tensors."""

import os
import random
import re
import struct
import sys
import zipfile

import h5py
import numpy as np
import onnx
import pytest

from tests.weights import torch_files
from texsynth import weights
from texsynth.compat import chainer
from texsynth.errors import WeightsError
from texsynth.network import architecture
from texsynth.network.vgg import VGGFeatures

NAMES = [layer.name for layer in architecture.convolutions(architecture.VGG16)]
KERAS_NAMES = [f"block{name[4]}_conv{name[6]}" for name in NAMES]
FEATURES = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
OXFORD_FIRST_VALUE = 0.42947057


def named(tensors, names, kernel, bias):
    """Renames ``{layer: (W, b)}``: ``{name + kernel: W, name + bias: b}``, in the layers' order."""
    arrays = {}
    for name, layer in zip(names, NAMES, strict=True):
        arrays[f"{name}{kernel}"], arrays[f"{name}{bias}"] = tensors[layer]
    return arrays


def with_first_kernel(tensors, W):
    return {**tensors, "conv1_1": (W, tensors["conv1_1"][1])}


def oxford(tensors, channel):
    """The same tensors with Oxford's first value where the kernels of a channel begin."""
    W = tensors["conv1_1"][0].copy()
    W[0, channel, 0, 0] = OXFORD_FIRST_VALUE
    return with_first_kernel(tensors, W)


def assert_same(loaded, tensors):
    assert list(loaded.tensors) == NAMES
    for name in NAMES:
        for got, expected in zip(loaded.tensors[name], tensors[name], strict=True):
            assert got.dtype == np.float32
            np.testing.assert_array_equal(got, expected)


def assert_caffes(loaded, tensors):
    assert_same(loaded, tensors)
    np.testing.assert_array_equal(loaded.mean, np.float32([103.939, 116.779, 123.68]))


@pytest.fixture(scope="module")
def tensors(random_weights):
    return random_weights.tensors


def make_tiny_network(monkeypatch, network="vgg16"):
    """Makes a VGG as narrow as one channel, so that its files are small; returns its tensors."""
    generator, tensors, table = np.random.default_rng(0), {}, {}
    for layer in architecture.NETWORKS[network].values():
        table[layer.name] = layer
        if isinstance(layer, architecture.Pooling):
            continue
        layer = layer._replace(in_channels=1 if tensors else 3, out_channels=1)
        table[layer.name] = layer
        shape = (layer.out_channels, layer.in_channels, 3, 3)
        W, b = generator.standard_normal(shape), generator.standard_normal(shape[0])
        tensors[layer.name] = W.astype(np.float32), b.astype(np.float32)
    monkeypatch.setitem(architecture.NETWORKS, network, table)
    return tensors


@pytest.fixture
def tiny_network(monkeypatch):
    return make_tiny_network(monkeypatch)


# Chainer


class ChainerVGG(chainer.Chain):
    def __init__(self, tensors):
        super().__init__()
        with self.init_scope():
            for name, (W, b) in tensors.items():
                link = chainer.links.Convolution2D(*W.shape[1::-1], 3, initialW=W, initial_bias=b)
                setattr(self, name, link)
            self.fc6 = chainer.links.Linear(4, 2)


def test_npz_of_chainer(tmp_path, tensors):
    path = tmp_path / "VGG_ILSVRC_16_layers.npz"
    chainer.serializers.save_npz(path, ChainerVGG(tensors), compression=False)
    assert_caffes(weights.load(path), tensors)


def test_npz_leaves_other_layers_unread(tmp_path, tensors):
    path = tmp_path / "vgg.npz"
    unreadable = np.array([object()])
    np.savez(path, **named(tensors, NAMES, "/W", "/b"), **{"fc6/W": unreadable})
    assert_caffes(weights.load(path), tensors)


def test_npz_of_our_own_keeps_the_mean(tmp_path, tensors):
    path, mean = tmp_path / "own.npz", np.float32([1, 2, 3])
    weights.save(path, weights.VGGWeights(tensors, mean))
    loaded = weights.load(path)
    assert_same(loaded, tensors)
    np.testing.assert_array_equal(loaded.mean, mean)


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_npz_of_other_precision(tmp_path, tensors, dtype):
    first = with_first_kernel(tensors, oxford(tensors, 2)["conv1_1"][0].astype(dtype))
    np.savez(tmp_path / "vgg.npz", **named(first, NAMES, "/W", "/b"))
    turned = first["conv1_1"][0][:, ::-1].astype(np.float32)
    assert_caffes(weights.load(tmp_path / "vgg.npz"), with_first_kernel(tensors, turned))


# Keras


def write_h5(path, arrays):
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array


KERAS_LAYOUTS = {
    "Keras 1": ("{0}/{0}", "_W_1:0", "_b_1:0"),
    "Keras 2": ("{0}/{0}", "/kernel:0", "/bias:0"),
    "Keras 3": ("{0}/{0}", "/kernel", "/bias"),
    "a whole model": ("model_weights/{0}/{0}", "/kernel:0", "/bias:0"),
    "a model within a model": ("model_weights/vgg16/{0}", "/kernel:0", "/bias:0"),
}


@pytest.mark.parametrize("layout", KERAS_LAYOUTS.values(), ids=KERAS_LAYOUTS)
def test_h5(tmp_path, tensors, layout):
    path, (form, kernel, bias) = tmp_path / "vgg.h5", layout
    arrays = named(tensors, [form.format(name) for name in KERAS_NAMES], kernel, bias)
    if form.startswith("model_weights"):
        moment = np.zeros((3, 3, 3, 64), np.float32)
        arrays["optimizer_weights/Adam/block1_conv1/kernel/m:0"] = moment
    write_h5(path, arrays)
    assert_caffes(weights.load(path), tensors)


def test_h5_of_keras_3_weights(tmp_path, tensors):
    path = tmp_path / "vgg16.weights.h5"
    numbered = ["layers/conv2d", *(f"layers/conv2d_{number}" for number in range(1, 13))]
    write_h5(path, named(tensors, numbered, "/vars/0", "/vars/1"))
    with h5py.File(path, "a") as file:
        for group, name in zip(numbered, KERAS_NAMES, strict=True):
            file[f"{group}/vars"].attrs["name"] = name
        file["layers/dense/vars/0"] = np.zeros((4, 2))
        file["layers/dense/vars"].attrs["name"] = "fc1"
    assert_caffes(weights.load(path), tensors)


# Caffe, in the bytes of protobuf's wire format


def varint(number):
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def number_field(number, value):
    return varint(number << 3) + varint(value)


def bytes_field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def old_blob(array):
    """``num``, ``channels``, ``height``, ``width`` and packed ``data``."""
    shape = (1,) * (4 - array.ndim) + array.shape
    sides = b"".join(number_field(1 + axis, side) for axis, side in enumerate(shape))
    return sides + bytes_field(5, array.astype("<f4").tobytes())


def new_blob(array):
    """``data`` and ``shape``, whose ``dim`` is packed."""
    dims = bytes_field(1, b"".join(map(varint, array.shape)))
    return bytes_field(5, array.astype("<f4").tobytes()) + bytes_field(7, dims)


def old_layer(name, blobs):
    kind = number_field(5, 4)
    content = bytes_field(4, name.encode()) + kind
    return bytes_field(2, content + b"".join(bytes_field(6, old_blob(blob)) for blob in blobs))


def new_layer(name, blobs):
    content = bytes_field(1, name.encode()) + bytes_field(2, b"Convolution")
    return bytes_field(100, content + b"".join(bytes_field(7, new_blob(blob)) for blob in blobs))


@pytest.mark.parametrize("layer", [old_layer, new_layer])
def test_caffemodel(tmp_path, tensors, layer):
    path = tmp_path / "VGG_ILSVRC_16_layers.caffemodel"
    layers = [layer("data", []), *(layer(name, tensors[name]) for name in NAMES)]
    layers.append(layer("fc8", [np.zeros((2, 4)), np.zeros(2)]))
    path.write_bytes(bytes_field(1, b"VGG_ILSVRC_16_layers") + b"".join(layers))
    assert_caffes(weights.load(path), tensors)


def test_caffemodel_leaves_other_layers_unread(tmp_path, tensors):
    path = tmp_path / "vgg.caffemodel"
    half_blob = number_field(1, 2) + bytes_field(5, struct.pack("<f", 1))
    unreadable = bytes_field(4, b"fc6") + 2 * bytes_field(6, half_blob)
    layers = [old_layer(name, tensors[name]) for name in NAMES]
    layers += [old_layer("conv1_1_relu", []), bytes_field(2, unreadable)]
    path.write_bytes(b"".join(layers))
    assert_caffes(weights.load(path), tensors)


def test_caffemodel_whose_data_do_not_fill_its_shape(tmp_path):
    blob = number_field(1, 2) + number_field(2, 3) + bytes_field(5, struct.pack("<f", 1))
    layer = bytes_field(4, b"conv1_1") + bytes_field(6, blob) + bytes_field(6, blob)
    path = tmp_path / "vgg.caffemodel"
    path.write_bytes(bytes_field(2, layer))
    with pytest.raises(WeightsError, match=r"damaged, or not a .caffemodel file \(cannot reshape"):
        weights.load(path)


# ONNX


def write_onnx(path, arrays, **options):
    initializers = [onnx.numpy_helper.from_array(a, name) for name, a in arrays.items()]
    graph = onnx.helper.make_graph([], "vgg", [], [], initializers)
    onnx.save(onnx.helper.make_model(graph), path, **options)


@pytest.mark.parametrize(
    ("form", "kernel", "bias"),
    [
        ("functional_1/{}_1", "/convolution/ReadVariableOp:0", "/Squeeze:0"),
        ("vgg16/{}", "/Conv2D/ReadVariableOp:0", "/BiasAdd/ReadVariableOp:0"),
    ],
)
def test_onnx_of_keras(tmp_path, tensors, form, kernel, bias):
    arrays = named(tensors, [form.format(name) for name in KERAS_NAMES], kernel, bias)
    arrays["functional_1/batch_normalization_1/batchnorm/mul:0"] = np.ones(64, np.float32)
    write_onnx(tmp_path / "vgg.onnx", arrays)
    assert_caffes(weights.load(tmp_path / "vgg.onnx"), tensors)


def test_onnx_with_torch_names(tmp_path, tensors):
    caffes = oxford(tensors, 0)
    names = [f"features.{number}" for number in FEATURES]
    write_onnx(tmp_path / "vgg.onnx", named(caffes, names, ".weight", ".bias"))
    assert_caffes(weights.load(tmp_path / "vgg.onnx"), caffes)


def test_onnx_with_external_data(tmp_path, tensors):
    arrays = named(tensors, KERAS_NAMES, "/kernel", "/bias")
    path, data = tmp_path / "vgg.onnx", tmp_path / "vgg.data"
    write_onnx(path, arrays, save_as_external_data=True, location=data.name)
    assert_caffes(weights.load(path), tensors)
    data.unlink()
    with pytest.raises(WeightsError, match=r"vgg.data"):
        weights.load(path)


# torch

TORCH_NAMES = [f"features.{number}" for number in FEATURES]
LEGACY = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_torchvision_answers_as_with_its_own_preprocessing(tmp_path, tensors, prefix):
    names = [f"{prefix}{name}" for name in TORCH_NAMES]
    torch_files.write(tmp_path / "vgg16.pth", named(tensors, names, ".weight", ".bias"))
    features = VGGFeatures(weights.load(tmp_path / "vgg16.pth"), ["conv1_1", "conv2_1"], "max")
    image = np.random.default_rng(1).uniform(0, 255, (1, 3, 20, 26)).astype(np.float32)
    got = features(image)

    F = chainer.functions
    mean, std = (
        np.float32(triple).reshape(1, 3, 1, 1)
        for triple in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    h = (image / 255 - mean) / std
    expected = {}
    for name in ("conv1_1", "conv1_2", "conv2_1"):
        if name == "conv2_1":
            h = F.max_pooling_2d(h, 2)
        h = expected[name] = F.relu(F.convolution_2d(h, *tensors[name], pad=1))
    for name, activations in got.items():
        np.testing.assert_allclose(activations.array, expected[name].array, rtol=1e-4, atol=1e-4)


@LEGACY
@pytest.mark.parametrize("order", ["<", ">"])
def test_torch_state_of_caffes_weights(tmp_path, tensors, legacy, order):
    caffes, path = oxford(tensors, 0), tmp_path / "vgg16-00b39a1b.pth"
    arrays = named(caffes, TORCH_NAMES, ".weight", ".bias")
    torch_files.write(path, arrays, legacy, order)
    assert_caffes(weights.load(path), caffes)


def test_torch_state_of_oxfords_weights_turned_to_rgb(tmp_path, tensors):
    turned = oxford(tensors, 2)
    torch_files.write(tmp_path / "vgg.pt", named(turned, TORCH_NAMES, ".weight", ".bias"))
    expected = with_first_kernel(tensors, turned["conv1_1"][0][:, ::-1])
    assert_caffes(weights.load(tmp_path / "vgg.pt"), expected)


def test_torch_state_with_caffes_names(tmp_path, tensors):
    torch_files.write(tmp_path / "vgg_conv.pth", named(tensors, NAMES, ".weight", ".bias"))
    assert_caffes(weights.load(tmp_path / "vgg_conv.pth"), tensors)


@LEGACY
def test_torch_state_leaves_other_layers_unread(tmp_path, tiny_network, legacy):
    arrays = {"classifier.0.weight": np.zeros((4, 5), np.float16)}
    arrays |= named(tiny_network, NAMES, ".weight", ".bias") | {"steps": np.arange(3)}
    torch_files.write(tmp_path / "vgg.pth", arrays, legacy)
    assert_caffes(weights.load(tmp_path / "vgg.pth"), tiny_network)


@LEGACY
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_torch_state_of_other_precision(tmp_path, tiny_network, dtype, legacy):
    arrays = named(tiny_network, NAMES, ".weight", ".bias")
    written = {name: array.astype(dtype) for name, array in arrays.items()}
    torch_files.write(tmp_path / "vgg.pth", written, legacy)
    loaded = weights.load(tmp_path / "vgg.pth")
    for name in NAMES:
        for got, expected in zip(loaded.tensors[name], tiny_network[name], strict=True):
            np.testing.assert_array_equal(got, expected.astype(dtype).astype(np.float32))


@LEGACY
def test_torch_tensors_that_are_views_of_one_storage(tmp_path, tiny_network, legacy):
    """A bias that begins within a storage, and a kernel whose axes are in another order there."""
    arrays = named(tiny_network, NAMES, ".weight", ".bias")
    W = arrays["conv1_1.weight"]
    shared = np.concatenate([np.full(5, 9, np.float32), W.transpose(3, 1, 0, 2).ravel(), [7]])
    arrays["conv1_1.weight"] = shared.astype(np.float32)
    strides = np.empty(W.transpose(3, 1, 0, 2).shape).transpose(2, 1, 3, 0).strides
    parts = {
        name: torch_files.tensor(str(number), "Float", array.shape, legacy)
        for number, (name, array) in enumerate(arrays.items())
    }
    view = torch_files.tensor("0", "Float", W.shape, legacy, [s // 8 for s in strides], 5, 33)
    parts["conv1_1.weight"] = view
    data = [array.tobytes() for array in arrays.values()]
    path = tmp_path / "vgg.pth"
    torch_files.write_parts(path, torch_files.state(parts), arrays, data, legacy)
    assert_caffes(weights.load(path), tiny_network)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@LEGACY
def test_what_torch_writes(tmp_path, torch, tiny_network, legacy, protocol):
    path = tmp_path / "vgg.pth"
    model = torch.nn.ModuleDict({"features": torch.nn.Sequential()})
    for number, layer in zip(FEATURES, NAMES, strict=True):
        W, b = map(torch.from_numpy, tiny_network[layer])
        convolution = torch.nn.Conv2d(*W.shape[1::-1], 3)
        convolution.load_state_dict({"weight": W, "bias": b})
        model["features"].add_module(str(number), convolution)
    options = {"_use_new_zipfile_serialization": not legacy, "pickle_protocol": protocol}
    torch.save(model.state_dict(), path, **options)
    caffes = weights.load(path)
    W = caffes.tensors["conv1_1"][0]  # torchvision's, by their names
    torch.save({n: torch.nn.Parameter(p) for n, p in model.named_parameters()}, path, **options)
    np.testing.assert_array_equal(weights.load(path).tensors["conv1_1"][0], W)
    torch.save({n: p.bfloat16() for n, p in model.state_dict().items()}, path, **options)
    loaded = weights.load(path)
    for name in NAMES[1:]:
        for got, expected in zip(loaded.tensors[name], tiny_network[name], strict=True):
            assert got.dtype == np.float32
            np.testing.assert_allclose(got, expected, rtol=2**-8)


def test_torch_is_not_needed(tmp_path, tiny_network, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    torch_files.write(tmp_path / "vgg.pth", named(tiny_network, NAMES, ".weight", ".bias"))
    assert_caffes(weights.load(tmp_path / "vgg.pth"), tiny_network)


@LEGACY
def test_torch_file_without_a_state_dict(tmp_path, legacy):
    path = tmp_path / "vgg.pth"
    torch_files.write_parts(path, b"\x80\x02].", {}, [], legacy)
    with pytest.raises(WeightsError, match=r"vgg.pth: contains a list, not a state dict"):
        weights.load(path)


# Other networks


def nineteen(monkeypatch, network):
    """Tensors of a tiny VGG19, the normalised one if asked for; it is so tiny from now on."""
    tensors = make_tiny_network(monkeypatch, network)
    first = tensors["conv1_1"][0]
    first[0, 0, 0, 0] = NORMALISED_FIRST_VALUE if network == "vgg19-normalised" else 0.3411953
    return tensors


NORMALISED_FIRST_VALUE = 0.01712148
NUMBERS_19 = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
NUMBERS_NORMALISED = [2, 5, 9, 12, 16, 19, 22, 25, 29, 32, 35, 38, 42, 45, 48, 51]


def renamed(tensors, names, kernel, bias):
    arrays = {}
    for name, (W, b) in zip(names, tensors.values(), strict=True):
        arrays |= {f"{name}{kernel}": W, f"{name}{bias}": b}
    return arrays


def keras_names(tensors):
    return [f"block{name[4]}_conv{name[6]}" for name in tensors]


VGG19_FILES = {
    "vgg.npz": lambda path, tensors: np.savez(path, **renamed(tensors, tensors, "/W", "/b")),
    "vgg.h5": lambda path, tensors: write_h5(
        path, renamed(tensors, keras_names(tensors), "/kernel:0", "/bias:0")
    ),
    "vgg.caffemodel": lambda path, tensors: path.write_bytes(
        b"".join(old_layer(name, tensors[name]) for name in tensors)
    ),
    "vgg.onnx": lambda path, tensors: write_onnx(
        path, renamed(tensors, keras_names(tensors), "/kernel", "/bias")
    ),
    "vgg.pth": lambda path, tensors: torch_files.write(
        path, renamed(tensors, [f"features.{n}" for n in NUMBERS_19], ".weight", ".bias")
    ),
}


@pytest.mark.parametrize("name", VGG19_FILES)
def test_vgg19_of_every_format(tmp_path, monkeypatch, name):
    tensors = nineteen(monkeypatch, "vgg19")
    VGG19_FILES[name](tmp_path / name, tensors)
    loaded = weights.load(tmp_path / name, "vgg19")
    assert loaded.network == "vgg19"
    assert list(loaded.tensors) == list(tensors) and len(tensors) == 16
    for layer, pair in tensors.items():
        for got, expected in zip(loaded.tensors[layer], pair, strict=True):
            np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(loaded.mean, weights.CAFFE_MEAN)


def normalised_state(tensors):
    """As the published file has it: a convolution for the colours first, and numbers for names."""
    turning = 255 * np.eye(3, dtype=np.float32)[::-1].reshape(3, 3, 1, 1)
    colours = {"0.weight": turning, "0.bias": np.float32([-1, -2, -3])}
    return colours | renamed(tensors, NUMBERS_NORMALISED, ".weight", ".bias")


def test_the_normalised_networks_own_file(tmp_path, monkeypatch):
    tensors = nineteen(monkeypatch, "vgg19-normalised")
    path = tmp_path / "vgg_normalised.pth"
    torch_files.write(path, normalised_state(tensors), legacy=True)
    loaded = weights.load(path, "vgg19-normalised")
    np.testing.assert_array_equal(loaded.mean, [1, 2, 3])
    assert list(loaded.tensors) == list(tensors)
    for layer, pair in tensors.items():
        for got, expected in zip(loaded.tensors[layer], pair, strict=True):
            np.testing.assert_array_equal(got, expected)


SPOILT_COLOURS = {
    "one of the two": ({"0.bias": None}, "has only one of 0.weight and 0.bias"),
    "other colours": ({"0.weight": np.ones((3, 3, 1, 1))}, "0.weight must turn RGB, 0..1, to BGR"),
    "other axes": ({"0.weight": np.ones((3, 3))}, r"0.weight must have shape \(3, 3, 1, 1\)"),
    "no number": ({"0.bias": np.full(3, np.nan)}, "0.bias contains values that are not finite"),
}


@pytest.mark.parametrize(("spoilt", "message"), SPOILT_COLOURS.values(), ids=SPOILT_COLOURS)
def test_colours_that_are_turned_otherwise(tmp_path, monkeypatch, spoilt, message):
    state = normalised_state(nineteen(monkeypatch, "vgg19-normalised")) | spoilt
    state = {name: array for name, array in state.items() if array is not None}
    torch_files.write(tmp_path / "vgg.pth", state)
    with pytest.raises(WeightsError, match=message):
        weights.load(tmp_path / "vgg.pth", "vgg19-normalised")


def test_normalised_weights_are_not_taken_for_others_nor_others_for_them(tmp_path, monkeypatch):
    for made, asked, message in (
        ("vgg19-normalised", "vgg19", "the normalised weights; pass --network vgg19-normalised"),
        ("vgg19", "vgg19-normalised", "other weights than the normalised ones .* --network vgg19"),
    ):
        tensors = nineteen(monkeypatch, made)
        monkeypatch.setitem(architecture.NETWORKS, asked, architecture.NETWORKS[made])
        np.savez(tmp_path / "vgg.npz", **renamed(tensors, tensors, "/W", "/b"))
        with pytest.raises(WeightsError, match=message):
            weights.load(tmp_path / "vgg.npz", asked)
        monkeypatch.undo()


def test_vgg16_is_not_taken_for_vgg19(tmp_path, tensors):
    np.savez(tmp_path / "vgg.npz", **named(tensors, NAMES, "/W", "/b"))
    with pytest.raises(WeightsError, match=r"conv3_4 is missing; is it VGG16 \(--network vgg16\)"):
        weights.load(tmp_path / "vgg.npz", "vgg19")


# Files that are not what they should be


def kernel():
    return np.zeros((1, 1, 1, 1), np.float32)


def complete(**others):
    """All layers of VGG16, each with a kernel of one value and a bias of one."""
    arrays = {}
    for name in NAMES:
        arrays |= {f"{name}/W": kernel(), f"{name}/b": np.zeros(1, np.float32)}
    return arrays | others


def without(name):
    arrays = complete()
    del arrays[name]
    return arrays


WRONG_CONTENTS = {
    "nothing known": ({"a": kernel()}, "contains none of VGG16's convolutions"),
    "missing bias": (without("conv3_2/b"), "the bias of conv3_2 is missing"),
    "missing kernel": (without("conv5_3/W"), "the kernel of conv5_3 is missing"),
    "VGG19 of Chainer": (complete() | {"conv3_4/W": kernel()}, "has conv3_4, .* VGG19 "),
    "VGG19 of Keras": ({"block5_conv4/kernel": kernel()}, "has conv5_4, .* VGG19"),
    "VGG19 of torch": ({"features.16.weight": kernel()}, "has features.16, .* VGG19"),
    "batch normalization": (
        {"features.0.weight": kernel(), "features.1.running_mean": np.zeros(1)},
        r"has batch normalization \(features.1.running_mean\), which VGG16 does not",
    ),
    "wrong shape": (
        complete(),
        r"conv1_1 has shape \(1, 1, 1, 1\) and bias \(1,\), but VGG16 has \(64, 3, 3, 3\) and",
    ),
    "wrong axes": ({"conv1_1/W": np.zeros((2, 2))}, r"conv1_1/W has shape \(2, 2\), which fits"),
    "two kernels": (
        {"conv1_1/W": kernel(), "conv1_1.weight": kernel()},
        "is a second kernel for the same layer",
    ),
    "integers": (
        {"conv1_1/W": kernel().astype(int)},
        "conv1_1/W must be float16, float32 or float64, not int64",
    ),
    "texts": (
        {"conv1_1/W": np.array(["a"])},
        "conv1_1/W must be float16, float32 or float64, not <U1",
    ),
    "objects": (
        {"conv1_1/W": np.array([object()])},
        "conv1_1/W must be float16, float32 or float64, not object",
    ),
    "wrong mean": (complete(mean=np.zeros(4)), r"mean must have shape \(3,\), not \(4,\)"),
    "whole numbers for a mean": (
        complete(mean=np.zeros(3, int)),
        "mean must be float16, float32 or float64, not int64",
    ),
}


@pytest.mark.parametrize(("arrays", "message"), WRONG_CONTENTS.values(), ids=WRONG_CONTENTS)
def test_wrong_contents(tmp_path, arrays, message):
    path = tmp_path / "vgg.npz"
    np.savez(path, **arrays)
    with pytest.raises(WeightsError, match=f"^{re.escape(str(path))}: .*{message}") as caught:
        weights.load(path)
    assert "\n" not in str(caught.value)


def test_npz_whose_member_is_no_array(tmp_path):
    with zipfile.ZipFile(tmp_path / "vgg.npz", "w") as archive:
        archive.writestr("conv1_1/W", b"text")
    with pytest.raises(WeightsError, match=r"conv1_1/W cannot be read: it is not an array"):
        weights.load(tmp_path / "vgg.npz")


def test_unknown_suffix(tmp_path):
    (tmp_path / "vgg.keras").write_bytes(b"x")
    with pytest.raises(WeightsError, match=r"weights must be one of .npz, .h5, .hdf5, .caffemod"):
        weights.load(tmp_path / "vgg.keras")


@pytest.mark.parametrize("name", ["conv1_1/W", "conv5_3/b", "mean"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_values_that_are_not_finite(tmp_path, tiny_network, name, value):
    arrays = named(tiny_network, NAMES, "/W", "/b") | {"mean": np.zeros(3)}
    spoilt = arrays[name].astype(np.float64)
    spoilt.flat[-1] = value
    np.savez(tmp_path / "vgg.npz", **arrays | {name: spoilt})
    with pytest.raises(WeightsError, match=f"vgg.npz: {name} contains values that are not finite"):
        weights.load(tmp_path / "vgg.npz")


SUFFIXES = [".npz", ".h5", ".caffemodel", ".onnx", ".pth", ".pt"]


def write_whole_file(path, tensors):
    """Writes all layers in the format of the suffix."""
    if path.suffix == ".npz":
        np.savez_compressed(path, **named(tensors, NAMES, "/W", "/b"))
    elif path.suffix == ".h5":
        write_h5(path, named(tensors, KERAS_NAMES, "/kernel:0", "/bias:0"))
    elif path.suffix == ".caffemodel":
        path.write_bytes(b"".join(old_layer(name, tensors[name]) for name in NAMES))
    elif path.suffix == ".onnx":
        write_onnx(path, named(tensors, KERAS_NAMES, "/kernel:0", "/bias:0"))
    else:
        arrays = named(tensors, TORCH_NAMES, ".weight", ".bias")
        torch_files.write(path, arrays, legacy=path.suffix == ".pt")


def damaged(data, generator):
    """Cuts, overwrites or replaces a file's bytes."""
    kind = generator.choice(["cut", "flip", "overwrite", "noise"])
    if kind == "cut":
        return data[: generator.randrange(1, len(data))]
    if kind == "noise":
        return generator.randbytes(generator.choice([1, 10, 1000]))
    damaged, begin = bytearray(data), generator.randrange(len(data))
    if kind == "overwrite":
        damaged[begin : begin + 50] = bytes(generator.randrange(200))
    else:
        damaged[begin] ^= 1 << generator.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_files_end_in_one_line(tmp_path, tiny_network, suffix):
    path, generator, refused = tmp_path / f"vgg{suffix}", random.Random(0), 0
    write_whole_file(path, oxford(tiny_network, 0))
    data = path.read_bytes()
    assert_caffes(weights.load(path), oxford(tiny_network, 0))
    for _ in range(80):
        path.write_bytes(damaged(data, generator))
        try:
            weights.load(path)  # a bit of a value may be as good as another
        except WeightsError as error:
            refused += 1
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    assert refused >= 40


@pytest.mark.parametrize("suffix", [".NPZ", ".H5", ".hdf5", ".Caffemodel", ".ONNX"])
def test_suffixes_by_other_names(tmp_path, tiny_network, suffix):
    known = tmp_path / f"vgg{suffix.lower().replace('hdf5', 'h5')}"
    write_whole_file(known, tiny_network)
    assert_caffes(weights.load(known.rename(tmp_path / f"other{suffix}")), tiny_network)


def test_half_a_file(tmp_path, tensors):
    path = tmp_path / "vgg.npz"
    np.savez(path, **named(tensors, NAMES, "/W", "/b"))
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(
        WeightsError, match=r"vgg.npz: damaged, or not a .npz file \(not a zip archive\)"
    ):
        weights.load(path)
