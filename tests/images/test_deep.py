"""Files of more than 8 bits a channel, as pixels of which nothing is rounded."""

import io
import zlib

import numpy as np
import OpenEXR
import pytest
import tifffile
from PIL import Image

from tests.conftest import make_texture
from tests.images import pictures
from texsynth import images
from texsynth.errors import ImageError
from texsynth.images import colour, srgb

SIZE = (21, 34)


def integers(channels, seed=0):
    return np.random.default_rng(seed).integers(0, 65536, (*SIZE, channels)).astype(np.uint16)


def write(path, values, **options):
    """16 bits or floating point, by others."""
    channels = values.shape[2]
    if path.suffix == ".png":
        colours = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
        path.write_bytes(pictures.png(values, 16, colours))
        return
    tifffile.imwrite(
        path, values if channels > 1 else values[..., 0],
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None, **options,
    )  # fmt: skip


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_come_back_from_pixels_and_batches(tmp_path, ending, channels):
    given = integers(channels)
    write(tmp_path / f"a{ending}", given)
    pixels = images.read_deep(tmp_path / f"a{ending}")
    assert pixels.dtype == np.float32
    np.testing.assert_allclose(pixels, np.broadcast_to(given / 257, pixels.shape), rtol=1e-7)
    batch = images.to_batch(pixels)
    np.testing.assert_array_equal(
        np.rint(batch[0].transpose(1, 2, 0) * 257), np.broadcast_to(given, pixels.shape)
    )
    np.testing.assert_array_equal(images.rounded(pixels), images.read(tmp_path / f"a{ending}"))
    np.testing.assert_array_equal(images.to_pixels(batch), images.rounded(pixels))


def test_every_one_of_65536_rounds_to_the_same_8_bits(tmp_path):
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)
    write(tmp_path / "a.png", every)
    deep = images.read_deep(tmp_path / "a.png")
    np.testing.assert_array_equal(images.rounded(deep), images.read(tmp_path / "a.png"))


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_is_composited_on_white_at_full_depth_or_told_apart(
    tmp_path, ending, channels, caplog
):
    given = integers(channels)
    write(tmp_path / f"a{ending}", given)
    share = given[..., -1:] / 65535
    expected = (given[..., :-1] * share + 65535 * (1 - share)) / 257
    pixels = images.read_deep(tmp_path / f"a{ending}")
    np.testing.assert_allclose(pixels, np.broadcast_to(expected, pixels.shape), atol=1e-4)
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / f'a{ending}'}: transparency is composited on white"
    ]
    colours, alpha = images.read_deep_apart(tmp_path / f"a{ending}")
    beneath = np.broadcast_to(given[..., :-1] / 257, colours.shape)
    np.testing.assert_allclose(colours, beneath, rtol=1e-6)
    np.testing.assert_array_equal(alpha, np.rint(given[..., -1] / 257))


def test_without_transparency_there_is_none_to_tell(tmp_path):
    write(tmp_path / "a.png", integers(3))
    assert images.read_deep_apart(tmp_path / "a.png")[1] is None


@pytest.mark.parametrize(("channels", "colours"), [(1, 0), (3, 2)])
def test_a_transparent_colour_of_16_bits(tmp_path, channels, colours):
    given = integers(channels)
    given[:5] = key = given[0, 0]
    chunk = pictures.chunk(b"tRNS", key.astype(">u2").tobytes())
    (tmp_path / "a.png").write_bytes(pictures.png(given, 16, colours, chunk))
    pixels, alpha = images.read_deep_apart(tmp_path / "a.png")
    np.testing.assert_array_equal(alpha[:5], 0)
    assert (alpha[5:] == 255).mean() > 0.99
    np.testing.assert_allclose(pixels, np.broadcast_to(given / 257, pixels.shape), rtol=1e-6)


def test_8_bits_are_as_they_are_read_elsewhere(tmp_path):
    texture = make_texture(20, 16)
    Image.fromarray(texture).save(tmp_path / "a.png")
    pixels = images.read_deep(tmp_path / "a.png")
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, texture)
    Image.fromarray(np.dstack([texture, texture[..., 0]])).save(tmp_path / "b.png")
    for deep, plain in zip(
        images.read_deep_apart(tmp_path / "b.png"), images.read_apart(tmp_path / "b.png"),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(deep, plain)


def test_a_profile_of_srgb_keeps_16_bits(tmp_path, caplog):
    given = integers(3)
    write(tmp_path / "a.tif", given, iccprofile=srgb.profile())
    np.testing.assert_allclose(images.read_deep(tmp_path / "a.tif"), given / 257, rtol=1e-6)
    chunk = pictures.chunk(b"iCCP", b"x\0\0" + zlib.compress(srgb.profile()))
    (tmp_path / "a.png").write_bytes(pictures.png(given, 16, 2, chunk))
    np.testing.assert_allclose(images.read_deep(tmp_path / "a.png"), given / 257, rtol=1e-6)
    assert not caplog.records


def test_which_profiles_change_nothing():
    assert colour.changes_nothing(None, False)
    assert colour.changes_nothing(srgb.profile(), False)
    assert colour.changes_nothing(srgb.profile(), True)
    assert colour.changes_nothing(b"damaged", False)  # which is left out
    assert not colour.changes_nothing(pictures.RGB, False)
    assert not colour.changes_nothing(pictures.GREY, True)


def test_a_damaged_profile_costs_no_depth(tmp_path):
    write(tmp_path / "a.tif", integers(3), iccprofile=b"damaged")
    assert images.read_deep(tmp_path / "a.tif").dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_numbers_come_back_exactly(tmp_path, dtype):
    given = np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)
    write(tmp_path / "a.tif", given.astype(dtype))
    with pytest.raises(ImageError, match="--input-range"):
        images.read_deep(tmp_path / "a.tif")
    pixels = images.read_deep(tmp_path / "a.tif", (0, 1))
    np.testing.assert_array_equal((pixels / 255).astype(np.float32), given)
    write(tmp_path / "a.tif", given.astype(dtype), iccprofile=srgb.profile())
    np.testing.assert_array_equal(images.read_deep(tmp_path / "a.tif"), pixels)
    np.testing.assert_array_equal(images.read(tmp_path / "a.tif"), images.rounded(pixels))


def test_white_is_zero(tmp_path):
    given = integers(1)
    tifffile.imwrite(tmp_path / "a.tif", given[..., 0], photometric="miniswhite")
    pixels = images.read_deep(tmp_path / "a.tif")
    np.testing.assert_allclose(pixels[..., :1], 255 - given / 257, atol=1e-4)


def test_a_pfm_and_a_pgm(tmp_path):
    given = integers(1)[..., 0]
    (tmp_path / "a.pgm").write_bytes(b"P5 34 21 65535\n" + given.astype(">u2").tobytes())
    np.testing.assert_allclose(images.read_deep(tmp_path / "a.pgm")[..., 2], given / 257, rtol=1e-6)
    Image.fromarray((given / 65535).astype(np.float32)).save(tmp_path / "a.pfm")
    pixels = images.read_deep(tmp_path / "a.pfm", (0, 1))
    np.testing.assert_allclose(pixels[..., 1], given / 257, rtol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_upright(tmp_path, orientation):
    given = integers(3)
    write(tmp_path / "a.tif", given, extratags=[(274, 3, 1, orientation, True)])
    pixels = images.read_deep(tmp_path / "a.tif")
    np.testing.assert_array_equal(images.rounded(pixels), images.read(tmp_path / "a.tif"))


def test_what_is_blacker_than_8_bits_can_say_is_black_and_no_error(tmp_path):
    given = integers(3) // 256
    write(tmp_path / "a.png", given)
    pixels = images.read_deep(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels, np.rint(given / 257))
    images.to_batch(pixels)


def exr(path, values, names):
    planes = {name: np.ascontiguousarray(values[..., k]) for k, name in enumerate(names)}
    file = io.BytesIO()
    OpenEXR.File({"type": OpenEXR.scanlineimage}, planes).write(file)
    path.write_bytes(file.getvalue())


def test_openexr_is_given_the_curve_of_srgb(tmp_path):
    light = np.random.default_rng(0).random((*SIZE, 3)).astype(np.float32)
    exr(tmp_path / "a.exr", light, "RGB")
    pixels = images.read_deep(tmp_path / "a.exr")
    straight = light.astype(float) * 12.92
    bent = 1.055 * light.astype(float) ** (1 / 2.4) - 0.055
    expected = 255 * np.where(light <= 0.0031308, straight, bent)
    np.testing.assert_allclose(pixels, expected, atol=1e-9)
    np.testing.assert_array_equal(srgb.decoded(pixels / 255).astype(np.float32), light)
    np.testing.assert_array_equal(images.read(tmp_path / "a.exr"), np.rint(expected))


def test_openexr_beyond_white_is_clipped_and_said_so_or_has_a_range(tmp_path, caplog):
    light = np.full((*SIZE, 1), 0.5, np.float32)
    light[0] = 4
    exr(tmp_path / "a.exr", light, "Y")
    pixels = images.read_deep(tmp_path / "a.exr")
    assert (
        pixels.max() == pytest.approx(255)
        and "beyond 0 to 1 (--input-range takes others), and clipped" in caplog.text
    )
    darker = images.read_deep(tmp_path / "a.exr", (0, 4))
    assert darker[0, 0, 0] == pytest.approx(255)
    np.testing.assert_allclose(darker[1, 0], 255 * srgb.encoded(np.float64(0.125)))


def test_alpha_of_openexr_is_taken_out_of_its_colours(tmp_path):
    light = np.full((*SIZE, 4), 0.25, np.float32)
    light[..., 3] = 0.5
    exr(tmp_path / "a.exr", light, "RGBA")
    colours, alpha = images.read_deep_apart(tmp_path / "a.exr")
    np.testing.assert_allclose(colours, 255 * srgb.encoded(np.float64(0.5)))
    np.testing.assert_array_equal(alpha, 128)
