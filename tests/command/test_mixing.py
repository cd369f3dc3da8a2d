import json
import re

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import texsynth
from tests.conftest import make_texture
from texsynth.command import cli, mixing

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["--size", "32", "-n", "2", "--layers", "conv1_1,pool1", "--levels", "1"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to stand in, with ``stone.png`` and ``sand.png``."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_texture(40, 30)).save("stone.png")
    Image.fromarray(make_texture(32, 32, seed=1)).save("sand.png")
    return tmp_path


@pytest.fixture
def mix(random_weights_file):
    def mix(*arguments):
        weights = ["--network-weights", str(random_weights_file)]
        return CliRunner().invoke(cli.main, ["mix", *FAST, *weights, *map(str, arguments)])

    return mix


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def settings(path):
    return json.loads(Image.open(path).text["texsynth:settings"])


def test_it_writes_texture_and_comparison(folder, mix, random_weights_file):
    result = mix("stone.png", "sand.png", "--weights", "1,3")
    assert result.exit_code == 0, result.output
    made = ["sand.png", "stone.png", "stone_sand_comparison.png", "stone_sand_texture.png"]
    assert names(folder) == made
    config = texsynth.Config(
        size=32, iterations=2, layers=["conv1_1", "pool1"], levels=1, weights=random_weights_file
    )
    exemplars = [texsynth.read_image(name) for name in ("stone.png", "sand.png")]
    expected = texsynth.mix(exemplars, (1, 3), config)
    np.testing.assert_array_equal(texsynth.read_image("stone_sand_texture.png"), expected.image)
    assert settings("stone_sand_texture.png")["image"] == "transport: stone.png 0.25, sand.png 0.75"


def test_a_row_goes_from_one_to_the_other(folder, mix):
    result = mix("stone.png", "sand.png", "--steps", 3, "--out", "row/", "--no-comparison")
    assert result.exit_code == 0, result.output
    textures = [f"stone_sand_step{number}_texture.png" for number in (1, 2, 3)]
    assert names(folder / "row") == ["stone_sand_row.png", *textures]
    row = texsynth.read_image("row/stone_sand_row.png")
    for number, name in enumerate(textures):
        left = number * (32 + 8)
        texture = texsynth.read_image(f"row/{name}")
        np.testing.assert_array_equal(row[:, left : left + 32], texture)


def test_a_gradient_goes_along_an_axis_or_a_map(folder, mix, random_weights_file):
    result = mix("stone.png", "sand.png", "--gradient", "x", "--out", "x.png")
    assert result.exit_code == 0, result.output
    assert settings("x.png")["image"] == "transport: stone.png to sand.png along x"
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    Image.fromarray(ramp).save("ramp.png")
    result = mix("stone.png", "sand.png", "--gradient", "ramp.png", "--out", "map.png")
    assert result.exit_code == 0, result.output
    assert settings("map.png")["image"] == "transport: stone.png to sand.png along ramp.png"
    found, expected = (texsynth.read_image(name).astype(int) for name in ("map.png", "x.png"))
    assert np.abs(found - expected).max() <= 2
    Image.fromarray(ramp.T).save("ramp.png")
    result = mix("stone.png", "sand.png", "--gradient", "ramp.png", "--out", "map.png")
    assert "map.png already exists and is not the same texture" in result.output


def test_of_a_row_what_is_there_is_left(folder, mix):
    row = ("stone.png", "sand.png", "--steps", 3, "--no-comparison")
    mix(*row)
    made = {path: path.stat().st_mtime_ns for path in folder.glob("*step[13]*.png")}
    again = (folder / "stone_sand_step2_texture.png").read_bytes()
    (folder / "stone_sand_step2_texture.png").unlink()
    result = mix(*row)
    assert result.exit_code == 0, result.output
    assert result.output.count("already exists") == 2
    assert {path: path.stat().st_mtime_ns for path in made} == made
    assert (folder / "stone_sand_step2_texture.png").read_bytes() == again


def test_another_mixture_is_not_written_over(folder, mix):
    assert mix("stone.png", "sand.png").exit_code == 0
    assert mix("stone.png", "sand.png").exit_code == 0
    for other in (("--weights", "1,2"), ("--mixing", "average"), ("--seed", 1)):
        result = mix("stone.png", "sand.png", *other)
        assert result.exit_code == 2
        assert "already exists and is not the same texture" in result.output
    assert mix("stone.png", "sand.png", "--weights", "1,2", "--overwrite").exit_code == 0


def test_another_row_is_not_written_over(folder, mix):
    Image.fromarray(make_texture(8, 8)).save("stone_sand_row.png")
    result = mix("stone.png", "sand.png", "--steps", 2)
    assert result.exit_code == 2
    assert result.output == (
        "texsynth mix: error: stone_sand_row.png already exists and is not the same row; -o writes"
        " elsewhere, --overwrite replaces it\n"
    )
    assert names(folder) == ["sand.png", "stone.png", "stone_sand_row.png"]


@pytest.mark.parametrize("path", ["row/stone_sand_row.png", "row/stone_sand_step1_texture.png"])
def test_an_input_is_not_written_over(folder, mix, path):
    (folder / "row").mkdir()
    (folder / "stone.png").rename(path)
    stem = "stone_sand_row" if "row.png" in path else "stone_sand_step1_texture"
    (folder / "sand.png").rename("row.png")
    out = "row/" if stem == "stone_sand_row" else f"row/{stem}.png"
    arguments = [path, "row.png", "--out", out, "--overwrite"]
    if out == "row/":
        (folder / path).rename("stone_sand.png")
        (folder / "row/stone_sand_row_row.png").symlink_to(folder / "stone_sand.png")
        arguments = ["row/stone_sand_row_row.png", "row.png", "--out", "row/x.png", "--overwrite"]
        arguments = ["stone_sand.png", "row.png", "--steps", "2", *arguments[2:3], "row/"]
    result = mix(*arguments)
    assert result.exit_code == 2 and "would overwrite" in result.output, result.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["stone.png"], "a mix needs at least two images, not 1"),
        (["stone.png", "sand.png", "--weights", "1"], "2 exemplars need 2 shares, not 1"),
        (["stone.png", "sand.png", "--weights", "1;2"], "shares must look like 0.5,0.5, not '1;2'"),
        (["stone.png", "sand.png", "--weights", "0,0"], "at least one share must be above 0"),
        (["stone.png", "sand.png", "--weights", "nan,1"], "share must be a number of at least 0"),
        (["stone.png", "sand.png", "--steps", "1"], "1 is not in the range 2<=x<=100"),
        (
            ["stone.png", "sand.png", "--steps", "3", "--weights", "1,1"],
            "--steps cannot be combined with --weights: it has all of them",
        ),
        (
            ["stone.png", "sand.png", "stone.png", "--steps", "3"],
            "--steps goes from one image to another, not 3 images",
        ),
        (
            ["stone.png", "sand.png", "--steps", "3", "--out", "row"],
            "--out must be a folder for a row, with / at its end to make it: row",
        ),
        (["stone.png", "sand.png", "--init", ""], "--init must be noise, phase, or the path"),
        (["stone.png", "sand.png", "--loss", "spectrum"], "loss spectrum cannot be mixed"),
        (["stone.png", "sand.png", "--resume", "x"], "No such option"),
        (
            ["stone.png", "sand.png", "--gradient", "x", "--weights", "1,1"],
            "--gradient cannot be combined with --weights: it has all of them",
        ),
        (
            ["stone.png", "sand.png", "--gradient", "x", "--steps", "3"],
            "--steps cannot be combined with --gradient",
        ),
        (
            ["stone.png", "sand.png", "--gradient", "x", "--match-colours"],
            "colours cannot be matched where the texture varies",
        ),
    ],
)
def test_what_cannot_be_is_one_line(folder, mix, arguments, told):
    result = mix(*arguments)
    assert result.exit_code == 2, result.output
    assert result.output.startswith("texsynth mix: error: ") and told in result.output
    assert result.output.count("\n") == 1
    assert names(folder) == ["sand.png", "stone.png"]


def test_a_missing_image_is_one_line(folder, mix):
    result = mix("stone.png", "sandd.png")
    assert result.exit_code == 1
    assert result.output == "texsynth mix: error: no such file: sandd.png\n"


def test_tile_may_stand_alone(folder, mix):
    result = mix("stone.png", "sand.png", "--output-size", "32", "--tile")
    assert result.exit_code == 0, result.output
    assert (folder / "stone_sand_tiled.png").exists()


def test_a_start_is_taken_from_a_file(folder, mix):
    Image.fromarray(make_texture(20, 20, seed=4)).save("start.png")
    assert mix("stone.png", "sand.png", "--init", "start.png").exit_code == 0
    assert settings("stone_sand_texture.png")["init"] == "start.png"


def test_every_option_has_a_help_and_the_words_are_told():
    options = [each for each in mixing.main.params if each.param_type_name == "option"]
    assert all(each.help for each in options)
    assert "texsynth mix" in re.sub(r"\s+", " ", CliRunner().invoke(cli.main, ["--help"]).output)
    assert CliRunner().invoke(cli.main, ["mix", "--help"]).exit_code == 0


def test_a_file_of_that_name_is_reached_with_its_folder(folder, run):
    (folder / "stone.png").rename("mix")
    result = run("./mix")
    assert result.exit_code == 0, result.output
    assert (folder / "mix_texture.png").exists()
