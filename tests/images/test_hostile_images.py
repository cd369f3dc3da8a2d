"""Images that lie, burst, wait or change: each ends in pixels or in one line, soon and small."""

import contextlib
import io
import os
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.conftest import make_texture
from texsynth import images
from texsynth.errors import ImageError
from texsynth.images import decoding, reading

PIXELS = make_texture(20, 16)


def encoded(format_, pixels=PIXELS, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format_, **options)
    return file.getvalue()


def chunk(kind, data, crc=None, length=None):
    """A chunk of a PNG, whose checksum and length may lie."""
    length = len(data) if length is None else length
    crc = zlib.crc32(kind + data) if crc is None else crc
    return length.to_bytes(4) + kind + data + crc.to_bytes(4)


def png(width, height, *chunks, bits=8, colours=2):
    """A PNG of chunks; without any, a black one of so many pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    if not chunks:
        row = b"\0" + bytes((width * bits * (3 if colours == 2 else 1) + 7) // 8)
        chunks = [chunk(b"IDAT", zlib.compress(row * height, 9))]
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


ROWS = zlib.compress((b"\0" + bytes(60)) * 16)  # of a PNG of 20x16 px
DATA = chunk(b"IDAT", ROWS)


def gif(width, height):
    """35 bytes, of any size: a palette of black and black, and a frame of one pixel."""
    screen = struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return b"GIF89a" + screen + b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0;"


def tiff(width, height, *entries, data=b"", compression=1, bits=8, samples=1):
    """Grey, in one strip; an entry is (tag, type, count, value)."""
    entries = [
        (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, bits), (259, 3, 1, compression),
        (262, 3, 1, 1), (277, 3, 1, samples), (278, 4, 1, height), (279, 4, 1, len(data)), *entries,
    ]  # fmt: skip
    begin = 8 + 2 + 12 * (len(entries) + 1) + 4
    table = b"".join(struct.pack("<HHII", *e) for e in sorted([*entries, (273, 4, 1, begin)]))
    return b"II*\0" + struct.pack("<IH", 8, len(entries) + 1) + table + bytes(4) + data


def ico(content):
    """An icon that claims 16x16 px and holds any PNG."""
    entry = struct.pack("<BBBBHHII", 16, 16, 0, 0, 1, 32, len(content), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + content


def bmp(width, height):
    sizes = struct.pack("<IHHIIii", 54, 0, 0, 54, 40, width, height)
    return b"BM" + sizes + struct.pack("<HHIIiiII", 1, 24, *[0] * 6)


def psd(width, height):
    return b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, height, width, 8, 3) + bytes(14)


def webp(width, height):
    """A lossless file whose header is overwritten."""
    content = bytearray(encoded("WEBP", lossless=True))
    at = content.index(b"VP8L") + 9
    content[at : at + 4] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(content)


def eps(width, height, program="showpage"):
    head = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 {width} {height}\n%%EndComments\n"
    return f"{head}{program}\n%%EOF\n".encode()


READ_ALL = """
import sys
from texsynth import images
from texsynth.errors import ImageError
for path in sys.argv[1:]:
    try:
        print(images.read(path).shape)
    except ImageError as error:
        print(error)
"""


def read_in_bounds(folder, files, megabytes):
    """Reads files in a process that may have so much memory more than it begins with; its lines."""
    for name, content in files.items():
        (folder / name).write_bytes(content)

    def bound():
        base = 400 << 20  # address space of Python, NumPy and Pillow
        resource.setrlimit(resource.RLIMIT_AS, (base + (megabytes << 20),) * 2)

    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *files],
        cwd=folder,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=bound,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_bombs_are_refused_before_they_unfold(tmp_path):
    one_bit = png(13000, 13000, bits=1, colours=0)
    bombs = {
        "65536x65536.png": png(65536, 65536, DATA),
        "65535x65535.gif": gif(65535, 65535),
        "65536x65536.tif": tiff(65536, 65536, data=b"x"),
        "16383x16383.webp": webp(16383, 16383),
        "30000x30000.psd": psd(30000, 30000),
        "99999x99999.eps": eps(99999, 99999),
        "in_an_icon.ico": ico(png(65536, 65536, DATA)),
        # Those that Pillow itself would unfold, to gigabytes.
        "13000x13000.gif": gif(13000, 13000),
        "13000x13000_one_bit.png": one_bit,
        "13000x13000_one_bit.ico": ico(one_bit),
        "13000x13000.bmp": bmp(13000, 13000),
        "13000x13000.ppm": b"P6 13000 13000 255\n123",
        "13000x13000.tif": tiff(13000, 13000, data=zlib.compress(bytes(1 << 20)), compression=8),
        "13000x13000.psd": psd(13000, 13000),
    }
    assert max(map(len, bombs.values())) < 30_000
    lines = read_in_bounds(tmp_path, bombs, 100)
    for name, line in zip(bombs, lines, strict=True):
        assert line.startswith(f"{name}: too many pixels for its {len(bombs[name])} bytes (Image ")


@pytest.mark.parametrize(("size", "allowed"), [((10, 500), True), ((11, 500), False)])
def test_half_of_pillows_limit_is_read_from_a_file_of_any_size(
    tmp_path, monkeypatch, size, allowed
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    (tmp_path / "a.gif").write_bytes(gif(*size))  # 35 bytes, which are good for 1750 pixels
    with contextlib.nullcontext() if allowed else pytest.raises(ImageError, match="too many"):
        images.read(tmp_path / "a.gif")


def test_a_large_image_is_read_from_a_large_file(tmp_path, monkeypatch):
    """A photograph has a byte for a few pixels; beyond twice Pillow's limit it is refused too."""
    content = encoded("PNG")
    (tmp_path / "a.png").write_bytes(content)
    for limit, allowed in ((160, True), (159, False)):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with contextlib.nullcontext() if allowed else pytest.raises(ImageError, match="too many"):
            images.read(tmp_path / "a.png")
        assert limit == Image.MAX_IMAGE_PIXELS


@pytest.fixture(scope="module")
def zeros():
    """200 MB in 200 kB."""
    return zlib.compress(bytes(200 << 20))


def test_texts_that_unfold_are_not_unfolded(tmp_path, zeros):
    megabyte, turning = zlib.compress(bytes(1 << 20)), b"XML:com.adobe.xmp"
    bombs = {
        "zTXt.png": png(20, 16, chunk(b"zTXt", b"a\0\0" + zeros), DATA),
        "iTXt.png": png(20, 16, chunk(b"iTXt", b"a\0\1\0\0\0" + zeros), DATA),
        "turning.png": png(20, 16, chunk(b"iTXt", turning + b"\0\1\0\0\0" + zeros), DATA),
        "behind.png": png(20, 16, DATA, chunk(b"zTXt", b"a\0\0" + zeros)),
        "many.png": png(20, 16, *[chunk(b"zTXt", b"a\0\0" + megabyte)] * 99, DATA),
    }
    assert read_in_bounds(tmp_path, bombs, 100) == ["(16, 20, 3)"] * len(bombs)


def test_a_profile_that_unfolds_is_refused(tmp_path, zeros):
    bomb = png(20, 16, chunk(b"iCCP", b"a\0\0" + zeros), DATA)
    (line,) = read_in_bounds(tmp_path, {"a.png": bomb}, 150)
    assert line == "a.png cannot be read: its colour profile has more than 32 MiB"


def test_much_metadata_is_no_bomb(tmp_path, caplog):
    """A profile of 1.6 MB, texts of 1.3 MB folded or not, chunks of nobody's: all are read over."""
    noise = np.random.default_rng(0).bytes(1_300_000)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = (len(srgb) + 1_600_000).to_bytes(4) + srgb[4:] + noise + bytes(300_000)
    text = b"a\0" + noise.replace(b"\0", b"0")
    chunks = [
        chunk(b"iCCP", b"a\0\0" + zlib.compress(profile)),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(noise)),
        chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(noise)),
        chunk(b"tEXt", text),
        chunk(b"prVt", noise),
    ]
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in PIXELS)))
    (tmp_path / "a.png").write_bytes(png(20, 16, *chunks, pixels))
    np.testing.assert_allclose(images.read(tmp_path / "a.png").astype(int), PIXELS, atol=1)
    assert "ignoring its colour profile" not in caplog.text


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt"])
def test_a_text_that_turns_the_picture_is_read(tmp_path, kind):
    xmp = b'<x tiff:Orientation="6"/>'
    exif = b"\nexif\n26\n" + (b"II*\0\x08\0\0\0\1\0" + ORIENTATION).hex().encode()
    data = {
        b"tEXt": b"Raw profile type exif\0" + exif,
        b"zTXt": b"Raw profile type exif\0\0" + zlib.compress(exif),
        b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp),
    }
    (tmp_path / "a.png").write_bytes(png(20, 16, chunk(kind, data[kind]), DATA))
    assert images.read(tmp_path / "a.png").shape == (20, 16, 3)


def test_bombs_of_many_bits_are_refused(tmp_path):
    """Of a TIFF whose samples are read here, its bytes count."""
    data = zlib.compress(bytes(1 << 20))
    bomb = tiff(4000, 4000, (339, 3, 1, 3), data=data, compression=8, bits=32, samples=9)
    (line,) = read_in_bounds(tmp_path, {"a.tif": bomb}, 100)
    assert line.startswith(f"a.tif: too many pixels for its {len(bomb)} bytes (Image ")


def test_image_data_beyond_the_image_are_not_unfolded(tmp_path, zeros):
    (line,) = read_in_bounds(tmp_path, {"a.png": png(20, 16, chunk(b"IDAT", zeros))}, 100)
    assert line == "(16, 20, 3)"


def test_a_progressive_jpeg_of_endless_scans_is_refused(tmp_path):
    """A scan of no change takes 69 bytes, and 17 ms of 44 million pixels."""
    content = encoded("JPEG", np.zeros((5000, 5000), np.uint8), progressive=True)
    last = content.rindex(b"\xff\xda")  # the sixth scan
    (tmp_path / "a.jpg").write_bytes(content[:-2] + content[last:-2] * 2000 + content[-2:])
    began = time.monotonic()
    with pytest.raises(
        ImageError, match=r"a.jpg takes too much work to decode \(2006 scans of 25000000 pixels\)"
    ):
        images.read(tmp_path / "a.jpg")
    assert time.monotonic() - began < 10
    (tmp_path / "a.jpg").write_bytes(content)
    assert images.read(tmp_path / "a.jpg").shape == (5000, 5000, 3)


def test_shrinking_needs_no_second_copy_of_a_large_image():
    batch = np.zeros((1, 3, 1000, 1000), np.float32)
    tracemalloc.start()
    images.fit(batch, (10, 10))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.8 * batch.nbytes


def test_checking_an_image_needs_one_copy_of_it():
    pixels = np.zeros((1000, 1000, 3), np.uint8)
    tracemalloc.start()
    batch = images.to_batch(pixels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.1 * batch.nbytes


LIES = {
    "wrong checksum of the header": (
        png(20, 16, DATA).replace(zlib.crc32(png(20, 16)[12:29]).to_bytes(4), bytes(4)),
        "is not an image that Pillow can read",
    ),
    "wrong checksum of the data": (png(20, 16, chunk(b"IDAT", ROWS, crc=1)), None),
    "a chunk beyond the end": (png(20, 16, chunk(b"IDAT", ROWS, length=0x7FFFFFFF)), None),
    "no data": (png(20, 16, chunk(b"tEXt", b"a\0b")), "cannot be read: cannot load this image"),
    "no width": (png(0, 16, DATA), "is not an image that Pillow can read"),
    "a palette that is missing": (
        png(20, 16, chunk(b"IDAT", zlib.compress(bytes(21 * 16))), colours=3),
        "cannot be read: it is damaged",
    ),
    "half a transparent colour": (
        png(20, 16, chunk(b"tRNS", b"\0"), DATA),
        "cannot be read: Truncated tRNS chunk",
    ),
    "no data in a strip": (tiff(20, 16, data=b""), "cannot be read: "),
    "a strip beyond the end": (tiff(20, 16, data=bytes(320))[:-99], "cannot be read: "),
    "a bottomless header": (b"P3 " + b"1" * 100_000 + b" 5 255\n", "Token too long in file header"),
    "a table of a million million entries": (
        b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 1 << 60),
        "is a TIFF that is damaged or of a rare kind; convert it to one of 8 or 16 bits, or to PNG",
    ),
}


@pytest.mark.parametrize(("content", "message"), LIES.values(), ids=LIES)
def test_lying_files_end_in_one_line(tmp_path, content, message, capfd):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    if message is None:
        assert images.read(path).shape[2] == 3  # as browsers do
        return
    with pytest.raises(ImageError, match=f"a.png:? .*{message}") as caught:
        images.read(path)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [(1, 1), (1, 65536), (65536, 1)])
def test_absurd_sizes_are_read(tmp_path, size):
    (tmp_path / "a.png").write_bytes(png(*size))
    assert images.read(tmp_path / "a.png").shape == (*size[::-1], 3)


@pytest.mark.parametrize("input_range", [None, (0, 1)])
def test_values_that_are_no_numbers_are_refused(tmp_path, input_range):
    values = np.array([[np.nan, np.inf, -np.inf, 1e30]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=r"a.tif has values that are not numbers \(NaN\)"):
        images.read(tmp_path / "a.tif", input_range)


def test_what_is_beyond_all_numbers_is_black_or_white(tmp_path):
    Image.fromarray(np.array([[np.inf, -np.inf, 1e30, 0.5]], np.float32)).save(tmp_path / "a.tif")
    pixels = images.read(tmp_path / "a.tif", (0, 1))
    assert pixels[0, :, 0].tolist() == [255, 0, 255, 128]


# Metadata


@pytest.mark.parametrize(
    "profile",
    [(34675, 3, 2, 1 << 16 | 1), (34675, 4, 1, 7), (34675, 2, 3, 0x616161)],
    ids=["two numbers", "a number", "a text"],
)
def test_a_profile_that_is_no_bytes_is_left_out(tmp_path, caplog, profile):
    (tmp_path / "a.tif").write_bytes(tiff(20, 16, profile, data=bytes(range(160)) * 2))
    assert images.read(tmp_path / "a.tif")[0, :5, 0].tolist() == [0, 1, 2, 3, 4]
    assert "ignoring its colour profile, which cannot be applied" in caplog.text


@pytest.mark.parametrize("kind", ["XYZ", "LAB"])
def test_a_profile_of_other_colours_is_left_out(tmp_path, caplog, kind):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile(kind)).tobytes()
    (tmp_path / "a.png").write_bytes(encoded("PNG", icc_profile=profile))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), PIXELS)
    assert "ignoring its colour profile, which cannot be applied" in caplog.text


ORIENTATION = struct.pack("<HHII", 0x0112, 3, 1, 6)
BAD_EXIF = {
    "nothing": b"Exif\0\0",
    "cut off": b"Exif\0\0II*\0\x08\0\0\0\1\0" + ORIENTATION,
    "elsewhere": b"Exif\0\0II*\0\xff\xff\xff\xff",
    "no TIFF": b"Exif\0\0junk and more junk",
    "a table of itself": b"Exif\0\0II*\0\x08\0\0\0\2\0"
    + ORIENTATION
    + struct.pack("<HHIII", 0x8769, 4, 1, 8, 0),
    "not even Exif": b"junk",
}


@pytest.mark.parametrize("exif", BAD_EXIF.values(), ids=BAD_EXIF)
@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP"])
def test_damaged_exif_is_no_reason_to_do_without_the_picture(tmp_path, exif, format_):
    (tmp_path / "a").write_bytes(encoded(format_, exif=exif))
    assert sorted(images.read(tmp_path / "a").shape) == [3, 16, 20]


def test_an_orientation_in_damaged_exif_is_applied_where_it_can_be_read(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded("PNG", exif=BAD_EXIF["cut off"]))
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), np.rot90(PIXELS, -1))


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_tiff_is_turned_once(tmp_path, compression, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "a.tif").write_bytes(encoded("TIFF", exif=exif, compression=compression))
    turns = {1: 0, 3: 2, 6: -1, 8: 1}[orientation]
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), np.rot90(PIXELS, turns))


def test_tags_that_point_beyond_the_file_are_not_warned_of(tmp_path):
    """Warnings are errors here, and two lines of Python's elsewhere."""
    huge = (37500, 12, 0x1FFFFFFF, 1)
    (tmp_path / "a.tif").write_bytes(tiff(20, 16, huge, data=bytes(320)))
    assert images.read(tmp_path / "a.tif").shape == (16, 20, 3)


def test_damage_in_a_tiff_is_told_once_and_by_us(tmp_path, capfd):
    (tmp_path / "a.tif").write_bytes(tiff(2000, 2000, data=zlib.compress(b"x"), compression=8))
    with pytest.raises(ImageError, match=r"a.tif cannot be read: decoder error"):
        images.read(tmp_path / "a.tif")
    os.write(2, b"heard again\n")
    assert capfd.readouterr() == ("", "heard again\n")


def test_without_standard_error_its_number_is_left_to_others(tmp_path, monkeypatch):
    """A file that was opened since may have got it."""
    (tmp_path / "a.tif").write_bytes(encoded("TIFF"))
    redirected = []
    with monkeypatch.context() as meanwhile:  # pytest redirects it too
        meanwhile.setattr(sys, "stderr", None)
        meanwhile.setattr(os, "dup2", lambda *numbers: redirected.append(numbers))
        pixels = images.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels, PIXELS)
    assert redirected == []


def test_a_reason_of_several_lines_is_told_in_one(tmp_path, monkeypatch):
    def refuse(file):
        raise ValueError("two\n  lines")

    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(ImageError, match=r"a.png cannot be read: two lines$"):
        images.read(tmp_path / "a.png")


# What is no picture, or none for long


def test_postscript_is_not_run(tmp_path, monkeypatch):
    script = tmp_path / "gs"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/made\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "a.png").write_bytes(eps(20, 16, "{} loop"))
    with pytest.raises(ImageError, match="is PostScript, which is a program and is not run"):
        images.read(tmp_path / "a.png")
    assert not (tmp_path / "made").exists()


def test_a_file_that_is_cut_off_while_it_is_read_makes_no_difference(tmp_path, monkeypatch):
    path, opened = tmp_path / "a.tif", Image.open
    path.write_bytes(encoded("TIFF"))  # uncompressed: Pillow would map it into memory

    def cutting(*arguments, **options):
        file = opened(*arguments, **options)
        path.write_bytes(b"")
        return file

    monkeypatch.setattr(Image, "open", cutting)
    np.testing.assert_array_equal(images.read(path), PIXELS)


def test_a_file_of_a_million_megabytes_is_not_read(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG"))
    os.truncate(path, 1 << 40)
    with pytest.raises(
        ImageError, match=r"a.png is too large: an image file may have at most 1024 MiB"
    ):
        images.read(path)


def test_no_memory_is_one_line(tmp_path, monkeypatch):
    def none_left(*arguments):
        raise MemoryError

    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    monkeypatch.setattr(decoding, "as_array", none_left)
    with pytest.raises(ImageError, match=r"a.png cannot be read: not enough memory"):
        images.read(tmp_path / "a.png")


def test_a_folder_is_not_read(tmp_path):
    with pytest.raises(ImageError, match="is a folder, not an image"):
        images.read(tmp_path)


def test_links_that_lead_nowhere(tmp_path):
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "loop.png").symlink_to("loop.png")
    with pytest.raises(ImageError, match=r"no such file: .*dangling.png"):
        images.read(tmp_path / "dangling.png")
    with pytest.raises(ImageError, match=r"loop.png cannot be read: Too many levels of symbolic"):
        images.read(tmp_path / "loop.png")


def test_what_may_not_be_read():
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path, user = Path(folder, "a.png"), os.geteuid()
        path.write_bytes(encoded("PNG"))
        path.chmod(0)
        if user == 0:  # who may read everything
            os.seteuid(65534)
        try:
            with pytest.raises(ImageError, match=r"a.png cannot be read: Permission denied"):
                images.read(path)
        finally:
            os.seteuid(user)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/random"])
def test_devices_are_not_read(device):
    with pytest.raises(ImageError, match=f"{device} is a device, not an image"):
        images.read(device)


def test_a_socket_is_not_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.png")
        with pytest.raises(ImageError, match=r"a.png is a device, not an image"):
            images.read("a.png")


@pytest.fixture
def pipe(tmp_path):
    """Path of a named pipe, and a function that begins to write into it."""
    path, writers = tmp_path / "a.png", []
    os.mkfifo(path)

    def write(*parts):
        def run():
            with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as file:
                for part in parts:
                    file.write(part)
                    time.sleep(0.02)

        writers.append(threading.Thread(target=run))
        writers[-1].start()

    yield path, write
    for writer in writers:
        writer.join(10)
        assert not writer.is_alive()


def test_what_comes_through_a_pipe_is_read(pipe):
    """As of ``<(convert wall.tif png:-)`` of a shell."""
    path, write = pipe
    content = encoded("PNG")
    write(content[:300], content[300:])
    np.testing.assert_array_equal(images.read(path), PIXELS)


def test_a_pipe_that_nobody_writes_to_is_not_waited_for_for_ever(pipe, monkeypatch):
    monkeypatch.setattr(reading, "_PATIENCE", 0.05)
    with pytest.raises(ImageError, match=r"a.png is a pipe, and no data came through it"):
        images.read(pipe[0])


def test_a_pipe_without_end_is_not_read_to_the_end(pipe, monkeypatch):
    monkeypatch.setattr(reading, "_LARGEST_FROM_PIPE", 3 << 20)
    path, write = pipe
    write(*[bytes(1 << 20)] * 9)
    with pytest.raises(
        ImageError, match=r"a.png is too large: an image file may have at most 3 MiB"
    ):
        images.read(path)


@pytest.mark.parametrize(("size", "bits"), [((1 << 20, 19), 16), ((19, 1 << 20), 12)])
def test_many_bits_of_absurd_sizes_cost_little_more_than_their_pixels(tmp_path, size, bits):
    """However the rows lie, of which numbers between take several times the memory."""
    data = zlib.compress(bytes(size[0] * size[1] * bits // 8 + (1 << 21)))
    (tmp_path / "a.tif").write_bytes(tiff(*size, data=data, compression=8, bits=bits))
    tracemalloc.start()
    assert images.read(tmp_path / "a.tif").shape == (*size[::-1], 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * size[0] * size[1]
