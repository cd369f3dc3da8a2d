"""PNG of 16 bits a channel, which Pillow writes of grey alone.

The format is small: rows, filtered and folded by zlib. The filter of each row is chosen as the
standard advises, by the least sum of absolute differences (PNG, third edition, 12.7).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import IO

import numpy as np
import numpy.typing as npt

_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # the colour type, by the number of channels
_BAND = 64  # rows at a time, for all filters are tried
_PART = 1 << 20  # bytes of a chunk


def encode(
    file: IO[bytes], values: npt.NDArray[np.uint16], chunks: Iterable[tuple[bytes, bytes]]
) -> None:
    """Writes a PNG.

    Args:
        file: Where to.
        values: ``(H, W, C)``: grey or RGB, with alpha or without.
        chunks: Name and content of what stands before the pixels.
    """
    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOURS[channels], 0, 0, 0)
    file.write(b"\x89PNG\r\n\x1a\n")
    for name, content in ((b"IHDR", header), *chunks):
        _write(file, name, content)
    for part in _folded(values):
        _write(file, b"IDAT", part)
    _write(file, b"IEND", b"")


def _write(file: IO[bytes], name: bytes, content: bytes) -> None:
    checksum = zlib.crc32(name + content)
    file.write(len(content).to_bytes(4) + name + content + checksum.to_bytes(4))


def _folded(values: npt.NDArray[np.uint16]) -> Iterator[bytes]:
    """Yields the rows, filtered and folded, in parts."""
    folding, part = zlib.compressobj(), b""
    before = np.zeros((1, values[0].nbytes), np.uint8)
    for top in range(0, len(values), _BAND):
        band = values[top : top + _BAND].astype(">u2")
        rows = band.view(np.uint8).reshape(len(band), -1)
        above = np.concatenate([before, rows[:-1]])
        part += folding.compress(_filtered(rows, above, 2 * values.shape[2]).tobytes())
        before = rows[-1:]
        if len(part) >= _PART:
            yield part
            part = b""
    yield part + folding.flush()


def _filtered(
    rows: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], step: int
) -> npt.NDArray[np.uint8]:
    """``(H, 1 + bytes of a row)``: each row by its best filter, with the filter's number before."""
    left, corner = (np.pad(part[:, :-step], ((0, 0), (step, 0))) for part in (rows, above))
    mean = (left.astype(np.uint16) + above) // 2
    guesses = [np.zeros_like(rows), left, above, mean.astype(np.uint8), _paeth(left, above, corner)]
    tried = np.stack([rows - guess for guess in guesses])
    sizes = np.abs(tried.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
    best = sizes.argmin(axis=0)
    chosen = np.take_along_axis(tried, best[None, :, None], axis=0)[0]
    return np.concatenate([best.astype(np.uint8)[:, None], chosen], axis=1)


def _paeth(
    left: npt.NDArray[np.uint8], above: npt.NDArray[np.uint8], corner: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Which of three neighbours is nearest to what a plane through them predicts."""
    a, b, c = (part.astype(np.int16) for part in (left, above, corner))
    far_a, far_b, far_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(far_b <= far_c, above, corner)
    return np.where((far_a <= far_b) & (far_a <= far_c), left, nearest)
