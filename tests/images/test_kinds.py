"""Kinds of files that Pillow leaves to others: read by these, or the way is named."""

import io
import sys

import imagecodecs
import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from tests.conftest import make_texture
from tests.images import pictures
from texsynth import images
from texsynth.errors import ImageError

PIXELS = make_texture(64, 48)


def heic(pixels=PIXELS, **options):
    pillow_heif = pytest.importorskip("pillow_heif")
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(file, **{"quality": 95, **options})
    return file.getvalue()


@pytest.mark.parametrize("channels", [3, 4])
def test_heic_is_read_by_a_package_of_its_own(tmp_path, channels, caplog):
    """Without loss, so that what was written is what is to be read."""
    alpha = np.linspace(0, 255, 64 * 48).reshape(48, 64, 1).round().astype(np.uint8)
    pixels = PIXELS if channels == 3 else np.concatenate([PIXELS, alpha], axis=2)
    content = heic(pixels, chroma=444, matrix_coefficients=0, quality=-1)
    (tmp_path / "a.heic").write_bytes(content)
    wanted = PIXELS.astype(float)
    if channels == 4:
        wanted = 255 + (wanted - 255) * (alpha / 255)
    assert np.abs(images.read(tmp_path / "a.heic") - wanted).max() <= 1
    assert ("transparency is composited on white" in caplog.text) == (channels == 4)


def test_heic_is_seen_through_its_profile_and_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.heic").write_bytes(heic(np.full((48, 64, 3), (200, 100, 50), np.uint8)))
    plain = images.read(tmp_path / "a.heic")
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = pillow_heif.from_pillow(
        Image.fromarray(np.full((48, 64, 3), (200, 100, 50), np.uint8))
    )
    picture.info["icc_profile"] = pictures.RGB
    picture.info["exif"] = exif.tobytes()
    picture.save(tmp_path / "b.heic", quality=95)
    turned = images.read(tmp_path / "b.heic")
    assert plain.shape == (48, 64, 3) and turned.shape == (64, 48, 3)
    (tmp_path / "c.png").write_bytes(encoded(plain, icc_profile=pictures.RGB))
    wanted = images.read(tmp_path / "c.png")
    assert np.abs(turned.astype(int) - np.rot90(wanted, -1)).max() <= 2
    assert np.abs(wanted.astype(int) - plain).max() > 20


def encoded(pixels, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **options)
    return file.getvalue()


def test_heic_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(heic())
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 48 // 2 - 1)
    with pytest.raises(ImageError, match=r"a.heic: too many pixels for its .* bytes"):
        images.read(tmp_path / "a.heic")


def test_damaged_heic_is_told(tmp_path):
    (tmp_path / "a.heic").write_bytes(heic()[:400])
    with pytest.raises(ImageError, match=r"a.heic cannot be read: "):
        images.read(tmp_path / "a.heic")


def test_reading_heic_leaves_pillow_as_it_was(tmp_path):
    (tmp_path / "a.heic").write_bytes(heic())
    before = dict(Image.OPEN)
    images.read(tmp_path / "a.heic")
    assert before.keys() == Image.OPEN.keys()


def test_without_that_package_its_name_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.jpg").write_bytes(bytes(4) + b"ftypheic" + bytes(100))
    with pytest.raises(ImageError, match=r"a.jpg is HEIC; it needs pillow-heif \(pip install "):
        images.read(tmp_path / "a.jpg")


KINDS = {
    "Radiance HDR; convert it to PNG, or to a TIFF of floating-point": b"#?RADIANCE\nFORMAT=\n",
    "JPEG XL; convert it to PNG": b"\xff\x0a" + bytes(60),
    "SVG; convert it to PNG": b'<?xml version="1.0"?>\n<!-- x -->\n<svg width="3"/>',
    "PDF; convert it to PNG": b"%PDF-1.4\n",
    "GIMP's own format; export it as PNG": b"gimp xcf v011",
    "a camera's raw file; develop it, and save it as PNG or TIFF": b"II*\0\x10\0\0\0CR\2\0"
    + bytes(4)
    + b"\0\0"
    + bytes(8),
}


@pytest.mark.parametrize("told", KINDS)
def test_what_is_not_read_is_called_by_its_name_and_the_way_told(tmp_path, told):
    (tmp_path / "a.png").write_bytes(KINDS[told])
    with pytest.raises(ImageError, match=f"a.png is {told}"):
        images.read(tmp_path / "a.png")


@pytest.mark.parametrize(("bits", "channels"), [(10, 3), (12, 3), (16, 3), (16, 4), (16, 2)])
def test_jpeg_2000_of_many_bits_is_read_in_grey_alone(tmp_path, bits, channels):
    values = np.random.default_rng(0).integers(0, 2**bits, (40, 44, channels)).astype(np.uint16)
    options = {"bitspersample": bits, "reversible": True, "codecformat": "jp2"}
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(values, **options))
    with pytest.raises(ImageError, match=f"a.jp2 is JPEG 2000 of {bits} bits and in colour, which"):
        images.read(tmp_path / "a.jp2")
    grey = values[..., 0].copy()
    (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(grey, **options))
    read = images.read(tmp_path / "a.jp2")[..., 0]
    assert np.abs(read - grey / (2**bits - 1) * 255).max() <= 1
    eight = (values[..., :3] >> (bits - 8)).astype(np.uint8)
    if channels > 2:
        del options["bitspersample"]
        (tmp_path / "a.jp2").write_bytes(imagecodecs.jpeg2k_encode(eight, **options))
        np.testing.assert_array_equal(images.read(tmp_path / "a.jp2"), eight)


def test_exr_and_hdr_of_others_are_known(tmp_path):
    """As an encoder writes them."""
    (tmp_path / "a.hdr").write_bytes(imagecodecs.rgbe_encode(np.ones((4, 4, 3), np.float32)))
    with pytest.raises(ImageError, match=r"a.hdr is Radiance HDR"):
        images.read(tmp_path / "a.hdr")
    (tmp_path / "a.jxl").write_bytes(imagecodecs.jpegxl_encode(PIXELS))
    with pytest.raises(ImageError, match=r"a.jxl is JPEG XL"):
        images.read(tmp_path / "a.jxl")


def test_a_pillow_without_avif_is_told_to_be_renewed(tmp_path, monkeypatch):
    def unknown(file):
        raise UnidentifiedImageError

    (tmp_path / "a.avif").write_bytes(imagecodecs.avif_encode(PIXELS))
    monkeypatch.setattr(Image, "open", unknown)
    with pytest.raises(ImageError, match=r"a.avif is AVIF; it needs Pillow 11.3 or newer"):
        images.read(tmp_path / "a.avif")


@pytest.mark.parametrize("tags", [{50706: b"\1\4\0\0"}, {254: 1, 330: 8}])
def test_a_digital_negative_is_not_read_for_its_preview(tmp_path, tags):
    """Adobe's, or those of cameras, which lie in a folder of the preview's."""
    Image.fromarray(PIXELS).save(tmp_path / "a.dng", "TIFF", tiffinfo=tags)
    with pytest.raises(ImageError, match=r"a.dng is a camera's raw file"):
        images.read(tmp_path / "a.dng")
