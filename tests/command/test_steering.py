import json

import numpy as np
import pytest
from PIL import Image

import texsynth
from tests.command.conftest import names
from tests.conftest import make_texture

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["--size", "32", "-n", "2", "--layers", "conv1_1,pool1", "--preset", "gatys"]
FAST = [*FAST, "--precision", "fp32"]
TURN = ["wood.png", "--turn", "map.png"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """``wood.png``, ``map.png`` with a quarter turn on the right, and some maps that are none."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_texture(32, 32)).save("wood.png")
    Image.fromarray(make_texture(32, 32, seed=1)).save("sand.png")
    grey = np.zeros((36, 40), np.uint8)
    grey[:, 20:] = 64
    Image.fromarray(grey).save("map.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "map.png").read_bytes()[:60])
    return tmp_path


@pytest.mark.parametrize("option", ["turn", "scale-map"])
def test_it_is_made_by_the_map(folder, run, option):
    result = run("wood.png", f"--{option}", "map.png")
    assert result.exit_code == 0, result.output
    made = texsynth.read_image("wood_texture.png")
    assert made.shape == (36, 40, 3)
    told = json.loads(Image.open("wood_texture.png").text["texsynth:settings"])
    assert told["image"] == f"wood.png {option} map.png" and told["output_size"] == [40, 36]
    assert texsynth.read_image("wood_comparison.png").shape == (36, 40 + 8 + 32, 3)
    grey = texsynth.read_image("map.png")[..., 0].astype(float)
    maps = {"turn": {"angles": grey / 256 * 360}, "scale-map": {"scales": 2 ** (grey / 127.5 - 1)}}
    config = texsynth.Config.from_dict({k: v for k, v in told.items() if k != "image"})
    expected = texsynth.steer(texsynth.read_image("wood.png"), config, **maps[option])
    np.testing.assert_array_equal(made, expected.image)
    assert run("wood.png", f"--{option}", "map.png").exit_code == 0  # the same again


@pytest.mark.parametrize("engine", ["plain", "winograd"])
def test_it_tiles_with_either_engine(folder, run, engine):
    result = run(*TURN, "--engine", engine, "--tile", "xy")
    assert result.exit_code == 0, result.output
    assert texsynth.read_image("wood_tiled.png").shape == (72, 80, 3)


def test_another_map_is_another_texture(folder, run):
    assert run(*TURN).exit_code == 0
    Image.fromarray(np.full((36, 40), 9, np.uint8)).save("map.png")
    result = run(*TURN)
    assert result.exit_code == 2
    assert "wood_texture.png already exists and is not the same texture" in result.output


def test_grey_as_jpeg_has_it_is_grey(folder, run):
    Image.open("map.png").convert("RGB").save("map.jpg", quality=60)
    assert run("wood.png", "--turn", "map.jpg").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--turn", "map.png"], 2, "Missing argument 'IMAGE...'"),
        ([*TURN, "--scale-map", "map.png"], 2, "--turn cannot be combined with --scale-map"),
        ([*TURN, "--target-guide", "map.png"], 2, "--turn cannot be combined with --target-guide"),
        ([*TURN, "--guide", "map.png"], 2, "--turn cannot be combined with --guide"),
        ([*TURN, "--region", "red=sand.png"], 2, "--turn cannot be combined with --region"),
        ([*TURN, "--target", "a.npz"], 2, "--turn cannot be combined with --target"),
        ([*TURN, "--init", ""], 2, "--init must be noise, phase, or the path of an image"),
        ([*TURN, "--components", "2"], 2, "loss gram along components cannot be mixed"),
        ([*TURN, "--match-colours"], 2, "colours cannot be matched where the texture varies"),
        ([*TURN, "--loss", "spectrum"], 2, "loss spectrum counts all positions of an image"),
        ([*TURN, "--output-size", "64"], 2, "map.png is 40x36, and the output 64x64: a map has"),
        ([*TURN, "--tile", "x", "--layers", "pool4"], 2, "to tile, the sides of the output must"),
        (["wood.png", "--turn", "sand.png"], 1, "sand.png has colours, and a map of angles or"),
        (["wood.png", "--turn", "none.png"], 1, "no such file: none.png"),
        (["wood.png", "--turn", "torn.png"], 1, "torn.png cannot be read: "),
        (["wood.png", "--scale-map", "."], 1, ". is a folder, not an image"),
        (["none.png", "--turn", "map.png"], 1, "no such file: none.png"),
    ],
)
def test_what_cannot_be_is_one_line(folder, run, arguments, code, told):
    before = names(folder)
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.output.startswith("texsynth: error: ") and told in result.output
    assert result.output.count("\n") == 1
    assert names(folder) == before


@pytest.mark.parametrize("path", ["map.png", "wood.png"])
def test_an_input_is_not_written_over(folder, run, path):
    result = run(*TURN, "--out", path, "--overwrite")
    assert result.exit_code == 2
    assert f"--out: {path} would overwrite {path}, which is an input" in result.output


@pytest.mark.parametrize("option", ["turn", "scale-map"])
def test_a_record_makes_it_again(folder, run, run_main, option):
    result = run("wood.png", f"--{option}", "map.png", "--record", "--levels", "2")
    assert result.exit_code == 0, result.output
    again = ["--replay", "wood_record.json", "-o", "again.png"]
    result = run_main(*again)
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(*map(texsynth.read_image, ("again.png", "wood_texture.png")))
    Image.new("L", (40, 36), 7).save("map.png")
    result = run_main(*again, "--overwrite")
    assert result.exit_code == 1 and "map.png is not the image that" in result.output


@pytest.mark.parametrize("option", ["turn", "scale-map"])
def test_it_goes_on_from_a_checkpoint_bit_for_bit(folder, run, run_main, option):
    asked = ["wood.png", f"--{option}", "map.png", "--levels", "1"]
    assert run(*asked, "-n", "5", "-o", "whole.png").exit_code == 0
    assert run(*asked, "-n", "3", "--checkpoint", "run.ckpt").exit_code == 0
    result = run_main("--resume", "run.ckpt", "-n", "5")
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(*map(texsynth.read_image, ("wood_texture.png", "whole.png")))


def test_several_images_and_seeds_follow_one_map(folder, run):
    result = run(*TURN, "sand.png", "--variations", "2", "-o", "out/", "--no-comparison")
    assert result.exit_code == 0, result.output
    made = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
    wanted = (f"{name}_seed{seed}_texture.png" for name in ("sand", "wood") for seed in (0, 1))
    assert sorted(made) == list(wanted)
    assert len(set(made.values())) == 4
