"""A PNG without what its pixels do not need, and what is needed beside them."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

_MAGIC = b"\x89PNG\r\n\x1a\n"
_LARGEST_PROFILE = 1 << 25  # bytes; those of presses have a few million
_LARGEST_TEXT = 1 << 20  # bytes, which is what Pillow takes
# Texts that may say which way up it is.
_TURNING = (b"Raw profile type exif", b"XML:com.adobe.xmp")


class Png(NamedTuple):
    """A file's chunks, sorted out.

    Attributes:
        content: A PNG of those that its pixels need.
        bits: Bits of a sample.
        colours: The colour type: 0 grey, 2 RGB, 3 a palette; 4 and 6 with alpha.
        key: The colour that is transparent, as many values as there are channels, in the file's own
            samples; empty if there is none, and of a palette.
        profile: The colour profile; ``None`` if there is none, empty if it cannot be unfolded.
    """

    content: bytes
    bits: int
    colours: int
    key: tuple[int, ...]
    profile: bytes | None


def sort_out(content: bytes) -> Png | None:
    """Returns the chunks of a file; ``None`` if it is no PNG, or its header is damaged.

    Nothing is unfolded but a profile and such texts as may turn the picture, and of these no more
    than anybody needs.

    Args:
        content (bytes): The whole file.

    Raises:
        ValueError: Its profile is larger than any that is used.
    """
    if content[:8] != _MAGIC or content[12:16] != b"IHDR" or len(content) < 33:
        return None
    bits, colours = content[24], content[25]
    kept, profile, key = [content[:8]], None, b""
    for kind, start, end in _chunks(content):
        data = content[start + 8 : end - 4] if kind in _WITH_DATA else b""
        if kind == b"iCCP":
            profile = _profile(data) if profile is None else profile
        elif _is_needed(kind, data):
            kept.append(content[start:end])
        key = data if kind == b"tRNS" and colours in (0, 2) else key
    values = struct.unpack(f">{len(key) // 2}H", key[: len(key) // 2 * 2])
    return Png(b"".join(kept), bits, colours, values, profile)


_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_NEEDED = (b"tRNS", b"eXIf")
_WITH_DATA = (b"iCCP", b"tRNS", *_TEXTS)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields kind, start and end of each chunk; what is no chunk, to the end, as a critical one."""
    start = 8
    while start < len(content):
        length, kind = int.from_bytes(content[start : start + 4]), content[start + 4 : start + 8]
        end = start + 12 + length
        if end > len(content) or not (len(kind) == 4 and kind.isalpha()):
            kind, end = b"REST", len(content)
        yield kind, start, end
        start = end


def _is_needed(kind: bytes, data: bytes) -> bool:
    is_critical = not kind[0] & 0x20  # a capital letter
    return is_critical or kind in _NEEDED or (kind in _TEXTS and _may_turn(kind, data))


def _profile(data: bytes) -> bytes:
    method_and_folded = data.partition(b"\0")[2]
    if method_and_folded[:1] != b"\0":
        return b""
    profile = _unfolded(method_and_folded[1:], _LARGEST_PROFILE)
    if profile is None:
        raise ValueError(f"its colour profile has more than {_LARGEST_PROFILE >> 20} MiB")
    return profile


def _may_turn(kind: bytes, data: bytes) -> bool:
    """Returns whether a text is one that may turn the picture, and is short enough to read."""
    keyword, _, rest = data.partition(b"\0")
    if keyword not in _TURNING:
        return False
    if kind == b"iTXt":
        is_folded, rest = rest[:1] != b"\0", rest[2:].split(b"\0", 2)[-1]
    else:
        is_folded, rest = kind == b"zTXt", rest[1:]
    text = _unfolded(rest, _LARGEST_TEXT) if is_folded else rest
    return text is not None and len(text) <= _LARGEST_TEXT


def _unfolded(data: bytes, most: int) -> bytes | None:
    """Returns what zlib makes of data, empty if they are damaged; ``None`` if it is too much."""
    unfolding = zlib.decompressobj()
    try:
        made = unfolding.decompress(data, most)
    except zlib.error:
        return b""
    return None if unfolding.unconsumed_tail else made
