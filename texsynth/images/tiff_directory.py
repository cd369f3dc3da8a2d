"""The first directory of a TIFF: what it says of its samples, and another in its place."""

import enum
import struct
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt


class Tag(enum.IntEnum):
    """What is used of the tags."""

    KIND = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    DESCRIPTION = 270
    STRIPS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS = 278
    STRIP_BYTES = 279
    PLANAR = 284
    PREDICTOR = 317
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILES = 324
    TILE_BYTES = 325
    INNER = 330
    EXTRA = 338
    FORMAT = 339
    PROFILE = 34675
    DNG = 50706


MOST_SAMPLES = 16
"""Of a pixel; files may claim any number."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1, 16: 8}  # bytes of a value, by type
_TEXT = 2  # the type of what is ASCII
_MOST_TAGS = 4096


class Directory(NamedTuple):
    """The first directory of a TIFF.

    Attributes:
        order: ``"<"`` or ``">"``.
        is_big: Whether it is a BigTIFF.
        entries: The bytes of each entry, by tag.
        content: The whole file.
    """

    order: Literal["<", ">"]
    is_big: bool
    entries: dict[int, bytes]
    content: bytes

    def array(self, tag: int) -> npt.NDArray[np.unsignedinteger]:
        """Returns the numbers of a tag; none if it lacks, or is cut off."""
        found, type_, count = self._data(tag)
        size = _SIZES.get(type_)
        if size is None or len(found) < size * count:
            return np.zeros(0, np.uint32)
        return np.frombuffer(found, f"{self.order}u{size}", count)

    def values(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Returns the numbers of a tag, no more than there may be samples; or what it lacks."""
        numbers = self.array(tag)
        return tuple(numbers.tolist()) if 0 < len(numbers) <= MOST_SAMPLES else default

    def value(self, tag: int, default: int) -> int:
        """Returns the first number of a tag, or what it lacks."""
        return self.values(tag, (default,))[0]

    def text(self, tag: int) -> str:
        """Returns the text of a tag; an empty one if it lacks, or is none."""
        found, type_, count = self._data(tag)
        return (
            found.rstrip(b"\0").decode("ascii", "replace")
            if type_ == _TEXT and len(found) == count
            else ""
        )

    @property
    def profile(self) -> bytes | None:
        """The colour profile."""
        found, type_, count = self._data(Tag.PROFILE)
        return found if type_ in (1, 7) and len(found) == count > 0 else None

    @property
    def size(self) -> tuple[int, int]:
        """``(width, height)`` in pixels, as the samples lie."""
        return self.value(Tag.WIDTH, 0), self.value(Tag.HEIGHT, 0)

    @property
    def is_raw(self) -> bool:
        """Whether it is what a camera's sensor saw; Pillow would take its small preview."""
        is_preview = self.value(Tag.KIND, 0) & 1 and Tag.INNER in self.entries
        return bool(is_preview) or Tag.DNG in self.entries or self.content[8:10] == b"CR"

    def rewritten(self, told: Mapping[Tag, npt.ArrayLike]) -> bytes:
        """Returns the file with another directory, at its end, which is no longer a BigTIFF's.

        Args:
            told (dict): All that it says: numbers by tag.
        """
        end = len(self.content) + len(self.content) % 2
        table_size = 2 + 12 * len(told) + 4
        table, behind = struct.pack(self.order + "H", len(told)), b""
        for tag in sorted(told):
            data = np.ravel(told[tag]).astype(f"{self.order}u4").tobytes()
            inline = data if len(data) == 4 else self._packed(end + table_size + len(behind))
            table += struct.pack(self.order + "HHI", tag, 4, len(data) // 4) + inline
            behind += data if len(data) > 4 else b""
        head = self.content[:2] + struct.pack(self.order + "H", 42) + self._packed(end)
        body, padding = memoryview(self.content)[8:], bytes(end - len(self.content))
        return b"".join([head, body, padding, table, bytes(4), behind])

    def _packed(self, number: int) -> bytes:
        return struct.pack(self.order + "I", number)

    def _data(self, tag: int) -> tuple[bytes, int, int]:
        """The bytes of a tag's values, their type and their number."""
        entry = self.entries.get(tag)
        if entry is None:
            return b"", 0, 0
        head, place = ("HHQ", "Q") if self.is_big else ("HHI", "I")
        _, type_, count = struct.unpack_from(self.order + head, entry)
        inline = entry[struct.calcsize(self.order + head) :]
        length = (1 if type_ == _TEXT else _SIZES.get(type_, 8)) * count
        if length <= len(inline):
            return inline[:length], type_, count
        (start,) = struct.unpack(self.order + place, inline)
        return self.content[start : start + length], type_, count


def directory(content: bytes) -> Directory | None:
    """Returns the first directory of a file; ``None`` if it is no TIFF, or cut off.

    Args:
        content (bytes): The whole file.
    """
    orders: dict[bytes, Literal["<", ">"]] = {b"II": "<", b"MM": ">"}
    order = orders.get(content[:2])
    if order is None or len(content) < 16:
        return None
    version = struct.unpack_from(order + "H", content, 2)[0]
    if version not in (42, 43):
        return None
    is_big = version == 43
    place, number, size = ("8xQ", "Q", 20) if is_big else ("4xI", "H", 12)
    try:
        (start,) = struct.unpack_from(order + place, content)
        (count,) = struct.unpack_from(order + number, content, start)
        start += struct.calcsize(order + number)
        if count > _MOST_TAGS or start + count * size > len(content):
            return None
        found = [content[k : k + size] for k in range(start, start + count * size, size)]
    except (struct.error, OverflowError):
        return None
    tags = {struct.unpack_from(order + "H", entry)[0]: entry for entry in found[::-1]}
    return Directory(order, is_big, tags, content)
