"""Modes, bits, profiles, transparency and containers, each against readers that are not Pillow.

PNG is read by libpng, JPEG by libjpeg, WebP and GIF by their own libraries (all through
imagecodecs). What their samples mean is computed in floating point; a profile of RGB or CMYK is
applied by littleCMS to 8 bits, one of grey by its formula.
"""

import itertools

import imagecodecs
import numpy as np
import pytest
from PIL import Image, features

from tests.images import pictures
from tests.images.oracles import HEIGHT, PROFILES, WIDTH, by_littlecms, check, expected, random
from tests.images.pictures import chunk

# PNG

GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}
PNG_KINDS = [
    *itertools.product([GREY], [1, 2, 4, 8, 16], ["none", "grey", "rgb"], ["none", "key"]),
    *itertools.product([COLOUR], [8, 16], ["none", "grey", "rgb"], ["none", "key"]),
    *itertools.product([PALETTE], [1, 2, 4, 8], ["none", "rgb"], ["none", "one", "several"]),
    *itertools.product([GREY_ALPHA, COLOUR_ALPHA], [8, 16], ["none", "grey", "rgb"], ["alpha"]),
]


def png_chunks(colours, samples, bits, profile, transparency):
    if PROFILES[profile]:
        yield chunk(b"iCCP", b"x\0\0" + imagecodecs.zlib_encode(PROFILES[profile]))
    if colours == PALETTE:
        yield chunk(b"PLTE", bytes(i * 7 % 256 for i in range(3 * 2**bits)))
    if transparency == "key":
        yield chunk(b"tRNS", samples[0, 0].astype(">u2").tobytes())
    elif transparency != "none" and colours == PALETTE:
        yield chunk(b"tRNS", b"\xff\0" if transparency == "one" else b"\x80\x10\xff"[: 2**bits])


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("colours", "bits", "profile", "transparency"), PNG_KINDS)
def test_png(tmp_path, caplog, colours, bits, profile, transparency, interlaced):
    samples = random(CHANNELS[colours], 2**bits - 1, np.int64)
    chunks = png_chunks(colours, samples, bits, profile, transparency)
    content = pictures.png(samples, bits, colours, *chunks, interlaced=interlaced)
    (tmp_path / "a.png").write_bytes(content)
    read = imagecodecs.png_decode(content)
    shares = read.reshape(HEIGHT, WIDTH, -1) / np.iinfo(read.dtype).max
    mismatch = profile == "grey" and colours in (COLOUR, COLOUR_ALPHA)
    wanted = expected(shares, "none" if mismatch else profile)
    roundings = 1 + (profile != "none")
    check(tmp_path / "a.png", wanted, caplog, transparency != "none", mismatch, roundings)


# JPEG, WebP, GIF, AVIF


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(tmp_path, caplog, mode, profile):
    values = random(len(mode) if mode != "L" else 1, 255, np.uint8)
    image = Image.frombytes(mode, (WIDTH, HEIGHT), values.tobytes())
    image.save(tmp_path / "a.jpg", quality=95, icc_profile=PROFILES[profile])
    shares = imagecodecs.jpeg8_decode((tmp_path / "a.jpg").read_bytes())
    shares = shares.reshape(HEIGHT, WIDTH, -1) / 255
    fits = {"L": ("none", "grey", "rgb"), "RGB": ("none", "rgb"), "CMYK": ("none", "cmyk")}
    used = profile if profile in fits[mode] else "none"
    if mode != "CMYK":
        wanted = expected(shares, used)
    else:
        inks = 1 - shares  # as Adobe's programs store them
        plain = 255 * (1 - inks[..., :3]) * (1 - inks[..., 3:])
        wanted = plain if used == "none" else 255 * by_littlecms(inks, "CMYK", pictures.CMYK)
    check(tmp_path / "a.jpg", wanted, caplog, ignored=used != profile, roundings=2)


@pytest.mark.parametrize("profile", ["none", "rgb"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["webp", "avif"])
def test_webp_and_avif(tmp_path, caplog, kind, mode, profile):
    if not features.check(kind):
        pytest.skip(f"this Pillow has no {kind}")
    values = random(len(mode), 255, np.uint8)
    options = {"webp": {"lossless": True, "exact": True}, "avif": {"quality": 100}}[kind]
    path = tmp_path / f"a.{kind}"
    image = Image.frombytes(mode, (WIDTH, HEIGHT), values.tobytes())
    image.save(path, icc_profile=PROFILES[profile] or b"", **options)
    decode = {"webp": imagecodecs.webp_decode, "avif": imagecodecs.avif_decode}[kind]
    shares = decode(path.read_bytes()) / 255
    check(path, expected(shares, profile), caplog, mode == "RGBA")


@pytest.mark.parametrize("transparency", [None, 3])
@pytest.mark.parametrize("palette", ["colours", "grey"])
def test_gif(tmp_path, caplog, palette, transparency):
    values = random(1, 15, np.uint8)
    image = Image.frombytes("P", (WIDTH, HEIGHT), values.tobytes())
    ramp = [17 * (i // 3) for i in range(48)] if palette == "grey" else [i * 5 for i in range(48)]
    image.putpalette(ramp)
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "a.gif", **options)
    read = imagecodecs.gif_decode((tmp_path / "a.gif").read_bytes())  # black where transparent
    wanted = read[..., :3].astype(int)
    if transparency is not None:
        wanted[values[..., 0] == transparency] = 255
    check(tmp_path / "a.gif", wanted, caplog, transparency is not None)
