"""Reads VGG16's convolutions from the files that the world keeps them in.

All end in one form: kernels ``(O, C, 3, 3)`` for BGR input on the scale 0..255 less a mean. Which
order a file has follows from its names, each family of which has one convention, or from the
values: Oxford's own weights are known by their first kernel, wherever they are.

A file may be anybody's. Nothing in it is run, no other file is read that it points to but the data
beside an ``.onnx``, and names, shapes and types are checked before the values are read: what is no
VGG16 is not unfolded.
"""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

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

_OXFORD_FIRST_VALUE = 0.42947057  # conv1_1's W[0, blue, 0, 0], as published by Oxford and Keras
_OXFORD_TOLERANCE = 2e-4  # copies in half precision are off by 1e-4

_LONGEST_REASON = 300  # characters

_READERS: dict[str, Callable[[Path], dict[str, Array]]] = {
    ".npz": npz.read,
    ".h5": hdf5.read,
    ".hdf5": hdf5.read,
    ".caffemodel": caffe.read,
    ".onnx": onnx.read,
    ".pth": torch.read,
    ".pt": torch.read,
}


def read(path: Path) -> tuple[checks.Tensors, npt.NDArray[np.float32]]:
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
        raise WeightsError(f"{path}: empty file")
    try:
        arrays = _decode(reader, path)
        mean = checks.as_float32("mean", arrays.pop("mean", CAFFE_MEAN))
        names = checks.layers_in(
            {name: checks.Header(a.shape, a.dtype) for name, a in arrays.items()}
        )
        tensors = {
            layer: (checks.as_float32(W, arrays[W]), checks.as_float32(b, arrays[b]))
            for layer, (W, b) in names.items()
        }
    except WeightsError as error:
        # Names in the file may hold anything.
        told = "".join(c if c.isprintable() else "?" for c in str(error))[:_LONGEST_REASON]
        raise WeightsError(f"{path}: {told}") from error
    return _to_caffe_order(tensors, mean, any(map(checks.TORCHVISION_NAME.match, arrays)))


def _decode(reader: Callable[[Path], dict[str, Array]], path: Path) -> dict[str, Array]:
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
        raise WeightsError(f"damaged, or not a {path.suffix} file ({lines[0]})") from error


def _to_caffe_order(
    tensors: checks.Tensors, mean: npt.NDArray[np.float32], has_torchvision_names: bool
) -> tuple[checks.Tensors, npt.NDArray[np.float32]]:
    """Turns the first kernels to BGR on the scale 0..255; leaves Oxford's BGR as it is."""
    W, b = tensors["conv1_1"]
    first, third = (_is_oxfords_first(W[0, channel, 0, 0]) for channel in (0, 2))
    if third:
        tensors["conv1_1"] = W[:, ::-1].copy(), b
    elif has_torchvision_names and not first:
        # torchvision's own training: RGB, 0..1, less a mean, over a standard deviation.
        _log.info("treating these weights as torchvision's: RGB, 0..1, normalised")
        scale = (255 * _TORCHVISION_STD).reshape(1, 3, 1, 1)
        tensors["conv1_1"] = W[:, ::-1] / scale, b
        mean = 255 * _TORCHVISION_MEAN
    return tensors, mean


def _is_oxfords_first(value: float) -> bool:
    return abs(value - _OXFORD_FIRST_VALUE) < _OXFORD_TOLERANCE
