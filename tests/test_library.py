"""What the package gives to programs and notebooks: its names, settings, results."""

import dataclasses
import io
import json
import pydoc
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import texsynth
from tests.conftest import make_texture
from texsynth import Config, Term, Workshop, images, make_variation, synthesize
from texsynth.errors import ConfigError, ImageError, TexsynthError
from texsynth.evaluation import record

pytestmark = pytest.mark.usefixtures("weights_read_once")


@pytest.fixture
def config(random_weights_file):
    return Config(size=24, iterations=2, layers=["conv1_1", "pool1"], weights=random_weights_file)


@pytest.fixture(scope="module")
def result(random_weights_file):
    config = Config(size=24, iterations=2, layers=["conv1_1"], weights=random_weights_file)
    return synthesize(make_texture(30, 24), config)


# Names


def test_all_public_names_are_listed_before_they_are_used():
    """As completion in a notebook has them, and without Chainer."""
    program = (
        "import sys, texsynth; listed = dir(texsynth);"
        "assert set(texsynth.__all__) <= set(listed), listed; assert 'chainer' not in sys.modules;"
        "[getattr(texsynth, name) for name in listed]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_help_has_them():
    told = pydoc.plain(pydoc.render_doc(texsynth))
    for name in set(texsynth.__all__) - {"__version__"}:  # which has a heading of its own
        assert name in told
    assert "make_variation(" in told and "class Result(" in told


def test_a_name_that_is_none_is_told():
    with pytest.raises(AttributeError, match="module 'texsynth' has no attribute 'synthesise'"):
        texsynth.synthesise  # noqa: B018


# What an exemplar is


@pytest.mark.parametrize("path", ["input.png", b"input.png"])
def test_a_path_is_told_how_to_read_it(path, config):
    with pytest.raises(ImageError, match=r"an image must be an array, not .*; texsynth.read_image"):
        synthesize(path, config)


def test_a_file_is_read(tmp_path):
    pixels = make_texture(9, 7)
    images.save_png(tmp_path / "a.png", pixels)
    np.testing.assert_array_equal(texsynth.read_image(tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, bool])
def test_fractions_within_0_and_1_are_refused(dtype):
    pixels = (make_texture(9, 7) / 255).astype(dtype)
    with pytest.raises(ImageError, match=r"these are all within 0\.\.1: multiply them by 255"):
        images.to_batch(pixels)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4, 3)),
        np.ones((4, 4, 3), np.uint8),
        np.ones((4, 4, 3), int),
        np.full((4, 4, 3), 1.5),
    ],
    ids=str,
)
def test_dark_pixels_are_taken(pixels):
    np.testing.assert_array_equal(images.to_batch(pixels)[0].transpose(1, 2, 0), pixels)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        ([[[1, 2, 3]], [[1, 2]]], r"an image must be a \(height, width, 3\) array: "),
        (np.full((4, 4, 3), "a"), "an image must have real numbers, not <U1"),
        (np.full((4, 4, 3), 1j), "an image must have real numbers, not complex128"),
        (None, "an image must have real numbers, not object"),
    ],
    ids=str,
)
def test_what_is_no_image_is_told_in_a_line(pixels, message):
    with pytest.raises(ImageError, match=message):
        images.to_batch(pixels)


# Settings


@pytest.mark.parametrize("layers", [["conv1_1", "pool1"], ("conv1_1", "pool1"), "conv1_1,pool1"])
def test_layers_may_be_names(layers):
    expected = {"conv1_1": 1.0, "pool1": 1.0}
    assert Config(layers=layers).layers == expected
    assert Term("gram", layers=layers).layers == expected


def test_losses_may_be_texts():
    expected = (Term("gram"), Term("autocorrelation", 0.5, {"pool2": 1.0}))
    assert Config(losses=("gram", "autocorrelation=0.5:pool2")).losses == expected
    assert Config(losses=[Term("gram"), "autocorrelation=0.5:pool2"]).losses == expected
    assert Config(losses="gram").losses == expected[:1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": ["conv1_1", "conv1_1"]}, "layer conv1_1 is named twice"),
        ({"layers": ["conv9_1"]}, "layer 'conv9_1' is unknown"),
        ({"layers": []}, "layers must name at least one layer"),
        ({"layers": [1]}, r"layers must be names, or map them to weights, not be \[1\]"),
        ({"losses": ["grams"]}, "loss must be one of gram, "),
        ({"losses": [3]}, "losses must be terms, or texts of them, not 3"),
    ],
)
def test_names_that_are_none_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Config(**settings)


def test_equal_settings_have_equal_hashes():
    first = Config(losses=["gram:pool1"], layers=["pool1", "pool2"])
    again = Config(losses=[Term("gram", layers={"pool1": 1})], layers={"pool2": 1, "pool1": 1.0})
    assert first == again and hash(first) == hash(again)
    assert len({first, again, Config(), Config(seed=1)}) == 3
    assert hash(Config(output_size=[3, 4], input_range=[0, 1])) == hash(
        Config(output_size=(3, 4), input_range=(0.0, 1.0))
    )


# Results


def test_results_are_equal_if_all_but_the_clock_is(result):
    assert result == dataclasses.replace(result, seconds=99.0, image=result.image.copy())
    changed = result.image.copy()
    changed[0, 0, 0] ^= 1
    assert result != dataclasses.replace(result, image=changed)
    assert result != dataclasses.replace(result, reason="another")
    assert result != "a result"
    with pytest.raises(TypeError, match="unhashable"):
        hash(result)


def test_a_result_is_shown_in_short_and_as_its_image(result):
    told = repr(result)
    assert "24x19, preset natural, " in told and len(told) < 200 and "\n" not in told
    with Image.open(io.BytesIO(result._repr_png_())) as shown:
        np.testing.assert_array_equal(np.asarray(shown), result.image)


def test_a_result_is_saved_with_how_it_came_about(result, tmp_path):
    path = tmp_path / "a.png"
    result.save(path)
    result.save(str(path))  # over what is there
    with Image.open(path) as saved:
        np.testing.assert_array_equal(np.asarray(saved), result.image)
        assert saved.text["Software"] == f"texsynth {texsynth.__version__}"
        assert json.loads(saved.text["texsynth:evaluations"]) == result.evaluations
    told = record.read(path)
    losses = ("gram", "contrast-gram", "scaled-gram", "band-power", "correspondence")
    assert told.losses == losses and told.engine == result.engine
    assert [len(level) for level in told.history] == [len(level) for level in result.history]


@pytest.mark.parametrize(
    ("name", "depth"),
    [("a.png", "16"), ("a.tif", "float"), ("a.webp", None), ("a.jpg", None), ("a.exr", None)],
)
def test_a_result_is_saved_in_any_format(result, tmp_path, name, depth):
    result.save(tmp_path / name, depth=depth)
    found = texsynth.images.read_deep(tmp_path / name)
    most = {"a.png": 1 / 257, "a.tif": 1e-4, "a.webp": 1, "a.jpg": 80, "a.exr": 0.2}[name]
    assert np.abs(found - result.values).max() <= most / 2 + 1e-3
    assert record.read(tmp_path / name).engine == result.engine


@pytest.mark.parametrize("name", ["a.gif", "a", "nowhere/a.png"])
def test_a_result_is_no_other_kind_of_file(result, tmp_path, name):
    with pytest.raises(TexsynthError, match=r"must end in one of|cannot write"):
        result.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


# Many of one exemplar


def test_many_seeds_are_each_what_they_are_alone(config):
    exemplar = make_texture(30, 24)
    study = Workshop(config).study(exemplar)
    for seed in (3, 4):
        alone = synthesize(exemplar, dataclasses.replace(config, seed=seed))
        assert make_variation(study, seed) == alone
