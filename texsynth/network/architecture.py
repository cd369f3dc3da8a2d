"""The convolutional part of VGG16 as a table: layer names, channels, strides.

Source: Simonyan and Zisserman, *Very Deep Convolutional Networks for Large-Scale Image
Recognition* (arXiv 1409.1556), table 1, configuration D.
"""

from collections.abc import Iterable
from typing import NamedTuple

_CHANNELS_OF_BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


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


def _vgg16() -> dict[str, Convolution | Pooling]:
    table: list[Convolution | Pooling] = []
    channels = 3
    for block, widths in enumerate(_CHANNELS_OF_BLOCKS, 1):
        for index, width in enumerate(widths, 1):
            table.append(Convolution(f"conv{block}_{index}", channels, width, 2 ** (block - 1)))
            channels = width
        table.append(Pooling(f"pool{block}", 2**block))
    return {layer.name: layer for layer in table}


VGG16 = _vgg16()
"""All layers by name, from the image to the deepest."""

CONVOLUTIONS = tuple(layer for layer in VGG16.values() if isinstance(layer, Convolution))
"""The thirteen convolutions, from the image to the deepest."""


def stride(name: str) -> int:
    """Returns the pixels from one position of a layer to the next; 1 for the image itself.

    Args:
        name: A layer name, or one that :data:`VGG16` does not have: that of the image.
    """
    return VGG16[name].stride if name in VGG16 else 1


def channels(name: str) -> int:
    """Returns the channels of a layer.

    Args:
        name: A layer name of :data:`VGG16`.
    """
    block = next(int(character) for character in name if character.isdigit())
    return _CHANNELS_OF_BLOCKS[block - 1][-1]


def deepest(names: Iterable[str]) -> str:
    """Returns the name of the deepest of the named layers.

    Args:
        names: Layer names, at least one, each of :data:`VGG16`.
    """
    order = list(VGG16)
    return max(names, key=order.index)


def smallest_side(names: Iterable[str]) -> int:
    """Returns the smallest image side in pixels at which all named layers have a position.

    Args:
        names: Layer names, at least one, each of :data:`VGG16`.
    """
    return max(VGG16[name].stride for name in names)
