"""The same of TIFFs, read by tifffile."""

import itertools

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.images import pictures
from tests.images.oracles import (
    HEIGHT,
    PROFILES,
    WIDTH,
    by_littlecms,
    check,
    encoded_srgb,
    expected,
    random,
)  # fmt: skip
from tests.images.pictures import chunk

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


def test_tiff_of_lab(tmp_path, caplog):
    """Of colours that sRGB has; by the formula, from D50."""
    generator = np.random.default_rng(0)
    values = [
        generator.integers(*ends, (HEIGHT, WIDTH)) for ends in ((110, 200), (-12, 12), (-12, 12))
    ]
    samples = np.stack(values, axis=-1).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="cielab")
    y = (values[0] * 100 / 255 + 16) / 116
    shares = np.stack([y + values[1] / 500, y, y - values[2] / 200], axis=-1)
    cubes = np.where(shares > 6 / 29, shares**3, 3 * (6 / 29) ** 2 * (shares - 4 / 29))
    matrix = [
        [3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]  # fmt: skip
    linear = (cubes * [0.9642, 1, 0.8249]) @ np.transpose(matrix)
    check(tmp_path / "a.tif", 255 * encoded_srgb(linear), caplog, roundings=5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["tif", "png", "alpha.png"])
def test_many_bits_are_turned_too(tmp_path, caplog, kind, orientation):
    channels = {"tif": 1, "png": 3, "alpha.png": 4}[kind]
    values = random(channels, 65535, np.uint16)
    path = tmp_path / f"a.{kind}"
    if kind == "tif":
        tag = (274, 3, 1, orientation, True)
        tifffile.imwrite(path, values[..., 0], photometric="minisblack", extratags=[tag])
    else:
        exif = Image.Exif()
        exif[274] = orientation
        turn = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
        path.write_bytes(pictures.png(values, 16, {3: 2, 4: 6}[channels], turn))
    wanted = expected(values / 65535)
    flipped = wanted[:, ::-1] if orientation in (2, 4, 5, 7) else wanted
    turns = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: -1, 7: -1, 8: 1}[orientation]
    check(path, np.rot90(flipped, turns), caplog, transparent=channels == 4)
