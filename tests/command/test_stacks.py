"""Several stacks of maps by one command, and what would be made of them."""

import contextlib
import json
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.materials.drawn import drawn
from texsynth import images
from texsynth.command import cli
from texsynth.command.material import main
from texsynth.synthesis import stacked
from texsynth.synthesis.stacked import make_stack

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["-n", "1", "--layers", "conv1_1", "--levels", "1", "--preset", "natural", "--no-detail"]
MADE = ["albedo.png", "height.png"]


def put(folder, stem, seed=0, kinds=("albedo", "height")):
    Path(folder).mkdir(exist_ok=True)
    for kind in kinds:
        values = drawn(24, seed)[kind]
        images.write_map(f"{folder}/{stem}_{kind}.png", values, "8", linear=kind != "albedo")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with the maps of a wall and of a floor in folders of their own."""
    monkeypatch.chdir(tmp_path)
    put("wall", "w")
    put("floor", "f", 1)
    return tmp_path


@pytest.fixture
def material(random_weights_file):
    def material(*arguments):
        options = [*FAST, "--weights", random_weights_file]
        return CliRunner().invoke(cli.main, ["material", *map(str, [*options, *arguments])])

    return material


@pytest.fixture
def count(monkeypatch):
    """A list of the seeds of what is made from now on."""
    seeds, make = [], stacked.make_stack

    def counted(study, seed, **asked):
        seeds.append(seed)
        return make(study, seed, **asked)

    monkeypatch.setattr(stacked, "make_stack", counted)
    return seeds


def files(folder="."):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*.*"))


def contents(folder):
    return {name: Path(folder, name).read_bytes() for name in files(folder)}


def told(result):
    return [line for line in result.stderr.splitlines() if "error" in line]


def test_each_is_what_it_is_alone_in_a_folder_of_its_own(material):
    result = material("wall", "floor/", "-o", "out", "--preview", "plane")
    assert result.exit_code == 0, result.output
    own = ["albedo.png", "height.png"]
    wanted = [f"floor/{name}" for name in [*own[:1], "floor_plane.png", *own[1:]]]
    assert files("out") == [*wanted, *(f"wall/{name}" for name in [*own, "wall_plane.png"])]
    assert "texsynth: wall: height: w_height.png" in result.stderr
    assert "texsynth: stack 2 of 2: floor/" in result.stderr
    assert result.stdout.splitlines()[0] == "out/wall/albedo.png"
    for name in ("wall", "floor"):
        assert material(name, "-o", f"alone/{name}", "--preview", "plane").exit_code == 0
    assert contents("out") == contents("alone")


def test_a_folder_of_folders_and_one_of_several_materials(material):
    Path("all").mkdir()
    shutil.move("wall", "all/wall")
    put("all/both", "Old stone", 2)
    put("all/both", "moss", 3)
    put("all/both", "dirt", 4, ["albedo", "height", "ao"])
    result = material("all", "-o", "out", "--record")
    assert result.exit_code == 0, result.output
    stems = ("Old stone", "dirt", "moss", "wall")
    wanted = {f"{stem}/{name}" for stem in stems for name in [*MADE, "record.json"]}
    assert set(files("out")) == wanted | {"dirt/ao.png"}
    again = material("--replay", "out/Old stone/record.json", "-o", "again")
    # Settings come from the record alone.
    assert again.exit_code == 2
    again = CliRunner().invoke(cli.main, ["--replay", "out/Old stone/record.json", "-o", "again"])
    assert again.exit_code == 0, again.output
    assert Path("again/height.png").read_bytes() == Path("out/Old stone/height.png").read_bytes()


def test_what_is_there_is_left_and_what_is_missing_is_made(material, count):
    assert material("wall", "-o", "out/wall").exit_code == 0
    before = Path("out/wall/albedo.png").stat().st_mtime_ns
    result = material("wall", "floor", "-o", "out")
    assert result.exit_code == 0 and count == [0, 0]
    assert "out/wall/albedo.png already exists" in result.stderr
    assert Path("out/wall/albedo.png").stat().st_mtime_ns == before
    assert files("out") == [f"{name}/{each}" for name in ("floor", "wall") for each in MADE]
    Path("out/wall/height.png").write_bytes(b"")  # as if the disk had been full
    assert material("wall", "floor", "-o", "out").exit_code == 0 and len(count) == 3
    for more in (["--record"], ["--preview", "plane"], ["--export", "arm=ao|1,height,0"]):
        assert material("wall", "floor", "-o", "out", *more).exit_code == 0
    assert len(count) == 9  # each needed another file
    assert material("wall", "floor", "-o", "out", "--record", "--preview", "plane").exit_code == 0
    assert len(count) == 9
    Path("out/wall/record.json").write_text("{}")
    result = material("wall", "floor", "-o", "out", "--record")
    assert result.exit_code == 1 and len(count) == 9
    assert "out/wall/record.json already exists and is not the same" in result.stderr


def test_other_maps_are_kept_unless_they_may_go(material, count):
    assert material("wall", "floor", "-o", "out").exit_code == 0
    kept = contents("out")
    result = material("wall", "floor", "-o", "out", "--seed", 1)
    assert result.exit_code == 1 and contents("out") == kept and len(count) == 2
    first, _, last = told(result)
    assert "out/wall/albedo.png already exists and is not the same" in first
    assert last == "texsynth: error: 2 of 2 failed: wall, floor"
    result = material("wall", "floor", "-o", "out", "--depth", 8, "--overwrite")
    assert result.exit_code == 0 and len(count) == 4
    assert contents("out") != kept
    assert material("wall", "-o", "out/wall").exit_code == 0  # the same at another depth
    assert Path("out/wall/height.png").read_bytes() == kept["wall/height.png"]


def test_one_that_fails_does_not_end_the_others(material):
    Path("odd").mkdir()
    put("odd", "photo", kinds=["albedo"])
    shutil.move("odd/photo_albedo.png", "odd/photo.png")
    put("bent", "b")
    images.write_map("bent/b_height.png", np.zeros((12, 24, 1), np.float32), "8", linear=True)
    Path("floor/f_height.png").write_bytes(b"no image")
    result = material("odd", "bent", "floor", "wall", "-o", "out")
    assert result.exit_code == 1
    assert files("out") == [f"wall/{name}" for name in MADE]
    odd, bent, floor, last = told(result)
    assert "odd: no file's name says what map it is" in odd
    assert "bent: all maps must have one size: albedo 24x24, height 24x12" in bent
    assert "floor/f_height.png" in floor
    assert last == "texsynth: error: 3 of 4 failed: odd, bent, floor"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["wall", "nothing"], 1, "nothing is no folder, and names no images"),
        (["wall", "wall"], 2, "wall and wall would both write out/wall/albedo.png"),
        (["wall", "floor", "--checkpoint", "a"], 2, "--checkpoint is for one stack, not for"),
        (["wall", "floor", "--export", "a=ao"], 2, "needs a map ao, which"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_made(material, arguments, code, words):
    result = material(*arguments, "-o", "out")
    assert result.exit_code == code
    (line,) = told(result)
    assert words in line and not Path("out").exists()


def test_inputs_are_kept(material):
    put("wall/maps", "x")
    shutil.copy("wall/w_albedo.png", "floor/albedo.png")
    Path("floor/f_albedo.png").unlink()
    result = material("wall", "floor", "-o", ".", "--overwrite")
    assert result.exit_code == 2
    assert "floor/albedo.png would overwrite floor/albedo.png, which is an input" in result.stderr
    assert files("wall/maps") == ["x_albedo.png", "x_height.png"]


def test_seeds_of_several(material, count):
    result = material("wall", "floor", "-o", "out", "--variations", 2, "--export", "a=height")
    assert result.exit_code == 0, result.output
    assert count == [0, 1, 0, 1]
    assert "out/wall/seed1_albedo.png" in result.stdout
    assert Path("out/floor/floor_seed1_a.png").is_file()


def test_one_goes_on_from_its_checkpoint_without_its_maps_named(material):
    assert material("wall", "-o", "new", "--checkpoint", "a.ckpt", "--normal", "dx").exit_code == 0
    kept = contents("new")
    shutil.rmtree("new")
    result = CliRunner().invoke(cli.main, ["--resume", "a.ckpt", "-o", "new"])
    assert result.exit_code == 0, result.output
    assert contents("new") == kept


@pytest.fixture
def interrupted(monkeypatch):
    """The first stack that is made is interrupted at its first step."""
    make, left = stacked.make_stack, [True]

    def interrupting(study, seed, callback, **asked):
        def after_step(progress):
            ends = callback(progress)
            if left:
                left.clear()
                signal.raise_signal(signal.SIGINT)
            return ends

        return make(study, seed, callback=after_step, **asked)

    monkeypatch.setattr(stacked, "make_stack", interrupting)


def test_what_was_stopped_is_saved_and_made_by_the_next_run(material, interrupted):
    result = material("wall", "floor", "-n", 3, "-o", "out", "--record")
    assert result.exit_code == 130
    assert files("out") == [f"wall/{name}" for name in [*MADE, "record.json"]]
    assert told(result) == [
        "texsynth: error: interrupted; out/wall/albedo.png is unfinished; not made: floor"
    ]
    again = material("--dry-run", "wall", "floor", "-n", 3, "-o", "out")
    assert "in all: 2 stacks, about" in again.stdout
    assert material("wall", "floor", "-n", 3, "-o", "out", "--record").exit_code == 0
    assert json.loads(Path("out/wall/record.json").read_text())["finished"]
    assert len(files("out")) == 6


def test_what_was_stopped_never_takes_the_place_of_what_was_finished(
    material, interrupted, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(stacked, "make_stack", make_stack)
        assert material("wall", "-o", "out", "--preview", "plane", "--record").exit_code == 0
    kept = contents("out")
    options = "--seed", 1, "--overwrite", "--preview", "plane", "--record"
    result = material("wall", "-n", 3, "-o", "out", *options)
    assert result.exit_code == 130, result.output
    now = contents("out")
    assert now.items() >= kept.items()
    own = {"stopped_albedo.png", "stopped_height.png", "stopped_record.json"}
    assert now.keys() - kept.keys() == own | {"wall_stopped_plane.png"}


def test_what_names_maps_goes_with_them_and_is_kept_without_them(material):
    assert material("wall", "-o", "out").exit_code == 0
    Path("out/godot").mkdir()
    Path("out/godot/wall.tres").write_text("somebody's")
    result = material("wall", "-o", "out", "--export", "godot")
    assert result.exit_code == 2 and "out/godot/wall.tres already exists; -o" in result.stderr
    assert Path("out/godot/wall.tres").read_text() == "somebody's"
    assert material("wall", "-o", "out", "--export", "godot", "--overwrite").exit_code == 0
    assert material("wall", "-o", "out", "--export", "godot").exit_code == 0


def test_a_checkpoint_says_where_the_surroundings_are_not_heeded(material, interrupted):
    environment = {"TEXSYNTH_MATERIAL_OUT": "elsewhere"}
    result = material("wall", "-o", "new", "-n", 3, "--checkpoint", "a.ckpt")
    assert result.exit_code == 130
    assert "to continue: --resume a.ckpt\n" in result.stderr
    shutil.rmtree("new")
    result = CliRunner().invoke(cli.main, ["material", "--resume", "a.ckpt"], env=environment)
    assert result.exit_code == 0, result.output
    assert "new/albedo.png" in result.stdout and not Path("elsewhere").exists()
    Path("deep").mkdir()
    with contextlib.chdir("deep"):
        result = CliRunner().invoke(cli.main, ["--resume", "../a.ckpt"])
    assert result.exit_code == 2 and "outside the current folder; say where by" in result.stderr
    result = CliRunner().invoke(cli.main, ["material", "wall", "-o", ""])
    assert result.exit_code == 2 and "--out must be a folder, not empty" in result.stderr


PLANS = {
    "one": ["wall", "-o", "out"],
    "exports": ["wall", "-o", "out", "--export", "godot", "--preview", "plane", "--record"],
    "several": ["wall", "floor", "-o", "deep/out"],
    "seeds": ["wall", "-o", "out", "--variations", "2", "--normal", "dx"],
}


@pytest.mark.parametrize("plan", PLANS)
def test_a_plan_names_what_is_written_and_writes_nothing(plan, material):
    before = files()
    result = material(*PLANS[plan], "--dry-run")
    assert result.exit_code == 0, result.output
    assert files() == before and not Path(PLANS[plan][-1]).exists()
    named = re.findall(r"^ *writes +(.*)$", result.stdout, re.M)
    named = {name for line in named for name in line.split(", ")}
    last = result.stdout.splitlines()[-1]
    assert re.fullmatch(r"in all: \d stacks?, about .*; nothing was written", last)
    assert material(*PLANS[plan]).exit_code == 0
    assert {name for name in files() if name not in before} == named


def test_a_plan_tells_maps_levels_networks_memory_and_time(material):
    wanted = ["--output-size", "48", "--levels", "2", "--dry-run", "--layers", "conv1_1,pool1"]
    result = material("wall", *wanted, "-o", "out")
    rows = dict(re.findall(r"^  (\w+) +(.*)$", result.stdout, re.M))
    assert rows["maps"] == "albedo w_albedo.png, height w_height.png"
    assert rows["preset"] == "natural"
    assert rows["levels"].startswith("24x24 in 2, 48x48 in 1 steps")
    assert re.fullmatch(r"vgg16, 2 times for 4 planes, engine \w+, \w+", rows["network"])
    assert re.fullmatch(r"\d+ MB, whole", rows["memory"])
    assert re.fullmatch(r"about \d+ s", rows["time"])


def test_a_plan_refuses_what_a_run_refuses(material):
    assert material("wall", "-o", "out").exit_code == 0
    result = material("wall", "-o", "out", "--seed", 1, "--dry-run")
    assert result.exit_code == 2 and "out/albedo.png already exists" in result.stderr
    result = material("wall", "floor", "-o", ".", "--dry-run", "--resume", "a.ckpt")
    assert result.exit_code == 2
    Path("floor/f_height.png").write_bytes(b"no image")
    result = material("wall", "floor", "-o", "all", "--dry-run")
    assert result.exit_code == 1 and "floor/f_height.png" in result.stderr
    assert "in all: 1 stack, about" in result.stdout
    assert material("wall", "-o", "wall/w_albedo.png", "--dry-run").exit_code == 2


def test_the_page_says_which_options_are_not_there(material):
    page = (Path(__file__).parents[2] / "docs/materials.md").read_text(encoding="utf-8")
    told = re.search(r"Not there, and refused in one line, are (.*?)\. ", page, re.S)
    named = set(re.findall(r"--[a-z-]+", told[1]))
    options = [{*each.opts} for each in cli.main.params if each.name not in ("version", "port")]
    own = {name for each in main.params for name in each.opts}
    missing = set().union(*(each for each in options if not each & own)) - {"image_paths"}
    assert named == missing - {"--frames", "--loop"}  # which go with --film
    for name in named:
        result = material("wall", "-o", "out", name)
        assert result.exit_code == 2 and "No such option" in result.stderr
