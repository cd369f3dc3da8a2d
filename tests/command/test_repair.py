"""The command ``repair``, with the tiny random network."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.conftest import make_texture
from texsynth.command import cli, repair_cli
from texsynth.config import Config

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["-n", "2", "--levels", "1", "--loss", "gram:conv1_1,pool1", "--engine", "plain"]
FAST += ["--no-detail"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, with a photograph of 48x40, a mask, and it with alpha."""
    monkeypatch.chdir(tmp_path)
    photo, mask = make_texture(48, 40), np.zeros((40, 48), np.uint8)
    mask[12:28, 20:36] = 255
    mask[10:12, 20:36] = 100
    Image.fromarray(photo).save("stone.png")
    Image.fromarray(mask).save("hole.png")
    Image.fromarray(np.dstack([photo, 255 - mask])).save("clear.png")
    return tmp_path


@pytest.fixture
def run(random_weights_file):
    def run(*arguments):
        options = [*FAST, "--weights", str(random_weights_file)]
        return CliRunner().invoke(cli.main, ["repair", *map(str, arguments), *options])

    return run


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def names():
    return sorted(path.name for path in Path().iterdir())


def test_a_hole_is_made_anew_and_the_rest_stays(folder, run):
    result = run("stone.png", "--mask", "hole.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == ["stone_repaired.png", "stone_comparison.png"]
    stays = pixels("hole.png") == 0
    repaired, photo = pixels("stone_repaired.png"), pixels("stone.png")
    np.testing.assert_array_equal(repaired[stays], photo[stays])
    assert (repaired[~stays] != photo[~stays]).any()
    assert "step across the edge of what was made anew" in result.stderr


def test_the_mask_may_be_the_photographs_alpha(folder, run):
    """The colours beneath count, not what they are on white."""
    assert run("clear.png", "--mask", "alpha").exit_code == 0
    assert run("stone.png", "--mask", "hole.png").exit_code == 0
    np.testing.assert_array_equal(pixels("clear_repaired.png"), pixels("stone_repaired.png"))
    result = run("stone.png", "--mask", "alpha", "-o", "other.png")
    assert result.exit_code == 1 and "stone.png has no transparency" in result.stderr


@pytest.mark.parametrize("tile", [["--tile"], ["--tile", "x"]])
def test_it_is_made_to_tile(tile, folder, run):
    result = run("stone.png", *tile, "--band", "8")
    assert result.exit_code == 0, result.output
    assert "stone_tiled.png" in names()
    middle = np.s_[4:-4, 4:-4]
    np.testing.assert_array_equal(pixels("stone_repaired.png")[middle], pixels("stone.png")[middle])
    assert "before: seam score" in result.stderr


def test_it_grows(folder, run):
    assert run("stone.png", "--grow", "left=8,bottom=4").exit_code == 0
    assert pixels("stone_repaired.png").shape == (44, 56, 3)
    np.testing.assert_array_equal(pixels("stone_repaired.png")[:40, 8:], pixels("stone.png"))


def test_a_record_makes_it_again(folder, run, random_weights_file):
    Image.fromarray(make_texture(40, 40, 5)).save("other.png")
    told = ["stone.png", "--mask", "hole.png", "--from", "other.png", "--record"]
    assert run(*told).exit_code == 0
    record = json.loads(Path("stone_record.json").read_text())
    assert record["repair"]["mask"] == str(folder / "hole.png")
    again = ["--replay", "stone_record.json", "-o", "again.png"]
    for words in (["repair"], []):
        result = CliRunner().invoke(cli.main, [*words, *again, "--overwrite"])
        assert result.exit_code == 0, result.output
        np.testing.assert_array_equal(pixels("again.png"), pixels("stone_repaired.png"))
    Image.fromarray(255 - pixels("hole.png")).save("hole.png")
    result = CliRunner().invoke(cli.main, [*again, "--overwrite"])
    assert result.exit_code == 1 and "mask or source is not that" in result.stderr
    result = run("--replay", "stone_record.json", "--grow", "3")
    assert result.exit_code == 2 and "only from the record" in result.stderr


def test_it_goes_on_from_a_checkpoint(folder, run, random_weights_file):
    told = ["--no-comparison", "stone.png", "--mask", "hole.png"]
    assert run(*told, "-n", "4", "-o", "whole.png").exit_code == 0
    base = ["--weights", str(random_weights_file)]
    first = [*told, *FAST[2:], "-n", "2", "--checkpoint", "state", *base]
    assert CliRunner().invoke(cli.main, ["repair", *first]).exit_code == 0
    whole = [*told, *FAST[2:], "-n", "4", "-o", "whole.png", "--overwrite", *base]
    assert CliRunner().invoke(cli.main, ["repair", *whole]).exit_code == 0
    result = CliRunner().invoke(cli.main, ["repair", "--resume", "state", "-n", "4"])
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(pixels("stone_repaired.png"), pixels("whole.png"))


def test_the_same_is_replaced_and_another_is_not(folder, run):
    told = "stone.png", "--mask", "hole.png"
    assert run(*told).exit_code == 0
    assert run(*told).exit_code == 0
    result = run("stone.png", "--grow", "4")
    assert result.exit_code == 2 and "already exists and is not the same" in result.stderr


def test_a_picture_called_repair_is_reached_by_its_path(folder, random_weights_file):
    Path("stone.png").rename("repair")
    options = ["--size", "32", *FAST, "--weights", str(random_weights_file)]
    result = CliRunner().invoke(cli.main, ["./repair", *options])
    assert result.exit_code == 0, result.output
    assert "repair_texture.png" in names()


@pytest.mark.parametrize(
    ("told", "code", "message"),
    [
        (["stone.png"], 2, "repair needs --mask, --tile or --grow"),
        (["--grow", "4"], 2, "Missing argument 'PHOTO'"),
        (["stone.png", "stone.png", "--grow", "4"], 2, "unexpected extra argument"),
        (["stone.png", "--mask", "none.png"], 1, "no such file: none.png"),
        (["stone.png", "--grow", "4,4"], 2, "grow must look like 128"),
        (["stone.png", "--grow", "up=4"], 2, "grow must name left, top, right, bottom"),
        (["stone.png", "--grow", "4", "--size", "64"], 2, "No such option"),
        (["stone.png", "--mask", "hole.png", "-o", "hole.png"], 2, "which is an input"),
        (["stone.png", "--tile", "--band", "48"], 2, "band of 48 px leaves nothing"),
        (["stone.png", "--mask", "hole.png", "--band", "8"], 2, "--band needs --tile"),
        (["stone.png", "--grow", "4", "--loss", "wasserstein"], 2, "counts all positions"),
    ],
)
def test_what_is_wrong_is_one_line(told, code, message, folder, run):
    before = names()
    result = run(*told)
    assert result.exit_code == code, result.output
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert names() == before


def test_help():
    result = CliRunner().invoke(cli.main, ["repair", "--help"])
    assert result.exit_code == 0
    for word in ("PHOTO", "--mask", "--from", "--band", "--grow", "--tile"):
        assert word in result.stdout
    for word in ("--output-size", "--margin", "--guide", "--region", "--distributed"):
        assert word not in result.stdout


def test_each_option_is_one_that_a_repair_heeds():
    """What the main command gets new must be heeded here too, or left out."""
    own = {"photo", "mask", "source", "band", "grow"}
    heeded = own | {"offline", "quiet", "verbose", "version", *repair_cli._HELP}
    heeded |= {field.name for field in dataclasses.fields(Config)} | {"init", "overwrites", "depth"}
    heeded |= {"quality", "device", "checkpoint_path", "every", "keeps_record", "replay_path"}
    assert {option.name for option in repair_cli.main.params} <= heeded
