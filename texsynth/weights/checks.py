"""Which of a file's names are a network's layers, and whether their shapes and values can be.

Names, shapes and types are checked before the values are read: what is no VGG is not unfolded.
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
_NORMALISED_NAME = re.compile(r"^(\d+)\.(?:weight|bias)$")
COLOURS = {"0.weight": (3, 3, 1, 1), "0.bias": (3,)}
"""Names and shapes of a first, 1x1 convolution, which some files have: from RGB, 0..1, to BGR."""

_LARGEST_MESSAGE = (1 << 31) - 1  # bytes, by protobuf's specification


Tensors: TypeAlias = dict[str, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]
"""``{layer: (W, b)}``, kernels ``(O, C, 3, 3)`` and biases ``(O,)``."""


class Header(NamedTuple):
    """What is known of an array before its values are read; kernels are ``(O, C, H, W)``."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def label(network: str) -> str:
    """Returns what a network is called in messages, ``"VGG16"`` or ``"VGG19"``."""
    return network[:5].upper()


def layer_of(name: str, network: str = "vgg16") -> str | None:
    """Returns the layer that a name in a file speaks of, or ``None`` if no convolution's.

    Args:
        name: The name.
        network: What the file should hold, a name of
            :data:`texsynth.network.architecture.NETWORKS`.
    """
    if match := _KERAS_NAME.search(name):
        return f"conv{match[1]}_{match[2]}"
    if match := _CAFFE_NAME.match(name):
        return match[1]
    if match := TORCHVISION_NAME.match(name):
        # A convolution and its ReLU have a number each, a pooling has one.
        return _numbered(network, 0, 2).get(match[1], f"features.{match[1]}")
    if label(network) == "VGG19" and (match := _NORMALISED_NAME.match(name)):
        # Numbers of the colours' convolution, then of paddings, convolutions, ReLUs, poolings.
        return _numbered(network, 2, 3).get(match[1], name if name in COLOURS else None)
    return None


def _numbered(network: str, first: int, each: int) -> dict[str, str]:
    """The convolutions by the numbers that they have where layers are counted."""
    names, number = {}, first
    for layer in architecture.NETWORKS[network].values():
        if isinstance(layer, architecture.Convolution):
            names[str(number)] = layer.name
        number += each if isinstance(layer, architecture.Convolution) else 1
    return names


def layers_in(headers: Mapping[str, Header], network: str = "vgg16") -> dict[str, tuple[str, str]]:
    """Returns ``{layer: (name of the kernel, name of the bias)}``, from the image on.

    Args:
        headers: ``{name in the file: Header}``; ``"mean"`` and those of :data:`COLOURS` may be
            among the names.
        network: What the file should hold, as for :func:`layer_of`.

    Raises:
        texsynth.errors.WeightsError: They are not those of the network's convolutions.
    """
    normalised = [name for name in headers if name.endswith(".running_mean")]
    if normalised:
        raise WeightsError(
            f"has batch normalization ({normalised[0]}), which {label(network)} does not"
        )
    found: dict[str | None, dict[str, str]] = {}
    for name, header in headers.items():
        if not np.issubdtype(header.dtype, np.floating):
            raise WeightsError(f"{name} must be float16, float32 or float64, not {header.dtype}")
        if expected := _BESIDE.get(name):
            if header.shape != expected:
                raise WeightsError(f"{name} must have shape {expected}, not {header.shape}")
            continue
        pair = found.setdefault(layer_of(name, network), {})
        # Names tell kernel from bias in a dozen ways; the number of axes always does.
        kind = {4: "kernel", 1: "bias"}.get(len(header.shape))
        if kind is None:
            raise WeightsError(f"{name} has shape {header.shape}, which fits no kernel or bias")
        if kind in pair:
            raise WeightsError(f"{name} is a second {kind} for the same layer")
        pair[kind] = name
    _check_complete(found, network)
    convolutions = architecture.convolutions(architecture.NETWORKS[network])
    names = {
        layer.name: (found[layer.name]["kernel"], found[layer.name]["bias"])
        for layer in convolutions
    }
    for layer in convolutions:
        _check_shapes(layer, [headers[name].shape for name in names[layer.name]], label(network))
    return names


_BESIDE: dict[str, tuple[int, ...]] = {"mean": (3,), **COLOURS}


def _check_complete(found: Mapping[str | None, Mapping[str, str]], network: str) -> None:
    if not found:
        raise WeightsError(f"contains none of {label(network)}'s convolutions under a known name")
    known = [layer.name for layer in architecture.convolutions(architecture.NETWORKS[network])]
    other = "vgg19" if label(network) == "VGG16" else "vgg16"
    for name in found:
        if name not in known:
            raise WeightsError(
                f"has {name}, which {label(network)} does not; "
                f"is it {label(other)} (--network {other}) or another network?"
            )
    for name in known:
        for kind in ("kernel", "bias"):
            if kind not in found.get(name, {}):
                told = "" if name in architecture.VGG16 else "; is it VGG16 (--network vgg16)?"
                raise WeightsError(f"the {kind} of {name} is missing{told}")


def _check_shapes(
    layer: architecture.Convolution, shapes: list[tuple[int, ...]], label: str
) -> None:
    kernel, bias = shapes
    expected = (layer.out_channels, layer.in_channels, 3, 3)
    if kernel != expected or bias != expected[:1]:
        raise WeightsError(
            f"{layer.name} has shape {kernel} and bias {bias}, but {label} has "
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
