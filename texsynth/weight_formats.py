"""Reads VGG16's convolutions from the files that the world keeps them in.

All end in one form: kernels ``(O, C, 3, 3)`` for BGR input on the scale 0..255 less a mean. Which
order a file has follows from its names, each family of which has one convention, or from the
values: Oxford's own weights are known by their first kernel, wherever they are.

A file may be anybody's. Nothing in it is run, no other file is read that it points to but the data
beside an ``.onnx``, and names, shapes and types are checked before the values are read: what is no
VGG16 is not unfolded.
"""

import io
import logging
import math
import pickle
import re
import warnings
import zipfile
from typing import NamedTuple

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

_LARGEST_CHUNK = 9 * 512 * 512  # values, in HDF5: VGG16's largest kernel
_LONGEST_NPY_HEADER = 1 << 16  # bytes; NumPy's own are shorter than 10000
_LARGEST_MESSAGE = (1 << 31) - 1  # bytes, by protobuf's specification
_DEEPEST_GROUP = 20  # of HDF5; Keras nests half a dozen, and HDF5 takes the square of it in time
_LONGEST_REASON = 300  # characters


class _Header(NamedTuple):
    """What is known of an array before its values are read; kernels are ``(O, C, H, W)``."""

    shape: tuple
    dtype: np.dtype


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
        names = _layers_in({name: _Header(a.shape, a.dtype) for name, a in arrays.items()})
        tensors = {
            layer: tuple(_as_float32(name, arrays[name]) for name in pair)
            for layer, pair in names.items()
        }
    except WeightsError as error:
        # Names in the file may hold anything.
        told = "".join(c if c.isprintable() else "?" for c in str(error))[:_LONGEST_REASON]
        raise WeightsError(f"{path}: {told}") from error
    return _to_caffe_order(tensors, mean, any(map(_TORCHVISION_NAME.match, arrays)))


def _decode(reader, path):
    """Returns the reader's ``{name in the file: array}``."""
    try:
        # The decoders warn programmers, of things that nobody here could mend.
        with warnings.catch_warnings(action="ignore"):
            return reader(path)
    except WeightsError:
        raise
    except ImportError as error:
        raise WeightsError(
            f"reading {path.suffix} files needs {error.name}, which is not installed ({error})"
        ) from error
    except MemoryError as error:
        raise WeightsError("cannot be read: not enough memory") from error
    except Exception as error:
        # The decoders are other people's: damaged bytes make them raise nearly anything, from
        # struct.error and IndexError to AssertionError.
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


def _layers_in(headers):
    """Returns ``{layer: (name of the kernel, name of the bias)}``, from the image on.

    Args:
        headers: ``{name in the file: _Header}``; ``"mean"`` may be among the names.

    Raises:
        texsynth.errors.WeightsError: They are not those of VGG16's convolutions.
    """
    normalised = [name for name in headers if name.endswith(".running_mean")]
    if normalised:
        raise WeightsError(f"has batch normalization ({normalised[0]}), which VGG16 has not")
    found = {}
    for name, header in headers.items():
        if not np.issubdtype(header.dtype, np.floating):
            raise WeightsError(f"{name} is {header.dtype}; float16, float32 and float64 are read")
        if name == "mean":
            if header.shape != (3,):
                raise WeightsError(f"mean has shape {header.shape}, not (3,)")
            continue
        pair = found.setdefault(_layer_of(name), {})
        # Names tell kernel from bias in a dozen ways; the number of axes always does.
        kind = {4: "kernel", 1: "bias"}.get(len(header.shape))
        if kind is None:
            raise WeightsError(f"{name} has shape {header.shape}, neither a kernel's nor a bias's")
        if kind in pair:
            raise WeightsError(f"{name} is a second {kind} of one layer; which one is meant?")
        pair[kind] = name
    _check_complete(found)
    names = {
        layer.name: (found[layer.name]["kernel"], found[layer.name]["bias"])
        for layer in architecture.CONVOLUTIONS
    }
    _check_shapes({layer: [headers[name].shape for name in names[layer]] for layer in names})
    return names


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
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is told so
        array = np.asarray(array).astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise WeightsError(f"{name} holds values that are not finite")
    return array


def _check_shapes(shapes):
    for layer in architecture.CONVOLUTIONS:
        kernel, bias = shapes[layer.name]
        expected = (layer.out_channels, layer.in_channels, 3, 3)
        if kernel != expected or bias != expected[:1]:
            raise WeightsError(
                f"{layer.name} has shape {kernel} and bias {bias}, but VGG16 has "
                f"{expected} and {expected[:1]}"
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
    # ZipFile says of other files that they are no zip *file*, as if they were damaged ones.
    if not zipfile.is_zipfile(path):
        raise ValueError("no zip archive")
    with zipfile.ZipFile(path) as archive:
        members = {}
        for info in archive.infolist():
            name = info.filename.removesuffix(".npy")
            # Chainer's own file also has 500 MB of fully connected layers: never read.
            if name == "mean" or _layer_of(name):
                if name in members:
                    raise WeightsError(f"{name} is in it twice; which one is meant?")
                members[name] = info
        _layers_in({name: _npy_header(name, archive, info) for name, info in members.items()})
        return {name: _npy_array(name, archive, info) for name, info in members.items()}


def _npy_header(name, archive, info):
    with archive.open(info) as member:
        # No further than it can reach: the length that a header claims may be anything.
        start = io.BytesIO(member.read(_LONGEST_NPY_HEADER))
    try:
        version = np.lib.format.read_magic(start)
        shape, _, dtype = _NPY_HEADERS[version](start)
    except Exception as error:
        # Among them MemoryError, of an expression that is nested too deep for Python's parser.
        raise WeightsError(f"{name} cannot be read: it is no array") from error
    return _Header(shape, dtype)


def _npy_array(name, archive, info):
    try:
        with archive.open(info) as member:
            return np.lib.format.read_array(member, allow_pickle=False)
    except ValueError as error:
        raise WeightsError(f"{name} cannot be read: {error}") from error


_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def _read_h5(path):
    import h5py

    found = {}

    def visit(name, item):
        if name.count("/") > _DEEPEST_GROUP:
            raise WeightsError("its groups are nested too deep for a model's")
        if isinstance(item, h5py.Dataset):
            # Keras 3 numbers its groups, and keeps the layer's name as an attribute.
            name = f"{item.parent.attrs.get('name', '')}/{name}"
            if _layer_of(name):
                found[name] = item

    with h5py.File(path, "r") as file:
        # A whole model's file has its optimizer's moments too, under the layers' names.
        link = file.get("model_weights", getlink=True)
        if not isinstance(link, h5py.HardLink | None):
            raise WeightsError("model_weights is a link to elsewhere, which is not followed")
        (file if link is None else file["model_weights"]).visititems(visit)  # follows no links
        _layers_in({name: _h5_header(name, dataset) for name, dataset in found.items()})
        return {name: _h5_array(dataset) for name, dataset in found.items()}


def _h5_header(name, dataset):
    if dataset.external or dataset.is_virtual:
        raise WeightsError(f"{name} is kept in another file, which is not read")
    # A compressed chunk is unfolded whole, for a single value too.
    if math.prod(dataset.chunks or ()) > _LARGEST_CHUNK:
        raise WeightsError(f"{name} is kept in chunks of {dataset.chunks}, larger than a kernel")
    shape = dataset.shape or ()
    return _Header(
        tuple(shape[axis] for axis in (3, 2, 0, 1)) if len(shape) == 4 else shape, dataset.dtype
    )


def _h5_array(dataset):
    array = dataset[()]
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def _read_onnx(path):
    import onnx

    _check_message(path)
    graph = onnx.load(path, load_external_data=False).graph
    tensors = {t.name: t for t in graph.initializer if _layer_of(t.name)}
    headers = {
        name: _Header(tuple(t.dims), onnx.helper.tensor_dtype_to_np_dtype(t.data_type))
        for name, t in tensors.items()
    }
    _layers_in(headers)
    for name, tensor in tensors.items():
        if onnx.external_data_helper.uses_external_data(tensor):
            header = headers[name]
            _bound_external_data(tensor, math.prod(header.shape) * header.dtype.itemsize)
            # It refuses what is not in the same folder, or no regular file.
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
    return {name: onnx.numpy_helper.to_array(tensor) for name, tensor in tensors.items()}


def _bound_external_data(tensor, size):
    """Makes sure that no more is read than the tensor takes: without a length it is all there is.

    Args:
        tensor (onnx.TensorProto): With external data.
        size (int): What it takes, in bytes.
    """
    lengths = [entry.value for entry in tensor.external_data if entry.key == "length"]
    if not lengths:
        entry = tensor.external_data.add()
        entry.key, entry.value = "length", str(size)
    elif lengths != [str(size)]:
        raise WeightsError(f"{tensor.name} has {lengths[0]} bytes elsewhere, not {size}")


def _read_caffemodel(path):
    from texsynth import caffe_schema

    _check_message(path)
    arrays = caffe_schema.read_convolutions(path.read_bytes())
    return {name: array for name, array in arrays.items() if _layer_of(name)}


def _check_message(path):
    if path.stat().st_size > _LARGEST_MESSAGE:
        raise WeightsError(f"too large: no {path.suffix} file has more than 2 GB")


def _read_torch(path):
    import torch

    _check_torch_archive(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            "damaged, or holds more than tensors, which is not loaded since it may run code; "
            "save the state_dict alone"
        ) from error
    if not isinstance(state, dict):
        raise WeightsError(f"holds a {type(state).__name__}, not a state dict")
    tensors = {
        name: value.detach()
        for name, value in state.items()
        if isinstance(name, str) and isinstance(value, torch.Tensor) and _layer_of(name)
    }
    # The shapes first: a tensor may repeat one value a million million times.
    _layers_in({name: _Header(tuple(t.shape), _torch_dtype(t)) for name, t in tensors.items()})
    # As float32 already here: NumPy has no bfloat16.
    return {name: tensor.float().numpy() for name, tensor in tensors.items()}


def _check_torch_archive(path):
    """Refuses a zip archive that unfolds: torch compresses nothing."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            unfolded = sum(info.file_size for info in archive.infolist())
        if unfolded > path.stat().st_size:
            raise WeightsError(f"its {unfolded} bytes are compressed, which torch never does")


def _torch_dtype(tensor):
    is_float = tensor.dtype.is_floating_point
    return np.dtype(np.float32 if is_float else str(tensor.dtype).removeprefix("torch."))


_READERS = {
    ".npz": _read_npz,
    ".h5": _read_h5,
    ".hdf5": _read_h5,
    ".caffemodel": _read_caffemodel,
    ".onnx": _read_onnx,
    ".pth": _read_torch,
    ".pt": _read_torch,
}
