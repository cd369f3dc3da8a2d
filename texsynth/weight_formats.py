"""Reads VGG16's convolutions from the files that the world keeps them in.

All end in one form: kernels ``(O, C, 3, 3)`` for BGR input on the scale 0..255 less a mean. Which
order a file has follows from its names, each family of which has one convention, or from the
values: Oxford's own weights are known by their first kernel, wherever they are.
"""

import pickle
import re
import zipfile
import zlib

import numpy as np

from texsynth import architecture
from texsynth.errors import WeightsError

CAFFE_MEAN = np.array([103.939, 116.779, 123.68], dtype=np.float32)
"""Mean blue, green and red of ImageNet as Oxford's weights want it."""

_TORCHVISION_MEAN = np.array([0.406, 0.456, 0.485], dtype=np.float32)
_TORCHVISION_STD = np.array([0.225, 0.224, 0.229], dtype=np.float32)

_OXFORD_FIRST_VALUE = 0.42947057  # conv1_1's W[0, blue, 0, 0], as published by Oxford and Keras

_KERAS_NAME = re.compile(r"(?:^|/)block(\d)_conv(\d)(?:_\d+)?(?:/|$)")
_TORCHVISION_NAME = re.compile(r"^(?:.*\.)?features\.(\d+)\.(weight|bias)$")
_CAFFE_NAME = re.compile(r"^(conv\d_\d)[./](W|b|weight|bias)$")
_TORCHVISION_LAYERS = dict(
    zip(
        (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
        (layer.name for layer in architecture.CONVOLUTIONS),
        strict=True,
    )
)


def read(path):
    """Reads the convolutions of a file, whose suffix tells the format.

    Args:
        path (pathlib.Path): The file.

    Returns:
        tuple: ``{layer: (W, b)}`` and the mean ``(3,)``, blue, green, red; all float32. Shapes are
        as found.

    Raises:
        texsynth.errors.WeightsError: Unknown suffix, damaged file, missing layers, or VGG19.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(f"{path}: weights must be one of {', '.join(_READERS)}")
    try:
        arrays = reader(path)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise WeightsError(
            f"{path}: damaged, or no {path.suffix} file ({_first_line(error)})"
        ) from error
    mean = arrays.pop("mean", CAFFE_MEAN)
    tensors, is_torchvision = _by_layer(path, arrays)
    return _to_caffe_order(tensors, mean, is_torchvision)


def _by_layer(path, arrays):
    """Sorts arrays under any family's names into ``{layer: (W, b)}``."""
    found, is_torchvision = {}, False
    for name, array in arrays.items():
        if match := _KERAS_NAME.search(name):
            layer = f"conv{match[1]}_{match[2]}"
        elif match := _CAFFE_NAME.match(name):
            layer = match[1]
        elif match := _TORCHVISION_NAME.match(name):
            is_torchvision = True
            layer = _TORCHVISION_LAYERS.get(int(match[1]), f"features.{match[1]}")
        else:
            continue
        found.setdefault(layer, {})[array.ndim] = np.asarray(array, dtype=np.float32)
    known = {layer.name for layer in architecture.CONVOLUTIONS}
    extra = [name for name, pair in found.items() if name not in known and 4 in pair]
    if extra:
        raise WeightsError(
            f"{path}: has {extra[0]}, which VGG16 has not; is it VGG19 or another network?"
        )
    missing = [name for name in sorted(known) if not {1, 4} <= found.get(name, {}).keys()]
    if missing:
        raise WeightsError(f"{path}: {missing[0]} is missing; these are not VGG16's convolutions")
    return {name: (found[name][4], found[name][1]) for name in sorted(known)}, is_torchvision


def _to_caffe_order(tensors, mean, is_torchvision):
    """Turns the first kernels to BGR on the scale 0..255; leaves Oxford's BGR as it is."""
    W, b = tensors["conv1_1"]
    if W.ndim == 4 and W.shape[1] == 3:
        blue_first, red_first = W[0, 0, 0, 0], W[0, 2, 0, 0]
        if abs(red_first - _OXFORD_FIRST_VALUE) < 1e-5:
            tensors["conv1_1"] = W[:, ::-1].copy(), b
        elif is_torchvision and abs(blue_first - _OXFORD_FIRST_VALUE) >= 1e-5:
            # torchvision's own training: RGB, 0..1, less a mean, over a standard deviation.
            scale = (255 * _TORCHVISION_STD).reshape(1, 3, 1, 1)
            tensors["conv1_1"] = W[:, ::-1] / scale, b
            mean = 255 * _TORCHVISION_MEAN
    return tensors, np.asarray(mean, dtype=np.float32)


def _read_npz(path):
    with np.load(path, allow_pickle=False) as archive:
        wanted = [name for name in archive.files if name == "mean" or _CAFFE_NAME.match(name)]
        return {name: archive[name] for name in wanted}


def _read_h5(path):
    import h5py

    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and _KERAS_NAME.search(name):
            array = item[()]
            arrays[name] = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array

    with h5py.File(path, "r") as file:
        file.visititems(visit)
    return arrays


def _read_onnx(path):
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise ValueError(_first_line(error)) from error
    return {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in model.graph.initializer
        if _KERAS_NAME.search(tensor.name) or _TORCHVISION_NAME.match(tensor.name)
    }


def _read_caffemodel(path):
    from google.protobuf.message import DecodeError

    from texsynth import caffe_schema

    try:
        return caffe_schema.read_convolutions(path.read_bytes())
    except DecodeError as error:
        raise ValueError(_first_line(error)) from error


def _read_torch(path):
    try:
        import torch
    except ImportError:
        raise WeightsError(
            f"{path}: reading a torch state dict needs torch (pip install torch)"
        ) from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise ValueError(_first_line(error)) from error
    if not isinstance(state, dict):
        raise ValueError("holds no state dict")
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    return {name: value.to(torch.float32).numpy() for name, value in tensors.items()}


def _first_line(error):
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


_READERS = {
    ".npz": _read_npz,
    ".h5": _read_h5,
    ".caffemodel": _read_caffemodel,
    ".onnx": _read_onnx,
    ".pth": _read_torch,
    ".pt": _read_torch,
}
