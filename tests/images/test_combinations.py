"""Modes, bits, profiles, transparency and containers, each against readers that are not Pillow.

PNG is read by libpng, JPEG by libjpeg, WebP and GIF by their own libraries (all through
imagecodecs), TIFF by tifffile. What their samples mean is computed here, in floating point; a
profile of RGB or CMYK is applied by littleCMS to 8 bits, one of grey by its formula.
"""

import io
import itertools

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, features

from tests.images import pictures
from tests.images.pictures import chunk
from texsynth import images

WIDTH, HEIGHT = 22, 19
PROFILES = {"none": None, "grey": pictures.GREY, "rgb": pictures.RGB, "cmyk": pictures.CMYK}


def random(channels, most, dtype):
    """Values of which the first pixel is repeated here and there."""
    generator = np.random.default_rng(channels)
    values = generator.integers(0, most + 1, (HEIGHT, WIDTH, channels), endpoint=False)
    values[generator.random((HEIGHT, WIDTH)) < 0.2] = values[0, 0]
    return values.astype(dtype)


def by_littlecms(shares, mode, profile):
    pixels = np.ascontiguousarray(np.rint(shares * 255).astype(np.uint8))
    image = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    srgb = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, source, srgb, outputMode="RGB")) / 255


def by_formula(grey):
    """sRGB of what a grey profile says."""
    linear = grey**pictures.GREY_GAMMA
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def expected(shares, profile="none"):
    """Grey levels, of ``(H, W, C)`` in 0..1: grey, grey and alpha, RGB, or RGB and alpha."""
    colours, alpha = shares, 1
    if shares.shape[2] in (2, 4):
        colours, alpha = shares[..., :-1], shares[..., -1:]
    if profile == "grey" and colours.shape[2] == 1:
        colours = by_formula(colours)
    colours = np.broadcast_to(colours, (*colours.shape[:2], 3))
    if profile == "rgb":
        colours = by_littlecms(colours, "RGB", pictures.RGB)
    return 255 * (colours * alpha + 1 - alpha)


def check(path, wanted, caplog, transparent=False, ignored=False, roundings=1, **options):
    """Right to rounding, and told of as it should be."""
    pixels = images.read(path, **options)
    assert pixels.dtype == np.uint8 and pixels.shape == wanted.shape
    # Where there is alpha, it is rounded too, and so are both on white.
    assert np.abs(pixels - wanted).max() <= 0.51 * (roundings + 2 * transparent)
    assert ("transparency is composited on white" in caplog.text) == transparent
    assert ("ignoring its colour profile" in caplog.text) == ignored


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


# TIFF

TIFF_KINDS = [
    # photometric, dtype, samples beside the colours, compression, byte order, profile
    *itertools.product(
        ["minisblack", "miniswhite"], ["u1", "u2"], [None, "unassalpha", "assocalpha"],
        [None], "<>", ["none", "grey", "rgb"],
    ),
    *itertools.product(
        ["rgb"], ["u1", "u2"], [None, "unassalpha", "assocalpha", "unspecified"],
        [None, "zlib"], "<>", ["none", "rgb"],
    ),
    *itertools.product(["miniswhite"], ["u1", "u2"], [None], ["zlib", "lzw"], "<>", ["none"]),
]  # fmt: skip


def written_tiff(path, values, photometric, **options):
    if values.shape[2] == 1:
        values = values[..., 0]
    tifffile.imwrite(path, values, photometric=photometric, **options)
    read = tifffile.imread(path)
    return read.reshape(HEIGHT, WIDTH, -1)


@pytest.mark.parametrize(
    ("photometric", "dtype", "extra", "compression", "order", "profile"), TIFF_KINDS
)
def test_tiff(tmp_path, caplog, photometric, dtype, extra, compression, order, profile):
    colours = 3 if photometric == "rgb" else 1
    most = np.iinfo(dtype).max
    values = random(colours + (extra is not None), most, dtype)
    if extra == "assocalpha":  # no colour can be more than alpha is
        values[..., :-1] = np.minimum(values[..., :-1], values[..., -1:])
    shares = written_tiff(
        tmp_path / "a.tif", values, photometric, planarconfig="contig" if extra else None,
        extrasamples=extra and [extra], compression=compression, byteorder=order,
        iccprofile=PROFILES[profile],
    ) / most  # fmt: skip
    if extra == "unspecified":
        shares = shares[..., :-1]
    elif extra == "assocalpha":
        shares[..., :-1] /= np.maximum(shares[..., -1:], 1 / most)
    if photometric == "miniswhite":
        shares[..., 0] = 1 - shares[..., 0]
    transparent = extra in ("unassalpha", "assocalpha")
    roundings = 1 + (profile != "none")
    check(tmp_path / "a.tif", expected(shares, profile), caplog, transparent, False, roundings)


LAYOUTS = {
    "strips": {"rowsperstrip": 4},
    "tiles": {"tile": (16, 16)},
    "predicted": {"compression": "zlib", "predictor": True, "rowsperstrip": 5},
    "predicted tiles": {"compression": "lzw", "predictor": True, "tile": (16, 16)},
    "BigTIFF": {"bigtiff": True, "compression": "zstd"},
    "planes": {"planarconfig": "separate"},
    "planes of tiles": {"planarconfig": "separate", "tile": (32, 16)},
}
NUMBERS = {
    "u2": (0, 65535), "i1": (-100, 90), "i2": (-3000, 30000), "u4": (0, 2**32 - 1),
    "i4": (-5, 10**9), "f2": (-0.25, 2), "f4": (0.1, 0.9), "f8": (-1e9, 1e9),
}  # fmt: skip


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("photometric", ["miniswhite", "rgb"])
def test_tiff_of_any_numbers(tmp_path, caplog, photometric, layout, dtype, order):
    """Wherever they lie in the file; with a range, which clips what is beyond."""
    options = {**LAYOUTS[layout], "byteorder": order}
    if photometric != "rgb" and options.pop("planarconfig", None):
        pytest.skip("a plane is not several")
    if dtype == "i1" and options.get("predictor"):
        pytest.skip("tifffile writes none")
    low, high = NUMBERS[dtype]
    generator = np.random.default_rng(0)
    values = generator.uniform(low, high, (HEIGHT, WIDTH, 3 if photometric == "rgb" else 1))
    shape = np.moveaxis(values, 2, 0) if "planarconfig" in options else values
    values = shape.astype(dtype)
    if photometric != "rgb":
        values = values[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", values, photometric=photometric, **options)
    read = tifffile.imread(tmp_path / "a.tif").astype(float)
    read = np.moveaxis(read, 0, 2) if "planarconfig" in options else read.reshape(HEIGHT, WIDTH, -1)
    black, white = (0, 65535) if dtype == "u2" else (0.6 * low + 0.4 * high, 0.2 * low + 0.8 * high)
    shares = np.clip((read - black) / (white - black), 0, 1)
    shares = 1 - shares if photometric == "miniswhite" else shares
    given = None if dtype == "u2" else (black, white)
    check(tmp_path / "a.tif", expected(shares), caplog, input_range=given)
    assert ("values are beyond --input-range, and clipped" in caplog.text) == (dtype != "u2")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 9, 10, 12, 14, 15])
def test_tiff_of_any_bits(tmp_path, caplog, bits, photometric, order):
    """Of which Pillow reads some, and tifffile writes none."""
    values = random(1, 2**bits - 1, np.int64)
    (tmp_path / "a.tif").write_bytes(pictures.tiff(values[..., 0], bits, photometric, order))
    shares = values / (2**bits - 1)
    check(tmp_path / "a.tif", expected(shares if photometric else 1 - shares), caplog)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("profile", ["none", "cmyk", "rgb"])
def test_tiff_of_inks(tmp_path, caplog, dtype, profile):
    most = np.iinfo(dtype).max
    values = random(4, most, dtype)
    shares = written_tiff(
        tmp_path / "a.tif", values, "separated", iccprofile=PROFILES[profile]
    ) / most  # fmt: skip
    if profile == "cmyk":
        wanted = 255 * by_littlecms(shares, "CMYK", pictures.CMYK)
    else:
        wanted = 255 * (1 - shares[..., :3]) * (1 - shares[..., 3:])
    check(tmp_path / "a.tif", wanted, caplog, ignored=profile == "rgb", roundings=2)


@pytest.mark.parametrize("profile", ["none", "rgb"])
def test_tiff_of_a_palette(tmp_path, caplog, profile):
    values = random(1, 255, np.uint8)[..., 0]
    table = np.random.default_rng(1).integers(0, 65536, (3, 256)).astype(np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", values, photometric="palette", colormap=table,
        iccprofile=PROFILES[profile],
    )  # fmt: skip
    wanted = expected(table.T[tifffile.imread(tmp_path / "a.tif")] // 256 / 255, profile)
    check(tmp_path / "a.tif", wanted, caplog)


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
