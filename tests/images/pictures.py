"""Image files made by hand, of kinds that Pillow does not write; and colour profiles."""

import struct
import zlib

import numpy as np

_ADAM7 = (
    (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
    (1, 0, 2, 1),
)  # fmt: skip


def chunk(kind, data):
    return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)


def png(samples, bits, colours, *chunks, interlaced=False):
    """A PNG of ``(H, W, C)`` samples; chunks go before the data."""
    height, width = samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, interlaced)
    passes = _ADAM7 if interlaced else [(0, 0, 1, 1)]
    rows = b"".join(_rows(samples[y::dy, x::dx], bits) for y, x, dy, dx in passes)
    data = chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join([chunk(b"IHDR", header), *chunks, data])


def _rows(samples, bits):
    if samples.shape[1] == 0:
        return b""
    flat = samples.reshape(len(samples), -1)
    return b"".join(b"\0" + packed(row, bits) for row in flat)


def packed(row, bits):
    """Numbers of so many bits one after another, the highest bit first."""
    if bits == 16:
        return row.astype(">u2").tobytes()
    ones = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(ones.astype(np.uint8)).tobytes()


def tiff(rows, bits, photometric, order):
    """A TIFF of grey of any number of bits, ``(H, W)``."""
    data = b"".join(packed(row, bits) for row in rows)
    data += bytes(len(data) % 2)
    entries = {
        256: rows.shape[1], 257: len(rows), 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1,
        278: len(rows), 279: len(data),
    }  # fmt: skip
    head = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 8 + len(data))
    table = struct.pack(order + "H", len(entries))
    table += b"".join(struct.pack(order + "HHII", tag, 4, 1, n) for tag, n in entries.items())
    return head + data + table + bytes(4)


def profile(space, tags, kind=b"mntr", connection=b"XYZ "):
    """An ICC profile, version 2."""
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78), **tags}
    tags[b"wtpt"] = _xyz(0.9642, 1.0, 0.8249)
    start, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI", start + len(body), b"test", 0x02400000)
    head += (
        kind
        + space
        + connection
        + bytes(12)
        + b"acsp"
        + bytes(28)
        + struct.pack(">iii", 63190, 65536, 54061)
    )
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(*values):
    return b"XYZ \0\0\0\0" + struct.pack(">iii", *(round(value * 65536) for value in values))


def _gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


GREY_GAMMA = 2.5
GREY = profile(b"GRAY", {b"kTRC": _gamma(GREY_GAMMA)})
RGB = profile(
    b"RGB ",
    {
        # Of Adobe RGB, green and blue exchanged, so that nobody could miss it.
        b"rXYZ": _xyz(0.6097, 0.3111, 0.0195),
        b"gXYZ": _xyz(0.1492, 0.0632, 0.7448),
        b"bXYZ": _xyz(0.2053, 0.6257, 0.0609),
        **{name: _gamma(1.75) for name in (b"rTRC", b"gTRC", b"bTRC")},
    },
)


def _ink():
    """Lab of paper and inks, two by two by two by two, in 8 bits."""
    c, m, y, k = np.meshgrid(*[[0, 1]] * 4, indexing="ij")
    lightness = 255 * (1 - 0.4 * c) * (1 - 0.5 * m) * (1 - 0.1 * y) * (1 - 0.9 * k)
    lab = np.stack([lightness, 128 + 50 * m - 30 * c, 128 + 60 * y - 40 * c], axis=-1)
    return lab.round().astype(np.uint8).tobytes()


_TABLE = bytes(range(256))
CMYK = profile(
    b"CMYK",
    {
        b"A2B0": b"mft1\0\0\0\0\4\3\2\0"
        + struct.pack(">9i", *np.eye(3, dtype=int).ravel() * 65536)
        + _TABLE * 4
        + _ink()
        + _TABLE * 3
    },
    kind=b"prtr",
    connection=b"Lab ",
)
