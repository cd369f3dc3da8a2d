import logging
import os

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.conftest import make_texture
from texsynth import images
from texsynth.errors import ImageError


@pytest.fixture
def save(tmp_path):
    def save(picture, name="picture.png", **options):
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def test_rgb_is_read_as_it_is(save, texture):
    np.testing.assert_array_equal(images.read(save(Image.fromarray(texture))), texture)


def test_a_tall_image_is_handed_over_by_bands_of_rows(save):
    """Each where it was; the last band is narrower."""
    texture = make_texture(3, 700)
    np.testing.assert_array_equal(images.read(save(Image.fromarray(texture))), texture)


def test_grey_becomes_three_equal_channels(save, texture):
    pixels = images.read(save(Image.fromarray(texture[..., 0])))
    for channel in range(3):
        np.testing.assert_array_equal(pixels[..., channel], texture[..., 0])


def test_black_and_white_becomes_0_and_255(save):
    bits = np.array([[True, False], [False, True]])
    np.testing.assert_array_equal(images.read(save(Image.fromarray(bits)))[..., 1], 255 * bits)


def test_palette_becomes_its_colours(save, texture):
    picture = Image.fromarray(texture).quantize(16)
    expected = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(images.read(save(picture)), expected)


def test_16_bits_are_scaled_and_not_clipped(save):
    values = np.array([[0, 257, 32896], [65535, 65534, 128]], np.uint16)
    pixels = images.read(save(Image.fromarray(values)))
    np.testing.assert_array_equal(pixels[..., 0], [[0, 1, 128], [255, 255, 0]])


def test_float_is_refused_without_a_range_for_its_own_is_anybodys_guess(save):
    path = save(Image.fromarray(np.array([[0.1, 0.9]], np.float32)), "p.tif")
    message = r"p.tif has floating-point values from 0.1 to 0.9; say which are black and white: "
    with pytest.raises(ImageError, match=f"{message}--input-range LOW,HIGH"):
        images.read(path)


@pytest.mark.parametrize("value", [-1, 65536])
def test_grey_beyond_16_bits_wants_a_range(save, value):
    path = save(Image.fromarray(np.array([[0, value]], np.int32)), "p.tif")
    with pytest.raises(ImageError, match=r"p.tif has grey values from .* to .*; say which are"):
        images.read(path)
    assert images.read(path, (0, 2 * value) if value > 0 else (2 * value, 0))[0, 1, 0] == 128


def test_32_bits_that_hold_16_are_16(save):
    path = save(Image.fromarray(np.array([[0, 257, 65535]], np.int32)), "p.tif")
    assert images.read(path)[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize("name", ["p.pfm", "p.tif"])
def test_numbers_are_read_by_a_range(save, name):
    path = save(Image.fromarray(np.array([[-1, 0.25], [1, 3]], np.float32)), name)
    pixels = images.read(path, (-1, 1.5))
    np.testing.assert_array_equal(pixels[..., 1], [[0, 128], [204, 255]])


def test_a_range_that_is_not_used_is_told(save, texture, caplog):
    np.testing.assert_array_equal(images.read(save(Image.fromarray(texture)), (0, 1)), texture)
    assert "--input-range is not used, for its type has a range of its own" in caplog.text


def test_a_transparent_grey_of_16_bits_is_composited_too(save, caplog):
    values = np.array([[1000, 65535]], np.uint16)
    pixels = images.read(save(Image.fromarray(values), transparency=1000))
    np.testing.assert_array_equal(pixels[..., 0], [[255, 255]])
    assert "transparency is composited on white" in caplog.text


def test_a_colour_profile_is_applied(save):
    plain = Image.new("RGB", (2, 2), (200, 100, 50))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = images.read(save(plain, icc_profile=srgb))
    np.testing.assert_allclose(pixels.astype(int), np.asarray(plain), atol=1)
    # A profile with red and blue exchanged: the tags of its two primaries trade places.
    swapped = srgb.replace(b"rXYZ", b"tmp.").replace(b"bXYZ", b"rXYZ").replace(b"tmp.", b"bXYZ")
    pixels = images.read(save(plain, icc_profile=swapped))
    np.testing.assert_allclose(pixels[0, 0].astype(int), (50, 100, 200), atol=2)


def test_a_colour_profile_leaves_what_is_transparent_so(save):
    """Black where it is opaque, and where it is not."""
    rgba = np.zeros((1, 2, 4), np.uint8)
    rgba[0, 0, 3] = 255
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = images.read(save(Image.fromarray(rgba), icc_profile=srgb))
    np.testing.assert_array_equal(pixels[..., 0], [[0, 255]])


def test_a_damaged_colour_profile_is_left_out_and_said_so(save, caplog, texture):
    path = save(Image.fromarray(texture), icc_profile=b"no profile")
    np.testing.assert_array_equal(images.read(path), texture)
    assert "ignoring its colour profile, which cannot be applied" in caplog.text


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_composited_on_white_and_said_so(save, caplog, mode):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0, 3] = 255  # black where opaque, and black where transparent
    path = save(Image.fromarray(rgba).convert(mode))
    with caplog.at_level(logging.WARNING, "texsynth"):
        pixels = images.read(path)
    np.testing.assert_array_equal(pixels[..., 0], [[0, 255], [255, 255]])
    assert "transparency is composited on white" in caplog.text


def test_exif_orientation_is_applied(save, texture):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 270 degrees to see it upright
    pixels = images.read(save(Image.fromarray(texture), exif=exif))
    np.testing.assert_array_equal(pixels, np.rot90(texture, -1))


def test_cmyk_becomes_rgb(save, texture):
    pixels = images.read(save(Image.fromarray(texture).convert("CMYK"), "p.tif"))
    assert pixels.shape == texture.shape
    assert np.abs(pixels.astype(int) - texture).mean() < 3


def test_first_frame_of_an_animation_is_taken(save):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = save(frames[0], "p.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(images.read(path)[0, 0], [255, 0, 0])


@pytest.mark.parametrize("width", [1, 37])
def test_any_aspect_ratio(save, width):
    assert images.read(save(Image.new("RGB", (width, 5)))).shape == (5, width, 3)


def test_unreadable_files_are_named(tmp_path, texture):
    good = tmp_path / "good.png"
    Image.fromarray(texture).save(good)
    for name, content, message in (
        ("empty.png", b"", "is not an image that Pillow can read"),
        ("text.jpg", b"hello", "is not an image that Pillow can read"),
        ("cut.png", good.read_bytes()[:600], "cannot be read"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ImageError, match=f"{name}.* ?{message}"):
            images.read(tmp_path / name)


def test_a_decompression_bomb_is_refused(save, monkeypatch):
    path = save(Image.new("L", (64, 64)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    assert images.read(path).shape == (64, 64, 3)  # Pillow only warns up to twice its limit
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="too many pixels"):
        images.read(path)


def test_batch_and_pixels_are_inverse(texture):
    batch = images.to_batch(texture)
    assert batch.shape == (1, 3, 48, 64)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[0, 2], texture[..., 2])
    np.testing.assert_array_equal(images.to_pixels(batch), texture)


def test_to_pixels_rounds_and_clips():
    batch = np.array([-3, 0.4, 0.6, 254.6, 300, 7], np.float32).reshape(1, 3, 1, 2)
    np.testing.assert_array_equal(
        images.to_pixels(batch).transpose(2, 0, 1).ravel(), [0, 0, 1, 255, 255, 7]
    )


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4)), r"must be a \(height, width, 3\) array, not \(4, 4\)"),
        (np.zeros((4, 4, 4)), r"not \(4, 4, 4\)"),
        (np.zeros((0, 4, 3)), r"not \(0, 4, 3\)"),
        (np.full((4, 4, 3), np.nan), "finite values within 0..255"),
        (np.full((4, 4, 3), 256), "finite values within 0..255"),
        (np.full((4, 4, 3), -1), "finite values within 0..255"),
    ],
)
def test_to_batch_refuses(pixels, message):
    with pytest.raises(ImageError, match=message):
        images.to_batch(pixels)


def test_resize_keeps_a_plain_colour_and_neither_rounds_nor_clips():
    batch = np.full((2, 3, 5, 7), -3.25, np.float32)
    resized = images.resize(batch, (13, 4))
    assert resized.shape == (2, 3, 4, 13)
    np.testing.assert_allclose(resized, -3.25, rtol=1e-5)


def test_resize_keeps_images_and_channels_apart(texture):
    batch = np.concatenate([images.to_batch(texture), images.to_batch(texture[::-1].copy())])
    together = images.resize(batch, (20, 30))
    np.testing.assert_array_equal(together[1], images.resize(batch[1:], (20, 30))[0])
    np.testing.assert_array_equal(together[0], images.resize(batch[:1], (20, 30))[0])


@pytest.mark.parametrize(
    ("longer", "expected"), [(0, (64, 48)), (32, (32, 24)), (128, (128, 96)), (64, (64, 48))]
)
def test_fitted_size_brings_the_longer_side_to_a_length(longer, expected):
    assert images.fitted_size((64, 48), longer) == expected


def test_fitted_size_keeps_at_least_a_pixel():
    assert images.fitted_size((1, 1000), 100) == (1, 100)


def test_fit_stays_within_the_range():
    stripes = np.zeros((1, 3, 8, 8), np.float32)
    stripes[..., 4:] = 255
    assert images.resize(stripes, (16, 16)).max() > 255  # Lanczos' filter overshoots
    fitted = images.fit(stripes, (16, 16))
    assert fitted.shape == (1, 3, 16, 16) and fitted.min() >= 0 and fitted.max() <= 255


def test_noise_follows_its_seed_and_stays_about_the_mean():
    mean = np.array([10, 100, 200])
    first = images.noise((8, 6), 1, mean)
    assert first.shape == (1, 3, 6, 8) and first.dtype == np.float32
    np.testing.assert_array_equal(first, images.noise((8, 6), 1, mean))
    assert (first != images.noise((8, 6), 2, mean)).all()
    deviation = np.abs(first - mean.reshape(1, 3, 1, 1)).max(axis=(0, 2, 3))
    assert (deviation <= 20).all() and (deviation > 15).all()


def test_side_by_side_centres_the_smaller_one():
    sheet = images.side_by_side(np.zeros((4, 3, 3), np.uint8), np.zeros((2, 5, 3), np.uint8), gap=2)
    assert sheet.shape == (4, 10, 3)
    assert (sheet[:, :3] == 0).all() and (sheet[1:3, 5:] == 0).all()
    assert (sheet[:, 3:5] == 255).all() and (sheet[[0, 3], 5:] == 255).all()


def test_save_png_keeps_pixels_and_text(tmp_path):
    pixels = make_texture(9, 5)
    images.save_png(tmp_path / "t.png", pixels, {"texsynth:settings": "日本語"})
    with Image.open(tmp_path / "t.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), pixels)
        assert saved.text["texsynth:settings"] == "日本語"
    assert [path.name for path in tmp_path.iterdir()] == ["t.png"]


def test_saved_files_have_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o077)
    try:
        images.save_png(tmp_path / "private.png", make_texture(4, 4))
    finally:
        os.umask(before)
    assert (tmp_path / "private.png").stat().st_mode & 0o777 == 0o600


def test_text_that_is_no_utf_8_is_no_obstacle(tmp_path):
    images.save_png(tmp_path / "t.png", make_texture(4, 4), {"name": "bad\udcff.png"})
    with Image.open(tmp_path / "t.png") as saved:
        assert saved.text["name"] == "bad?.png"


def test_saved_files_have_the_usual_permissions(tmp_path):
    images.save_png(tmp_path / "t.png", make_texture(4, 4))
    (tmp_path / "plain").touch()
    assert (tmp_path / "t.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "t.png"
    images.save_png(target, make_texture(4, 4))
    before = target.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(ImageError, match=r"cannot write .*t.png: .*No space left"):
        images.save_png(target, make_texture(5, 5))
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["t.png"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"cannot write .*nowhere"):
        images.save_png(tmp_path / "nowhere" / "t.png", make_texture(4, 4))


@pytest.mark.parametrize("size", [(5, 4), (4, 3), (1, 1)])
def test_centre_undoes_mirrored(size):
    batch = np.random.default_rng(0).random((1, 3, size[1], size[0]))
    larger = images.mirrored(batch, (size[0] + 3, size[1] + 4))
    assert larger.shape == (1, 3, size[1] + 4, size[0] + 3)
    np.testing.assert_array_equal(images.centre(larger, size), batch)


def test_mirrored_repeats_the_edge():
    row = np.arange(3.0)[None, None, None]
    np.testing.assert_array_equal(images.mirrored(row, (7, 1))[0, 0, 0], [1, 0, 0, 1, 2, 2, 1])


@pytest.mark.parametrize("size", [(20, 16), (5, 4), (32, 24)])
def test_resizing_with_wrap_sees_no_edge(size):
    """As the middle of three by three copies, resized together."""
    batch = np.random.default_rng(0).random((1, 3, 12, 16)).astype(np.float32)
    many = images.resize(np.tile(batch, (1, 1, 3, 3)), (3 * size[0], 3 * size[1]))
    expected = many[:, :, size[1] : 2 * size[1], size[0] : 2 * size[0]]
    actual = images.resize(batch, size, (True, True))
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert abs(images.resize(batch, size) - expected).max() > 0.01


def test_resizing_with_wrap_along_one_axis_alone():
    batch = np.random.default_rng(0).random((1, 3, 12, 16)).astype(np.float32)
    rows = images.resize(np.tile(batch, (1, 1, 3, 1)), (8, 18))[:, :, 6:12]
    np.testing.assert_allclose(images.resize(batch, (8, 6), (True, False)), rows, atol=1e-5)


def test_tiled_is_two_by_two():
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
    tiled = images.tiled(pixels)
    assert tiled.shape == (4, 6, 3)
    for y, x in ((0, 0), (0, 3), (2, 0), (2, 3)):
        np.testing.assert_array_equal(tiled[y : y + 2, x : x + 3], pixels)
