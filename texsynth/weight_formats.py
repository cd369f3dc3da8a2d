"""Reads VGG16's convolutions from the files that the world keeps them in.

All end in one form: kernels ``(O, C, 3, 3)`` for BGR input on the scale 0..255 less a mean. Which
order a file has follows from its names, each family of which has one convention, or from the
values: Oxford's own weights are known by their first kernel, wherever they are.
"""

import logging
import pickle
import re
import zipfile

import numpy as np

from texsynth import architecture
from texsynth.errors import WeightsError

_log = logging.getLogger(__name__)

CAFFE_MEAN = np.array([103.939, 116.779, 123.68], dtype=np.float32)
"""Mean blue, green and red of ImageNet as Oxford's weights want it."""

_TORCHVISION_MEAN = np.array([0.406, 0.456, 0.485], dtype=np.float32)  # blue, green, red
_TORCHVISION_STD = np.array([0.225, 0.224, 0.229], dtype=np.float32)

_OXFORD_FIRST_VALUE = 0.42947057  # conv1_1's W[0, blue, 0, 0], as published by Oxford and Keras
_OXFORD_TOLERANCE = 2e-4  # copies in half precision are off by 1e-4

_KERAS_NAME = re.compile(r"(?:^|/)block(\d)_conv(\d)(?:_\d+)?(?:/|$)")
_TORCHVISION_NAME = re.compile(r"^(?:.*\.)?features\.(\d+)\.(?:weight|bias|running_mean)$")
_CAFFE_NAME = re.compile(r"^(conv\d_\d)[./](?:W|b|weight|bias)$")
_TORCHVISION_LAYERS = dict(
    zip(
        ("0", "2", "5", "7", "10", "12", "14", "17", "19", "21", "24", "26", "28"),
        (layer.name for layer in architecture.CONVOLUTIONS),
        strict=True,
    )
)


def read(path):
    """Reads the convolutions of a file, whose suffix tells the format.

    Args:
        path (pathlib.Path): The file.

    Returns:
        tuple: ``{layer: (W, b)}`` and the mean ``(3,)``, blue, green, red; all float32. ``W`` is
        ``(O, C, 3, 3)`` for BGR input on the scale 0..255 less the mean, ``b`` is ``(O,)``.

    Raises:
        texsynth.errors.WeightsError: Unknown suffix, empty or damaged file, a module that the
            format needs is not installed, or the file does not hold VGG16.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(f"{path}: weights must be one of {', '.join(_READERS)}")
    if path.stat().st_size == 0:
        raise WeightsError(f"{path}: is empty")
    try:
        arrays = _decode(reader, path)
        mean = _as_float32("mean", arrays.pop("mean", CAFFE_MEAN))
        if mean.shape != (3,):
            raise WeightsError(f"mean has shape {mean.shape}, not (3,)")
        tensors = _pair_up(arrays)
        _check_shapes(tensors)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    return _to_caffe_order(tensors, mean, any(map(_TORCHVISION_NAME.match, arrays)))


def _decode(reader, path):
    """Returns the reader's ``{name in the file: array}``."""
    try:
        return reader(path)
    except WeightsError:
        raise
    except ImportError as error:
        raise WeightsError(
            f"reading {path.suffix} files needs {error.name}, which is not installed ({error})"
        ) from error
    except Exception as error:
        # The decoders are other people's: damaged bytes make them raise nearly anything, from
        # struct.error and IndexError to AssertionError and MemoryError.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(f"damaged, or no {path.suffix} file ({lines[0]})") from error


def _layer_of(name):
    """Returns the layer that a name in a file speaks of, or ``None`` if no convolution's."""
    if match := _KERAS_NAME.search(name):
        return f"conv{match[1]}_{match[2]}"
    if match := _CAFFE_NAME.match(name):
        return match[1]
    if match := _TORCHVISION_NAME.match(name):
        return _TORCHVISION_LAYERS.get(match[1], f"features.{match[1]}")
    return None


def _pair_up(arrays):
    """Sorts arrays under any family's names into ``{layer: (W, b)}``, from the image on."""
    normalised = [name for name in arrays if name.endswith(".running_mean")]
    if normalised:
        raise WeightsError(f"has batch normalization ({normalised[0]}), which VGG16 has not")
    found = {}
    for name, array in arrays.items():
        pair = found.setdefault(_layer_of(name), {})
        array = _as_float32(name, array)
        # Names tell kernel from bias in a dozen ways; the number of axes always does.
        kind = {4: "kernel", 1: "bias"}.get(array.ndim)
        if kind is None:
            raise WeightsError(f"{name} has shape {array.shape}, neither a kernel's nor a bias's")
        if kind in pair:
            raise WeightsError(f"{name} is a second {kind} of one layer; which one is meant?")
        pair[kind] = array
    _check_complete(found)
    return {
        layer.name: (found[layer.name]["kernel"], found[layer.name]["bias"])
        for layer in architecture.CONVOLUTIONS
    }


def _check_complete(found):
    if not found:
        raise WeightsError("none of VGG16's convolutions is in it under a known name")
    known = [layer.name for layer in architecture.CONVOLUTIONS]
    for name in found:
        if name not in known:
            raise WeightsError(f"has {name}, which VGG16 has not; is it VGG19 or another network?")
    for name in known:
        for kind in ("kernel", "bias"):
            if kind not in found.get(name, {}):
                raise WeightsError(f"the {kind} of {name} is missing")


def _as_float32(name, array):
    array = np.asarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise WeightsError(f"{name} is {array.dtype}; float16, float32 and float64 are read")
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is told so
        array = array.astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise WeightsError(f"{name} holds values that are not finite")
    return array


def _check_shapes(tensors):
    for layer in architecture.CONVOLUTIONS:
        W, b = tensors[layer.name]
        shape = (layer.out_channels, layer.in_channels, 3, 3)
        if W.shape != shape or b.shape != shape[:1]:
            raise WeightsError(
                f"{layer.name} has shape {W.shape} and bias {b.shape}, but VGG16 has "
                f"{shape} and {shape[:1]}"
            )


def _to_caffe_order(tensors, mean, has_torchvision_names):
    """Turns the first kernels to BGR on the scale 0..255; leaves Oxford's BGR as it is."""
    W, b = tensors["conv1_1"]
    first, third = (_is_oxfords_first(W[0, channel, 0, 0]) for channel in (0, 2))
    if third:
        tensors["conv1_1"] = W[:, ::-1].copy(), b
    elif has_torchvision_names and not first:
        # torchvision's own training: RGB, 0..1, less a mean, over a standard deviation.
        _log.info("these weights are taken as torchvision's: for RGB, 0..1, normalised")
        scale = (255 * _TORCHVISION_STD).reshape(1, 3, 1, 1)
        tensors["conv1_1"] = W[:, ::-1] / scale, b
        mean = 255 * _TORCHVISION_MEAN
    return tensors, mean


def _is_oxfords_first(value):
    return abs(value - _OXFORD_FIRST_VALUE) < _OXFORD_TOLERANCE


def _read_npz(path):
    # numpy.load takes a file that is no zip archive for a pickle, and speaks of that.
    if not zipfile.is_zipfile(path):
        raise ValueError("no zip archive")
    arrays = {}
    # Opened here: numpy.load would leave a file open that turns out damaged.
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        for name in archive.files:
            # Chainer's own file also has 500 MB of fully connected layers: never read.
            if name == "mean" or _layer_of(name):
                arrays[name] = _member(archive, name)
    return arrays


def _member(archive, name):
    try:
        return archive[name]
    except ValueError as error:
        raise WeightsError(f"{name} cannot be read: {error}") from error


def _read_h5(path):
    import h5py

    arrays = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            # Keras 3 numbers its groups, and keeps the layer's name as an attribute.
            name = f"{item.parent.attrs.get('name', '')}/{name}"
            if _layer_of(name):
                array = item[()]
                arrays[name] = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array

    with h5py.File(path, "r") as file:
        # A whole model's file has its optimizer's moments too, under the layers' names.
        file.get("model_weights", file).visititems(visit)
    return arrays


def _read_onnx(path):
    import onnx

    tensors = onnx.load(path).graph.initializer
    return {t.name: onnx.numpy_helper.to_array(t) for t in tensors if _layer_of(t.name)}


def _read_caffemodel(path):
    from texsynth import caffe_schema

    arrays = caffe_schema.read_convolutions(path.read_bytes())
    return {name: array for name, array in arrays.items() if _layer_of(name)}


def _read_torch(path):
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            "damaged, or holds more than tensors, which is not loaded since it may run code; "
            "save the state_dict alone"
        ) from error
    if not isinstance(state, dict):
        raise WeightsError(f"holds a {type(state).__name__}, not a state dict")
    # As float32 already here: NumPy has no bfloat16.
    return {
        name: value.detach().float().numpy()
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor) and _layer_of(name)
    }


_READERS = {
    ".npz": _read_npz,
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".caffemodel": _read_caffemodel,
    ".onnx": _read_onnx,
    ".pth": _read_torch,
    ".pt": _read_torch,
}
