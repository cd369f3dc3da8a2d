import logging

import numpy as np
import pytest
from conftest import make_texture
from PIL import Image

from texsynth import image
from texsynth.errors import ImageError


@pytest.fixture
def save(tmp_path):
    def save(picture, name="picture.png", **options):
        picture.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def test_rgb_is_read_as_it_is(save, texture):
    np.testing.assert_array_equal(image.read(save(Image.fromarray(texture))), texture)


def test_grey_becomes_three_equal_channels(save, texture):
    pixels = image.read(save(Image.fromarray(texture[..., 0])))
    for channel in range(3):
        np.testing.assert_array_equal(pixels[..., channel], texture[..., 0])


def test_black_and_white_becomes_0_and_255(save):
    bits = np.array([[True, False], [False, True]])
    np.testing.assert_array_equal(image.read(save(Image.fromarray(bits)))[..., 1], 255 * bits)


def test_palette_becomes_its_colours(save, texture):
    picture = Image.fromarray(texture).quantize(16)
    expected = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(image.read(save(picture)), expected)


def test_16_bits_are_scaled_and_not_clipped(save):
    values = np.array([[0, 257, 32896], [65535, 65534, 128]], np.uint16)
    pixels = image.read(save(Image.fromarray(values)))
    np.testing.assert_array_equal(pixels[..., 0], [[0, 1, 128], [255, 255, 0]])


def test_float_within_8_bits_is_taken_as_grey_levels(save):
    pixels = image.read(save(Image.fromarray(np.array([[0.4, 254.6]], np.float32)), "p.tif"))
    np.testing.assert_array_equal(pixels[..., 2], [[0, 255]])


def test_float_outside_is_refused(save):
    path = save(Image.fromarray(np.array([[-1.0, 2.0]], np.float32)), "p.tif")
    with pytest.raises(ImageError, match=r"p.tif: grey values beyond 16 bits \(F mode\)"):
        image.read(path)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_composited_on_white_and_said_so(save, caplog, mode):
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0, 3] = 255  # black where opaque, and black where transparent
    path = save(Image.fromarray(rgba).convert(mode))
    with caplog.at_level(logging.WARNING, "texsynth"):
        pixels = image.read(path)
    np.testing.assert_array_equal(pixels[..., 0], [[0, 255], [255, 255]])
    assert "transparency is composited on white" in caplog.text


def test_exif_orientation_is_applied(save, texture):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 270 degrees to see it upright
    pixels = image.read(save(Image.fromarray(texture), exif=exif))
    np.testing.assert_array_equal(pixels, np.rot90(texture, -1))


def test_cmyk_becomes_rgb(save, texture):
    pixels = image.read(save(Image.fromarray(texture).convert("CMYK"), "p.tif"))
    assert pixels.shape == texture.shape
    assert np.abs(pixels.astype(int) - texture).mean() < 3


def test_first_frame_of_an_animation_is_taken(save):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    path = save(frames[0], "p.gif", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(image.read(path)[0, 0], [255, 0, 0])


@pytest.mark.parametrize("width", [1, 37])
def test_any_aspect_ratio(save, width):
    assert image.read(save(Image.new("RGB", (width, 5)))).shape == (5, width, 3)


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
            image.read(tmp_path / name)


def test_a_decompression_bomb_is_refused(save, monkeypatch):
    path = save(Image.new("L", (64, 64)))
    for limit in (3000, 1000):  # Pillow warns above its limit, and raises above twice of it
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ImageError, match="too many pixels"):
            image.read(path)


def test_batch_and_pixels_are_inverse(texture):
    batch = image.to_batch(texture)
    assert batch.shape == (1, 3, 48, 64)
    assert batch.dtype == np.float32
    np.testing.assert_array_equal(batch[0, 2], texture[..., 2])
    np.testing.assert_array_equal(image.to_pixels(batch), texture)


def test_to_pixels_rounds_and_clips():
    batch = np.array([-3, 0.4, 0.6, 254.6, 300, 7], np.float32).reshape(1, 3, 1, 2)
    np.testing.assert_array_equal(
        image.to_pixels(batch).transpose(2, 0, 1).ravel(), [0, 0, 1, 255, 255, 7]
    )


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.zeros((4, 4)), r"must be an array of \(height, width, 3\), not \(4, 4\)"),
        (np.zeros((4, 4, 4)), r"not \(4, 4, 4\)"),
        (np.zeros((0, 4, 3)), r"not \(0, 4, 3\)"),
        (np.full((4, 4, 3), np.nan), "finite values within 0..255"),
        (np.full((4, 4, 3), 256), "finite values within 0..255"),
        (np.full((4, 4, 3), -1), "finite values within 0..255"),
    ],
)
def test_to_batch_refuses(pixels, message):
    with pytest.raises(ImageError, match=message):
        image.to_batch(pixels)


def test_resize_keeps_a_plain_colour_and_neither_rounds_nor_clips():
    batch = np.full((2, 3, 5, 7), -3.25, np.float32)
    resized = image.resize(batch, (13, 4))
    assert resized.shape == (2, 3, 4, 13)
    np.testing.assert_allclose(resized, -3.25, rtol=1e-5)


def test_resize_keeps_images_and_channels_apart(texture):
    batch = np.concatenate([image.to_batch(texture), image.to_batch(texture[::-1].copy())])
    together = image.resize(batch, (20, 30))
    np.testing.assert_array_equal(together[1], image.resize(batch[1:], (20, 30))[0])
    np.testing.assert_array_equal(together[0], image.resize(batch[:1], (20, 30))[0])


@pytest.mark.parametrize(
    ("longer", "expected"), [(0, (64, 48)), (32, (32, 24)), (128, (128, 96)), (64, (64, 48))]
)
def test_fit_brings_the_longer_side_to_a_length(texture, longer, expected):
    fitted = image.fit(image.to_batch(texture), longer)
    assert fitted.shape[:1:-1] == expected
    assert fitted.min() >= 0 and fitted.max() <= 255


def test_fit_keeps_at_least_a_pixel():
    assert image.fit(np.zeros((1, 3, 1000, 1), np.float32), 100).shape == (1, 3, 100, 1)


def test_noise_follows_its_seed_and_stays_about_the_middle():
    first = image.noise((8, 6), 1)
    assert first.shape == (1, 3, 6, 8) and first.dtype == np.float32
    np.testing.assert_array_equal(first, image.noise((8, 6), 1))
    assert (first != image.noise((8, 6), 2)).all()
    assert np.abs(first - 127.5).max() <= 20
    assert np.abs(first - 127.5).max() > 15


def test_side_by_side_centres_the_smaller_one():
    sheet = image.side_by_side(np.zeros((4, 3, 3), np.uint8), np.zeros((2, 5, 3), np.uint8), gap=2)
    assert sheet.shape == (4, 10, 3)
    assert (sheet[:, :3] == 0).all() and (sheet[1:3, 5:] == 0).all()
    assert (sheet[:, 3:5] == 255).all() and (sheet[[0, 3], 5:] == 255).all()


def test_save_png_keeps_pixels_and_text(tmp_path):
    pixels = make_texture(9, 5)
    image.save_png(tmp_path / "t.png", pixels, {"texsynth:settings": "日本語"})
    with Image.open(tmp_path / "t.png") as saved:
        np.testing.assert_array_equal(np.asarray(saved), pixels)
        assert saved.text["texsynth:settings"] == "日本語"
    assert [path.name for path in tmp_path.iterdir()] == ["t.png"]


def test_saved_files_have_the_usual_permissions(tmp_path):
    image.save_png(tmp_path / "t.png", make_texture(4, 4))
    (tmp_path / "plain").touch()
    assert (tmp_path / "t.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "t.png"
    image.save_png(target, make_texture(4, 4))
    before = target.read_bytes()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(ImageError, match=r"cannot write .*t.png: .*No space left"):
        image.save_png(target, make_texture(5, 5))
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["t.png"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"cannot write .*nowhere"):
        image.save_png(tmp_path / "nowhere" / "t.png", make_texture(4, 4))
