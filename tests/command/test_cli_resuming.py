"""The command stopped, gone on with, recorded and made again."""

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import texsynth
from tests.conftest import ONE_THREAD, make_texture
from texsynth import command, weights
from texsynth.command import cli
from texsynth.compat import chainer
from texsynth.files import checkpoint
from texsynth.objective.team import Alone
from texsynth.synthesis.level_run import LevelRun

MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
pytestmark = pytest.mark.usefixtures("weights_read_once")
USAGE, FAILURE = command.EXIT_USAGE, command.EXIT_FAILURE
FAST = ["--engine", "plain", "--size", "32", "-n", "4", "--layers", "conv1_1,pool1"]
PICTURES = ["stone_texture.png", "stone_comparison.png"]
TWO_LEVELS = ["--levels", "2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with ``stone.png``, 40x30, and ``other.png``."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    Image.fromarray(make_texture(40, 30)).save("stone.png")
    Image.fromarray(make_texture(40, 30, seed=1)).save("other.png")
    return tmp_path / "here"


def run(*arguments):
    """Runs the command in this process."""
    return CliRunner().invoke(cli.main, list(map(str, arguments)))


@pytest.fixture
def make(folder, random_weights_file):
    """Runs the command in this process on ``stone.png``, fast."""

    def make(*arguments):
        return run("stone.png", *FAST, "--weights", random_weights_file, *arguments)

    return make


class Signalling:
    """In place of the progress: sends this process a signal at some of the steps."""

    def __init__(self, steps, number):
        self._steps, self._number, self._seen = steps, number, itertools.count(1)

    def show(self, progress):
        if next(self._seen) in self._steps:
            signal.raise_signal(self._number)

    def close(self):
        pass


def forget_pictures():
    for name in (*PICTURES, "stone_tiled.png"):
        Path(name).unlink(missing_ok=True)


def stop(run, *arguments, at=(2,), number=signal.SIGINT):
    """Runs it, and sends a signal after those steps.

    Anew, it finds nothing of an earlier run: what is finished would not be replaced.
    """
    if "--resume" not in arguments:
        forget_pictures()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("texsynth.command.progress.make", lambda quiet: Signalling(at, number))
        return run(*arguments)


@pytest.fixture
def stopped():
    """``stopped(run, *arguments, at=(2,))``: runs it, and sends a signal after those steps."""
    return stop


@pytest.fixture(scope="module")
def made_once(random_weights_file, tmp_path_factory):
    """A folder with a checkpoint of a stopped run, and a record of a whole one."""
    folder = tmp_path_factory.mktemp("made")
    job = ["stone.png", *FAST, "--weights", random_weights_file]
    with contextlib.chdir(folder):
        Image.fromarray(make_texture(40, 30)).save("stone.png")
        assert stop(run, *job, "--checkpoint", "run.ckpt").exit_code == 130
        assert run(*job, "--record").exit_code == 0
    return folder


@pytest.fixture
def made(folder, made_once):
    """``run.ckpt`` and ``stone_record.json`` to stand beside, for what is refused at once."""
    shutil.copytree(made_once, folder, dirs_exist_ok=True)


def contents(folder="."):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def opened(path):
    with Image.open(path) as picture:
        picture.load()
        return picture


def assert_one_line(result, code, message):
    """The command failed so, and told of it in one line and nothing else."""
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("texsynth: error: ") and message in result.stderr
    assert len(result.stderr.splitlines()) == 1 and result.stdout == ""
    assert result.stderr.strip("\n").isprintable()


def assert_refused(code, message, *arguments):
    """What is asked is refused before anything is written."""
    before = contents()
    assert_one_line(run(*arguments), code, message)
    assert contents() == before


# Stopped and gone on with


WAYS = {
    "L-BFGS": ["--preset", "gatys"],
    "Adam": ["--optimizer", "adam"],
    "two levels": TWO_LEVELS,
    "tiling, its colours matched": ["--tile", "--match-colours"],
    "from an image": ["--init", "other.png"],
    "from noise": ["--init", "noise"],
}
FAST_WAYS = ("L-BFGS", "two levels")
EACH_WAY = [way if way in FAST_WAYS else pytest.param(way, marks=pytest.mark.slow) for way in WAYS]


@pytest.mark.parametrize("way", EACH_WAY)
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_stopped_and_gone_on_with_it_ends_in_the_same_bytes(make, stopped, way, number):
    assert make(*WAYS[way]).exit_code == 0
    whole = contents()
    result = stopped(make, *WAYS[way], "--checkpoint", "run.ckpt", at=(3,), number=number)
    assert result.exit_code == 128 + number
    assert result.stderr.splitlines()[-1] == "to continue: --resume run.ckpt"
    assert opened("stone_texture.png").text["texsynth:reason"] == "interrupted"
    assert opened("stone_texture.png").size == (32, 24)
    result = run("--resume", "run.ckpt")
    assert result.exit_code == 0 and "to continue" not in result.stderr
    now = contents()
    assert now.keys() - whole.keys() == {"run.ckpt", "run.previous.ckpt"} & now.keys()
    assert {name: now[name] for name in whole} == whole


@pytest.mark.slow
def test_stopped_again_and_again(make, stopped):
    make()
    whole = contents()
    stopped(make, "--checkpoint", "run.ckpt", at=(1,))
    for steps in (2, 3):
        result = stopped(run, "--resume", "run.ckpt", at=(1,))
        assert result.exit_code == 130, result.stderr
        assert result.stderr.splitlines()[-1] == "to continue: --resume run.ckpt"
        history = json.loads(opened("stone_texture.png").text["texsynth:history"])
        assert [len(level) for level in history] == [steps]
    assert run("--resume", "run.ckpt").exit_code == 0
    assert {name: contents()[name] for name in whole} == whole


def test_without_a_checkpoint_nothing_is_said_of_going_on(make, stopped):
    result = stopped(make)
    assert result.exit_code == 130 and "to continue" not in result.stderr


def test_it_is_not_told_to_go_on_from_what_is_not_there(make, stopped, monkeypatch):
    def refuse(path, fields, arrays):
        raise texsynth.errors.CheckpointError(f"{path}: cannot be written: full")

    monkeypatch.setattr(checkpoint, "save", refuse)
    result = stopped(make, "--checkpoint", "run.ckpt")
    assert result.exit_code == 130
    assert "run.ckpt: cannot be written: full; continuing without it" in result.stderr
    assert "to continue:" not in result.stderr


def test_going_on_from_an_earlier_step_is_told(make, stopped, monkeypatch):
    save, calls = checkpoint.save, itertools.count(1)

    def fill_up(path, fields, arrays):
        if next(calls) > 1:
            raise texsynth.errors.CheckpointError(f"{path}: cannot be written: full")
        save(path, fields, arrays)

    make()
    whole = contents()
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", fill_up)
        result = stopped(make, "--checkpoint", "run.ckpt", "--every", "1", at=(3,))
    assert result.stderr.splitlines()[-1] == "to continue, from an earlier step: --resume run.ckpt"
    assert len(checkpoint.load("run.ckpt").fields["run"]["losses"]) == 1
    assert run("--resume", "run.ckpt").exit_code == 0
    assert {name: contents()[name] for name in whole} == whole


def test_a_checkpoint_that_failed_is_tried_again_at_the_end(make, monkeypatch):
    save, calls = checkpoint.save, itertools.count(1)

    def be_full_for_a_moment(path, fields, arrays):
        if next(calls) == 1:
            raise texsynth.errors.CheckpointError(f"{path}: cannot be written: full")
        save(path, fields, arrays)

    monkeypatch.setattr(checkpoint, "save", be_full_for_a_moment)
    assert make("--checkpoint", "run.ckpt", "--every", "4").exit_code == 0
    assert len(checkpoint.load("run.ckpt").fields["run"]["losses"]) == 4


def test_what_cannot_be_put_in_a_checkpoint_does_not_end_the_work(make, monkeypatch):
    monkeypatch.setattr("texsynth.files.checkpoint_format._MOST_FIELDS", 10)
    result = make("--checkpoint", "run.ckpt")
    assert result.exit_code == 0
    assert "10 are the most; continuing without it" in result.stderr
    assert not Path("run.ckpt").exists()


def test_a_second_signal_ends_it_at_once(make, stopped, monkeypatch):
    """Here it comes after the checkpoint, before the picture."""
    monkeypatch.setattr(Signalling, "close", lambda self: signal.raise_signal(signal.SIGINT))
    result = stopped(make, "--checkpoint", "run.ckpt")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "texsynth: error: interrupted; written: nothing"
    assert sorted(contents()) == ["other.png", "run.ckpt", "stone.png"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_signal_while_a_checkpoint_is_written_leaves_the_earlier_ones(
    make, stopped, monkeypatch
):
    make("--checkpoint", "run.ckpt", "--every", "1", "--seed", "1")
    for name in PICTURES:
        Path(name).unlink()
    before = contents()
    fsync = os.fsync

    def interrupted(number):
        signal.raise_signal(signal.SIGINT)
        fsync(number)

    monkeypatch.setattr(os, "fsync", interrupted)
    result = stopped(make, "--checkpoint", "run.ckpt", "--seed", "2")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == "texsynth: error: interrupted; written: nothing"
    assert contents() == before


@pytest.mark.parametrize(("every", "saved"), [(None, 1), (1, 4), (2, 2), (3, 2), (4, 1), (100, 1)])
def test_every_so_many_steps_and_at_the_end(make, monkeypatch, every, saved):
    paths = []
    monkeypatch.setattr(checkpoint, "save", lambda path, fields, arrays: paths.append(path))
    options = [] if every is None else ["--every", every]
    assert make("--checkpoint", "run.ckpt", *options).exit_code == 0
    assert paths == [Path("run.ckpt")] * saved


def test_what_is_resumed_is_saved_where_it_was_or_elsewhere(make, stopped):
    stopped(make, "--checkpoint", "run.ckpt")
    before = contents()
    assert run("--resume", "run.ckpt", "--checkpoint", "further.ckpt").exit_code == 0
    assert contents()["run.ckpt"] == before["run.ckpt"] != contents()["further.ckpt"]
    assert "run.previous.ckpt" not in contents()
    assert run("--resume", "run.ckpt", "--every", "1").exit_code == 0
    now = contents()
    assert now["run.ckpt"] == now["further.ckpt"]
    assert now["run.previous.ckpt"] not in (before["run.ckpt"], now["run.ckpt"])


def test_the_one_before_can_be_resumed_and_saved_as_the_last(make):
    make("--checkpoint", "run.ckpt", "--every", "1")
    whole = contents()
    result = run("--resume", "run.previous.ckpt", "--checkpoint", "run.ckpt")
    assert result.exit_code == 0, result.stderr
    names = [*PICTURES, "run.ckpt"]
    assert [contents()[name] for name in names] == [whole[name] for name in names]


def test_from_another_folder(make, folder, random_weights_file, stopped, monkeypatch):
    """Even of paths that were relative."""
    shutil.copy(random_weights_file, "own.npz")
    relative = ["--weights", "own.npz", "--init", "other.png"]
    make(*relative)
    whole = opened("stone_texture.png")
    stopped(make, *relative, "--checkpoint", "run.ckpt")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    result = run("--resume", "../run.ckpt")
    assert result.exit_code == 0, result.stderr
    resumed = opened("stone_texture.png")
    np.testing.assert_array_equal(np.asarray(resumed), np.asarray(whole))
    assert resumed.text["texsynth:history"] == whole.text["texsynth:history"]
    settings = [json.loads(each.text["texsynth:settings"]) for each in (resumed, whole)]
    assert settings[0].pop("weights") == str(folder / "own.npz")
    assert settings[1].pop("weights") == "own.npz"
    assert settings[0] == settings[1]
    # And once more, from what was saved here.
    monkeypatch.chdir(folder)
    assert run("--resume", "run.ckpt").exit_code == 0
    assert opened("stone_texture.png").tobytes() == whole.tobytes()


def test_where_and_what_to_write_is_as_it_was(make, folder, stopped, monkeypatch):
    Path("made").mkdir()
    asked = ["-o", "made/a.png", "--record", "--snapshots", "3"]
    stopped(make, *asked, "--checkpoint", "run.ckpt")
    shutil.rmtree("made")
    Path("made").mkdir()
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    message = f"says to write to {folder / 'made' / 'a.png'}, outside the current folder; say where"
    assert_refused(USAGE, message, "--resume", "../run.ckpt")
    monkeypatch.chdir("..")
    result = run("--resume", "run.ckpt")
    assert result.exit_code == 0, result.stderr
    monkeypatch.chdir("elsewhere")
    made = {"a.png", "a_comparison.png", "a_record.json", "a_level1_step00003.png"}
    assert contents("../made").keys() == made
    assert not contents()
    # But other places can be told; this one is kept in its turn.
    assert run("--resume", "../run.ckpt", "-o", "b.png", "--snapshots", "4").exit_code == 0
    assert contents().keys() == {"b.png", "b_comparison.png", "b_record.json"}
    Path("b.png").unlink()
    assert run("--resume", "../run.ckpt").exit_code == 0
    assert "b.png" in contents()


@pytest.mark.parametrize(
    "place", ["{up}/a.png", "{up}", "{here}/../a.png", "../a.png", "out/a.png", "loop/a.png"]
)
def test_a_strangers_checkpoint_writes_nowhere_else(make, folder, stopped, place, monkeypatch):
    """Neither above, nor by way of a link that leads out; but where it is told to."""
    (folder / "here").mkdir()
    (folder / "here" / "out").symlink_to(folder)
    (folder / "here" / "loop").symlink_to("loop")
    stopped(make, "--checkpoint", "run.ckpt")
    fields, arrays = checkpoint.load("run.ckpt")
    fields["notes"]["out"] = place.format(up=folder, here=folder / "here")
    monkeypatch.chdir("here")
    checkpoint.save("run.ckpt", fields, arrays.items())
    before = contents(".."), contents()
    message = f"run.ckpt says to write to {fields['notes']['out']}, outside the current folder; say"
    assert_refused(USAGE, message, "--resume", "run.ckpt")
    assert (contents(".."), contents()) == before
    result = run("--resume", "run.ckpt", "-o", "../b.png")
    assert result.exit_code == 0, result.stderr
    assert {"b.png", "b_comparison.png"} <= contents("..").keys()


def test_how_to_go_on_with_what_is_written_elsewhere_is_told(make, folder, stopped, monkeypatch):
    (folder / "here").mkdir()
    shutil.copy("stone.png", "here")
    monkeypatch.chdir("here")
    result = stopped(make, "--checkpoint", "run.ckpt", "-o", "..")
    told = result.stderr.splitlines()[-1]
    assert told == "to continue: --resume run.ckpt -o ../stone_texture.png"
    result = run(*told.partition(": ")[2].split())
    assert result.exit_code == 0, result.stderr
    assert "stone_texture.png" in contents("..")


@pytest.mark.parametrize("place", ["a.png", "in/a.png", "in", "{here}/in/a.png", "in/../a.png"])
def test_within_the_folder_it_writes_where_it_did(make, folder, stopped, place):
    (folder / "in").mkdir()
    stopped(make, "--checkpoint", "run.ckpt", "-o", place.format(here=folder))
    for path in folder.rglob("*_comparison.png"):
        path.unlink()
    assert run("--resume", "run.ckpt").exit_code == 0
    assert len(list(folder.rglob("*_comparison.png"))) == 1


def test_one_that_was_not_made_by_the_command_wants_an_image(make, folder, random_weights_file):
    make()
    whole = opened("stone_texture.png").tobytes()
    config = texsynth.Config(
        engine="plain", size=32, iterations=4, layers={"conv1_1": 1, "pool1": 1},
        weights=str(random_weights_file),
    )  # fmt: skip
    exemplar = np.asarray(opened("stone.png"))
    texsynth.synthesize(
        exemplar,
        config,
        callback=lambda progress: progress.step == 2,
        checkpoints=texsynth.Checkpoints("run.ckpt"),
    )
    weights_of_it = ["--weights", random_weights_file]
    message = "run.ckpt does not name its IMAGE; pass IMAGE too"
    assert_refused(USAGE, message, "--resume", "run.ckpt", *weights_of_it)
    Path("stone_texture.png").unlink()
    result = run("--resume", "run.ckpt", "stone.png", *weights_of_it)
    assert result.exit_code == 0, result.stderr
    assert opened("stone_texture.png").tobytes() == whole


def test_where_image_and_weights_are_now_can_be_told(make, stopped, random_weights_file):
    shutil.copy(random_weights_file, "own.npz")
    make()
    whole = opened("stone_texture.png").tobytes()
    stopped(make, "--weights", "own.npz", "--checkpoint", "run.ckpt")
    Path("own.npz").unlink()
    Path("stone.png").rename("moved.png")
    assert_refused(FAILURE, "no such file: ", "--resume", "run.ckpt")
    assert_refused(FAILURE, "own.npz", "--resume", "run.ckpt", "moved.png")
    result = run("--resume", "run.ckpt", "moved.png", "--weights", random_weights_file)
    assert result.exit_code == 0, result.stderr
    assert opened("moved_texture.png").tobytes() == whole


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (["--seed", "1"], "seed was 0, not 1"),
        (["--preset", "gatys"], "preset was auto, not gatys"),
        (["--size", "31"], "size was 32, not 31"),
        (["--layers", "pool1"], "layers was {'conv1_1': 1.0, 'pool1': 1.0}, not {'pool1': 1.0}"),
        (["--engine", "winograd"], "engine was plain, not winograd"),
        (["--optimizer", "adam"], "optimizer was lbfgs, not adam"),
        (["--match-colours"], "match_colours was None, not True"),
        (["--init", "noise"], "start was None, not noise"),
        (["--init", "other.png"], "another image to start from"),
        (["-n", "3"], "iterations were 4 and can only increase"),
        (["other.png"], "another exemplar"),
        (["--seed", "1", "--tile"], "tile was None, not xy; seed was 0, not 1"),
    ],
    ids=str,
)
def test_another_job_is_refused(made, change, told):
    message = f"run.ckpt belongs to a different job: {told}"
    assert_refused(USAGE, message, "--resume", "run.ckpt", *change)


def test_options_that_are_the_same_may_be_given(make, stopped):
    stopped(make, "--checkpoint", "run.ckpt")
    assert make("--resume", "run.ckpt").exit_code == 0


def test_another_gpu_is_the_same_job_but_no_gpu_is_not(make, stopped, monkeypatch):
    """Each of the processes of a team has its own."""
    monkeypatch.setattr("texsynth.network.device.select", lambda gpu: chainer.get_device("@numpy"))
    stopped(make, "--gpu", "0", "--checkpoint", "run.ckpt")
    assert_refused(USAGE, "gpu was 0, not -1", "--resume", "run.ckpt", "--gpu", "-1")
    assert_refused(USAGE, "gpu was 0, not -1", "--resume", "run.ckpt", "--device", "@numpy")
    assert run("-r", "run.ckpt", "--device", "@cupy:1").exit_code == 0


def test_it_can_be_made_longer(make):
    make("-n", "7")
    long = contents()
    make("--checkpoint", "run.ckpt", "--overwrite")
    assert contents()["stone_texture.png"] != long["stone_texture.png"]
    assert run("--resume", "run.ckpt", "-n", "7").exit_code == 0
    assert {name: contents()[name] for name in long} == long
    assert_refused(
        USAGE, "iterations were 7 and can only increase", "--resume", "run.ckpt", "-n", "4"
    )


def test_a_damaged_one_gives_way_to_the_one_before(make):
    make("--checkpoint", "run.ckpt", "--every", "1")
    whole = contents()
    Path("run.ckpt").write_bytes(whole["run.ckpt"][:1000])
    result = run("--resume", "run.ckpt")
    assert result.exit_code == 0, result.stderr
    first = result.stderr.splitlines()[0]
    assert first.startswith("texsynth: run.ckpt: damaged or cut off")
    assert first.endswith("; continuing from run.previous.ckpt")
    assert [contents()[name] for name in PICTURES] == [whole[name] for name in PICTURES]
    assert contents()["run.ckpt"] == whole["run.ckpt"]


def test_where_neither_is_whole_one_line_tells(make):
    make("--checkpoint", "run.ckpt", "--every", "1")
    for name in ("run.ckpt", "run.previous.ckpt"):
        Path(name).write_bytes(b"")
    before = contents()
    result = run("--resume", "run.ckpt")
    assert (result.exit_code, contents()) == (FAILURE, before)
    assert result.stderr.splitlines()[-1] == "texsynth: error: run.previous.ckpt: empty file"
    Path("run.previous.ckpt").unlink()
    assert_refused(FAILURE, "run.ckpt: empty file", "--resume", "run.ckpt")
    assert_refused(FAILURE, "no such checkpoint: nowhere.ckpt", "--resume", "nowhere.ckpt")
    assert_refused(FAILURE, "stone.png: not a checkpoint", "--resume", "stone.png")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"notes": 3}, "is not a checkpoint of texsynth: TypeError"),
        ({"notes": {"image": 3, "init": None, "weights": None}}, "TypeError of a path 3"),
        ({"notes": {"image": "a\0b", "init": None, "weights": None}}, "of a path 'a\\x00b'"),
        ({"notes": {"image": "a.png", "out": 3}}, "TypeError of a path 3"),
        ({"notes": {"image": "a.png", "snapshots": "3"}}, "TypeError of the note snapshots '3'"),
        ({"notes": {"image": "a.png", "record": 1}}, "TypeError of the note record 1"),
        ({"job": {"settings": {"size": -1}}}, "run.ckpt: size must be at least 0, not -1"),
        ({"job": {"settings": {"colour": 1}}}, "run.ckpt: unknown settings: colour"),
        ({"job": {"settings": {"learning_rate": 10**400}}}, "OverflowError"),
        ({"job": {"settings": {"losses": [{"name": "gram", "layers": [3]}]}}}, "layers must map"),
        ({"job": {}}, "is not a checkpoint of texsynth: KeyError 'settings'"),
    ],
    ids=str,
)
def test_odd_fields_are_told(made, change, told):
    fields, arrays = checkpoint.load("run.ckpt")
    checkpoint.save("run.ckpt", fields | change, arrays.items())
    Path("run.previous.ckpt").unlink()
    assert_refused(FAILURE, told, "--resume", "run.ckpt")


# What does not go together, and what would be overwritten


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("stone.png --every 3", "--every needs --checkpoint or --resume"),
        ("stone.png --checkpoint run.ckpt --every 0", "Invalid value for '--every'"),
        ("--checkpoint run.ckpt", "Missing argument 'IMAGE...'"),
        ("--record", "Missing argument 'IMAGE...'"),
        *(
            (f"{images} {option}", f"{option.split()[0]} is for one texture, not for several")
            for images in ("stone.png other.png", "stone.png --variations 1")
            for option in ("--checkpoint c", "--resume c", "--replay r")
        ),
        ("stone.png --replay r", "--replay takes IMAGE and settings only from the record"),
        ("--replay r --seed 1", "--replay takes IMAGE and settings only from the record"),
        ("--replay r --gpu -1", "--replay takes IMAGE and settings only from the record"),
        ("--replay r -d @numpy", "--replay takes IMAGE and settings only from the record"),
        ("--replay r --init noise", "--replay takes IMAGE and settings only from the record"),
        ("--replay r --checkpoint c", "--replay cannot be combined with --checkpoint or --resume"),
        ("--replay r --resume c", "--replay cannot be combined with --checkpoint or --resume"),
        ("--replay r --every 3", "--every needs --checkpoint or --resume"),
    ],
)
def test_what_does_not_go_together_is_refused(folder, arguments, message):
    assert_refused(USAGE, message, *arguments.split())


TARGETS = [
    ("--checkpoint nowhere/run.ckpt", "--checkpoint: there is no folder nowhere"),
    ("--checkpoint sub", "--checkpoint: sub is a folder"),
    ("--checkpoint taken.ckpt", "--checkpoint: taken.previous.ckpt is a folder"),
    (
        "--checkpoint stone.png",
        "--checkpoint: stone.png would overwrite stone.png, which is an input",
    ),
    ("--checkpoint own.npz", "--checkpoint: own.npz would overwrite own.npz, which is an input"),
    ("--checkpoint link.ckpt", "would overwrite own.npz, which is an input"),
    ("--init init.previous.png --checkpoint init.png", "would overwrite init.previous.png, which"),
    ("--checkpoint stone_texture.png", "stone_texture.png is also the file for the texture"),
    ("--checkpoint stone_comparison.png", "comparison.png is also the file for the texture"),
    ("--checkpoint sub/../stone_texture.png", "is also the file for the texture"),
    ("--tile --checkpoint stone_tiled.png", "stone_tiled.png is also the file for the texture"),
    ("-o a.previous.png --checkpoint a.png", "a.previous.png is also the file for the texture"),
    (
        "--record --checkpoint stone_record.json",
        "--record: stone_record.json is also the file for the checkpoint",
    ),
    (
        "--record --checkpoint sub/../stone_record.json",
        "stone_record.json is also the file for the checkpoint",
    ),
    ("--record -o taken.png", "--record: taken_record.json is a folder"),
    ("--record --init x_record.json -o x.png", "x_record.json would overwrite x_record.json"),
]


@pytest.mark.parametrize(("arguments", "message"), TARGETS)
def test_nothing_is_written_over(make, random_weights_file, monkeypatch, arguments, message):
    for name in ("sub", "taken.previous.ckpt", "taken_record.json"):
        Path(name).mkdir()
    for name in ("init.previous.png", "x_record.json"):
        shutil.copy("other.png", name)
    shutil.copy(random_weights_file, "own.npz")
    Path("link.ckpt").symlink_to("own.npz")
    monkeypatch.setattr("texsynth.synthesis.loop.synthesize", None)
    arguments = ["stone.png", *FAST, "--weights", "own.npz", *arguments.split()]
    assert_refused(USAGE, message, *arguments)


def test_a_record_is_not_written_over_what_is_resumed_or_replayed(make, stopped):
    stopped(make, "--checkpoint", "stone_record.json")
    message = "--record: stone_record.json is also the file for the checkpoint"
    assert_refused(USAGE, message, "--resume", "stone_record.json", "--record")
    make("--record", "--overwrite")
    message = "--record: stone_record.json would overwrite stone_record.json, which is an input"
    assert_refused(USAGE, message, "--replay", "stone_record.json", "--record")
    assert run("--replay", "stone_record.json", "--record", "-o", "again.png").exit_code == 0
    made = [read_record(name)["sha256"] for name in ("stone_record.json", "again_record.json")]
    assert made[0] == made[1]


# Recorded and made again


def read_record(path="stone_record.json"):
    """Reads a record as strictly as JSON is defined."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(Path(path).read_bytes(), parse_constant=refuse)


def edit_record(**changes):
    """Changes what a record says; ``a__b`` is ``b`` within ``a``."""
    fields = read_record()
    for name, value in changes.items():
        *outer, last = name.split("__")
        within = fields
        for each in outer:
            within = within[each]
        within[last] = value
    Path("stone_record.json").write_text(json.dumps(fields))


def checksum(pixels):
    return hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes()).hexdigest()


def test_a_record_has_all_that_made_the_texture(make, folder, random_weights_file, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["texsynth", "as", "called"])
    result = make("--record", "--init", "other.png", *TWO_LEVELS)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.split() == [*PICTURES, "stone_record.json"]
    record = read_record()
    texture = opened("stone_texture.png")
    settings = json.loads(texture.text["texsynth:settings"])
    assert record["command"] == ["texsynth", "as", "called"]
    assert record["image"] == str(folder / "stone.png")
    assert record["init"] == str(folder / "other.png")
    assert record["config"] == {k: v for k, v in settings.items() if k not in ("image", "init")}
    assert record["sha256"] == {
        "repair": None,
        "exemplar": checksum(make_texture(40, 30)),
        "init": checksum(make_texture(40, 30, seed=1)),
        "weights": weights.load(random_weights_file).checksum(),
        "texture": checksum(np.asarray(texture)),
    }
    assert record["environment"]["numpy"] == np.__version__
    assert record["environment"]["engine"] == "plain" and record["environment"]["processes"] == 1
    assert record["preset"]["name"] == "natural" and "repeats" in record["preset"]["why"]
    assert [len(level) for level in record["history"]] == [8, 4]
    told = json.loads(texture.text["texsynth:history"])
    np.testing.assert_allclose(np.concatenate(record["history"]), np.concatenate(told), rtol=1e-5)
    assert record["evaluations"] == json.loads(texture.text["texsynth:evaluations"])
    assert record["reason"] == texture.text["texsynth:reason"]
    assert record["errors"] == json.loads(texture.text["texsynth:errors"])
    assert record["seconds"] > 0
    assert (record["finished"], record["lengthened"], record["format"]) == (True, False, 1)


@pytest.mark.parametrize("way", EACH_WAY)
def test_made_again_it_has_the_same_bytes(make, folder, monkeypatch, way):
    make("--record", *WAYS[way])
    whole = contents()
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    result = run("--replay", "../stone_record.json")
    assert result.exit_code == 0, result.stderr
    assert contents() == {name: whole[name] for name in contents()}
    assert set(PICTURES) <= set(contents())


def test_made_again_from_another_folder_with_relative_weights(
    make, folder, random_weights_file, monkeypatch
):
    shutil.copy(random_weights_file, "own.npz")
    make("--record", "--weights", "own.npz")
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    result = run("--replay", "../stone_record.json", "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_made_again_with_weights_that_lie_elsewhere(make, folder, random_weights_file):
    make("--record")
    shutil.copy(random_weights_file, "own.npz")
    edit_record(config__weights=str(folder / "gone.npz"))
    assert_refused(FAILURE, "gone.npz", "--replay", "stone_record.json")
    options = ["--weights", "own.npz", "--snapshots", "2", "-o", "again.png"]
    assert run("--replay", "stone_record.json", *options).exit_code == 0
    assert "again_level1_step00002.png" in contents()


def test_a_resumed_one_can_be_made_again(make, stopped):
    make("--record", "-o", "whole.png")
    stopped(make, "--checkpoint", "run.ckpt")
    assert run("--resume", "run.ckpt", "--record").exit_code == 0
    records = [read_record(f"{name}_record.json") for name in ("whole", "stone")]
    for record in records:
        assert record.pop("seconds") > 0
    assert records[0] == records[1]
    assert run("--replay", "stone_record.json").exit_code == 0


@pytest.mark.parametrize("which", ["stone.png", "other.png"])
def test_what_is_read_must_be_what_was_read(make, which):
    make("--record", "--init", "other.png")
    Image.fromarray(make_texture(40, 30, seed=2)).save(which)
    message = f"{which} is not the image that stone_record.json was made from"
    assert_refused(FAILURE, message, "--replay", "stone_record.json")
    Path(which).unlink()
    assert_refused(FAILURE, "no such file", "--replay", "stone_record.json")


def test_another_texture_is_told_and_written_nevertheless(make):
    make("--record")
    whole = contents()
    for changes, why in [
        ({"sha256__texture": "0" * 64}, "nothing on record has changed"),
        ({"environment__numpy": "1.0"}, f"numpy 1.0, now {np.__version__}"),
        ({"sha256__weights": "0" * 64}, "other weights"),
        ({"environment__gpu": "\x1b[2J\n"}, "gpu \ufffd[2J , now none"),
    ]:
        edit_record(**changes)
        for name in PICTURES:
            Path(name).unlink()
        result = run("--replay", "stone_record.json")
        assert result.exit_code == FAILURE
        last = result.stderr.splitlines()[-1]
        assert last.startswith(
            "texsynth: error: the texture differs from that of stone_record.json ("
        )
        assert why in last and last.endswith(f"; written: {', '.join(PICTURES)}")
        assert [contents()[name] for name in PICTURES] == [whole[name] for name in PICTURES]
        if why != "nothing on record has changed":
            assert "nothing that is recorded" not in last


def test_other_versions_that_make_the_same_texture_are_no_matter(make):
    make("--record")
    edit_record(environment__numpy="1.0")
    assert run("--replay", "stone_record.json").exit_code == 0


def test_other_weights_are_told(make, random_weights):
    make("--record")
    tensors = {name: (W * 1.01, b) for name, (W, b) in random_weights.tensors.items()}
    weights.save(Path("own.npz"), weights.VGGWeights(tensors, random_weights.mean))
    result = run("--replay", "stone_record.json", "--weights", "own.npz")
    assert result.exit_code == FAILURE
    assert "differs from that of stone_record.json (other weights); written:" in result.stderr


def test_made_again_and_stopped_it_is_not_compared(make, stopped):
    make("--record")
    result = stopped(run, "--replay", "stone_record.json")
    assert result.exit_code == 130
    assert "differs from that of" not in result.stderr


def test_what_was_stopped_cannot_be_made_again(make, stopped):
    stopped(make, "--record", "--checkpoint", "run.ckpt")
    assert read_record()["finished"] is False
    message = (
        "stone_record.json: the run was stopped early, so it cannot be repeated from its settings"
    )
    assert_refused(FAILURE, message, "--replay", "stone_record.json")


def test_what_was_lengthened_cannot_be_made_again(make):
    make("--checkpoint", "run.ckpt")
    for more in (["-n", "6"], []):  # nor what was resumed after that
        assert run("--resume", "run.ckpt", "--record", *more).exit_code == 0
        assert read_record()["lengthened"] is True
        message = "stone_record.json: the run was resumed with more steps than it began with"
        assert_refused(FAILURE, message, "--replay", "stone_record.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such record: stone_record.json"),
        (b"", "stone_record.json is not a record (JSONDecodeError"),
        (b"\x89PNG\r\n", "stone_record.json is not a record (UnicodeDecodeError"),
        (b"[1, 2]", "stone_record.json is not a record (TypeError"),
        (b'{"a": 1}', "stone_record.json is not a record (KeyError 'kind')"),
        (b'{"kind": "texture"}', "stone_record.json is not a record\n"),
        (b"[" * 100_000, "stone_record.json is not a record (RecursionError"),
        (b" " * (2**26 + 1), "stone_record.json is not a record: it is too long"),
        ({"format": 2}, "stone_record.json has format 2, not 1"),
        ({"format": "\x1b[2J\n"}, "stone_record.json has format \ufffd[2J , not 1"),
        ({"config__size": -1}, "stone_record.json: size must be at least 0, not -1"),
        ({"config__\x1b[2J": 1}, "stone_record.json: unknown settings: \ufffd[2J"),
        ({"config__learning_rate": 10**400}, "stone_record.json is not a record (OverflowError"),
        ({"image": 3}, "stone_record.json is not a record (TypeError"),
        ({"image": "a\0b"}, "stone_record.json is not a record (ValueError"),
        ({"init": "a\0b"}, "stone_record.json is not a record (ValueError"),
        ({"environment": 3}, "stone_record.json is not a record (TypeError"),
        ({"sha256": {}}, "stone_record.json is not a record (KeyError 'exemplar')"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_record_is_told(made, content, message):
    if content is None:
        Path("stone_record.json").unlink()
    elif isinstance(content, bytes):
        Path("stone_record.json").write_bytes(content)
    else:
        edit_record(**content)
    assert_refused(FAILURE, message, "--replay", "stone_record.json")


# In a process of its own


@pytest.fixture
def start(folder, random_weights_file):
    """Starts the command on ``stone.png``, with so many steps that it does not come to its end."""

    def start(*arguments):
        command = [sys.executable, "-m", "texsynth", *map(str, arguments)]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **ONE_THREAD},
        )  # fmt: skip

    return start


def wait_for(path, process):
    deadline = time.monotonic() + 60
    while not Path(path).exists() and time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


@pytest.mark.slow
def test_one_thread_and_two_make_the_same_bytes(folder, random_weights_file):
    """By the fast engine; the errors that the PNG tells are the same to the last digit, too."""
    options = "--engine winograd --size 64 -n 6 --loss gram --loss spectrum --loss wasserstein=1"
    command = [sys.executable, "-m", "texsynth", "stone.png", "--weights", random_weights_file]
    for threads in ("1", "2"):
        done = subprocess.run(
            [*map(str, command), *options.split(), "--match-colours", "-o", f"{threads}.png"],
            env={**os.environ, **dict.fromkeys(ONE_THREAD, threads)},
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    assert Path("1.png").read_bytes() == Path("2.png").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_from_outside(start, random_weights_file, number):
    """Stopped while it computes, twice, it goes on; it comes to what it comes to in one go."""
    job = ["stone.png", *FAST, "--weights", random_weights_file, "--layers", "conv1_1,pool4"]
    job += ["--size", "40", "-n", "60"]
    whole = start(*job)
    assert whole.wait(timeout=100) == 0, whole.stderr.read()
    whole.communicate()
    expected = contents()
    forget_pictures()
    process = start(*job, "--checkpoint", "run.ckpt", "--every", "1", "--snapshots", "1")
    for place in (5, 20):
        wait_for(f"stone_texture_level1_step{place:05d}.png", process)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 128 + number, errors
        assert errors.splitlines()[-1] == "to continue: --resume run.ckpt"
        assert "Traceback" not in errors
        assert opened("stone_texture.png").text["texsynth:reason"] == "interrupted"
        process = start("--resume", "run.ckpt", "--snapshots", "1")
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    assert {name: contents()[name] for name in expected} == expected


@pytest.mark.slow
def test_two_signals_from_outside(start, random_weights_file):
    """The second while an evaluation takes long: it is not waited for."""
    job = ["stone.png", "--engine", "plain", "--size", "0", "--output-size", "900x900"]
    job += ["--preset", "gatys", "--layers", "conv1_1,pool2", "-n", "1000", "--snapshots", "1"]
    process = start(*job, "--weights", random_weights_file, "--checkpoint", "run.ckpt")
    wait_for("stone_texture_level1_step00001.png", process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    before = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert time.monotonic() - before < 30
    assert (process.returncode, output) == (130, "")
    assert "interrupted; written: stone_texture_level1_step0000" in errors
    assert "Traceback" not in errors
    assert not list(Path().glob(".texsynth*"))


ENDING = """
import atexit, os, sys
from texsynth import __main__
code, number = map(int, sys.argv[1:])
atexit.register(os.kill, os.getpid(), number)
__main__.main = lambda: sys.exit(code)
__main__.run()
"""


@pytest.mark.parametrize(
    ("code", "number", "expected"),
    [
        (130, signal.SIGINT, 130),
        (143, signal.SIGINT, 143),
        (130, signal.SIGTERM, -signal.SIGTERM),  # or nothing would end what hangs there
    ],
)
def test_a_signal_while_the_process_ends(code, number, expected):
    """Ctrl-C does not take the place of the exit code of what a signal has ended."""
    command = [sys.executable, "-c", ENDING, str(code), str(int(number))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (expected, "", "")


@pytest.mark.slow
@pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec")
def test_processes_that_share_it_are_resumed(folder, random_weights_file):
    """The first of them writes; what is resumed ends in the same bytes."""
    pytest.importorskip("mpi4py")
    Image.fromarray(make_texture(48, 200)).save("stone.png")

    def mpirun(*arguments):
        command = [MPIEXEC, "-n", 2, sys.executable, "-m", "texsynth", "--distributed", *arguments]
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False,
            timeout=120, env={**os.environ, **ONE_THREAD},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done

    job = ["stone.png", *FAST, "--size", 0, "--levels", 1, "--weights", random_weights_file]
    done = mpirun(*job, "--checkpoint", "run.ckpt", "--every", 1, "--record", "-v")
    assert done.stderr.count("texsynth: checkpoint run.ckpt") == 4
    assert done.stdout.split() == [*PICTURES, "stone_record.json"]
    assert read_record()["environment"]["processes"] == 2
    whole = contents()
    shape = checkpoint.load("run.ckpt").arrays["image"].shape
    assert shape[:2] == (1, 3) and shape[2] >= 200  # all of it, not a part
    for name in PICTURES:
        Path(name).unlink()
    mpirun("--resume", "run.previous.ckpt", "--checkpoint", "run.ckpt")
    names = [*PICTURES, "run.ckpt"]
    assert [contents()[name] for name in names] == [whole[name] for name in names]
    done = mpirun("--replay", "stone_record.json", "-o", "again.png")
    assert opened("again.png").tobytes() == opened("stone_texture.png").tobytes()


def test_what_was_made_alone_with_snapshots_can_be_shared(make, stopped, monkeypatch):
    stopped(make, "--snapshots", "1", "--checkpoint", "run.ckpt")
    team = Alone()
    team.ending_together = contextlib.nullcontext
    monkeypatch.setattr("texsynth.objective.team.assemble", lambda: team)
    result = run("--resume", "run.ckpt", "--distributed")
    assert result.exit_code == 0, result.stderr
    made = contents().keys()
    assert "stone_texture.png" in made and "stone_texture_level1_step00004.png" not in made


@pytest.mark.parametrize("shared", [True, False])
def test_none_of_a_team_ends_on_its_own_once_another_may_have_begun(make, monkeypatch, shared):
    """A signal within the first evaluation; of one process alone there is nothing to save yet."""
    team = Alone()
    team.ending_together = contextlib.nullcontext
    monkeypatch.setattr("texsynth.objective.team.assemble", lambda: team)
    evaluate, calls = LevelRun._evaluate, itertools.count(1)

    def signalled(self, pixels):
        value = evaluate(self, pixels)
        if next(calls) == 1:
            signal.raise_signal(signal.SIGINT)
        return value

    monkeypatch.setattr(LevelRun, "_evaluate", signalled)
    asked = ["--checkpoint", "run.ckpt", "--size", "0", *(["--distributed"] if shared else [])]
    result = make(*asked)
    assert result.exit_code == 130, result.stderr
    if shared:
        history = json.loads(opened("stone_texture.png").text["texsynth:history"])
        assert [len(level) for level in history] == [1]
        assert result.stderr.splitlines()[-1] == "to continue: --resume run.ckpt"
    else:
        assert_one_line(result, 130, "interrupted; written: nothing")
        assert not Path("run.ckpt").exists()


@pytest.mark.slow
@pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_processes_that_share_it(folder, random_weights_file, number):
    """It comes to mpiexec, which passes it on to each."""
    pytest.importorskip("mpi4py")
    Image.fromarray(make_texture(48, 200)).save("stone.png")

    def start(*arguments):
        command = [MPIEXEC, "-n", 2, sys.executable, "-m", "texsynth", "--distributed", *arguments]
        return subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **ONE_THREAD},
        )  # fmt: skip

    job = ["stone.png", *FAST, "--size", 0, "--levels", 1, "--weights", random_weights_file]
    job += ["--layers", "conv1_1,pool3", "-n", 12]
    whole = start(*job)
    whole.communicate(timeout=120)
    expected = contents()
    forget_pictures()
    process = start(*job, "--checkpoint", "run.ckpt", "--every", "1")
    wait_for("run.ckpt", process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + number, errors
    assert errors.splitlines()[-1] == "to continue: --resume run.ckpt"
    assert opened("stone_texture.png").text["texsynth:reason"] == "interrupted"
    process = start("--resume", "run.ckpt")
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert {name: contents()[name] for name in expected} == expected
