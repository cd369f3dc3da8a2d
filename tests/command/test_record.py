"""The record of a texture: what is kept, and what is made of a file that is none."""

import dataclasses
import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import make_texture
from texsynth.command import record
from texsynth.command.recipe import Picture, Recipe
from texsynth.config import Config
from texsynth.errors import RecordError
from texsynth.images import checksum
from texsynth.synthesis import presets
from texsynth.terms import Term

CONFIG = Config(
    size=64,
    iterations=12,
    output_size=(40, 30),
    losses=(Term("gram", 0.5, {"conv1_1": 1.0}), Term("spectrum")),
    layers={"pool1": 2.0},
    tile="x",
    seed=2**60,
    weights="own.npz",
    memory=10**9,
)


@pytest.fixture
def pictures(tmp_path):
    """An exemplar and an image to start from."""
    made = []
    for seed, name in enumerate(("stone.png", "start.png")):
        Image.fromarray(make_texture(20, 16, seed)).save(tmp_path / name)
        made.append(Picture(tmp_path / name))
    return made


def result(**changes):
    """What a synthesis made, as far as a record tells of it."""
    made = {
        "image": make_texture(24, 20, seed=7),
        "weights_sha256": "ab" * 32,
        "environment": {"numpy": "2.0", "processes": 1},
        "scheme": SimpleNamespace(name="natural", why="nothing repeats"),
        "history": [[0.1, 1e-300], [1 / 3]],
        "evaluations": 5,
        "seconds": 1.5,
        "reason": "all steps were taken",
        "is_finished": True,
        "errors": {"pool1": 0.25},
    }
    return SimpleNamespace(**(made | changes))


def composed(pictures, config=CONFIG, lengthened=False, **changes):
    return record.compose(["a", "b"], Recipe(config, *pictures), result(**changes), lengthened)


@pytest.fixture
def good(pictures):
    """What a record says, as it is read."""
    return json.loads(json.dumps(composed(pictures)))


def write(folder, fields):
    path = folder / "x_record.json"
    path.write_text(json.dumps(fields))
    return path


def test_it_comes_back(pictures, tmp_path):
    path = tmp_path / "x_record.json"
    record.save(path, composed(pictures))
    back = record.read(path)
    assert back.path == path
    assert back.recipe.config == dataclasses.replace(
        CONFIG, weights=str(Path("own.npz").absolute())
    )
    recipe = back.recipe
    assert [recipe.exemplar.path, recipe.init.path] == [each.path for each in pictures]
    assert back.checksums == {
        "repair": None,
        "pictures": {},
        "maps": {},
        "files": {},
        "exemplar": checksum(make_texture(20, 16)),
        "init": checksum(make_texture(20, 16, seed=1)),
        "weights": "ab" * 32,
        "texture": checksum(make_texture(24, 20, seed=7)),
    }
    assert back.environment == {"numpy": "2.0", "processes": 1}


def test_without_an_image_to_start_from_and_weights_there_are_none(pictures, tmp_path):
    path = tmp_path / "x_record.json"
    record.save(path, composed([pictures[0], None], Config()))
    back = record.read(path)
    assert back.recipe.init is None and back.checksums["init"] is None
    assert back.recipe.config == Config()


def test_paths_are_kept_from_the_root(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = composed([Picture(Path("stone.png")), Picture(Path("start.png"))])
    assert made["image"] == str(tmp_path / "stone.png")
    assert made["init"] == str(tmp_path / "start.png")
    assert made["config"]["weights"] == str(tmp_path / "own.npz")


def test_numbers_are_kept_to_the_last_bit(pictures, tmp_path):
    path = tmp_path / "x_record.json"
    record.save(path, composed(pictures))
    told = json.loads(path.read_bytes())
    assert told["history"] == [[0.1, 1e-300], [1 / 3]]
    assert told["config"]["seed"] == 2**60
    assert told["preset"] == {"name": "natural", "why": "nothing repeats"}
    assert (told["evaluations"], told["seconds"], told["errors"]) == (5, 1.5, {"pool1": 0.25})


def test_the_real_scheme_has_what_is_told_of_it():
    assert {"name", "why"} <= {field.name for field in dataclasses.fields(presets.Scheme)}


def test_a_picture_that_changed_is_told(pictures, good, tmp_path):
    back = record.read(write(tmp_path, good))
    exemplar, init = pictures
    back.check(Recipe(CONFIG, exemplar, init))
    back.check(Recipe(CONFIG, exemplar))
    with pytest.raises(RecordError) as caught:
        back.check(Recipe(CONFIG, init, init))
    assert str(caught.value) == f"{init.path} is not the image that {back.path} was made from"
    with pytest.raises(RecordError, match=r"stone\.png is not the image that"):
        back.check(Recipe(CONFIG, exemplar, exemplar))


def test_it_is_written_whole_or_not_at_all(pictures, tmp_path, monkeypatch):
    path = tmp_path / "x_record.json"
    record.save(path, {"an": "earlier one"})

    def refuse(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(Exception, match=r"cannot write .*x_record\.json: No space left on device"):
        record.save(path, composed(pictures))
    assert json.loads(path.read_text()) == {"an": "earlier one"}
    assert not list(tmp_path.glob(".texsynth*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "texsynth checkpoint"}, "is not a record$"),
        ({"format": 2}, "has format 2, not 1: a newer texsynth wrote it$"),
        ({"format": None}, "has format None, not 1$"),
        ({"lengthened": True}, "resumed with more steps than it began with"),
        ({"finished": False}, "was stopped early, so it cannot be repeated from its settings$"),
        ({"config": []}, "settings must be names and values"),
        ({"config": {"size": "9"}}, "size must be a whole number, not '9'$"),
        ({"config": {"weights": 3}}, "weights must be a path, not 3$"),
        ({"config": {"losses": ["gram"]}}, "settings cannot be read: "),
        ({"config": {"layers": {"pool1": 10**400}}}, "weight of layer pool1 must be a number"),
        ({"init": 3}, r"is not a record \(TypeError"),
        ({"environment": "x"}, r"is not a record \(ValueError"),
        ({"sha256": None}, r"is not a record \(TypeError"),
    ],
    ids=str,
)
def test_what_cannot_be_followed_is_told(good, tmp_path, changes, message):
    path = write(tmp_path, good | changes)
    with pytest.raises(RecordError, match=message) as caught:
        record.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "name", ["kind", "format", "lengthened", "finished", "config", "init", "image", "sha256"]
)
def test_a_field_that_is_missing_is_told(good, tmp_path, name):
    del good[name]
    with pytest.raises(RecordError, match=rf"x_record\.json is not a record \(KeyError '{name}'\)"):
        record.read(write(tmp_path, good))


def test_what_is_no_file_is_told_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "nowhere", tmp_path / "a\0b"):
        with pytest.raises(RecordError, match="no such record: "):
            record.read(path)
    with pytest.raises(RecordError, match=r"cannot read .*: File name too long"):
        record.read(tmp_path / ("n" * 300))


def test_no_more_is_read_than_a_record_can_have(tmp_path, monkeypatch):
    path = tmp_path / "x_record.json"
    with path.open("wb") as file:
        file.truncate(2**40)  # of which nothing is on the disk
    with pytest.raises(RecordError, match="it is too long"):
        record.read(path)


def test_a_long_run_fits(good, tmp_path):
    """A million steps."""
    losses = np.random.default_rng(0).uniform(1e-9, 1, 1_000_000).tolist()
    path = tmp_path / "x_record.json"
    record.save(path, good | {"history": [losses]})
    assert record.read(path).recipe.config == Config.from_dict(good["config"])


# Whatever the file

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["a\0b", "\ud800", "\x1b[2J\n", "", "gram", "conv1_1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=5) | st.sampled_from(["name", "layers"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
FUZZED = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def read_or_told(path):
    """Returns whether it is a record; otherwise it is told in one line."""
    try:
        back = record.read(path)
    except RecordError as error:
        line = str(error).replace(str(path), "")
        assert line.isprintable() and len(line) < 600
        return False
    assert isinstance(back.recipe.config, Config)
    paths = [each and each.path for each in (back.recipe.exemplar, back.recipe.init)]
    assert isinstance(paths[0], Path) and isinstance(back.environment, dict)
    assert isinstance(paths[1], Path | None)
    kinds = {"pictures", "maps", "files", "repair"}
    assert set(back.checksums) == {*kinds, *record._CHECKED}
    return True


def places(value, path=()):
    """All the places within a JSON value."""
    if path:
        yield path
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from places(inner, (*path, key))


def changed(value, path, change):
    """A copy of a JSON value in which the container of a place has been changed there."""
    first, *rest = path
    copy = value.copy()
    if rest:
        copy[first] = changed(value[first], rest, change)
    else:
        change(copy, first)
    return copy


@FUZZED
@given(data=st.data())
def test_any_value_anywhere_is_a_record_or_told(good, tmp_path, data):
    fields = good
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(fields)) or [None]))
        if path is None:
            break
        if data.draw(st.booleans()):
            value = data.draw(VALUES)
            fields = changed(fields, path, lambda inner, key, v=value: inner.__setitem__(key, v))
        else:
            fields = changed(fields, path, lambda inner, key: inner.__delitem__(key))
    assert read_or_told(write(tmp_path, good))
    read_or_told(write(tmp_path, fields))


@FUZZED
@given(
    edits=st.lists(
        st.tuples(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 20)),
        min_size=1, max_size=4,
    )
)  # fmt: skip
def test_any_bytes_are_a_record_or_told(good, tmp_path, edits):
    path = write(tmp_path, good)
    content = path.read_bytes()
    for place, new, length in edits:
        place %= len(content) + 1
        content = content[:place] + new + content[place + length :]
    path.write_bytes(content)
    read_or_told(path)


@FUZZED
@given(content=st.binary(max_size=200) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_other_file_is_told(tmp_path, content):
    path = tmp_path / "x_record.json"
    path.write_bytes(content)
    assert not read_or_told(path)
