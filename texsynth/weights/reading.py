"""Reads a VGG's convolutions from the files that the world keeps them in.

All end in one form: kernels ``(O, C, 3, 3)`` for BGR input on the scale 0..255 less a mean. Which
order a file has follows from its names, each family of which has one convention, or from the
values: Oxford's own weights are known by their first kernel, wherever they are.

A file may be anybody's. Nothing in it is run, no other file is read that it points to but the data
beside an ``.onnx``, and names, shapes and types are checked before the values are read: what is no
VGG is not unfolded.
"""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from texsynth.errors import WeightsError
from texsynth.typing import Array
from texsynth.weights import caffe, checks, hdf5, npz, onnx, torch

_log = logging.getLogger(__name__)

CAFFE_MEAN = np.array([103.939, 116.779, 123.68], dtype=np.float32)
"""Mean blue, green and red of ImageNet as Oxford's weights want it."""

_TORCHVISION_MEAN = np.array([0.406, 0.456, 0.485], dtype=np.float32)  # blue, green, red
_TORCHVISION_STD = np.array([0.225, 0.224, 0.229], dtype=np.float32)

# conv1_1's W[0, blue, 0, 0], as published by Oxford and Keras; VGG19's is the normalised one over
# the factor between the two, by which their first biases differ.
_OXFORD_FIRST_VALUES = {"VGG16": 0.42947057, "VGG19": 0.3411953}
_OXFORD_TOLERANCE = 2e-4  # copies in half precision are off by 1e-4
_NORMALISED_FIRST_VALUE, _NORMALISED_TOLERANCE = 0.01712148, 1e-5

_LONGEST_REASON = 300  # characters

_Reader: TypeAlias = Callable[[Path, str], dict[str, Array]]
_READERS: dict[str, _Reader] = {
    ".npz": npz.read,
    ".h5": hdf5.read,
    ".hdf5": hdf5.read,
    ".caffemodel": caffe.read,
    ".onnx": onnx.read,
    ".pth": torch.read,
    ".pt": torch.read,
}


def read(path: Path, network: str = "vgg16") -> tuple[checks.Tensors, npt.NDArray[np.float32]]:
    """Reads the convolutions of a file, whose suffix tells the format.

    Args:
        path (pathlib.Path): The file.
        network (str): What it should hold, a name of
            :data:`texsynth.network.architecture.NETWORKS`.

    Returns:
        tuple: ``{layer: (W, b)}`` and the mean ``(3,)``, blue, green, red; all float32. ``W`` is
        ``(O, C, 3, 3)`` for BGR input on the scale 0..255 less the mean, ``b`` is ``(O,)``.

    Raises:
        texsynth.errors.WeightsError: Unknown suffix, empty or damaged file, a module that the
            format needs is not installed, or the file does not hold the network.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WeightsError(f"{path}: weights must be one of {', '.join(_READERS)}")
    if path.stat().st_size == 0:
        raise WeightsError(f"{path}: empty file")
    try:
        arrays = _decode(reader, path, network)
        headers = {name: checks.Header(a.shape, a.dtype) for name, a in arrays.items()}
        names = checks.layers_in(headers, network)
        mean = _mean(arrays)
        tensors = {
            layer: (checks.as_float32(W, arrays[W]), checks.as_float32(b, arrays[b]))
            for layer, (W, b) in names.items()
        }
        _check_kind(network, tensors["conv1_1"][0][0, 0, 0, 0])
    except WeightsError as error:
        # Names in the file may hold anything.
        told = "".join(c if c.isprintable() else "?" for c in str(error))[:_LONGEST_REASON]
        raise WeightsError(f"{path}: {told}") from error
    if network == "vgg19-normalised":
        return tensors, mean
    has_torchvision_names = any(map(checks.TORCHVISION_NAME.match, arrays))
    oxfords = _OXFORD_FIRST_VALUES[checks.label(network)]
    return _to_caffe_order(tensors, mean, has_torchvision_names, oxfords)


def _mean(arrays: dict[str, Array]) -> npt.NDArray[np.float32]:
    """The mean that a file names, or a first convolution that turns colours into Caffe's."""
    mean = checks.as_float32("mean", arrays.get("mean", CAFFE_MEAN))
    turning, bias = (arrays.get(name) for name in checks.COLOURS)
    if turning is None and bias is None:
        return mean
    if turning is None or bias is None:
        raise WeightsError(f"has only one of {' and '.join(checks.COLOURS)}")
    if not np.array_equal(turning[:, :, 0, 0], 255 * np.eye(3)[::-1]):
        raise WeightsError("0.weight must turn RGB, 0..1, to BGR, 0..255, and does not")
    return checks.as_float32("0.bias", -bias)


def _check_kind(network: str, first_value: float) -> None:
    """Makes sure that weights are the normalised ones if and only if these were asked for."""
    is_normalised = abs(first_value - _NORMALISED_FIRST_VALUE) < _NORMALISED_TOLERANCE
    if network == "vgg19-normalised" and not is_normalised:
        raise WeightsError(
            "contains other weights than the normalised ones of Gatys et al.; for VGG19 as it was "
            "trained, pass --network vgg19"
        )
    if network == "vgg19" and is_normalised:
        raise WeightsError("contains the normalised weights; pass --network vgg19-normalised")


def _decode(reader: _Reader, path: Path, network: str) -> dict[str, Array]:
    """Returns the reader's ``{name in the file: array}``."""
    try:
        # The decoders warn programmers, of things that nobody here could mend.
        with warnings.catch_warnings(action="ignore"):
            return reader(path, network)
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
        raise WeightsError(f"damaged, or not a {path.suffix} file ({lines[0]})") from error


def _to_caffe_order(
    tensors: checks.Tensors,
    mean: npt.NDArray[np.float32],
    has_torchvision_names: bool,
    oxfords: float,
) -> tuple[checks.Tensors, npt.NDArray[np.float32]]:
    """Turns the first kernels to BGR on the scale 0..255; leaves Oxford's BGR as it is."""
    W, b = tensors["conv1_1"]
    first, third = (abs(W[0, channel, 0, 0] - oxfords) < _OXFORD_TOLERANCE for channel in (0, 2))
    if third:
        tensors["conv1_1"] = W[:, ::-1].copy(), b
    elif has_torchvision_names and not first:
        # torchvision's own training: RGB, 0..1, less a mean, over a standard deviation.
        _log.info("treating these weights as torchvision's: RGB, 0..1, normalised")
        scale = (255 * _TORCHVISION_STD).reshape(1, 3, 1, 1)
        tensors["conv1_1"] = W[:, ::-1] / scale, b
        mean = 255 * _TORCHVISION_MEAN
    return tensors, mean
