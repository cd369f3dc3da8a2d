"""Texts in files of each format: what is written is read, whatever else is read is none."""

import json
import logging

import numpy as np
import pytest
from PIL import Image

from tests.images import pictures
from texsynth import images

TEXT = {"Software": "texsynth 0", "texsynth:settings": '{"image": "Stra\u00dfe.png"}'}
ENDINGS = [".png", ".tif", ".webp", ".jpg", ".exr"]
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("ending", "depth"),
    [
        *((ending, None) for ending in ENDINGS),
        (".png", "16"),
        (".tif", "16"),
        (".tif", "float"),
        (".exr", "float"),
    ],
)
@pytest.mark.parametrize("is_whole", [True, False])
def test_texts_come_back(tmp_path, ending, depth, is_whole):
    images.save(tmp_path / f"a{ending}", PIXELS, TEXT, depth)
    assert TEXT.items() <= images.text_of(tmp_path / f"a{ending}", is_whole).items()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_that_is_cut_off_is_not_whole(tmp_path, ending):
    images.save(tmp_path / f"a{ending}", PIXELS, TEXT)
    path = tmp_path / f"a{ending}"
    path.write_bytes(path.read_bytes()[:-40])
    assert images.text_of(path, is_whole=True) == {}


@pytest.mark.parametrize("ending", ENDINGS)
def test_without_a_text_there_is_none_of_ours(tmp_path, ending):
    images.save(tmp_path / f"a{ending}", PIXELS)
    assert "Software" not in images.text_of(tmp_path / f"a{ending}")


@pytest.mark.parametrize("content", [b"", b"v/1\1", b"II*\0", b"nothing", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_image_has_none(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    assert images.text_of(tmp_path / "a.png") == {}
    assert images.text_of(tmp_path / "b.png") == {} == images.text_of(tmp_path)


@pytest.mark.parametrize(
    "description", ["of a camera", "[1, 2]", '{"Software": 3}', "[" * 5000, '"text"', "1e400"]
)
@pytest.mark.parametrize("ending", [".jpg", ".webp", ".tif"])
def test_other_descriptions_are_no_texts(tmp_path, description, ending):
    exif = Image.Exif()
    exif[270] = description
    Image.fromarray(PIXELS).save(tmp_path / f"a{ending}", exif=exif)
    assert images.text_of(tmp_path / f"a{ending}") == {}


def test_a_jpeg_leaves_out_what_is_too_long(tmp_path, caplog):
    long = {**TEXT, "texsynth:history": json.dumps([0.5] * 20000)}
    with caplog.at_level(logging.WARNING):
        images.save(tmp_path / "a.jpg", PIXELS, long)
    assert images.text_of(tmp_path / "a.jpg") == TEXT
    assert "texsynth:history is left out" in caplog.text
    images.save(tmp_path / "a.webp", PIXELS, long)
    assert images.text_of(tmp_path / "a.webp") == long


def test_text_that_is_no_utf_8_is_no_obstacle(tmp_path):
    for ending in ENDINGS:
        images.save(tmp_path / f"a{ending}", PIXELS, {"name": "\udcff"})
        assert images.text_of(tmp_path / f"a{ending}")["name"] == "?"


def test_pictures_are_written_in_colours_of_srgb(tmp_path):
    deep = PIXELS * (255 / 256) + 0.3
    for ending, depth, step in (
        (".png", None, 1), (".png", "16", 1 / 257), (".tif", "16", 1 / 257),
        (".tif", "float", 1e-4), (".webp", None, 1), (".exr", None, 0.2), (".exr", "float", 1e-4),
    ):  # fmt: skip
        images.save(tmp_path / f"a{ending}", deep, depth=depth)
        found = images.read_deep(tmp_path / f"a{ending}")
        assert np.abs(found - deep).max() <= step / 2 + 1e-9
    images.save(tmp_path / "a.png", PIXELS)
    np.testing.assert_array_equal(images.read_deep(tmp_path / "a.png"), PIXELS)


def test_a_png_of_8_bits_is_what_pillow_writes_but_for_the_tag(tmp_path):
    images.save(tmp_path / "a.png", PIXELS)
    Image.fromarray(PIXELS).save(tmp_path / "b.png")
    tag = pictures.chunk(b"sRGB", b"\0")
    written = (tmp_path / "a.png").read_bytes()
    assert tag in written
    assert written.replace(tag, b"") == (tmp_path / "b.png").read_bytes()


def test_what_lies_halfway_is_rounded_as_elsewhere(tmp_path):
    halfway = np.arange(255, dtype=np.float32).reshape(17, 5, 3) + np.float32(0.5)
    images.save(tmp_path / "a.png", halfway)
    np.testing.assert_array_equal(images.read(tmp_path / "a.png"), images.rounded(halfway))
