import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import texsynth
from tests.command.conftest import names
from tests.conftest import ONE_THREAD, make_texture
from texsynth import command, images
from texsynth.command import cli, work
from texsynth.command import progress as display
from texsynth.config import Config
from texsynth.errors import ImageError
from texsynth.terms import Term

pytestmark = pytest.mark.usefixtures("weights_read_once")
FAST = ["--size", "32", "-n", "2", "--layers", "conv1_1,pool1"]


def opened(path):
    """Reads a picture whole, and closes it."""
    with Image.open(path) as picture:
        picture.load()
        return picture


def test_it_writes_the_texture_and_the_comparison(folder, run):
    result = run("stone.png")
    assert result.exit_code == 0, result.output
    assert names(folder) == ["stone.png", "stone_comparison.png", "stone_texture.png"]
    assert result.stdout.split() == ["stone_texture.png", "stone_comparison.png"]
    texture = opened("stone_texture.png")
    comparison = opened("stone_comparison.png")
    assert texture.size == (32, 24) and comparison.size == (32 + 8 + 32, 24)
    np.testing.assert_array_equal(np.asarray(comparison)[:, :32], np.asarray(texture))


def test_the_picture_says_how_it_was_made(folder, run):
    run("stone.png", "--seed", "3", "--init", "stone.png")
    text = opened("stone_texture.png").text
    settings = json.loads(text["texsynth:settings"])
    assert settings["seed"] == 3 and settings["image"] == "stone.png"
    assert settings["init"] == "stone.png" and settings["layers"] == {"conv1_1": 1, "pool1": 1}
    assert text["Software"] == f"texsynth {texsynth.__version__}"
    assert set(json.loads(text["texsynth:errors"])) >= {"conv1_1", "pool1"}
    assert text["texsynth:reason"] == "all 2 steps of the last level were taken"
    pixels = make_texture(40, 30)
    expected = hashlib.sha256(b"(30, 40, 3)" + pixels.tobytes()).hexdigest()
    assert text["texsynth:exemplar_sha256"] == text["texsynth:init_sha256"] == expected


def test_same_seed_same_bytes_and_another_seed_another_image(folder, run):
    for name, seed in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        assert run("stone.png", "--seed", seed, "-o", name).exit_code == 0
    a, b, c = ((folder / name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b != c


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("rock.png", ["rock.png", "rock_comparison.png"]),
        ("rock_texture.png", ["rock_comparison.png", "rock_texture.png"]),
        ("rock.PNG", ["rock.PNG", "rock_comparison.png"]),
        (".", ["stone_comparison.png", "stone_texture.png"]),
    ],
)
def test_out_names_the_files(folder, run, out, expected):
    assert run("stone.png", "-o", out).exit_code == 0
    assert names(folder) == sorted(["stone.png", *expected])


def test_out_in_another_folder(folder, run):
    (folder / "new folder").mkdir()
    assert run("stone.png", "-o", "new folder/日本.png").exit_code == 0
    assert names(folder / "new folder") == ["日本.png", "日本_comparison.png"]
    assert names(folder) == ["new folder", "stone.png"]


def test_tile_writes_a_preview_and_tells_the_seam(folder, run):
    result = run("stone.png", "--tile")
    assert result.exit_code == 0, result.stderr
    texture, tiled = (np.asarray(opened(f"stone_{name}.png")) for name in ("texture", "tiled"))
    np.testing.assert_array_equal(tiled, np.tile(texture, (2, 2, 1)))
    assert re.search(r"-2 to 2 means no seam\): x [+-]\d+\.\d, y [+-]\d+\.\d", result.stderr)
    assert result.stdout.split() == ["stone_texture.png", "stone_comparison.png", "stone_tiled.png"]


@pytest.mark.parametrize("args", [("--tile", "x"), ("--tile=x",)])
def test_tile_along_one_axis(folder, run, args):
    result = run(*args, "stone.png")
    assert result.exit_code == 0, result.stderr
    assert json.loads(opened("stone_texture.png").text["texsynth:settings"])["tile"] == "x"


def test_the_seam_is_told_of_the_axes_that_tile(folder, run):
    assert re.search(
        r"-2 to 2 means no seam\): y [+-]\d+\.\d\n", run("stone.png", "--tile=y").stderr
    )


def test_after_two_dashes_everything_is_an_image(folder, run):
    result = run("--", "--tile")
    assert result.stderr.endswith("no such file: --tile\n")


def test_tile_alone_does_not_swallow_the_image(folder, run):
    assert run("--tile", "stone.png").exit_code == 0
    assert json.loads(opened("stone_texture.png").text["texsynth:settings"])["tile"] == "xy"


def test_auto_says_what_it_chose_and_why(folder, run):
    result = run("stone.png")
    assert "texsynth: preset natural: nothing in the exemplar repeats (corr" in result.stderr
    assert "preset" not in run("stone.png", "--preset", "natural").stderr


def test_scheme_and_history_are_in_the_picture(folder, run):
    run("stone.png", "--loss", "gram", "--loss", "spectrum=0.5", "--init", "phase")
    text = opened("stone_texture.png").text
    scheme = json.loads(text["texsynth:scheme"])
    assert (scheme["name"], scheme["start"]) == ("natural", "phase")
    assert [(term["name"], term["weight"]) for term in scheme["losses"]] == [
        ("gram", 1.0),
        ("spectrum", 0.5),
    ]
    history = json.loads(text["texsynth:history"])
    assert [len(level) for level in history] == [2]


def test_options_that_are_not_given_are_as_in_the_library():
    options = cli.main.make_context("texsynth", ["stone.png"]).params
    settings = {field.name: field.default for field in dataclasses.fields(Config)}
    assert settings.keys() - options.keys() == {"start", "range_weight"}
    both = settings.keys() & options.keys()
    assert {name: options[name] for name in both} == {name: settings[name] for name in both}


def test_every_option_reaches_the_synthesis(folder, random_weights_file, monkeypatch):
    asked = []

    def synthesize(exemplar, config, **others):
        asked.append(config)
        raise ImageError("enough")

    monkeypatch.setattr("texsynth.synthesis.loop.synthesize", synthesize)
    options = (
        "--gpu 3 --engine plain --preset gatys --size 31 --output-size 40x20 -n 5 --optimizer adam"
        " --lr 2 --loss spectrum=3 --layers pool2=4 --pooling max --levels 2 --margin 6 --tile y"
        " --match-colours --init phase --memory 7MB --seed 8 --weights own.npz --precision tf32"
        " --network vgg19"
    )
    assert CliRunner().invoke(cli.main, ["stone.png", *options.split()]).exit_code == FAILURE
    assert asked == [
        Config(
            gpu=3, engine="plain", preset="gatys", size=31, output_size=(40, 20), iterations=5,
            optimizer="adam", learning_rate=2.0, losses=(Term("spectrum", 3.0),),
            layers={"pool2": 4.0}, pooling="max", levels=2, margin=6, tile="y",
            match_colours=True, start="phase", memory=7_000_000, seed=8, weights="own.npz",
            precision="tf32", network="vgg19",
        )
    ]  # fmt: skip


def test_the_files_name_the_network(folder, random_vgg19_file):
    options = [*FAST, "--network", "vgg19", "--weights", str(random_vgg19_file), "--record"]
    options += ["--checkpoint", "run.ckpt"]
    assert CliRunner().invoke(cli.main, ["stone.png", *options]).exit_code == 0
    told = json.loads(opened("stone_texture.png").text["texsynth:settings"])
    assert told["network"] == "vgg19"
    record = json.loads(Path("stone_record.json").read_text())
    assert record["config"]["network"] == "vgg19"
    again = CliRunner().invoke(cli.main, ["--replay", "stone_record.json", "-o", "again.png"])
    assert again.exit_code == 0
    on = CliRunner().invoke(cli.main, ["--resume", "run.ckpt", "-o", "on.png"])
    assert on.exit_code == 0
    for name in ("again.png", "on.png"):
        np.testing.assert_array_equal(np.asarray(opened(name)), opened("stone_texture.png"))
    other = CliRunner().invoke(
        cli.main, ["--resume", "run.ckpt", "--network", "vgg16", "-o", "x.png"]
    )
    assert other.exit_code == FAILURE
    assert "has conv3_4, which VGG16 does not; is it VGG19 (--network vgg19)" in other.output


def test_a_layer_that_the_network_does_not_have(folder, run):
    result = run("stone.png", "--layers", "conv3_4")
    assert result.exit_code == USAGE
    assert result.output.count("\n") == 1 and "network vgg16 has conv1_1, conv1_2" in result.output


def test_offline(folder, monkeypatch):
    """No download is tried, and the variable is as it was afterwards."""
    monkeypatch.delenv("TEXSYNTH_OFFLINE", raising=False)
    monkeypatch.setattr("texsynth.weights.store.find", lambda network: None)
    result = CliRunner().invoke(cli.main, ["stone.png", "--offline"])
    assert result.exit_code == FAILURE
    assert result.output.splitlines()[-1] == (
        "texsynth: error: the weights of --network vgg16 are not here, and downloads are forbidden "
        "(--offline or TEXSYNTH_OFFLINE); pass --weights PATH"
    )
    assert "TEXSYNTH_OFFLINE" not in os.environ


def test_vgg19_needs_weights(folder, monkeypatch):
    monkeypatch.setattr("texsynth.weights.store.find", lambda network: None)
    result = CliRunner().invoke(cli.main, ["stone.png", "--network", "vgg19"])
    assert result.exit_code == FAILURE
    assert "--network vgg19 needs a weights file of your own" in result.output


def test_matched_colours_have_the_exemplars_extremes(folder, run):
    assert run("stone.png", "--match-colours", "--size", "0").exit_code == 0
    exemplar, texture = (
        np.asarray(opened(name)).reshape(-1, 3) for name in ("stone.png", "stone_texture.png")
    )
    np.testing.assert_array_equal(np.sort(texture, axis=0), np.sort(exemplar, axis=0))


def test_output_size(folder, run):
    assert run("stone.png", "--output-size", "50x20").exit_code == 0
    assert opened("stone_texture.png").size == (50, 20)
    assert opened("stone_comparison.png").size == (50 + 8 + 32, 24)


def test_snapshots_are_written_every_n_steps(folder, run):
    asked = "-n", "3", "--levels", "2", "--margin", "0", "--snapshots", "2"
    assert run("stone.png", *asked).exit_code == 0
    snapshots = [name for name in names(folder) if "step" in name]
    assert snapshots == [
        f"stone_texture_level{level}_step{step:05d}.png"
        for level, step in ((1, 2), (1, 4), (1, 6), (2, 2))
    ]
    assert opened(snapshots[0]).size == (16, 12)


def test_without_a_terminal_progress_is_plain_lines(folder, run):
    result = run("stone.png")
    assert "100%  level 1/1 (32x24)  step 2/2  loss " in result.stderr
    assert "\r" not in result.stderr and "\x1b" not in result.stderr


def test_quiet_says_nothing(folder, run):
    result = run("stone.png", "-q")
    assert result.exit_code == 0 and result.output == ""


def test_transparency_is_said(folder, run):
    Image.new("RGBA", (32, 32), (9, 9, 9, 99)).save("clear.png")
    result = run("clear.png")
    assert "texsynth: clear.png: transparency is composited on white" in result.stderr
    quiet = run("clear.png", "-q")
    assert (quiet.exit_code, quiet.output) == (0, "")


def make_bad_files(folder):
    (folder / "text.png").write_text("no image")
    (folder / "empty.png").touch()
    (folder / "cut.png").write_bytes((folder / "stone.png").read_bytes()[:500])
    (folder / "folder").mkdir()
    (folder / "x_comparison.png").mkdir()
    (folder / "bad.npz").write_bytes(b"PK no zip")
    (folder / "bad.xyz").touch()
    Image.new("RGB", (9, 1)).save(folder / "tiny.png")
    Image.new("RGB", (9, 9)).save(folder / "init.png")
    Image.fromarray(np.array([[-1.0]], np.float32)).save(folder / "float.tif")


USAGE, FAILURE = command.EXIT_USAGE, command.EXIT_FAILURE
BAD_INPUT = [
    ("nowhere.png", FAILURE, "no such file: nowhere.png"),
    ("folder", FAILURE, "the folder folder has no images"),
    ("stone.png nowhere.png", FAILURE, "no such file: nowhere.png; nothing was made"),
    ("stone.png 256x256 32", FAILURE, "no such file: 256x256, 32; nothing was made"),
    ("text.png", FAILURE, "text.png is not an image that Pillow can read"),
    ("empty.png", FAILURE, "empty.png is not an image that Pillow can read"),
    ("cut.png", FAILURE, "cut.png cannot be read: "),
    ("float.tif", FAILURE, "float.tif has floating-point values from "),
    ("tiny.png --size 0", USAGE, "exemplar of 9x1 px is too small: the deepest layer needs"),
    ("stone.png --output-size 40x1", USAGE, "output of 40x1 px is too small"),
    ("", USAGE, "Missing argument 'IMAGE...'"),
    ("stone.png --colour", USAGE, "No such option '--colour'"),
    ("stone.png --size -1", USAGE, "size must be at least 0, not -1"),
    ("stone.png --size big", USAGE, "Invalid value for '--size': 'big' is not a valid int"),
    ("stone.png --output-size 40x", USAGE, "output size must look like 384x192 (width x height)"),
    ("stone.png --output-size 0x40", USAGE, "output size must be at least 1, not 0"),
    ("stone.png -n 0 --checkpoint a.ckpt", USAGE, "--checkpoint has nothing to save of no steps"),
    ("stone.png -n -1", USAGE, "iterations must be at least 0, not -1"),
    ("stone.png --optimizer sgd", USAGE, "'sgd' is not one of 'lbfgs', 'adam'"),
    ("stone.png --lr 0", USAGE, "learning rate must be a positive number, not 0.0"),
    ("stone.png --lr nan", USAGE, "learning rate must be a positive number, not nan"),
    ("stone.png --preset rough", USAGE, "'rough' is not one of 'auto', 'gatys', 'regular'"),
    ("stone.png --loss grams", USAGE, "loss must be one of gram, paper-gram, centred-gram, "),
    ("stone.png --loss spectrum:pool1", USAGE, "loss spectrum works on the pixels"),
    ("stone.png --loss gram=0", USAGE, "at least one loss must have a weight above 0"),
    ("stone.png --tile z", USAGE, "'z' is not one of 'x', 'y', 'xy', and there is no image"),
    ("stone.png --tile=z", USAGE, "'z' is not one of 'x', 'y', 'xy'"),
    (
        "stone.png --preset gatys --tile --output-size 33x32",
        USAGE,
        "sides of the output must be multiples of 2 px, not 33x32; use 34x32",
    ),
    ("stone.png --init=", USAGE, "--init must be noise, phase, or the path of an image, not empty"),
    ("stone.png --memory 1", USAGE, "memory must look like 4GB, 500MB or 1.5GiB, not '1'"),
    (
        "stone.png --size 0 --preset gatys --loss shifted-gram:pool1 --output-size 2x2",
        USAGE,
        "too small",
    ),
    ("stone.png --margin -1", USAGE, "margin must be at least 0, not -1"),
    ("stone.png --layers conv9_1", USAGE, "layer 'conv9_1' is unknown; network vgg16 has conv1_1"),
    ("stone.png --layers pool1=x", USAGE, "weight of layer pool1 must be a number, not 'x'"),
    ("stone.png --layers pool1,pool1", USAGE, "layer pool1 is named twice"),
    ("stone.png --layers pool1=-1", USAGE, "weight of layer pool1 must be a number of at least"),
    ("stone.png --layers pool1=0", USAGE, "at least one layer must have a weight above 0"),
    ("stone.png --pooling mean", USAGE, "'mean' is not one of 'average', 'max'"),
    ("stone.png --levels 0", USAGE, "levels must be at least 1, not 0"),
    (
        "stone.png --preset gatys --levels 9",
        USAGE,
        "levels must be at most 4 for a side of 24 px, not 9",
    ),
    ("stone.png --init nowhere.png", FAILURE, "no such file: nowhere.png"),
    ("stone.png --init text.png", FAILURE, "text.png is not an image"),
    ("stone.png --seed -1", USAGE, "seed must be at least 0, not -1"),
    ("stone.png --weights nowhere.npz", FAILURE, "no such weights file: nowhere.npz"),
    ("stone.png --weights bad.npz", FAILURE, "bad.npz"),
    ("stone.png --weights bad.xyz", FAILURE, "bad.xyz: weights must be one of .npz"),
    ("stone.png --gpu -2", USAGE, "gpu must be at least -1, not -2"),
    ("stone.png --gpu 99", FAILURE, "GPU 99: "),
    ("stone.png --device @cupy:99", FAILURE, "GPU 99: "),
    ("stone.png -d -2", USAGE, "'-d' / '--device': device must be @numpy, @cupy:0"),
    ("stone.png -d native:0", USAGE, "not 'native:0'; ChainerX is not used here"),
    ("stone.png -g -1 -d @cupy:1", USAGE, "--gpu -1 and --device 1 are different devices (-1 is"),
    ("stone.png --snapshots 0", USAGE, "Invalid value for '--snapshots'"),
    ("stone.png -o stone.bmp", USAGE, "--out must be a file ending in .png .tif .tiff .webp .jpg"),
    ("stone.png -o text.png/", USAGE, "--out: text.png is to be a folder, but there is a file"),
    ("stone.png -o init.png", USAGE, "init.png already exists and is not the same texture; -o"),
    ("stone.png -o nowhere/x.png", USAGE, "--out: there is no folder nowhere"),
    (
        "stone.png -o stone.png",
        USAGE,
        "--out: stone.png would overwrite stone.png, which is an input",
    ),
    ("stone.png -o x.png", USAGE, "--out: x_comparison.png is a folder"),
    ("stone.png --init init.png -o init.png", USAGE, "--out: init.png would overwrite init.png"),
    ("stone.png --engine fast", USAGE, "'fast' is not one of 'auto', 'plain', 'winograd', 'cuda'"),
    ("stone.png --engine cuda", USAGE, "engine cuda cannot be used: it needs a GPU (--gpu 0)"),
    ("stone.png --precision half", USAGE, "'half' is not one of 'auto', 'fp32', 'bf16', 'tf32'"),
    (
        "stone.png --precision tf32",
        USAGE,
        "precision tf32 needs engine cuda on a GPU, not engine winograd",
    ),
    (f"{'n' * 300}.png", FAILURE, "File name too long"),
    (f"stone.png -o {'n' * 300}.png", FAILURE, "File name too long"),
    (f"stone.png -o {'n' * 245}.png", FAILURE, "File name too long"),
    (
        "stone.png --size 0 --optimizer adam --lr 1e38",
        FAILURE,
        "the loss was not finite, or 10 times",
    ),
    (
        "stone.png --size 0 --layers conv1_1=1e300",
        FAILURE,
        "the loss of the start is not finite, after 1",
    ),
    (
        "stone.png --size 0 --layers conv1_1=1e30",
        FAILURE,
        "the gradient of the start is not finite",
    ),
    ("stone.png --layers ,", USAGE, "layers must look like conv1_1,pool1=0.5, not ''"),
]


@pytest.mark.parametrize(("arguments", "code", "message"), BAD_INPUT, ids=lambda v: str(v)[:40])
def test_bad_input_is_one_line_and_an_exit_code(folder, run, arguments, code, message):
    make_bad_files(folder)
    before = names(folder)
    result = run(*arguments.split())
    lines = [line for line in result.stderr.splitlines() if line]
    assert result.exit_code == code, result.output
    assert message in lines[-1] and lines[-1].startswith("texsynth: error: ")
    assert "Error: " not in lines[-1]  # a defect of ours, told by its type
    assert len(lines) == 1
    assert result.stdout == ""
    assert names(folder) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_found_before_the_work(folder, run):
    (folder / "locked").mkdir(mode=0o500)
    result = run("stone.png", "-o", "locked/x.png")
    assert result.exit_code == FAILURE
    assert "cannot write locked/x.png" in result.stderr and "step" not in result.stderr


@pytest.fixture
def refuse_writing(monkeypatch):
    """``refuse_writing(word)``: pictures with the word in their name cannot be written."""
    from texsynth import images

    save_png = images.save_png

    def refuse_writing(word):
        def save(path, *arguments):
            if word in path.name:
                raise ImageError(f"cannot write {path}: full")
            save_png(path, *arguments)

        monkeypatch.setattr(images, "save_png", save)

    return refuse_writing


def test_a_failed_snapshot_does_not_end_the_run(folder, run, refuse_writing):
    refuse_writing("step")
    result = run("stone.png", "-n", "3", "--snapshots", "1")
    assert result.exit_code == 0
    assert result.stderr.count("no more snapshots will be saved") == 1
    assert names(folder) == ["stone.png", "stone_comparison.png", "stone_texture.png"]


@pytest.mark.parametrize("path", ["{name}", "../{folder}/{name}"])
def test_a_snapshot_does_not_overwrite_the_start(folder, run, path):
    name = "stone_texture_level1_step00002.png"
    Image.fromarray(make_texture(32, 24)).save(name)
    before = (folder / name).read_bytes()
    init = path.format(name=name, folder=folder.name)
    result = run("stone.png", "--init", init, "--snapshots", "2")
    assert result.exit_code == 0
    assert f"the snapshot {name} would overwrite an input" in result.stderr
    assert (folder / name).read_bytes() == before


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_standard_output_is_told_with_what_was_written(folder, random_weights_file):
    command = [sys.executable, "-m", "texsynth", *FAST, "--weights", random_weights_file]
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [*command, "stone.png", "--record"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert result.returncode == FAILURE
    assert "cannot write to standard output" in result.stderr
    written = "written: stone_texture.png, stone_comparison.png, stone_record.json\n"
    assert result.stderr.endswith(written)


def test_what_was_written_before_a_failure_is_told(folder, run, refuse_writing):
    refuse_writing("comparison")
    result = run("stone.png")
    assert result.exit_code == FAILURE
    last = result.stderr.splitlines()[-1]
    assert last.endswith("cannot write stone_comparison.png: full; written: stone_texture.png")


def test_a_defect_is_one_line_too_and_verbose_shows_where(folder, run, monkeypatch):
    def defect(*args, **kwargs):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("texsynth.synthesis.loop.synthesize", defect)
    result = run("stone.png")
    assert result.exit_code == FAILURE
    assert result.stderr == "texsynth: error: RuntimeError: two lines\n"
    assert "Traceback" in run("stone.png", "-v").stderr


@pytest.mark.slow
def test_losing_standard_error_does_not_lose_the_picture(folder, random_weights_file):
    command = [sys.executable, "-m", "texsynth", *FAST, "--weights", random_weights_file]
    reading, writing = os.pipe()
    os.close(reading)
    environment = {**os.environ, **ONE_THREAD}
    result = subprocess.run([*command, "stone.png"], stderr=writing, check=False, env=environment)
    os.close(writing)
    assert result.returncode == 0
    assert names(folder) == ["stone.png", "stone_comparison.png", "stone_texture.png"]
    shell = 'exec "$@" 2>&-'
    command = ["sh", "-c", shell, "sh", *command, "stone.png"]
    result = subprocess.run(command, check=False, env=environment)
    assert result.returncode == 0


def test_a_signal_while_saving_does_not_lose_the_picture(folder, run, monkeypatch):
    from texsynth import images

    def interrupted(save, *arguments):
        signal.raise_signal(signal.SIGINT)
        save(*arguments)

    for name in ("save", "save_png"):
        save = getattr(images, name)
        monkeypatch.setattr(images, name, functools.partial(interrupted, save))
    result = run("stone.png")  # the second Ctrl-C, in the second picture, stops at once
    assert result.exit_code == command.EXIT_INTERRUPTED
    assert result.stderr.endswith("interrupted; written: stone_texture.png\n")
    assert names(folder) == ["stone.png", "stone_texture.png"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_full_disk_is_one_line(folder, run, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    result = run("stone.png")
    assert result.exit_code == FAILURE
    assert "cannot write stone_texture.png: [Errno 28] No space left" in result.stderr
    assert names(folder) == ["stone.png"]


def test_no_memory_is_one_line(folder, run, monkeypatch):
    def no_memory(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr("texsynth.synthesis.loop.synthesize", no_memory)
    result = run("stone.png")
    assert result.exit_code == FAILURE
    assert "not enough memory for this size; try a smaller --size" in result.stderr


def start(random_weights_file, *arguments):
    command = [sys.executable, "-m", "texsynth", "--weights", str(random_weights_file)]
    return subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD},
    )


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_saves_the_image_so_far(folder, random_weights_file, number):
    process = start(
        random_weights_file, "stone.png", "--size", "32", "-n", "100000", "--snapshots", "1"
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("*step00003.png")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "interrupted" in errors and "Traceback" not in errors
    assert opened("stone_texture.png").size == (32, 24)
    assert opened("stone_comparison.png").size == (72, 24)
    assert opened("stone_texture.png").text["texsynth:reason"] == "interrupted"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_the_first_step_is_told_in_one_line(folder, random_weights_file, number):
    os.mkfifo("pipe.png")  # reading it waits for ever
    process = start(random_weights_file, "pipe.png")
    deadline, writing = time.monotonic() + 60, None
    while writing is None and time.monotonic() < deadline:
        try:
            writing = os.open("pipe.png", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            time.sleep(0.02)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    os.close(writing)
    assert (process.returncode, output) == (128 + number, "")
    assert errors == "texsynth: error: interrupted; written: nothing\n"
    assert names(folder) == ["pipe.png", "stone.png"]


def test_interrupting_before_the_first_step_writes_nothing(folder, run, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("texsynth.synthesis.loop.synthesize", interrupted)
    result = run("stone.png")
    assert result.exit_code == command.EXIT_INTERRUPTED
    assert result.stderr == "texsynth: error: interrupted; written: nothing\n"
    assert names(folder) == ["stone.png"]


def test_interrupting_before_there_is_a_job_is_one_line_too(folder, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr("texsynth.command.record.read", interrupted)
    result = CliRunner().invoke(cli.main, ["--replay", "stone_record.json"])
    assert result.exit_code == command.EXIT_INTERRUPTED
    assert result.stderr == "texsynth: error: interrupted; written: nothing\n"


def test_a_signal_gives_up_the_step_that_is_under_way(folder, run, monkeypatch):
    """A step may take many evaluations of the network, and each of them long."""
    answers = []

    def synthesize(exemplar, config, *, init, callback, stop):
        callback(SimpleNamespace(scheme=SimpleNamespace(why="")))  # there is something to save
        answers.append(stop())
        signal.raise_signal(signal.SIGTERM)
        answers.append(stop())
        raise ImageError("enough")

    monkeypatch.setattr("texsynth.synthesis.loop.synthesize", synthesize)
    assert run("stone.png", "-q").exit_code == FAILURE
    assert answers == [False, True]


# One of two processes


@pytest.fixture
def member(monkeypatch):
    """``member(rank)``: the command is one of two processes that share the work."""
    from texsynth.objective.team import Alone

    def member(rank):
        team = Alone()
        team.rank, team.size, team.place = rank, 2, rank
        team.ending_together = contextlib.nullcontext
        monkeypatch.setattr("texsynth.objective.team.assemble", lambda: team)

    return member


@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_process_alone_tells_what_is_wrong_with_the_settings(folder, run, member, rank):
    member(rank)
    result = run("--distributed", "stone.png", "-o", "stone.png", "--quality", "9")
    assert result.exit_code == USAGE
    told = "--quality is that of a JPEG, and stone.png is none\n"
    told = f"texsynth: error: {told}"
    assert result.stderr == (told if rank == 0 else "")


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("is_in_the_way", [True, False])
def test_what_is_on_the_disk_of_the_first_process_decides_for_all(
    folder, run, member, monkeypatch, rank, is_in_the_way
):
    """The second one has another disk, with another file on it."""
    told = []

    def any_of(self, flag):
        told.append(flag)
        return is_in_the_way

    monkeypatch.setattr("texsynth.objective.team.Alone.any", any_of)
    reached = []

    def enough(*arguments, **options):
        reached.append(1)
        raise ImageError("enough")

    monkeypatch.setattr("texsynth.synthesis.loop.synthesize", enough)
    member(rank)
    if (rank == 0) == is_in_the_way:
        Image.fromarray(make_texture(9, 9)).save("stone_texture.png")
    result = run("--distributed", "stone.png")
    assert told == [rank == 0 and is_in_the_way]
    assert reached == ([] if is_in_the_way else [1])
    assert not is_in_the_way or result.exit_code == USAGE
    assert ("already exists" in result.stderr) == (is_in_the_way and rank == 0)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_first_process_alone_shows_the_progress(folder, run, member, monkeypatch, rank):
    def enough(*arguments, **options):
        raise ImageError("enough")

    quiets = []
    show = display.NoProgress()
    monkeypatch.setattr(display, "make", lambda quiet: quiets.append(quiet) or show)
    monkeypatch.setattr("texsynth.synthesis.loop.synthesize", enough)
    member(rank)
    assert run("--distributed", "stone.png").exit_code == FAILURE
    assert quiets == [rank == 1]


@pytest.mark.parametrize(("first", "own"), [(-1, -1), (0, 1), (2, 3)])
def test_each_process_has_a_gpu_of_its_own(member, first, own):
    member(1)
    team, config = work._assembled(Config(gpu=first))
    assert (team.rank, config) == (1, Config(gpu=own))


def test_help_shows_the_defaults_and_does_not_import_chainer(folder):
    code = (
        "import sys\nfrom texsynth.command.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    assert not {'chainer', 'numpy', 'PIL'} & set(sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    for text in ("--gpu", "[default: 300]", "[default: lbfgs]", "conv1_1,pool1,pool2,pool3,pool4"):
        assert text in " ".join(result.stdout.split())


def test_version(folder):
    result = CliRunner().invoke(cli.main, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"texsynth {texsynth.__version__}\n"


def test_on_a_terminal_progress_is_a_bar(folder, random_weights_file):
    pty = pytest.importorskip("pty")
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "texsynth", *FAST, "--weights", random_weights_file, "stone.png"],
        stdout=subprocess.PIPE,
        stderr=secondary,
        env={**os.environ, **ONE_THREAD},
    )
    os.close(secondary)
    shown = b""
    while True:
        try:
            part = os.read(primary, 4096)
        except OSError:  # Linux ends a terminal so when nobody writes to it any more
            break
        if not part:
            break
        shown += part
    process.communicate()
    os.close(primary)
    assert process.returncode == 0
    assert b"\r" in shown and b"###" in shown and b"100%" in shown
    assert b"level 1/1 (32x24)" in shown
    plain = re.sub(rb"\x1b\[[^a-zA-Z]*[a-zA-Z]", b"", shown)
    assert max(len(line) for line in plain.split(b"\r") if b"###" in line) <= 80


def test_a_picture_of_numbers_is_read_by_a_range_and_made_again(folder, run):
    """The range is a setting: batch, record and what starts from an image have it."""
    shares = np.asarray(Image.open("stone.png").convert("L"), np.float32) / 255
    Image.fromarray(shares * 3 - 1).save("numbers.tif")
    Image.fromarray((shares * 255).round().astype(np.uint8)).save("grey.png")
    result = run("numbers.tif")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "texsynth: error: numbers.tif has floating-point values from "
        f"{shares.min() * 3 - 1:g} to {shares.max() * 3 - 1:g}; "
        "say which are black and white: --input-range LOW,HIGH"
    ]
    assert run("grey.png", "--init", "grey.png").exit_code == 0
    asked = ["--input-range", "-1,2", "--record"]
    assert run("numbers.tif", "--init", "numbers.tif", *asked).exit_code == 0
    made = [np.asarray(opened(f"{name}_texture.png")) for name in ("numbers", "grey")]
    assert np.abs(made[0].astype(int) - made[1]).max() <= 2  # the exemplar was rounded once more
    again = CliRunner().invoke(cli.main, ["--replay", "numbers_record.json"])
    assert again.exit_code == 0, again.stderr
    assert run("numbers.tif", "grey.png", "--variations", "1", *asked).exit_code == 0


def test_drifts_are_taken_out_recorded_and_replayed(folder, run):
    drifting = np.uint8(make_texture(40, 30) * np.linspace(0.4, 1, 40)[:, None])
    Image.fromarray(drifting).save("slope.png")
    assert run("slope.png").exit_code == 0
    plain = opened("slope_texture.png")
    assert run("slope.png", "--flatten", "8", "--record", "--overwrite").exit_code == 0
    settings = json.loads(opened("slope_texture.png").text["texsynth:settings"])
    assert settings["flatten"] == 8
    assert (np.asarray(plain) != np.asarray(opened("slope_texture.png"))).any()
    shown = np.asarray(opened("slope_comparison.png"))[:, -32:].astype(float)
    without = images.without_drift(images.fit(images.to_batch(drifting), (32, 24)), 8)
    assert np.abs(shown - images.to_pixels(without)).max() == 0
    again = CliRunner().invoke(cli.main, ["--replay", "slope_record.json"])
    assert again.exit_code == 0, again.stderr
    result = run("slope.png", "--flatten", "0.5")
    assert result.exit_code == 2
    assert "flatten must be a number of at least 1, not 0.5" in result.stderr


@pytest.mark.parametrize("text", ["1,0", "1", "x,y"])
def test_a_range_that_is_none_is_a_usage_error(folder, run, text):
    result = run("stone.png", "--input-range", text)
    assert (result.exit_code, names(folder)) == (2, ["stone.png"])
    assert "'--input-range': input range must" in result.stderr


def test_a_file_that_ends_too_early_is_no_interruption(folder, run, monkeypatch):
    """Wherever that comes from."""

    def ends(*arguments):
        raise EOFError("Ran out of input")

    monkeypatch.setattr(work.single, "make", ends)
    result = run("stone.png")
    assert (result.exit_code, result.stderr) == (1, "texsynth: error: EOFError: Ran out of input\n")
