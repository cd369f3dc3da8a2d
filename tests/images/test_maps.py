"""Values to files and back: nothing is lost, and others read what was written."""

import io
import json
import random
import struct

import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image

from tests.images import pictures
from texsynth import images
from texsynth.errors import ConfigError, ImageError
from texsynth.images import encoding, exr, reading

TEXT = {"Software": "texsynth 0", "texsynth:settings": '{"image": "Stra\u00dfe.png"}'}
WAYS = [
    (ending, depth, channels)
    for ending, kind in encoding.FORMATS.items()
    for depth in kind.types
    for channels in kind.channels
]
CODECS = {
    ".png": imagecodecs.png_decode,
    ".webp": imagecodecs.webp_decode,
    ".jpg": imagecodecs.jpeg_decode,
    ".jpeg": imagecodecs.jpeg_decode,
}


def integers(channels, bits=16, size=(37, 150)):
    """Of all sizes, ends among them."""
    values = np.random.default_rng(channels).integers(0, 2**bits, (*size, channels))
    values.flat[:2] = 0, 2**bits - 1
    return values.astype(f"u{bits // 8}")


def shares(values):
    return (values / np.iinfo(values.dtype).max).astype(np.float32)


def seen_by_others(path):
    """``(H, W, C)`` of the file's own type, by a reader that shares no code with ours."""
    ending = path.suffix
    if ending in (".tif", ".tiff"):
        found = tifffile.imread(path)
    elif ending == ".exr":
        (channel,) = OpenEXR.File(str(path)).channels().values() or [None]
        found = channel.pixels
    else:
        found = CODECS[ending](path.read_bytes())
    return found[..., None] if found.ndim == 2 else found


@pytest.mark.parametrize(("ending", "depth", "channels"), WAYS)
def test_what_is_written_is_what_others_and_we_read(tmp_path, ending, depth, channels):
    path = tmp_path / f"map{ending}"
    given = shares(integers(channels))
    images.write_map(path, given, depth, TEXT)
    type_ = np.dtype(encoding.FORMATS[ending].types[depth])
    expected = given.astype(type_) if type_.kind == "f" else np.rint(given * np.iinfo(type_).max)
    ours = images.read_map(path)
    assert ours.dtype == np.float32
    if ending == ".webp" and channels < 3:  # it has no grey
        expected = expected[..., [0, 0, 0, 1][: channels + 2]]
    if ending == ".exr" and channels == 2:
        theirs = np.stack([OpenEXR.File(str(path)).channels()[name].pixels for name in "YA"], 2)
    else:
        theirs = seen_by_others(path)
    assert theirs.dtype == type_
    if ending in (".jpg", ".jpeg"):  # of noise, which it is worst at
        assert np.abs(theirs - expected).mean() < 5
        np.testing.assert_allclose(ours * 255, theirs, atol=1)
        return
    np.testing.assert_array_equal(theirs, expected)
    back = ours.astype(type_) if type_.kind == "f" else np.rint(ours * np.iinfo(type_).max)
    np.testing.assert_array_equal(back, expected)


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_all_of_16_bits_come_back(tmp_path, ending, channels):
    every = np.arange(65536, dtype=np.uint16).reshape(64, -1, 1).repeat(channels, 2)
    every[..., -1] = every[::-1, :, 0]
    images.write_map(tmp_path / f"map{ending}", shares(every), "16")
    back = images.read_map(tmp_path / f"map{ending}")
    np.testing.assert_array_equal(np.rint(back * np.float32(65535)), every)


@pytest.mark.parametrize("ending", [".tif", ".exr"])
def test_floating_point_numbers_stay_as_they_are_beyond_black_and_white_too(tmp_path, ending):
    values = np.random.default_rng(0).normal(0, 1e3, (9, 5, 3)).astype(np.float32)
    images.write_map(tmp_path / f"map{ending}", values, "float", linear=True)
    np.testing.assert_array_equal(images.read_map(tmp_path / f"map{ending}"), values)


def test_integers_are_rounded_to_the_nearest_and_clipped(tmp_path):
    values = np.array([[-1, 0.49 / 255, 0.51 / 255, 1.4 / 255, 254.6 / 255, 7]])
    images.write_map(tmp_path / "map.png", values, "8")
    np.testing.assert_array_equal(
        imagecodecs.png_decode((tmp_path / "map.png").read_bytes()), [[0, 0, 1, 1, 255, 255]]
    )


def test_smooth_16_bits_are_folded_well(tmp_path):
    slope = np.add.outer(np.arange(256), np.arange(256)) * 100 / 65535
    images.write_map(tmp_path / "map.png", slope, "16")
    assert (tmp_path / "map.png").stat().st_size < 4000  # of 131072


def test_colours_are_said_to_be_srgb_and_maps_are_not(tmp_path):
    values = shares(integers(3))
    for ending in (".png", ".tif", ".webp", ".jpg"):
        for linear in (False, True):
            images.write_map(tmp_path / f"map{ending}", values, "8", linear=linear)
            with Image.open(tmp_path / f"map{ending}") as file:
                told = file.info.get("srgb", file.info.get("icc_profile"))
            assert (told is None) == linear
            if ending != ".png" and not linear:
                assert b"sRGB" in told.replace(b"\0", b"")
    images.write_map(tmp_path / "deep.png", values, "16")
    assert b"sRGB\0" in (tmp_path / "deep.png").read_bytes()[:60]


def test_the_same_values_are_the_same_bytes(tmp_path):
    for ending, depth, channels in WAYS:
        made = []
        for name in "ab":
            path = tmp_path / f"{name}{ending}"
            images.write_map(path, shares(integers(channels)), depth, TEXT)
            made.append(path.read_bytes())
        assert made[0] == made[1]


def test_quality_is_that_of_a_jpeg(tmp_path):
    for quality in (30, 90):
        path = tmp_path / f"{quality}.jpg"
        images.write_map(path, shares(integers(3)), quality=quality)
    sizes = [(tmp_path / f"{quality}.jpg").stat().st_size for quality in (30, 90)]
    assert sizes[0] < sizes[1] / 2


@pytest.mark.parametrize(
    ("name", "depth", "channels", "message"),
    [
        ("a.bmp", "8", 3, "must end in one of .png, .tif, .tiff, .webp, .jpg, .jpeg, .exr"),
        ("a.jpg", "16", 3, "JPEG has no depth 16, only 8; .png, .tif, .tiff, .exr have it"),
        ("a.png", "float", 3, "PNG has no depth float, only 8 or 16; .tif, .tiff, .exr have it"),
        ("a.exr", "8", 3, "OpenEXR has no depth 8, only 16 or float"),
        ("a.png", "12", 3, "depth must be one of 8, 16, float, not 12"),
        ("a.jpg", "8", 4, "JPEG cannot have 4 channels"),
        ("a.png", "8", 5, "PNG cannot have 5 channels"),
    ],
)
def test_what_a_format_cannot_have_is_told(tmp_path, name, depth, channels, message):
    with pytest.raises(ConfigError, match=message):
        images.write_map(tmp_path / name, np.zeros((4, 4, channels)), depth)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 4, 3), np.nan), "finite"),
        (np.full((4, 4, 3), np.inf), "finite"),
        (np.full((4, 4, 3), -7e4), "of at most 65504"),
        (np.zeros((4, 4, 3), np.uint8), "floating-point"),
        (np.zeros((0, 4, 3)), "height, width"),
        (np.zeros(4), "height, width"),
    ],
)
def test_what_is_no_map_is_told(tmp_path, values, message):
    (tmp_path / "map.exr").write_bytes(b"before")
    with pytest.raises(ImageError, match=message):
        images.write_map(tmp_path / "map.exr", values)
    assert (tmp_path / "map.exr").read_bytes() == b"before"


def test_what_is_too_large_for_its_format_is_told_and_nothing_is_lost(tmp_path):
    (tmp_path / "map.webp").write_bytes(b"before")
    with pytest.raises(ImageError, match="cannot write"):
        images.write_map(tmp_path / "map.webp", np.zeros((1, 20000, 3)))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_alpha_and_a_profile_leave_the_values_alone(tmp_path, caplog):
    values = integers(4, 8)
    Image.fromarray(values).save(tmp_path / "map.png", icc_profile=pictures.RGB)
    np.testing.assert_array_equal(images.read_map(tmp_path / "map.png"), shares(values))
    assert not caplog.records


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_map_lies_as_its_picture_does(tmp_path, orientation):
    values = integers(3, 8, (6, 9))
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(tmp_path / "map.png", exif=exif)
    np.testing.assert_array_equal(
        np.rint(images.read_map(tmp_path / "map.png") * 255), images.read(tmp_path / "map.png")
    )


KINDS = {
    "palette": (Image.fromarray(integers(3, 8)).quantize(16), "png", 3),
    "bits": (Image.fromarray(integers(1, 8)[..., 0]).convert("1"), "png", 1),
    "ppm": (Image.fromarray(integers(3, 8)), "ppm", 3),
    "grey": (Image.fromarray(integers(1, 8)[..., 0]), "jpg", 1),
}


@pytest.mark.parametrize(("image", "ending", "channels"), KINDS.values(), ids=KINDS)
def test_what_others_write_is_read(tmp_path, image, ending, channels):
    image.save(tmp_path / f"map.{ending}")
    found = images.read_map(tmp_path / f"map.{ending}")
    assert found.shape == (*image.size[::-1], channels)
    given = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    given = given[..., None] if channels == 1 else given
    np.testing.assert_allclose(found * 255, given, atol=60 if ending == "jpg" else 1e-4)


def test_a_ppm_of_16_bits_is_read(tmp_path):
    grey = integers(1, size=(5, 4))
    (tmp_path / "map.pgm").write_bytes(b"P5 4 5 65535\n" + grey.astype(">u2").tobytes())
    np.testing.assert_array_equal(images.read_map(tmp_path / "map.pgm"), shares(grey))


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_tiff_of_any_type_is_read(tmp_path, dtype, channels):
    given = (integers(channels) // 2).astype(dtype)
    kind = "rgb" if channels > 2 else "minisblack"
    tifffile.imwrite(
        tmp_path / "map.tif", given if channels > 1 else given[..., 0], photometric=kind,
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
    )  # fmt: skip
    by = np.iinfo(dtype).max if dtype[0] in "ui" else 1
    np.testing.assert_array_equal(
        images.read_map(tmp_path / "map.tif"), (given / np.float64(by)).astype(np.float32)
    )


def test_colours_that_are_no_map_are_told(tmp_path):
    Image.new("CMYK", (4, 4)).save(tmp_path / "map.jpg")
    Image.new("CMYK", (4, 4)).save(tmp_path / "map.tif")
    tifffile.imwrite(tmp_path / "deep.tif", np.zeros((4, 4, 4), np.uint16), photometric="separated")
    for name in ("map.jpg", "map.tif", "deep.tif"):
        with pytest.raises(ImageError, match="is in CMYK; a map must be grey or RGB"):
            images.read_map(tmp_path / name)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e39])
def test_values_that_are_no_numbers_are_told(tmp_path, bad):
    tifffile.imwrite(tmp_path / "map.tif", np.array([[0.5, bad]]))
    with pytest.raises(ImageError, match="not finite numbers"):
        images.read_map(tmp_path / "map.tif")


def exr_of(channels, **header):
    file = io.BytesIO()
    OpenEXR.File({"type": OpenEXR.scanlineimage, **header}, channels).write(file)
    return file.getvalue()


PLANE = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)


@pytest.mark.parametrize(
    ("channels", "told"),
    [
        ({"Z": PLANE}, 1),
        ({"Y": PLANE, "A": PLANE}, 2),
        ({"R": PLANE, "G": PLANE, "B": PLANE, "depth": PLANE}, 3),
        ({"RGBA": np.dstack([PLANE] * 4)}, 4),
        ({"Y": (PLANE.astype(float) * 4294967295).astype(np.uint32)}, 1),
        ({"Y": PLANE.astype(np.float16)}, 1),
    ],
)
def test_channels_of_openexr(tmp_path, channels, told):
    (tmp_path / "map.exr").write_bytes(exr_of(channels))
    found = images.read_map(tmp_path / "map.exr")
    assert found.shape == (4, 5, told)
    np.testing.assert_allclose(found, PLANE[..., None].repeat(told, 2), atol=1e-3)


def test_channels_of_openexr_that_are_no_picture(tmp_path):
    (tmp_path / "map.exr").write_bytes(exr_of({"u": PLANE, "v": PLANE}))
    with pytest.raises(ImageError, match="has the channels u, v; a picture has R, G, B, or Y"):
        images.read_map(tmp_path / "map.exr")


def test_without_the_package_openexr_how_to_get_it_is_told(tmp_path, monkeypatch):
    (tmp_path / "map.exr").write_bytes(exr_of({"Y": PLANE}))
    monkeypatch.setitem(__import__("sys").modules, "OpenEXR", None)
    told = r"pip install 'texsynth\[exr\]'"
    with pytest.raises(ImageError, match=told):
        images.read_map(tmp_path / "map.exr")
    with pytest.raises(ImageError, match=told):
        images.write_map(tmp_path / "new.exr", PLANE)
    assert not (tmp_path / "new.exr").exists()


def with_window(content, width, height):
    """An OpenEXR that claims another size."""
    window = struct.pack("<4i", 0, 0, 4, 3)
    assert content.count(window) == 2
    return content.replace(window, struct.pack("<4i", 0, 0, width - 1, height - 1))


@pytest.mark.parametrize("size", [(60000, 60000), (2**31 - 1, 2**31 - 1), (0, 0), (-5, 3)])
def test_an_openexr_that_lies_of_its_size_is_refused_at_once(tmp_path, size):
    (tmp_path / "map.exr").write_bytes(with_window(exr_of({"Y": PLANE}), *size))
    with pytest.raises(ImageError):
        images.read_map(tmp_path / "map.exr")


def test_an_openexr_of_tiles_is_read_and_one_that_lies_of_their_size_is_refused(tmp_path):
    header = {"type": OpenEXR.tiledimage, "tiles": OpenEXR.TileDescription()}
    content = exr_of({"Y": PLANE}, **header)
    (tmp_path / "map.exr").write_bytes(content)
    np.testing.assert_array_equal(images.read_map(tmp_path / "map.exr")[..., 0], PLANE)
    size = struct.pack("<2I", 32, 32)
    assert content.count(size) == 1
    (tmp_path / "map.exr").write_bytes(content.replace(size, struct.pack("<2I", 32, 2**24)))
    with pytest.raises(ImageError, match="too many pixels"):
        images.read_map(tmp_path / "map.exr")


@pytest.mark.parametrize("ending", [".png", ".tif", ".webp", ".jpg", ".exr"])
def test_damaged_files_end_in_values_or_one_line(tmp_path, ending, capfd):
    depth = {".webp": "8", ".jpg": "8"}.get(ending, "16")
    images.write_map(tmp_path / f"map{ending}", shares(integers(3, size=(12, 10))), depth, TEXT)
    whole = (tmp_path / f"map{ending}").read_bytes()
    dice = random.Random(0)
    for trial in range(150):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 4)):
            content[dice.randrange(len(content))] = dice.choice([0, 1, 127, 255])
        if trial % 3 == 0:
            del content[dice.randrange(len(content)) :]
        (tmp_path / f"bad{ending}").write_bytes(content)
        try:
            found = images.read_map(tmp_path / f"bad{ending}")
            assert found.dtype == np.float32 and found.ndim == 3
        except ImageError as error:
            assert "\n" not in str(error)
    assert capfd.readouterr() == ("", "")


def test_texts_are_where_each_format_keeps_them(tmp_path):
    for ending in (".png", ".tif", ".webp", ".jpg", ".exr"):
        images.write_map(tmp_path / f"map{ending}", shares(integers(3)), text=TEXT)
    with Image.open(tmp_path / "map.png") as file:
        assert TEXT.items() <= file.info.items()
    with tifffile.TiffFile(tmp_path / "map.tif") as file:
        assert json.loads(file.pages[0].description) == TEXT
        assert file.pages[0].software == "texsynth 0"
    for ending in (".webp", ".jpg"):
        with Image.open(tmp_path / f"map{ending}") as file:
            assert json.loads(file.getexif()[270]) == TEXT
    header = OpenEXR.File(str(tmp_path / "map.exr"), header_only=True).header()
    assert TEXT.items() <= header.items()


def test_is_one_openexr():
    assert exr.is_one(exr_of({"Y": PLANE})) and not exr.is_one(b"")
    assert reading.read_map is images.read_map
