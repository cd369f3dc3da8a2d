"""The samples of a TIFF as they are in the file, of whatever type they are.

Pillow reads 8 bits a sample well, but of other TIFFs few, and some of those wrong. Here it is given
such a file as what libtiff can unfold all the same, a grey image of its bytes; what the bytes mean
is seen to here.
"""

import io
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from texsynth.images import process_state
from texsynth.images.tiff_directory import MOST_SAMPLES, Directory, Tag

_LOSSLESS = (1, 5, 8, 32773, 32946, 34925, 50000)  # none, LZW, deflate, PackBits, LZMA, Zstandard
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_TYPES = {_UNSIGNED: (*range(1, 17), 32), _SIGNED: (8, 16, 32), _FLOAT: (16, 32, 64)}
_UNPACKED = 1 << 20  # bytes at a time, which take eight times as many apart
_CHANNELS = {0: 1, 1: 1, 2: 3, 5: 4}  # min-is-white, min-is-black, RGB, CMYK


class Samples(NamedTuple):
    """What a TIFF holds.

    Attributes:
        values: ``(H, W, S)``, channels and then extra samples, in the machine's byte order.
        bits: Bits of a sample.
        is_range_known: Whether black and white are those of the bits; not so of floating-point
            numbers, and of integers with a sign.
        channels: How many of the samples are colours: 1 grey, 3 RGB, 4 CMYK.
        is_white_zero: Whether 0 is white.
        alpha: 0 if there is none; 1 if colours are multiplied by it, 2 if they are not.
    """

    values: npt.NDArray[Any]
    bits: int
    is_range_known: bool
    channels: int
    is_white_zero: bool
    alpha: int


def is_for_us(tags: Directory) -> bool:
    """Returns whether Pillow would not read a TIFF, or read it wrong, and we would read it.

    Args:
        tags (Directory): Its directory.
    """
    layout = _layout(tags)
    if layout is None:
        return False
    if layout.bits == 8:
        # Pillow rounds down where it takes alpha out of colours.
        is_usual = layout.samples == 1 or (
            tags.value(Tag.PHOTOMETRIC, 1) != 0 and tags.value(Tag.EXTRA, 0) != 1
        )
    else:
        is_usual = layout.samples == 1 and layout.bits in (1, 2, 4)
    return layout.format != _UNSIGNED or not is_usual


def depth(tags: Directory) -> tuple[int, int]:
    """Returns bits of a sample, and the number of colours, of a file that is for us.

    Args:
        tags (Directory): Its directory.
    """
    layout = _layout(tags)
    assert layout is not None
    return layout.bits, layout.channels


def weight(tags: Directory) -> float:
    """Returns for how many pixels a file that is for us counts, where too many are refused.

    Args:
        tags (Directory): Its directory.
    """
    layout = _layout(tags)
    assert layout is not None
    # Pillow's have up to 4 bytes; what is packed is taken apart into 2 a sample.
    as_many = max(layout.bits, 16 if layout.bits % 8 else 8) * layout.samples / 32
    return layout.width * layout.height * max(1, as_many)


def samples(tags: Directory) -> Samples:
    """Returns the samples of a file that is for us.

    Args:
        tags (Directory): Its directory.

    Raises:
        Exception: Whatever Pillow's decoders raise on damaged files.
    """
    layout = _layout(tags)
    assert layout is not None
    planes = [_pixels(tags, layout, plane) for plane in range(layout.planes)]
    values = planes[0] if layout.planes == 1 else np.concatenate(planes, axis=2)
    extra = tags.value(Tag.EXTRA, 0) if layout.samples > layout.channels else 0
    return Samples(
        values,
        layout.bits,
        layout.format == _UNSIGNED,
        layout.channels,
        tags.value(Tag.PHOTOMETRIC, 1) == 0,
        extra if extra in (1, 2) else 0,
    )


class _Layout(NamedTuple):
    """How samples lie: bits and type of each, how many of a pixel, in how many planes."""

    bits: int
    format: int
    samples: int
    channels: int
    planes: int
    width: int
    height: int

    @property
    def in_plane(self) -> int:
        """Samples of a pixel that lie beside one another."""
        return self.samples // self.planes

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a sample, of those that are whole bytes."""
        return np.dtype(f"{'uif'[self.format - 1]}{self.bits // 8}")


def _layout(tags: Directory) -> _Layout | None:
    """How the samples lie; ``None`` if it is nothing that we know."""
    bits, formats = tags.values(Tag.BITS, (1,)), tags.values(Tag.FORMAT, (_UNSIGNED,))
    number, photometric = tags.value(Tag.SAMPLES, 1), tags.value(Tag.PHOTOMETRIC, 1)
    width, height = tags.size
    kind = _UNSIGNED if formats[0] == 4 else formats[0]  # 4 is "undefined"
    if (
        len(set(bits)) > 1
        or len(set(formats)) > 1
        or bits[0] not in _TYPES.get(kind, ())
        or tags.value(Tag.COMPRESSION, 1) not in _LOSSLESS
        or not _CHANNELS.get(photometric, MOST_SAMPLES + 1) <= number <= MOST_SAMPLES
        or width * height == 0
        # libtiff predicts whole bytes alone.
        or (bits[0] % 8 and tags.value(Tag.PREDICTOR, 1) != 1)
    ):
        return None
    planes = number if tags.value(Tag.PLANAR, 1) == 2 else 1
    return _Layout(bits[0], kind, number, _CHANNELS[photometric], planes, width, height)


def _pixels(tags: Directory, layout: _Layout, plane: int) -> npt.NDArray[Any]:
    """``(H, W, S)`` of the samples that lie side by side in a plane."""
    tile = tags.value(Tag.TILE_WIDTH, 0)
    # What is predicted reaches over a row, or over one of a tile, which all have the same width.
    segment = tile or layout.width
    parts = -(-layout.width // segment)
    data = _bytes(tags, layout, plane, parts * segment, tile)
    if layout.bits % 8:
        values = _unpacked(data, layout.bits)[:, : parts * segment * layout.in_plane]
    else:
        data = data.reshape(layout.height * parts, -1)
        values = _as_numbers(data, layout, tags.order, tags.value(Tag.PREDICTOR, 1))
    values = values.reshape(layout.height, parts * segment, layout.in_plane)
    return values[:, : layout.width]


def _bytes(
    tags: Directory, layout: _Layout, plane: int, width: int, tile: int
) -> npt.NDArray[np.uint8]:
    """``(H, bytes of a row)``: a plane as a grey picture of bytes, unfolded by Pillow."""
    bits = layout.bits * layout.in_plane
    told: dict[Tag, npt.ArrayLike] = {Tag.WIDTH: -(-width * bits // 8), Tag.HEIGHT: layout.height}
    told |= {Tag.BITS: 8, Tag.PHOTOMETRIC: 1, Tag.SAMPLES: 1}
    told |= {tag: tags.value(tag, 1) for tag in (Tag.COMPRESSION, Tag.FILL_ORDER)}
    if tile:
        told |= {Tag.TILE_WIDTH: tile * bits // 8, Tag.TILE_HEIGHT: tags.value(Tag.TILE_HEIGHT, 0)}
    else:
        told[Tag.ROWS] = tags.value(Tag.ROWS, layout.height)
    for tag in (Tag.TILES, Tag.TILE_BYTES) if tile else (Tag.STRIPS, Tag.STRIP_BYTES):
        places = tags.array(tag)
        told[tag] = places.reshape(layout.planes, -1)[plane]
    with (
        process_state.bounded(-(-width * bits // 8) * layout.height),
        Image.open(io.BytesIO(tags.rewritten(told)), formats=["TIFF"]) as file,
        process_state.silenced(),
    ):
        return np.asarray(file)


def _as_numbers(
    parts: npt.NDArray[np.uint8], layout: _Layout, order: Literal["<", ">"], predictor: int
) -> npt.NDArray[Any]:
    """Turns rows of bytes into rows of numbers in the machine's byte order."""
    step, size = layout.in_plane, layout.bits // 8
    if predictor == 3:  # bytes of the same weight lie together, the highest first; differences
        summed = _sums(parts, step).reshape(len(parts), size, -1).transpose(0, 2, 1)
        numbers = np.ascontiguousarray(summed).view(layout.dtype.newbyteorder(">"))
    else:
        numbers = np.ascontiguousarray(parts).view(layout.dtype.newbyteorder(order))
    numbers = numbers.reshape(len(parts), -1).astype(layout.dtype)
    if predictor == 2:
        numbers = _sums(numbers.view(f"u{size}"), step).view(layout.dtype)
    return numbers


def _sums(rows: npt.NDArray[Any], step: int) -> npt.NDArray[Any]:
    """Sums of differences to the value ``step`` before, which go round as the type does."""
    apart = rows.reshape(len(rows), -1, step)
    return np.cumsum(apart, axis=1, dtype=rows.dtype).reshape(rows.shape)


def _unpacked(data: npt.NDArray[np.uint8], bits: int) -> npt.NDArray[np.uint16]:
    """Values of so many bits, which follow one another, the highest bit first, in each row."""
    count = data.shape[1] * 8 // bits
    values = np.zeros((len(data), count), np.uint16)
    rows = max(1, _UNPACKED // data.shape[1])
    for top in range(0, len(data), rows):
        band = slice(top, top + rows)
        ones = np.unpackbits(data[band], axis=1)[:, : count * bits]
        for bit in np.moveaxis(ones.reshape(-1, count, bits), 2, 0):
            values[band] <<= 1
            values[band] |= bit
    return values
