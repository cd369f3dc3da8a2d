"""Which of a file's names are VGG16's layers, and whether their shapes and values can be.

Names, shapes and types are checked before the values are read: what is no VGG16 is not unfolded.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from texsynth.errors import WeightsError
from texsynth.network import architecture

_KERAS_NAME = re.compile(r"(?:^|/)block(\d)_conv(\d)(?:_\d+)?(?:/|$)")
TORCHVISION_NAME = re.compile(r"^(?:.*\.)?features\.(\d+)\.(?:weight|bias|running_mean)$")
_CAFFE_NAME = re.compile(r"^(conv\d_\d)[./](?:W|b|weight|bias)$")
_TORCHVISION_LAYERS = dict(
    zip(
        ("0", "2", "5", "7", "10", "12", "14", "17", "19", "21", "24", "26", "28"),
        (layer.name for layer in architecture.CONVOLUTIONS),
        strict=True,
    )
)

_LARGEST_MESSAGE = (1 << 31) - 1  # bytes, by protobuf's specification


Tensors: TypeAlias = dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
"""``{layer: (W, b)}``, kernels ``(O, C, 3, 3)`` and biases ``(O,)``."""


class Header(NamedTuple):
    """What is known of an array before its values are read; kernels are ``(O, C, H, W)``."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def layer_of(name: str) -> str | None:
    """Returns the layer that a name in a file speaks of, or ``None`` if no convolution's."""
    if match := _KERAS_NAME.search(name):
        return f"conv{match[1]}_{match[2]}"
    if match := _CAFFE_NAME.match(name):
        return match[1]
    if match := TORCHVISION_NAME.match(name):
        return _TORCHVISION_LAYERS.get(match[1], f"features.{match[1]}")
    return None


def layers_in(headers: Mapping[str, Header]) -> dict[str, tuple[str, str]]:
    """Returns ``{layer: (name of the kernel, name of the bias)}``, from the image on.

    Args:
        headers: ``{name in the file: Header}``; ``"mean"`` may be among the names.

    Raises:
        texsynth.errors.WeightsError: They are not those of VGG16's convolutions.
    """
    normalised = [name for name in headers if name.endswith(".running_mean")]
    if normalised:
        raise WeightsError(f"has batch normalization ({normalised[0]}), which VGG16 does not")
    found: dict[str | None, dict[str, str]] = {}
    for name, header in headers.items():
        if not np.issubdtype(header.dtype, np.floating):
            raise WeightsError(f"{name} must be float16, float32 or float64, not {header.dtype}")
        if name == "mean":
            if header.shape != (3,):
                raise WeightsError(f"mean must have shape (3,), not {header.shape}")
            continue
        pair = found.setdefault(layer_of(name), {})
        # Names tell kernel from bias in a dozen ways; the number of axes always does.
        kind = {4: "kernel", 1: "bias"}.get(len(header.shape))
        if kind is None:
            raise WeightsError(f"{name} has shape {header.shape}, which fits no kernel or bias")
        if kind in pair:
            raise WeightsError(f"{name} is a second {kind} for the same layer")
        pair[kind] = name
    _check_complete(found)
    names = {
        layer.name: (found[layer.name]["kernel"], found[layer.name]["bias"])
        for layer in architecture.CONVOLUTIONS
    }
    _check_shapes({layer: [headers[name].shape for name in names[layer]] for layer in names})
    return names


def _check_complete(found: Mapping[str | None, Mapping[str, str]]) -> None:
    if not found:
        raise WeightsError("contains none of VGG16's convolutions under a known name")
    known = [layer.name for layer in architecture.CONVOLUTIONS]
    for name in found:
        if name not in known:
            raise WeightsError(f"has {name}, which VGG16 does not; is it VGG19 or another network?")
    for name in known:
        for kind in ("kernel", "bias"):
            if kind not in found.get(name, {}):
                raise WeightsError(f"the {kind} of {name} is missing")


def _check_shapes(shapes: Mapping[str, list[tuple[int, ...]]]) -> None:
    for layer in architecture.CONVOLUTIONS:
        kernel, bias = shapes[layer.name]
        expected = (layer.out_channels, layer.in_channels, 3, 3)
        if kernel != expected or bias != expected[:1]:
            raise WeightsError(
                f"{layer.name} has shape {kernel} and bias {bias}, but VGG16 has "
                f"{expected} and {expected[:1]}"
            )


def as_float32(name: str, array: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Returns an array as float32.

    Args:
        name (str): What it is called in the file.
        array (array): Of any real dtype.

    Raises:
        texsynth.errors.WeightsError: It holds values that are not finite.
    """
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and is told so
        array = np.asarray(array).astype(np.float32, copy=False)
    if not np.isfinite(array).all():
        raise WeightsError(f"{name} contains values that are not finite")
    return array


def check_message(path: Path) -> None:
    """Refuses a file that is larger than a message of protobuf can be.

    Args:
        path (pathlib.Path): The file.

    Raises:
        texsynth.errors.WeightsError: It is.
    """
    if path.stat().st_size > _LARGEST_MESSAGE:
        raise WeightsError(f"too large: {path.suffix} files cannot exceed 2 GB")
