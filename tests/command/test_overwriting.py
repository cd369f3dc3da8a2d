"""What is there already is kept, unless it is the same texture; and where textures go."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import make_texture
from texsynth import Config, command, images
from texsynth.command import provenance

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["--size", "32", "-n", "2", "--layers", "conv1_1,pool1"]
USAGE, FAILURE = command.EXIT_USAGE, command.EXIT_FAILURE
PICTURES = {"stone_texture.png", "stone_comparison.png"}


@pytest.fixture
def stopped(run, monkeypatch):
    """``stopped(*arguments)``: runs the command, and a signal comes after its first step."""

    class Signalling:
        def show(self, progress):
            signal.raise_signal(signal.SIGTERM)

        def close(self):
            pass

    def stopped(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr("texsynth.command.progress.make", lambda quiet: Signalling())
            return run(*arguments)

    return stopped


def contents(folder="."):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def reason(path):
    with Image.open(path) as picture:
        return picture.text["texsynth:reason"]


def assert_kept(result, path, before):
    assert result.exit_code == USAGE
    assert result.stderr == (
        f"texsynth: error: {path} already exists and is not the same texture; "
        "-o writes elsewhere, --overwrite replaces it\n"
    )
    assert contents() == before


def test_another_texture_is_kept_and_the_same_one_made_again(folder, run):
    assert run("stone.png").exit_code == 0
    before = contents()
    assert run("stone.png").exit_code == 0
    assert contents() == before
    assert_kept(run("stone.png", "--seed", "1"), "stone_texture.png", before)
    assert run("stone.png", "--seed", "1", "--overwrite").exit_code == 0
    assert contents() != before


def test_a_picture_that_is_no_texture_is_kept(folder, run):
    Image.fromarray(make_texture(9, 9)).save("stone_comparison.png")
    before = contents()
    assert_kept(run("stone.png"), "stone_comparison.png", before)
    assert run("stone.png", "--no-comparison").exit_code == 0
    assert contents()["stone_comparison.png"] == before["stone_comparison.png"]


def test_a_record_of_another_texture_is_kept(folder, run):
    assert run("stone.png", "--record").exit_code == 0
    for name in PICTURES:
        Path(name).unlink()
    before = contents()
    result = run("stone.png", "--record", "--seed", "1")
    assert result.exit_code == USAGE
    assert "stone_record.json already exists and is not the same texture's; " in result.stderr
    assert contents() == before
    assert run("stone.png", "--record").exit_code == 0
    Path("stone_record.json").write_text("a list of mine")
    assert run("stone.png", "--record").exit_code == USAGE
    assert Path("stone_record.json").read_text() == "a list of mine"


def test_snapshots_of_another_texture_are_kept(folder, run):
    assert run("stone.png", "--snapshots", "1").exit_code == 0
    for name in PICTURES:
        Path(name).unlink()
    before = contents()
    result = run("stone.png", "--snapshots", "1", "--seed", "1")
    assert result.exit_code == 0
    assert "step00001.png already exists and is of another texture" in result.stderr
    after = contents()
    assert {name: after[name] for name in before} == before
    assert run("stone.png", "--snapshots", "1", "--seed", "1", "--overwrite").exit_code == 0
    assert (
        contents()["stone_texture_level1_step00001.png"]
        != before["stone_texture_level1_step00001.png"]
    )


@pytest.mark.parametrize("options", [(), ("--overwrite", "--seed", "1"), ("-o", "own.png")])
def test_a_stopped_one_never_replaces_a_finished_one(folder, run, stopped, options):
    assert run("stone.png", *(options if "-o" in options else ())).exit_code == 0
    before = contents()
    result = stopped("stone.png", *options)
    assert result.exit_code == 128 + signal.SIGTERM
    name = "own_stopped.png" if "-o" in options else "stone_stopped_texture.png"
    assert result.stdout.split()[0] == name and reason(name) == "interrupted"
    after = contents()
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + 2
    # Once more it is replaced, for it is an earlier stage of the same.
    assert stopped("stone.png", *options).exit_code == 128 + signal.SIGTERM
    assert contents().keys() == after.keys()
    # But not by another one.
    stopped("stone.png", *options, "--overwrite", "--seed", "7")
    kept = contents()
    assert kept[name] == after[name]
    assert name.replace("stopped", "stopped2") in kept


def test_a_stopped_one_never_replaces_a_record_of_a_finished_one(folder, run, stopped):
    assert run("stone.png", "--record").exit_code == 0
    for name in PICTURES:
        Path(name).unlink()
    before = contents()
    for _ in range(2):  # once more its own record is replaced, and no other
        result = stopped("stone.png", "--record")
        assert result.exit_code == 128 + signal.SIGTERM
        assert result.stdout.split()[-1] == "stone_stopped_record.json"
        after = contents()
        assert {name: after[name] for name in before} == before
        assert len(after) == len(before) + 3
    assert json.loads(after["stone_stopped_record.json"])["finished"] is False
    # Without one it is in nobody's way.
    assert stopped("stone.png").stdout.split()[0] == "stone_texture.png"


def test_what_was_stopped_is_gone_on_with_to_where_it_was_asked_for(folder, run, stopped):
    Path("inner").mkdir()
    Path("outer").mkdir()
    os.chdir("inner")
    place = ["../stone.png", "-o", "../outer/own.png"]
    assert run(*place).exit_code == 0
    result = stopped(*place, "--checkpoint", "run.ckpt")
    assert result.stdout.split()[0] == "../outer/own_stopped.png"
    assert result.stderr.splitlines()[-1] == "to continue: --resume run.ckpt -o ../outer/own.png"
    assert run("--resume", "run.ckpt", "-o", "../outer/own.png").exit_code == 0


def test_a_stopped_one_gives_way_to_a_finished_one(folder, run, stopped):
    assert stopped("stone.png").exit_code == 128 + signal.SIGTERM
    assert reason("stone_texture.png") == "interrupted"
    before = contents()
    assert_kept(run("stone.png", "--seed", "1"), "stone_texture.png", before)
    assert run("stone.png").exit_code == 0
    assert reason("stone_texture.png") != "interrupted"
    assert contents().keys() == {"stone.png", *PICTURES}


def test_what_is_resumed_replaces_its_earlier_stages_and_no_others(folder, run, stopped):
    options = ["--checkpoint", "run.ckpt", "--no-comparison"]
    assert stopped("stone.png", *options).exit_code == 128 + signal.SIGTERM
    assert run("--resume", "run.ckpt").exit_code == 0
    finished = contents()
    assert "stone_comparison.png" not in finished  # as it was asked for in the beginning
    assert run("--resume", "run.ckpt", "-n", "4").exit_code == 0
    assert contents()["stone_texture.png"] != finished["stone_texture.png"]
    images.save_png("stone_texture.png", make_texture(9, 9))
    before = contents()
    assert_kept(run("--resume", "run.ckpt", "-n", "6"), "stone_texture.png", before)
    # Even where nothing is left to do.
    assert run("--resume", "run.ckpt", "-n", "4").exit_code == USAGE
    assert contents()["stone_texture.png"] == before["stone_texture.png"]


def test_what_is_resumed_with_more_steps_replaces_its_snapshots(folder, run, stopped):
    options = ["--checkpoint", "run.ckpt", "--snapshots", "1", "--levels", "1"]
    assert stopped("stone.png", *options).exit_code == 128 + signal.SIGTERM
    shutil.copy("run.ckpt", "early.ckpt")
    assert run("--resume", "run.ckpt").exit_code == 0
    name = "stone_texture_level1_step0000{}.png"
    before = contents()
    result = run("--resume", "early.ckpt", "-n", "4")
    assert result.exit_code == 0 and "no more snapshots" not in result.stderr
    assert contents()[name.format(2)] != before[name.format(2)]  # its text tells of more steps
    assert Path(name.format(4)).exists()


@pytest.mark.parametrize("left", ["stone_texture.png", "stone_record.json"])
def test_what_is_resumed_with_fewer_steps_replaces_no_finished_one(folder, run, stopped, left):
    options = ["--no-comparison", "--record", "--levels", "1", "--checkpoint", "run.ckpt"]
    assert stopped("stone.png", *options).exit_code == 128 + signal.SIGTERM
    result = run("--resume", "run.ckpt", "--checkpoint", "more.ckpt", "-n", "4")
    assert result.exit_code == 0, result.stderr
    for name in {"stone_texture.png", "stone_record.json"} - {left}:
        Path(name).unlink()
    before = contents()
    result = run("--resume", "run.ckpt")
    assert result.exit_code == USAGE, result.stderr
    assert f"{left} already exists and is not the same texture" in result.stderr
    assert contents() == before
    assert run("--resume", "more.ckpt", "-n", "4").exit_code == 0  # with as many


def test_steps_that_the_preset_decides_on_are_compared_too():
    """The preset natural takes 45."""
    default, few, many = Config(), Config(iterations=45), Config(iterations=46)
    assert provenance.has_more_steps(many, default, "natural")
    assert provenance.has_more_steps(default, Config(iterations=44), "natural")
    assert not provenance.has_more_steps(few, default, "natural")
    assert not provenance.has_more_steps(default, few, "natural")
    assert not provenance.has_more_steps(many, default, "regular")


@pytest.mark.parametrize("is_finished", [True, False])
def test_what_an_earlier_version_made_is_replaced_when_it_is_gone_on_with(folder, run, is_finished):
    """It had fewer settings."""
    options = ["--no-comparison", "--checkpoint", "run.ckpt"]
    assert run("stone.png", *options).exit_code == 0
    with Image.open("stone_texture.png") as picture:
        text, pixels = dict(picture.text), np.asarray(picture)
    settings = json.loads(text["texsynth:settings"])
    del settings["network"]
    text |= {"Software": "texsynth 0.0.9", "texsynth:settings": json.dumps(settings)}
    if not is_finished:
        text["texsynth:reason"] = "interrupted"
    images.save_png("stone_texture.png", pixels, text)
    # A finished one of another version may have other pixels, so it is not simply made again.
    assert run("stone.png", "--no-comparison").exit_code == (USAGE if is_finished else 0)
    images.save_png("stone_texture.png", pixels, text)
    assert run("--resume", "run.ckpt").exit_code == 0
    with Image.open("stone_texture.png") as picture:
        assert picture.text["Software"] != "texsynth 0.0.9"


def test_other_files_of_the_same_exemplar_are_the_same_texture(folder, run):
    assert run("stone.png").exit_code == 0
    shutil.copy("stone.png", "twin.png")
    assert run("twin.png", "-o", "stone_texture.png").exit_code == 0


@pytest.mark.parametrize("change", [{"texsynth:settings": "[1"}, {"texsynth:settings": "[]"}])
def test_texts_of_others_do_no_harm(folder, run, change):
    assert run("stone.png").exit_code == 0
    with Image.open("stone_texture.png") as picture:
        text, pixels = dict(picture.text), np.asarray(picture)
    images.save_png("stone_texture.png", pixels, {**text, **change})
    assert_kept(run("stone.png"), "stone_texture.png", contents())


# Where they go


def test_a_folder_with_a_slash_is_made(folder, run):
    result = run("stone.png", "-o", "new/inner/")
    assert result.exit_code == 0, result.stderr
    assert contents("new/inner").keys() == PICTURES
    assert run("stone.png", "stone.png", "-o", "other/").exit_code == USAGE
    assert not Path("other").exists()  # nothing is made for what is refused
    Image.fromarray(make_texture(40, 30, seed=1)).save("wall.png")
    assert run("stone.png", "wall.png", "-o", "several").exit_code == 0
    assert len(contents("several")) == 4


def test_a_folder_means_its_images(folder, run):
    Path("photographs/deeper").mkdir(parents=True)
    for seed, name in enumerate(("b.PNG", "a.jpg", "deeper/c.png", ".hidden.png")):
        Image.fromarray(make_texture(40, 30, seed)).save(f"photographs/{name}")
    Path("photographs/notes.txt").write_text("no image")
    result = run("photographs", "--no-comparison", "-o", "photographs")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == ["photographs/a_texture.png", "photographs/b_texture.png"]
    # What was made from them is none of them.
    again = run("photographs", "--no-comparison", "-o", "photographs")
    assert (again.exit_code, again.stdout) == (0, "")
    assert again.stderr.count("already exists") == 2


def test_a_folder_of_textures_alone_has_no_images(folder, run):
    assert run("stone.png", "-o", "made/").exit_code == 0
    result = run("made")
    assert result.exit_code == FAILURE
    assert result.stderr == (
        "texsynth: error: the folder made has no images, but for what texsynth made\n"
    )


def test_one_number_is_a_square(folder, run):
    assert run("stone.png", "--output-size", "40").exit_code == 0
    with Image.open("stone_texture.png") as picture:
        assert picture.size == (40, 40)


def test_the_first_line_tells_to_which_size_the_exemplar_is_brought(folder, run):
    lines = run("stone.png").stderr.splitlines()
    assert lines[0] == "texsynth: stone.png: 40x30 brought to 32x24; --size 0 keeps it"
    assert lines[1].startswith("texsynth: preset ")
    assert "brought to" not in run("stone.png", "--size", "0", "--overwrite").stderr
    assert run("stone.png", "-q", "--overwrite").stderr == ""


def test_without_a_comparison_what_is_there_is_left_too(folder, run):
    Image.fromarray(make_texture(40, 30, seed=1)).save("wall.png")
    asked = ["stone.png", "wall.png", "--no-comparison", "--record"]
    assert run(*asked).exit_code == 0
    assert {"stone_comparison.png", "wall_comparison.png"}.isdisjoint(contents())
    assert json.loads(Path("wall_record.json").read_text())["finished"]
    assert run(*asked).stdout == ""
    # With it they are made again, for all of a texture is made at once.
    assert run("stone.png", "wall.png").exit_code == 0
    assert {"stone_comparison.png", "wall_comparison.png"} <= contents().keys()
