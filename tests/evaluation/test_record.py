import json
import logging

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from texsynth.evaluation import record
from texsynth.evaluation.record import Record

PIXELS = np.zeros((4, 4, 3), np.uint8)


@pytest.fixture
def read(tmp_path):
    """Reads the record of a PNG with the given texts."""

    def read(**text):
        info = PngImagePlugin.PngInfo()
        for key, value in text.items():
            info.add_itxt(f"texsynth:{key}", value)
        Image.fromarray(PIXELS).save(tmp_path / "x.png", pnginfo=info)
        return record.read(tmp_path / "x.png")

    return read


def test_what_is_written_is_read(read):
    settings = {
        "size": 300,
        "flatten": 9.5,
        "pooling": "max",
        "layers": {"pool2": 0.5, "pool1": 1, "pool4": 0},
    }
    found = read(settings=json.dumps(settings), engine="plain", history="[[3, 2.5], [1.0]]")
    assert found == Record(
        size=300,
        flatten=9.5,
        losses=("gram",),
        layers=("pool1", "pool2"),
        pooling="max",
        engine="plain",
        history=[[3, 2.5], [1.0]],
    )


@pytest.mark.parametrize(
    ("settings", "tile"),
    [({}, None), ({"tile": None}, ""), ({"tile": "y"}, "y"), ({"tile": 5}, None)],
)
def test_whether_it_is_to_tile_is_read(read, settings, tile):
    assert read(settings=json.dumps(settings)).tile == tile


def test_the_layers_are_those_of_all_terms(read):
    terms = [
        {"name": "gram", "weight": 1.0, "layers": None},
        {"name": "autocorrelation", "weight": 0.5, "layers": {"pool5": 1.0}},
        {"name": "histogram", "weight": 1.0, "layers": None},
        {"name": "centred-gram", "weight": 0.0, "layers": {"conv5_3": 1.0}},
    ]
    found = read(
        settings=json.dumps({"layers": {"pool2": 1.0}}), scheme=json.dumps({"losses": terms})
    )
    assert found.layers == ("pool2", "pool5")
    assert found.losses == ("gram", "autocorrelation", "histogram")


def test_a_loss_that_comes_twice_is_named_once(read):
    terms = [{"name": "gram"}, {"name": "spectrum"}, {"name": "gram", "layers": {"pool5": 1.0}}]
    assert read(scheme=json.dumps({"losses": terms})).losses == ("gram", "spectrum")


def test_an_image_of_many_pixels_has_a_record_too(read, monkeypatch):
    """As many as Pillow warns of, half of what it refuses."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4 * 4 - 1)
    assert read(engine="plain") == Record(engine="plain")


def test_files_without_a_record(read, tmp_path, caplog):
    assert read() == Record()
    Image.fromarray(PIXELS).save(tmp_path / "x.jpg")
    assert record.read(tmp_path / "x.jpg") == Record()
    assert not caplog.records


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[" * 100_000,
        "9" * 5000,
        "7",
        "[]",
        "{}",
        "[[]]",
        "[1, 2]",
        '[["1"]]',
        "[[true]]",
        "[[null]]",
        "[[NaN]]",
        "[[1e400]]",
        "[[-Infinity]]",
        "[[1], {}]",
        f"[[1{'0' * 400}]]",
        json.dumps([[1.0]] * 100),
        "[[1.0]]" + " " * 4_000_000,
        json.dumps([[1] * 300_000]),
    ],
    ids=lambda text: text[:12],
)
def test_bad_histories_are_left_out_and_told(read, caplog, text):
    with caplog.at_level(logging.WARNING, "texsynth"):
        assert read(history=text, engine="plain") == Record(engine="plain")
    (told,) = [entry.getMessage() for entry in caplog.records]
    assert "x.png: ignoring its texsynth:history: " in told and "\n" not in told
    assert len(told) < 500


@pytest.mark.parametrize(
    "settings",
    [
        [],
        {"size": "300"},
        {"size": True},
        {"size": -1},
        {"size": 1 << 70},
        {"size": 2.5},
        {"flatten": 0.5},
        {"flatten": "9"},
        {"flatten": 10**400},
        {"pooling": "<script>"},
        {"pooling": ["max"]},
        {"layers": ["pool1"]},
        {"layers": {"<b>": 1}},
        {"layers": {"pool1": "1"}},
        {"layers": {"pool1": 10**400}},
        {"layers": {"pool1": -1}},
        {"layers": {}},
    ],
    ids=str,
)
def test_bad_settings_are_left_out(read, settings):
    assert read(settings=json.dumps(settings)) == Record()


@pytest.mark.parametrize(
    "scheme",
    [
        7,
        {},
        {"losses": []},
        {"losses": ["gram"]},
        {"losses": [{"name": "unknown"}]},
        {"losses": [{"name": ["gram"]}]},
        {"losses": [{"name": "gram", "weight": "1"}]},
        {"losses": [{"name": "gram", "layers": ["pool1"]}]},
        {"losses": [{"name": "gram", "layers": {"pool9": 1}}]},
        {"losses": [{"name": "spectrum", "layers": {"pool1": 1}}]},
        {"losses": [{"name": "gram"}] * 1000},
    ],
    ids=lambda scheme: str(scheme)[:60],
)
def test_bad_schemes_are_left_out(read, scheme):
    assert read(scheme=json.dumps(scheme)) == Record()


@pytest.mark.parametrize("word", ["x" * 41, "a\nb", "\x1b[31m", ""])
def test_bad_engines_and_precisions_are_left_out(read, word):
    assert read(engine=word, precision=word) == Record()


def test_the_precision_is_told(read):
    assert read(engine="winograd", precision="bf16") == Record(engine="winograd", precision="bf16")
