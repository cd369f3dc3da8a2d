"""Records of stacks of maps: what they hold, and that the same maps come of them."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.command.test_record import FUZZED, VALUES, places
from tests.command.test_record import changed as replaced
from tests.conftest import make_texture
from tests.materials.drawn import drawn
from texsynth import images
from texsynth.command import cli, record
from texsynth.errors import RecordError

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["-n", "1", "--layers", "conv1_1,pool1", "--levels", "1", "--preset", "natural"]
MADE = ["albedo.png", "ao.png", "height.png", "normal_dx.png", "record.json", "roughness.png"]


@pytest.fixture(scope="module")
def made(tmp_path_factory, random_weights_file):
    """A folder with maps in ``maps``, and in ``new`` what was made of them, with a record."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "maps").mkdir()
    for name, values in drawn(32).items():
        depth = "8" if name == "albedo" else "16"
        images.write_map(folder / f"maps/wall_{name}.png", values, depth, linear=name != "albedo")
    asked = ["material", folder / "maps", "-o", folder / "new", "--weights", random_weights_file]
    more = ["--record", "--normal", "dx", "--depth", "16", "--seed", 5]
    result = run(*asked, *FAST, *more)
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """An empty folder to stand in, and a copy of the maps of the record, where they were."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made / "maps", "kept")
    yield tmp_path
    shutil.rmtree(made / "maps")
    shutil.copytree("kept", made / "maps")


@pytest.fixture
def fields(made):
    return json.loads((made / "new/record.json").read_text())


def run(*arguments):
    return CliRunner().invoke(cli.main, [*map(str, arguments)])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def sha256(values):
    """The checksum of an array by its definition: size and values."""
    return hashlib.sha256(str(values.shape).encode() + values.tobytes()).hexdigest()


def save(fields, path="other.json"):
    Path(path).write_text(json.dumps(fields))
    return path


def test_it_holds_all_that_made_the_maps(made, fields, random_weights):
    assert (fields["kind"], fields["format"]) == ("texsynth record", 1)
    kinds = ["albedo", "normal", "roughness", "height", "ao"]
    paths = {kind: str(made / f"maps/wall_{kind}.png") for kind in kinds}
    assert fields["composition"] == {
        "kind": "stack",
        "stem": "maps",
        "maps": {kind: [path, None] for kind, path in paths.items()},
        "normals": "dx",
    }
    assert fields["written"] == {"depth": "16", "normal": "dx"}
    assert fields["config"]["seed"] == 5 and fields["config"]["size"] == 0
    sums = fields["sha256"]
    assert sums["pictures"] == {path: sha256(images.read_map(path)) for path in paths.values()}
    assert sums["weights"] == random_weights.checksum()
    files = {kind: made / f"new/{kind}.png" for kind in kinds}
    files["normal"] = made / "new/normal_dx.png"
    assert sums["files"] == {kind: sha256(images.read_map(path)) for kind, path in files.items()}
    assert list(sums["maps"]) == kinds and len({*sums["maps"].values()}) == 5
    assert [len(level) for level in fields["history"]] == [1]
    assert set(fields["errors"]) == {*kinds} and fields["finished"] and not fields["lengthened"]
    assert fields["environment"]["texsynth"] and fields["preset"]["name"] == "natural"


@pytest.mark.parametrize("word", [["material"], []])
def test_the_same_bytes_are_made_again(made, folder, word):
    result = run(*word, "--replay", made / "new/record.json", "-o", "again")
    assert result.exit_code == 0, result.output
    assert f"texsynth: the same as {made}/new/record.json" in result.stderr
    assert names(folder / "again") == [name for name in MADE if name != "record.json"]
    for name in names(folder / "again"):
        assert (folder / "again" / name).read_bytes() == (made / "new" / name).read_bytes()


def altered(path, values=None, **texts):
    """Writes a map anew, with other values or texts."""
    with Image.open(path) as picture:
        text = dict(picture.text) | {f"texsynth:{name}": told for name, told in texts.items()}
    values = images.read_map(path) if values is None else values
    images.write_map(path, values, "16", text, linear=True)


def test_without_a_record_the_texts_of_a_map_say_enough(made, folder):
    shutil.copytree(made, "moved")
    for place, name in [("moved", "moved/new/ao.png"), ("moved/maps", "moved/new/normal_dx.png")]:
        shutil.rmtree("again", ignore_errors=True)
        result = run("--replay", name, "-o", "again")
        assert result.exit_code == 0, (place, result.output)
        assert names(folder / "again") == [name for name in MADE if name != "record.json"]
        for name in ("ao.png", "normal_dx.png"):
            assert Path("again", name).read_bytes() == Path("moved/new", name).read_bytes()
        if place == "moved":  # beside it, then
            for path in Path("moved/maps").iterdir():
                shutil.move(path, "moved/new")
            Path("moved/maps").rmdir()


def test_texts_of_a_map_that_cannot_be_followed_are_told(made, folder):
    shutil.copytree(made / "new", "new")
    result = run("--replay", "new/ao.png", "-o", "again")
    assert result.exit_code == 1
    assert "made from wall_albedo.png, wall_normal.png, wall_roughness.png, wall_heig" in (
        result.stderr
    )
    shutil.copytree(made / "maps", "maps")
    Path("maps/wall_height.png").unlink()
    result = run("--replay", "new/ao.png", "-o", "again")
    assert result.exit_code == 1
    told = "new/ao.png was made from wall_height.png as well, which the folder new/../maps lacks"
    assert told in result.stderr
    shutil.copy(made / "maps/wall_height.png", "maps")
    changed(Path("maps/wall_height.png"))
    result = run("--replay", "new/ao.png", "-o", "again")
    assert result.exit_code == 1
    assert "maps/wall_height.png is not the image that new/ao.png was made from" in result.stderr
    shutil.copy(made / "maps/wall_height.png", "maps")
    altered("new/ao.png", 1 - images.read_map("new/ao.png"), engine="cuda")
    result = run("--replay", "new/ao.png", "-o", "again")
    assert result.exit_code == 1 and "differs from new/ao.png (engine was cuda" in result.stderr
    with Image.open("new/height.png") as picture:
        told = json.loads(picture.text["texsynth:composition"])
    for change in ({"maps": {"ao": ["../a.png", None]}}, {"maps": 3}, {"normals": "up"}):
        altered("new/height.png", composition=json.dumps(told | change))
        result = run("material", "--replay", "new/height.png", "-o", "again")
        assert result.exit_code == 1
        assert "new/height.png cannot be made again from its text" in result.stderr, change
    for more in ({"packing": "{}"}, {"preview": "plane"}):
        altered("new/roughness.png", **more)
        result = run("--replay", "new/roughness.png", "-o", "again")
        assert result.exit_code == 1
        assert "new/roughness.png was written of maps; one of these, or" in result.stderr
        shutil.copy(made / "new/roughness.png", "new")
    altered("new/height.png", composition=json.dumps(told), normal="/../../gl")
    result = run("material", "--replay", "new/height.png", "-o", "again")
    assert result.exit_code == 1 and "normals /../../gl" in result.stderr


def test_of_maps_in_one_file_the_same_comes(made, folder, random_weights_file):
    maps = drawn(32)
    packed = np.concatenate([maps["ao"], maps["roughness"], maps["height"]], axis=2)
    images.write_map("wall_arm.png", packed, "16", linear=True)
    weights = "--weights", random_weights_file
    assert run("material", "wall_*", "-o", "new", *FAST, *weights, "--record").exit_code == 0
    assert run("--replay", "new/record.json", "-o", "again").exit_code == 0
    for name in ("ao.png", "roughness.png", "metallic.png"):
        assert Path("again", name).read_bytes() == Path("new", name).read_bytes()


def changed(path):
    values = images.read_map(path)
    values[0, 0] = 1 - values[0, 0]
    images.write_map(path, values, "16", linear=True)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (changed, "wall_height.png is not the image that {record} was made from"),
        (Path.unlink, "error: no such file: {path}"),
        (lambda path: path.write_bytes(b"no image"), "{path}"),
    ],
)
def test_a_map_that_is_another_or_gone_is_told(made, folder, fault, told):
    path, saved = made / "maps/wall_height.png", made / "new/record.json"
    fault(path)
    result = run("material", "--replay", saved, "-o", "again")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if "error" in line]
    assert told.format(path=path, record=saved) in line
    assert not names(folder / "again")


def test_maps_that_differ_are_named(folder, fields):
    fields["sha256"]["texture"] = "0" * 64
    fields["sha256"]["maps"] |= dict.fromkeys(("height", "ao"), "0" * 64)
    fields["environment"]["numpy"] = "1.0"
    result = run("material", "--replay", save(fields), "-o", "again")
    assert result.exit_code == 1
    line = result.stderr.splitlines()[-1]
    assert "error: height, ao: not the same as that of other.json (numpy 1.0, now" in line
    assert "written: again/albedo.png" in line
    assert names(folder / "again") == [name for name in MADE if name != "record.json"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "has format 2, not 1: a newer texsynth wrote it"),
        ({"kind": "something"}, "is not a record"),
        ({"finished": False}, "was stopped early"),
        ({"lengthened": True}, "was resumed with more steps"),
        ({"written": {"depth": "12", "normal": "gl"}}, "is not a record"),
        ({"written": {"depth": [], "normal": "gl"}}, "is not a record"),
        ({"composition": {"kind": "stack", "stem": "a", "maps": {}, "normals": "gl"}}, "not a rec"),
    ],
)
def test_a_record_that_cannot_be_followed_is_told(folder, fields, change, told):
    result = run("--replay", save(fields | change), "-o", "again")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(("texsynth: error: ", "texsynth material: error: ")) and told in line
    assert names(folder) == ["kept", "other.json"]


@pytest.mark.parametrize(
    "maps",
    [
        {"gloss": ["a.png", None]},
        {"ao": ["a.png", True]},
        {"ao": ["a.png", 3]},
        {"ao": ["a\0.png", None]},
        {"ao": [7, None]},
        {"ao": "a.png"},
        [],
    ],
)
def test_maps_that_are_none_are_told(folder, fields, maps):
    fields["composition"]["maps"] = maps
    with pytest.raises(RecordError, match="is not a record"):
        record.read(Path(save(fields)))


@FUZZED
@given(data=st.data())
def test_any_value_anywhere_is_a_record_or_told(fields, tmp_path, data):
    told = {name: fields[name] for name in ("composition", "written", "sha256")}
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(told)) or [None]))
        if path is None:
            break
        value = data.draw(VALUES | st.sampled_from(["gl", "16", ["a.png", 2], {"ao": ["a", None]}]))
        told = replaced(told, path, lambda inner, key, v=value: inner.__setitem__(key, v))
    saved = tmp_path / "record.json"
    saved.write_text(json.dumps(fields | told))
    try:
        back = record.read(saved)
    except RecordError as error:
        assert str(error).replace(str(saved), "").isprintable()
    else:
        assert back.written.keys() <= {"depth", "normal"} and back.recipe.exemplar.pictures


def test_half_a_record_is_none(made, folder):
    whole = (made / "new/record.json").read_bytes()
    for share in (0.2, 0.9):
        Path("half.json").write_bytes(whole[: int(share * len(whole))])
        result = run("material", "--replay", "half.json", "-o", "again")
        assert result.exit_code == 1 and "half.json is not a record" in result.stderr


def test_settings_and_maps_come_from_the_record_alone(made, folder):
    for more in (["--seed", 3], ["kept"], ["--checkpoint", "a"], ["--tile"]):
        result = run("material", "--replay", made / "new/record.json", "-o", "again", *more)
        assert result.exit_code == 2 and "--replay" in result.stderr, more
    result = run("--replay", made / "new/record.json", "-o", "again", "--snapshots", 2)
    assert result.exit_code == 2 and "texsynth material: error: No such option" in result.stderr
    result = run("--replay", made / "new/record.json")
    assert result.exit_code == 2 and "Missing option '-o'" in result.stderr
    assert names(folder) == ["kept"]


def test_a_record_of_a_texture_is_no_stacks(folder, random_weights_file):
    Image.fromarray(make_texture(24, 24)).save("stone.png")
    assert run("stone.png", "--record", *FAST, "--weights", random_weights_file).exit_code == 0
    result = run("material", "--replay", "stone_record.json", "-o", "again")
    assert result.exit_code == 2
    assert "--replay: stone_record.json is of no stack of maps" in result.stderr


def test_neither_input_nor_record_is_written_over(made, folder, random_weights_file):
    shutil.copy(made / "new/record.json", "record.json")
    result = run("--replay", "record.json", "-o", ".", "--record", "--overwrite")
    assert result.exit_code == 2
    assert "record.json would overwrite record.json, which is an input" in result.stderr
    result = run("--replay", "record.json", "-o", "again", "--record")
    assert result.exit_code == 0, result.output
    Path("again/record.json").write_text("somebody's")
    result = run("--replay", "record.json", "-o", "again", "--record")
    assert result.exit_code == 2 and "again/record.json already exists and is" in result.stderr
    assert Path("again/record.json").read_text() == "somebody's"
