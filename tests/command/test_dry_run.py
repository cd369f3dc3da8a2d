"""``--dry-run`` tells what a run would do, and does nothing of it."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.conftest import make_texture
from texsynth import weights
from texsynth.command import cli, dry_run
from texsynth.errors import WeightsError
from texsynth.synthesis import estimate as estimating
from texsynth.synthesis.estimate import Estimate

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["--size", "32", "-n", "2", "--layers", "conv1_1,pool1"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with ``stone.png`` and ``wall.png``, a map, and a hole."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(make_texture(40, 32)).save("stone.png")
    Image.fromarray(make_texture(32, 32, 1)).save("wall.png")
    colours = np.zeros((32, 32, 3), np.uint8)
    colours[:, 16:] = 255, 0, 0
    colours[:, :16] = 0, 0, 255
    Image.fromarray(colours).save("map.png")
    hole = np.zeros((32, 40), np.uint8)
    hole[12:20, 12:20] = 255
    Image.fromarray(hole).save("hole.png")
    return tmp_path


@pytest.fixture
def told(random_weights_file):
    """Runs a command, whose word comes first, fast and with random weights."""

    def told(*arguments):
        word = [*arguments][:1] if arguments[0] in ("mix", "repair") else []
        rest = [*arguments][len(word) :]
        fast = FAST if word != ["repair"] else FAST[2:]
        fast = [*fast, "--network-weights" if word == ["mix"] else "--weights", random_weights_file]
        return CliRunner().invoke(cli.main, [*word, *map(str, [*fast, *rest])])

    return told


def last_line(result):
    return result.stdout.splitlines()[-1]


def files(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*")}


JOBS = {
    "one": ["stone.png"],
    "tiling": ["stone.png", "--tile", "--record", "-o", "new/"],
    "checkpoint": ["stone.png", "--checkpoint", "a.ckpt", "--no-comparison"],
    "several": ["stone.png", "wall.png", "-o", "deep/new"],
    "variations": ["stone.png", "--variations", "2"],
    "mixture": ["mix", "stone.png", "wall.png"],
    "row": ["mix", "stone.png", "wall.png", "--steps", "3", "-o", "row/"],
    "gradient": ["mix", "stone.png", "wall.png", "--gradient", "x", "--size", "64"],
    "repair": ["repair", "stone.png", "--mask", "hole.png"],
    "painting": ["--target-guide", "map.png", "--region", "red=stone.png", "--region",
                 "blue=wall.png"],
}  # fmt: skip


@pytest.mark.parametrize("job", JOBS)
def test_it_names_the_files_that_a_run_writes_and_writes_none(job, told, folder):
    before = files(folder)
    result = told(*JOBS[job], "--dry-run")
    assert result.exit_code == 0, result.output
    assert files(folder) == before
    named = re.findall(r"^ *writes +(.*)$", result.stdout, re.M)
    named = {re.sub(r" \(.*", "", name) for line in named for name in line.split(", ")}
    assert re.fullmatch(r"in all: \d textures?, about .*; nothing was written", last_line(result))
    made = told(*JOBS[job])
    assert made.exit_code == 0, made.output
    there = {path for path in files(folder).keys() - before.keys() if path.suffix}
    assert {Path(name) for name in named} == there - {Path("a.ckpt.previous")}


def test_it_tells_preset_levels_engine_memory_and_time(told):
    wanted = ["--size", "64", "--output-size", "64", "--levels", "2", "--preset", "natural"]
    result = told("stone.png", "--dry-run", *wanted)
    rows = dict(re.findall(r"^  (\w+) +(.*)$", result.stdout, re.M))
    assert rows["preset"] == "natural"
    assert rows["levels"] == "32x32 in 4, 64x64 in 2 steps; opposite edges are neighbours"
    assert re.fullmatch(r"vgg16, engine \w+, \w+", rows["network"])
    assert re.fullmatch(r"\d+ MB, whole", rows["memory"])
    assert re.fullmatch(r"about \d+ s", rows["time"])


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("--preset regular", "; 16 px more at each edge"),
        ("--preset regular --tile x", "; left and right are neighbours; 16 px more at the others"),
        ("--preset regular --tile y", "; top and bottom are neighbours; 16 px more at the others"),
        ("--preset regular --tile xy", "; opposite edges are neighbours"),
        (
            "--preset natural --output-size 60",
            "; opposite edges are neighbours; 2 px more at each edge",
        ),
        ("--preset natural --margin 0", ""),
    ],
)
def test_it_tells_what_is_at_the_edges(told, asked, expected):
    shared = "--dry-run --size 64 --levels 1"
    rows = told("stone.png", *f"{shared} {asked}".split()).stdout
    (levels,) = re.findall(r"^  levels +(.*)$", rows, re.M)
    assert levels.partition(" steps")[2] == expected


def test_it_tells_the_presets_reason(told):
    rows = told("stone.png", "--dry-run").stdout
    assert "preset    natural: nothing in the exemplar repeats (correlation " in rows


def test_it_tells_of_blocks(told, monkeypatch):
    monkeypatch.setattr(estimating, "estimate", lambda study: Estimate(1.0, (1.0,), 1.0))
    wanted = ["--dry-run", "--output-size", "512", "--loss", "gram", "--memory", "450MB"]
    rows = told("stone.png", *wanted).stdout
    assert re.search(r"memory +\d+ MB, in blocks of \d+ px", rows)


def test_what_is_there_already_is_not_counted(told):
    assert told("stone.png", "--variations", "1").exit_code == 0
    result = told("stone.png", "--variations", "3", "--dry-run")
    assert "for each of 2\n" in result.stdout
    assert "in all: 2 textures, 1 already there, about " in result.stdout


def test_the_seconds_of_a_batch_add_up(told, monkeypatch):
    monkeypatch.setattr(estimating, "estimate", lambda study: Estimate(10.0, (100.0, 200.0), 20.0))
    clock = SimpleNamespace(now=lambda: 0.0)
    monkeypatch.setattr(dry_run, "clock", clock)
    result = told("stone.png", "wall.png", "--variations", "5", "--dry-run")
    assert "about 6 min for each of 5\n" in result.stdout
    assert "in all: 10 textures, about 55 min; " in result.stdout


def test_alike_textures_are_tried_once(told, monkeypatch):
    tried = []

    def estimate(study):
        tried.append(study)
        return Estimate(1.0, (1.0,), 1.0)

    monkeypatch.setattr(estimating, "estimate", estimate)
    Image.fromarray(make_texture(40, 32, 7)).save("other.png")
    told("stone.png", "other.png", "wall.png", "--dry-run", "--preset", "natural")
    assert len(tried) == 2


def test_an_image_that_is_none_is_passed_over_in_a_batch(told):
    Path("none.png").write_text("no image")
    result = told("stone.png", "none.png", "--dry-run")
    assert result.exit_code == 1
    assert "texsynth: error: none.png" in result.stderr and result.stderr.count("\n") == 1
    assert "in all: 1 texture, about" in result.stdout


def test_without_weights_all_else_is_told(monkeypatch):
    def missing(network):
        raise WeightsError("none")

    monkeypatch.setattr(weights, "find_or_fetch", missing)
    result = CliRunner().invoke(cli.main, [*FAST, "stone.png", "--dry-run"])
    assert result.exit_code == 0
    assert "time      not known: the network's weights are not here yet\n" in result.stdout
    assert result.stdout.endswith("in all: 1 texture; nothing was written\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.png"], "no such file: none.png"),
        (["stone.png", "--distributed"], "--dry-run cannot be combined with --distributed"),
        (["stone.png", "-o", "no/a.png"], "--out: there is no folder no"),
        (["stone.png", "-o", "wall.png"], "wall.png already exists and is not the same texture"),
        (["stone.png", "--size", "8", "--layers", "pool4"], "exemplar of 8x6 px is too small"),
        (["stone.png", "--weights", "none.npz"], "none.npz"),
        (
            ["mix", "stone.png", "wall.png", "--steps", "2", "-o", "no.png"],
            "--out must be a folder",
        ),
        (["repair", "stone.png"], "repair needs --mask, --tile or --grow"),
    ],
)
def test_what_could_not_be_made_is_one_line(arguments, message, told, folder):
    before = files(folder)
    result = told(*arguments, "--dry-run")
    assert result.exit_code in (1, 2) and result.stderr.count("\n") == 1
    assert message in result.stderr
    assert files(folder) == before


def test_a_run_that_goes_on_is_refused(told):
    assert told("stone.png", "--checkpoint", "a.ckpt").exit_code == 0
    result = CliRunner().invoke(cli.main, ["--resume", "a.ckpt", "--dry-run"])
    assert result.exit_code == 2
    assert result.stderr == "texsynth: error: --dry-run cannot be combined with --resume\n"


def test_a_record_is_planned_again(told):
    assert told("stone.png", "--record", "-o", "a.png").exit_code == 0
    result = CliRunner().invoke(cli.main, ["--replay", "a_record.json", "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "writes    stone_texture.png, stone_comparison.png\n" in result.stdout


def test_a_run_tells_its_estimate_before_its_steps_unless_quiet(told):
    lines = told("stone.png").stderr.splitlines()
    place = next(number for number, line in enumerate(lines) if "about" in line)
    assert re.fullmatch(r"texsynth: about \d+ s for 1 level", lines[place])
    assert "level 1/1" in lines[place + 1]
    assert told("stone.png", "-q", "--overwrite").stderr == ""
