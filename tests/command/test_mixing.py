import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import texsynth
from tests.command.conftest import names
from tests.conftest import make_texture
from texsynth.command import cli, mixing
from texsynth.command.watch import Watch
from texsynth.files import checkpoint

pytestmark = pytest.mark.usefixtures("weights_read_once", "sand")
TEXTURE = "stone_sand_texture.png"
FAST = ["--size", "32", "-n", "2", "--layers", "conv1_1,pool1", "--levels", "1"]


@pytest.fixture
def mix(random_weights_file):
    def mix(*arguments):
        weights = ["--network-weights", str(random_weights_file)]
        return CliRunner().invoke(cli.main, ["mix", *FAST, *weights, *map(str, arguments)])

    return mix


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
    (folder / "sand.png").rename("row.png")
    arguments = [path, "row.png", "--out", path, "--overwrite"]
    if "row.png" in path:
        (folder / path).rename("stone_sand.png")
        (folder / "row/stone_sand_row_row.png").symlink_to(folder / "stone_sand.png")
        arguments = ["stone_sand.png", "row.png", "--steps", "2", "--out", "row/"]
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
            ["stone.png", "sand.png", "--steps", "3", "--out", "row.png"],
            "--out must be a folder for several textures, not row.png",
        ),
        (["stone.png", "sand.png", "--init", ""], "--init must be noise, phase, or the path"),
        (["stone.png", "sand.png", "--loss", "spectrum"], "loss spectrum cannot be mixed"),
        (["stone.png", "sand.png", "--distributed"], "No such option"),
        (
            ["stone.png", "sand.png", "--steps", "3", "--checkpoint", "x"],
            "--checkpoint is for one texture, not for several",
        ),
        (
            ["stone.png", "sand.png", "--variations", "3", "--resume", "x"],
            "--resume is for one texture, not for several",
        ),
        (["--weights", "1,2", "--resume", "x"], "--weights needs the images too, beside --resume"),
        (["--gradient", "x", "--replay", "x"], "--gradient needs the images too, beside --replay"),
        (["stone.png", "sand.png", "--replay", "x"], "takes IMAGE and settings only from the"),
        (["stone.png", "sand.png", "--every", "2"], "--every needs --checkpoint or --resume"),
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


ASKED = {  # each with other images, or a map
    "mix": ["stone.png", "sand.png", "--weights", "1,2"],
    "average": ["stone.png", "sand.png", "--mixing", "average"],
    "x": ["stone.png", "sand.png", "--gradient", "x"],
    "map": ["stone.png", "sand.png", "--gradient", "ramp.png"],
}


@pytest.fixture
def ramp(folder):
    Image.fromarray(np.tile(np.arange(0, 256, 8, dtype=np.uint8), (24, 1))).save("ramp.png")


@pytest.mark.parametrize("kind", ASKED)
def test_a_record_makes_it_again(folder, ramp, mix, run_main, kind):
    result = mix(*ASKED[kind], "--record", "--levels", "2")
    assert result.exit_code == 0, result.output
    assert "stone_sand_record.json" in result.stdout
    for words in ([], ["mix"]):
        again = [*words, "--replay", "stone_sand_record.json", "-o", "again.png", "--overwrite"]
        result = run_main(*again)
        assert result.exit_code == 0, result.output
        np.testing.assert_array_equal(*map(texsynth.read_image, ("again.png", TEXTURE)))
    changed = "ramp.png" if kind == "map" else "sand.png"
    Image.fromarray(make_texture(32, 32, seed=7)).save(changed)
    result = run_main("--replay", "stone_sand_record.json", "-o", "again.png", "--overwrite")
    assert result.exit_code == 1
    assert f"{changed} is not the image that stone_sand_record.json was made" in result.output


@pytest.mark.parametrize("kind", ASKED)
def test_it_goes_on_from_a_checkpoint_bit_for_bit(folder, ramp, mix, run_main, kind):
    assert mix(*ASKED[kind], "-n", "5", "-o", "whole.png").exit_code == 0
    assert mix(*ASKED[kind], "-n", "3", "--checkpoint", "run.ckpt").exit_code == 0
    stopped = texsynth.read_image(TEXTURE)
    result = run_main("--resume", "run.ckpt", "-n", "5")
    assert result.exit_code == 0, result.output
    went_on, whole = map(texsynth.read_image, (TEXTURE, "whole.png"))
    np.testing.assert_array_equal(went_on, whole)
    assert (stopped != whole).any()
    other = ["stone.png", "sand.png", "--weights", "2,1", "-n", "6", "--resume", "run.ckpt"]
    result = mix(*other)
    assert result.exit_code == 2 and "belongs to a different job" in result.output


def test_a_checkpoint_of_something_else_is_told(folder, mix, run_main, random_weights_file):
    options = ["--weights", random_weights_file, *FAST[2:], "--overwrite", "--checkpoint"]
    assert run_main("repair", "stone.png", "--grow", "4", *options, "repair.ckpt").exit_code == 0
    assert run_main("stone.png", *FAST[:2], *options, "stone.ckpt").exit_code == 0
    assert mix("stone.png", "sand.png", "--checkpoint", "mix.ckpt").exit_code == 0
    images = ["stone.png", "sand.png"]
    for arguments, told in (
        (["mix", *images, "--resume", "repair.ckpt"], "the checkpoint is of a repair, not of"),
        (["mix", *images, "--resume", "stone.ckpt"], "belongs to a different job: another exem"),
        (["stone.png", "--resume", "mix.ckpt"], "belongs to a different job: another exemplar"),
        (["repair", "stone.png", "--resume", "mix.ckpt"], "is of a texture, not of a repair"),
    ):
        result = run_main(*arguments)
        assert result.exit_code == 2 and told in result.output, result.output
        assert result.output.count("\n") == 1


@pytest.mark.parametrize("kind", ["mix", "x"])
def test_it_is_stopped_and_goes_on(folder, mix, run_main, monkeypatch, kind):
    """As Ctrl-C stops it: at a coarse level, with a checkpoint of its last step."""
    at_two_levels = [*ASKED[kind], "--levels", "2", "-n", "4"]
    assert mix(*at_two_levels, "-o", "whole.png").exit_code == 0
    after_step = Watch.after_step

    def stop_at_two(self, progress):
        return after_step(self, progress) or progress.step == 2

    with monkeypatch.context() as patched:
        patched.setattr(Watch, "after_step", stop_at_two)
        assert mix(*at_two_levels, "--checkpoint", "run.ckpt").exit_code == 0
    assert Image.open(TEXTURE).text["texsynth:reason"] == "interrupted"
    assert run_main("--resume", "run.ckpt").exit_code == 0
    np.testing.assert_array_equal(*map(texsynth.read_image, (TEXTURE, "whole.png")))


def test_its_text_tells_of_what_it_is_made(folder, ramp, mix):
    assert mix(*ASKED["map"]).exit_code == 0
    told = json.loads(Image.open(TEXTURE).text["texsynth:composition"])
    assert told["kind"] == "gradient" and told["images"] == ["stone.png", "sand.png"]
    assert told["axis"] is None and told["map"] == "ramp.png"
    assert told["sha256"].keys() == {"stone.png", "sand.png", "ramp.png"}


def test_several_seeds_are_several_textures(folder, mix):
    result = mix("stone.png", "sand.png", "--variations", "2", "--record", "--no-comparison")
    assert result.exit_code == 0, result.output
    made = ["stone_sand_seed0_texture.png", "stone_sand_seed1_texture.png"]
    assert {*made, "stone_sand_seed0_record.json"} < set(names(folder))
    first, second = map(texsynth.read_image, made)
    assert (first != second).any()
    assert mix("stone.png", "sand.png", "--seed", 1, "-o", "alone.png").exit_code == 0
    np.testing.assert_array_equal(second, texsynth.read_image("alone.png"))
    result = mix("stone.png", "sand.png", "--variations", "3", "--record", "--no-comparison")
    assert result.output.count("already exists") == 2


def test_several_seeds_are_several_rows(folder, mix):
    row = ["stone.png", "sand.png", "--steps", "2", "--no-comparison", "-o", "rows"]
    result = mix(*row, "--variations", "2")
    assert result.exit_code == 0, result.output
    steps = [f"stone_sand_step{step}_seed{seed}_texture.png" for step in (1, 2) for seed in (0, 1)]
    rows = [f"stone_sand_seed{seed}_row.png" for seed in (0, 1)]
    assert names(folder / "rows") == sorted([*steps, *rows])
    for seed, name in enumerate(rows):
        found = texsynth.read_image(f"rows/{name}")
        expected = texsynth.read_image(f"rows/stone_sand_step2_seed{seed}_texture.png")
        np.testing.assert_array_equal(found[:, -32:], expected)


def test_a_row_of_which_a_texture_fails_is_none(folder, mix):
    result = mix("stone.png", "sand.png", "--steps", "3", "--loss", "spectrum")
    assert result.exit_code == 2
    assert "error: loss spectrum cannot be mixed; not made: stone_sand_step1, " in result.output
    assert names(folder) == ["sand.png", "stone.png"]


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "soup"},
        {"stem": "../up"},
        {"images": ["stone.png"]},
        {"images": ["stone.png", 3]},
        {"images": 5},
        {"shares": [1, "a"]},
        {"shares": [0.5]},
        {"shares": None},
        {"mixing": ["average"]},
    ],
)
def test_a_record_or_checkpoint_that_is_odd_is_one_line(folder, mix, run_main, changed):
    mix("stone.png", "sand.png", "--record", "--checkpoint", "run.ckpt")
    record = json.loads(Path("stone_sand_record.json").read_text())
    record["composition"].update(changed)
    Path("odd.json").write_text(json.dumps(record))
    fields, arrays = checkpoint.load("run.ckpt")
    fields["notes"]["composition"].update(changed)
    checkpoint.save("odd.ckpt", fields, arrays.items())
    for option, path in (("--replay", "odd.json"), ("--resume", "odd.ckpt")):
        result = run_main(option, path, "-o", "odd.png")
        assert result.exit_code == 1, result.output
        assert result.output.count("\n") == 1 and path in result.output


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
