import numpy as np
import pytest
from PIL import Image

from texsynth.errors import ConfigError, ImageError
from texsynth.images.labels import matched, name_of, read_labels


def halves(left=(200, 0, 0), right=(0, 0, 200), size=(240, 160)):
    pixels = np.empty((size[1], size[0], 3), np.uint8)
    pixels[:, : size[0] // 2], pixels[:, size[0] // 2 :] = left, right
    return pixels


def test_each_colour_is_a_label():
    found = read_labels(halves(), "map.png")
    assert sorted(found.colours) == [(0, 0, 200), (200, 0, 0)]
    assert [found.colours[n] for n in (found.numbers[0, 0], found.numbers[0, -1])] == [
        (200, 0, 0),
        (0, 0, 200),
    ]


def test_blended_edges_and_the_noise_of_jpeg_take_the_nearest(tmp_path):
    sharp = read_labels(halves(), "map.png")
    Image.fromarray(halves()).save(tmp_path / "map.jpg", quality=80)
    blended = halves()
    blended[:2, 120] = (100, 0, 100)
    for pixels in (np.asarray(Image.open(tmp_path / "map.jpg")), blended):
        found = read_labels(pixels, "map")
        assert len(found.colours) == 2
        labels = np.array(found.colours)[found.numbers]
        expected = np.array(sharp.colours)[sharp.numbers]
        wrong = (np.abs(labels.astype(int) - expected).sum(axis=2) > 40).mean()
        assert wrong < 0.03


def test_a_photograph_is_no_map():
    noise = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    with pytest.raises(ImageError, match=r"^photo\.png has \d+ colours; a map has at most 16, one"):
        read_labels(noise, "photo.png")


def test_colours_are_matched_to_those_that_there_are():
    found = matched(
        read_labels(halves((210, 5, 0)), "map"), [(0, 0, 200), (200, 0, 0), (9, 9, 9)], "map", "g"
    )
    assert found.numbers[0, 0] == 1 and found.numbers[0, -1] == 0


def test_a_colour_that_there_is_not_is_named():
    with pytest.raises(ConfigError) as raised:
        matched(read_labels(halves(), "map.png"), [(0, 0, 200)], "map.png", "guide.png")
    assert str(raised.value) == "map.png asks for #c80000, but guide.png has only #0000c8"
    assert name_of((1, 2, 255)) == "#0102ff"
