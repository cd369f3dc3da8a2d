"""The command with statistics in the place of an exemplar, and the one that saves them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import texsynth
from tests.conftest import make_texture
from texsynth.command import cli, statistics
from texsynth.evaluation import record

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["-n", "2", "--layers", "conv1_1,pool1"]


@pytest.fixture(scope="module")
def measure(random_weights_file):
    def measure(*arguments):
        options = ["--weights", str(random_weights_file), "--size", "32"]
        return CliRunner().invoke(statistics.main, [*options, *map(str, arguments)])

    return measure


@pytest.fixture(scope="module")
def measured(measure, tmp_path_factory):
    """A folder with a stone, a brick, and the statistics of both."""
    folder = tmp_path_factory.mktemp("measured")
    for seed, name in enumerate(("stone", "brick")):
        Image.fromarray(make_texture(40, 30, seed)).save(folder / f"{name}.png")
        result = measure(folder / f"{name}.png", "-o", folder / f"{name}.npz")
        assert (result.exit_code, result.stdout) == (0, f"{folder}/{name}.npz\n"), result.output
    return folder


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch, measured):
    """The current folder, with the same."""
    monkeypatch.chdir(tmp_path)
    for path in measured.iterdir():
        shutil.copy(path, tmp_path)
    return tmp_path


def text_of(path):
    with Image.open(path) as file:
        return dict(file.text)


def told(result):
    (line,) = (line for line in result.stderr.splitlines() if "error" in line)
    return line


def test_a_texture_is_made_and_names_its_target(run, folder):
    result = run("--target", "stone.npz")
    assert (result.exit_code, result.stdout) == (0, "stone_texture.png\n"), result.output
    text = text_of("stone_texture.png")
    settings = json.loads(text["texsynth:settings"])
    assert settings["target"] == "stone.npz" and "image" not in settings
    assert len(text["texsynth:target_sha256"]) == 64 and "texsynth:exemplar_sha256" not in text
    with Image.open("stone_texture.png") as image:
        assert image.size == (32, 24)
    assert not (folder / "stone_comparison.png").exists()


def test_the_texture_is_that_of_the_exemplar(run):
    run("--target", "stone.npz", "-o", "one.png")
    run("stone.png", "--size", "32", "--preset", "gatys", "-o", "two.png")
    one, two = (np.asarray(Image.open(name), int) for name in ("one.png", "two.png"))
    assert abs(one - two).max() <= 2


def test_the_average_of_two_exemplars(run, measure):
    assert measure("stone.png", "brick.png", "-o", "both.npz").exit_code == 0
    assert measure("stone.npz", "brick.npz", "-o", "again.npz").exit_code == 0
    with np.load("both.npz") as both, np.load("again.npz") as again:
        assert both["sizes"].tolist() == [[32, 24], [32, 24]]
        for name in both.files:
            np.testing.assert_array_equal(both[name], again[name])
    assert run("--target", "both.npz").exit_code == 0


def test_it_is_not_made_over_another_and_again_over_itself(run, measure):
    assert run("--target", "stone.npz").exit_code == 0
    assert run("--target", "stone.npz").exit_code == 0
    assert measure("brick.npz", "-o", "stone.npz", "--overwrite").exit_code == 0
    result = run("--target", "stone.npz")
    assert result.exit_code == 2 and "already exists" in told(result)


def test_variations(run, folder):
    result = run("--target", "stone.npz", "--variations", "2")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in folder.glob("*_texture.png")) == [
        "stone_seed0_texture.png",
        "stone_seed1_texture.png",
    ]
    again = run("--target", "stone.npz", "--variations", "2")
    assert again.stderr.count("already exists") == 2


def test_a_run_is_gone_on_with(run):
    assert run("--target", "stone.npz", "--checkpoint", "run.ckpt").exit_code == 0
    result = run("--resume", "run.ckpt", "-n", "4")
    assert result.exit_code == 0, result.output
    assert json.loads(text_of("stone_texture.png")["texsynth:settings"])["target"] == "stone.npz"
    whole = run("--target", "stone.npz", "-n", "4", "-o", "whole.png")
    assert whole.exit_code == 0
    one, two = (np.asarray(Image.open(n)) for n in ("whole.png", "stone_texture.png"))
    np.testing.assert_array_equal(one, two)


def test_a_run_is_not_gone_on_with_by_other_statistics_or_an_image(run, measure):
    run("--target", "stone.npz", "--checkpoint", "run.ckpt")
    result = run("--resume", "run.ckpt", "--target", "brick.npz", "-o", "other.png")
    assert result.exit_code == 2 and "another exemplar or target" in told(result)
    result = run("--resume", "run.ckpt", "stone.png", "-o", "other.png")
    assert result.exit_code == 2


def test_a_record_names_it_and_it_is_made_again(run, measure, random_weights_file):
    assert run("--target", "stone.npz", "--record").exit_code == 0
    fields = json.loads(Path("stone_record.json").read_text())
    assert fields["target"].endswith("/stone.npz") and "image" not in fields
    first = np.asarray(Image.open("stone_texture.png"))

    def replay(name):
        return CliRunner().invoke(cli.main, ["--replay", "stone_record.json", "-o", name])

    assert replay("again.png").exit_code == 0
    np.testing.assert_array_equal(np.asarray(Image.open("again.png")), first)
    assert measure("brick.npz", "-o", "stone.npz", "--overwrite").exit_code == 0
    result = replay("third.png")
    assert result.exit_code == 1 and "stone.npz is not the target that" in told(result)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["stone.png"], 2, "--target stands in the place of IMAGE"),
        (["--comparison"], 2, "--comparison needs the exemplar itself"),
        (["--size", "64"], 2, "--size has no part in --target"),
        (["--flatten", "9"], 2, "--flatten has no part in --target"),
        (["--preset", "natural"], 2, "preset natural needs the exemplar itself"),
        (["--preset", "paper"], 2, "of network vgg16, not vgg19-normalised; use --network vgg16"),
        (["--loss", "correspondence"], 2, "loss correspondence needs the exemplar itself"),
        (["--init", "phase"], 2, "start phase (--init) needs the exemplar itself"),
        (["--layers", "conv3_1"], 2, "there are no statistics; there are those of conv1_1"),
        (["--layers", "conv3_1"], 2, "pool4: use --layers conv1_1,pool1,pool2,pool3,pool4"),
        (["--pooling", "max"], 2, "are of pooling average, not max"),
    ],
)
def test_what_does_not_go_with_it_ends_in_one_line(run, folder, arguments, code, message):
    before = sorted(folder.iterdir())
    result = run("--target", "stone.npz", *arguments)
    assert result.exit_code == code and message in told(result)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file: bad.npz"), (b"PK\x03\x04 broken", "not a zip archive")],
)
def test_a_file_that_is_none_ends_in_one_line(run, folder, content, message):
    if content is not None:
        (folder / "bad.npz").write_bytes(content)
    result = run("--target", "bad.npz")
    assert result.exit_code == 1 and message in told(result)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["stone.png", "-o", "stone.npz"], 2, "stone.npz already exists"),
        (["stone.png", "-o", "stone.txt"], 2, "--out must be a .npz file"),
        (["stone.png", "-o", "none/stone.npz"], 2, "there is no folder none"),
        (["stone.npz", "-o", "stone.npz", "--overwrite"], 2, "would overwrite stone.npz"),
        (["none.png", "-o", "x.npz"], 1, "no such file: none.png"),
        (["stone.png", "--layers", "fc7", "-o", "x.npz"], 2, "layer 'fc7' is unknown"),
        (
            ["stone.png", "--layers", "pool1,conv1_1=0.5", "-o", "x.npz"],
            2,
            "layers are measured without weights, not conv1_1=0.5; texsynth --target takes them",
        ),
        (["stone.png", "--size", "-1", "-o", "x.npz"], 2, "size must be at least 0"),
        (["stone.png", "--size", "3", "-o", "x.npz"], 2, "stone.png: exemplar of 3x2 px is too"),
        (["stone.png"], 2, "Missing option '-o'"),
        (["-o", "x.npz"], 2, "Missing argument 'IMAGE...'"),
        (["stone.png", "stone.npz", "--layers", "pool1", "-o", "x.npz"], 2, "of different layers"),
    ],
)
def test_what_cannot_be_measured_ends_in_one_line(measure, folder, arguments, code, message):
    before = sorted(folder.iterdir())
    result = measure(*arguments)
    assert result.exit_code == code and message in told(result)
    assert sorted(folder.iterdir()) == before


def test_the_module_is_the_command():
    command = [sys.executable, "-m", "texsynth.statistics", "--help"]
    root = Path(texsynth.__file__).parents[1]
    told = subprocess.run(command, check=True, capture_output=True, cwd=root).stdout
    assert b"--layers" in told


def test_how_good_it_is_can_be_measured(run, random_weights_file):
    """At the exemplar's own size: no size was recorded that it was brought to."""
    run("--target", "stone.npz")
    found = record.read("stone_texture.png")
    assert found.size is None and found.layers == ("conv1_1", "pool1")
