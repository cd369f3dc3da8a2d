"""The convolutional parts of VGG16 and VGG19 as tables: layer names, channels, strides.

Source: Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image
Recognition* (arXiv 1409.1556), table 1, configurations D and E.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

_CHANNELS = (64, 128, 256, 512, 512)  # of the blocks


class Convolution(NamedTuple):
    """A 3x3 convolution, stride 1, with bias and ReLU.

    Attributes:
        name: ``conv<block>_<index>``.
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        stride: Image pixels from one position of its output to the next.
    """

    name: str
    in_channels: int
    out_channels: int
    stride: int


class Pooling(NamedTuple):
    """A 2x2 pooling with stride 2; an odd last row or column is left out.

    Attributes:
        name: ``pool<block>``.
        stride: Image pixels from one position of its output to the next.
    """

    name: str
    stride: int


Table: TypeAlias = Mapping[str, Convolution | Pooling]
"""All layers of a network by name, from the image to the deepest."""


def _vgg(convolutions: Iterable[int]) -> dict[str, Convolution | Pooling]:
    """The network with so many convolutions in each of its blocks."""
    table: list[Convolution | Pooling] = []
    channels = 3
    for block, (count, width) in enumerate(zip(convolutions, _CHANNELS, strict=True), 1):
        for index in range(1, count + 1):
            table.append(Convolution(f"conv{block}_{index}", channels, width, 2 ** (block - 1)))
            channels = width
        table.append(Pooling(f"pool{block}", 2**block))
    return {layer.name: layer for layer in table}


VGG16: Table = _vgg((2, 2, 3, 3, 3))
"""Thirteen convolutions."""

VGG19: Table = _vgg((2, 2, 4, 4, 4))
"""Sixteen convolutions. The layers of VGG16 are among them, in the same order, with the same
channels and strides: what this module says of names holds for both."""

NETWORKS: dict[str, Table] = {"vgg16": VGG16, "vgg19-normalised": VGG19, "vgg19": VGG19}
"""The tables of the networks, by the names that users give them; two differ in weights alone."""


def convolutions(table: Table) -> tuple[Convolution, ...]:
    """Returns the convolutions of a network, from the image to the deepest."""
    return tuple(layer for layer in table.values() if isinstance(layer, Convolution))


def to_deepest(names: Iterable[str], table: Table) -> list[Convolution | Pooling]:
    """Returns a network's layers from the image to the deepest of the named ones.

    Args:
        names: Layer names, each of the table; none of them, no layers.
        table: The network.
    """
    wanted, path = set(names), list(table.values())
    last = max((number for number, layer in enumerate(path, 1) if layer.name in wanted), default=0)
    return path[:last]


def stride(name: str) -> int:
    """Returns the pixels from one position of a layer to the next; 1 for the image itself.

    Args:
        name: A layer name, or one that :data:`VGG19` does not have: that of the image.
    """
    return VGG19[name].stride if name in VGG19 else 1


def channels(name: str) -> int:
    """Returns the channels of a layer.

    Args:
        name: A layer name of :data:`VGG19`.
    """
    block = next(int(character) for character in name if character.isdigit())
    return _CHANNELS[block - 1]


def deepest(names: Iterable[str]) -> str:
    """Returns the name of the deepest of the named layers.

    Args:
        names: Layer names, at least one, each of :data:`VGG19`.
    """
    order = list(VGG19)
    return max(names, key=order.index)


def smallest_side(names: Iterable[str]) -> int:
    """Returns the smallest image side in pixels at which all named layers have a position.

    Args:
        names: Layer names, at least one, each of :data:`VGG19`.
    """
    return max(VGG19[name].stride for name in names)
