"""Where the command runs: broken streams, odd names, no home, full disks, folders that vanish.

And odd textures: whatever is given ends in a picture or in one line with the right exit code.
"""

import contextlib
import json
import math
import os
import resource
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

from tests.command.conftest import names
from tests.conftest import ONE_THREAD, make_texture
from texsynth import command
from texsynth.command import cli
from texsynth.terms import LOSSES

FAST = ["--engine", "plain", "--size", "32", "-n", "1", "--layers", "conv1_1"]
PICTURES = ["stone_comparison.png", "stone_texture.png"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to stand in, with ``stone.png`` in the one above."""
    Image.fromarray(make_texture(40, 30)).save(tmp_path / "stone.png")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def arguments(random_weights_file):
    """The command line of a fast run."""
    one_thread = [f"{name}={number}" for name, number in ONE_THREAD.items()]
    return [
        "env",
        *one_thread,
        sys.executable,
        "-m",
        "texsynth",
        *FAST,
        "--weights",
        str(random_weights_file),
    ]


def assert_one_line(result, code, message):
    """The command failed so, and told of it on standard error's last line, and nowhere else."""
    lines = result.stderr.splitlines()
    assert result.returncode == code, result.stderr
    assert lines[-1].startswith("texsynth: error: ") and message in lines[-1]
    assert not any("error:" in line or "Traceback" in line for line in lines[:-1])


# Streams


CLOSED = {
    "standard input": ("<&-", 0, PICTURES),
    "standard output": (">&-", 0, PICTURES),
    "standard error": ("2>&-", 0, PICTURES),
    "all three": ("<&- >&- 2>&-", 0, PICTURES),
    "a full standard error": ("2>/dev/full", 0, PICTURES),
    "a full standard output": (">/dev/full", 1, PICTURES),
}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize(("redirection", "code", "made"), CLOSED.values(), ids=CLOSED)
def test_streams_that_are_closed_or_full_do_not_lose_the_picture(
    folder, arguments, redirection, code, made
):
    shell = ["sh", "-c", f'"$@" ../stone.png {redirection}', "sh", *arguments]
    done = subprocess.run(shell, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code
    assert names(folder) == made
    assert "Traceback" not in done.stderr
    if code:
        assert_one_line(done, 1, "cannot write to standard output: No space left on device; writ")


@pytest.mark.slow
def test_a_reader_that_leaves_early_does_not_lose_the_picture(folder, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [*arguments, "../stone.png"],
            stdout=writing, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert names(folder) == PICTURES
    assert_one_line(
        done, 1,
        "cannot write to standard output: Broken pipe; written: stone_texture.png, stone_comp",
    )  # fmt: skip


# Names and the environment


STRANGE_NAMES = ["日本.png", "a b.png", "two\nlines.png", "-dash.png", os.fsdecode(b"\xff.png")]


@pytest.fixture
def strange(folder):
    for name in STRANGE_NAMES:
        try:
            shutil.copy("../stone.png", name)
        except (OSError, UnicodeError):
            pytest.skip("names are no bytes here")
    return folder


SURROUNDINGS = {
    "nothing": {"HOME": None, "LC_ALL": "C", "LANG": None, "TMPDIR": "/nonexistent"},
    "ASCII": {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii", "HOME": "/dev/null"},
    "ASCII by force": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "HOME": "/x"},
}


@pytest.mark.slow
@pytest.mark.parametrize("changes", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_strange_names_in_strange_surroundings(strange, arguments, changes):
    environment = {key: value for key, value in os.environ.items() if key not in changes}
    environment |= {key: value for key, value in changes.items() if value is not None}
    Path("out").mkdir()
    Path("缺.png").write_text("no image")
    done = subprocess.run(
        [*arguments, "--out", "out", "--", *STRANGE_NAMES, "缺.png"],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    errors = done.stderr.decode("utf-8", "replace")
    assert done.returncode == 1, errors  # of the one that is no image
    assert "Traceback" not in errors and "is not an image" in errors
    stems = [name.removesuffix(".png") for name in STRANGE_NAMES]
    made = [f"{stem}_{kind}.png" for stem in stems for kind in ("texture", "comparison")]
    assert names(strange / "out") == sorted(made)
    text = Image.open(strange / "out" / f"{stems[-1]}_texture.png").text
    assert json.loads(text["texsynth:settings"])["image"] == "?.png"


@pytest.mark.parametrize("others", [[], ["../stone.png"]], ids=["one", "several"])
def test_no_name_drives_the_terminal(folder, run, others):
    result = run("a\x1b[2J\nb.png", *others)
    assert result.exit_code == command.EXIT_FAILURE
    ending = "; nothing was made" if others else ""
    assert f"error: no such file: a\ufffd[2J b.png{ending}\n" in result.stderr
    assert "\x1b" not in result.stderr
    shutil.copy("../stone.png", "c\x1b[2J\nd.png")
    result = run("c\x1b[2J\nd.png", *others)
    assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.stderr
    assert "c\x1b[2J\nd_texture.png" in names(folder)


def test_a_name_that_leaves_no_room_for_the_textures_is_told_before_the_work(folder, run):
    longest = "n" * 251 + ".png"
    shutil.copy("../stone.png", longest)
    result = run(longest)
    assert result.exit_code == command.EXIT_FAILURE
    assert result.stderr.endswith("_texture.png: File name too long\n")
    assert result.stderr.startswith("texsynth: error: cannot write nnn")
    assert len(result.stderr.splitlines()) == 1
    assert names(folder) == [longest]


@pytest.mark.parametrize("suffix", ["_texture.png", "_comparison.png"])
def test_the_longest_names_that_leave_room_do(folder, run, suffix):
    """``_comparison.png`` is the longest that is added to the name of the image."""
    name = "n" * (255 - len("_comparison.png"))
    shutil.copy("../stone.png", f"{name}.png")
    result = run(f"{name}.png")
    assert result.exit_code == 0, result.stderr
    assert f"{name}{suffix}" in names(folder)


# What the output's name leads to


def test_a_link_to_another_file_is_replaced_and_not_followed(folder, run):
    other = folder / "precious"
    other.write_text("precious")
    for name in ("stone_texture.png", "stone_comparison.png"):
        Path(name).symlink_to(other)
    assert run("../stone.png").exit_code == 0
    assert other.read_text() == "precious"
    for name in PICTURES:
        assert not Path(name).is_symlink()
        Image.open(name).verify()


@pytest.mark.parametrize("target", ["nowhere", "stone_texture.png"])
def test_a_link_to_nowhere_is_replaced(folder, run, target):
    Path("stone_texture.png").symlink_to(target)
    assert run("../stone.png").exit_code == 0
    assert not Path("stone_texture.png").is_symlink()
    assert names(folder) == PICTURES


def test_a_link_to_a_folder_is_that_folder(folder, run):
    Path("inner").mkdir()
    Path("link").symlink_to("inner")
    assert run("../stone.png", "-o", "link").exit_code == 0
    assert names(folder / "inner") == PICTURES
    result = run("../stone.png", "-o", "link/none/x.png")
    assert (result.exit_code, len(result.stderr.splitlines())) == (command.EXIT_USAGE, 1)


def test_a_link_to_what_is_read_is_not_written_through(folder, run):
    before = Path("../stone.png").read_bytes()
    Path("stone_comparison.png").symlink_to("../stone.png")
    result = run("../stone.png")
    assert result.exit_code == command.EXIT_USAGE
    assert "would overwrite ../stone.png, which is an input" in result.stderr
    assert Path("../stone.png").read_bytes() == before


def test_a_pipe_of_the_outputs_name_is_replaced_and_not_waited_for(folder, run):
    os.mkfifo("stone_texture.png")
    assert run("../stone.png").exit_code == 0
    assert Path("stone_texture.png").is_file()


# Disks and folders


def may_mount():
    """Whether this process may mount a small disk, in a namespace of its own."""
    command = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"]
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    return False


@pytest.fixture
def on_disk(folder, arguments):
    """Runs the command on a small disk of its own, then lists what is there."""
    if not may_mount():
        pytest.skip("no disk may be mounted here")

    def on_disk(options, before="true"):
        (folder / "disk").mkdir()
        script = f"""
            mount -t tmpfs -o {options} none disk && cd disk && {before} || exit 99
            "$@" ../../stone.png; code=$?
            ls -A; exit $code
        """
        return subprocess.run(
            ["unshare", "-rm", "sh", "-c", script, "sh", *arguments],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    return on_disk


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "written"),
    [("size=8k", ["stone_texture.png"]), ("nr_inodes=2", ["stone_texture.png"])],
    ids=["no space", "no more files"],
)
def test_a_full_disk_keeps_what_was_whole_and_nothing_else(on_disk, options, written):
    done = on_disk(options)
    assert_one_line(done, 1, "cannot write stone_comparison.png: ")
    assert "No space left on device" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("; written: stone_texture.png")
    assert done.stdout.split() == written


@pytest.mark.slow
def test_a_disk_that_may_not_be_written_is_told_before_the_work(on_disk):
    done = on_disk("size=1m", "mount -o remount,ro .")
    assert_one_line(done, 1, "cannot write stone_texture.png: Read-only file system")
    assert done.stdout == "" and "step" not in done.stderr


@pytest.mark.slow
def test_files_that_may_not_grow_leave_nothing(folder, arguments):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    done = subprocess.run(
        [*arguments, "../stone.png"],
        preexec_fn=limit, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert_one_line(done, 1, "cannot write stone_texture.png: [Errno 27] File too large")
    assert names(folder) == []


@pytest.mark.slow
def test_a_folder_that_vanishes_while_it_works(folder, arguments):
    Path("gone").mkdir()
    process = subprocess.Popen(
        [*arguments, "-n", "100000", "--snapshots", "1", "../stone.png", "-o", "gone"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not list(folder.glob("gone/*step00002.png")) and time.monotonic() < deadline:
        time.sleep(0.02)
    while Path("gone").exists():  # into which the snapshots go on being written
        shutil.rmtree("gone", ignore_errors=True)
    while "no more snapshots" not in (line := process.stderr.readline()) and line:
        pass
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    last = errors.splitlines()[-1]
    assert last.startswith("texsynth: error: cannot write gone/stone_texture.png: ")
    assert "Traceback" not in errors
    assert names(folder) == []


@pytest.mark.slow
def test_a_current_folder_that_is_gone(folder, arguments):
    script = 'mkdir gone && cd gone && rmdir ../gone && "$@"'
    for rest, code in (("-o x.png", 1), (f"-o {folder}/x.png", 0)):
        done = subprocess.run(
            ["sh", "-c", script, "sh", *arguments, f"{folder.parent}/stone.png", *rest.split()],
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        if code:
            assert_one_line(done, 1, "cannot write x.png: No such file or directory")
            assert len(done.stderr.splitlines()) == 1
    assert names(folder) == ["x.png", "x_comparison.png"]


# What is waited for


WAITING = [
    (("../stone.png", "--weights", "pipe.npz"), "pipe.npz: a pipe or a device, not a file"),
    (("../stone.png", "--weights", "/dev/zero"), "/dev/zero: a pipe or a device, not a file"),
    (("../stone.png", "--init", "/dev/null"), "/dev/null is a device, not an image"),
    (("/dev/zero",), "/dev/zero is a device, not an image"),
]


@pytest.mark.parametrize(("arguments", "message"), WAITING, ids=str)
def test_what_would_be_waited_for_in_vain(folder, run, arguments, message):
    os.mkfifo("pipe.npz")
    result = run(*arguments)
    assert result.exit_code == command.EXIT_FAILURE
    assert result.stderr == f"texsynth: error: {message}\n"
    assert names(folder) == ["pipe.npz"]


# Odd textures


def plain(value, width=64, height=64):
    return np.full((height, width, 3), value, np.uint8)


def two_colours():
    return np.where(np.arange(64)[None, :, None] < 32, plain(0), plain(255))


def chequered():
    return plain(255) * (np.indices((64, 64)).sum(0) % 2)[:, :, None].astype(np.uint8)


TEXTURES = {
    "one colour": plain((90, 140, 200)),
    "ImageNet's mean colour": plain((124, 117, 104)),
    "black": plain(0),
    "white": plain(255),
    "two colours": two_colours(),
    "chequered": chequered(),
}


def refuse(constant):
    pytest.fail(f"{constant} in the text of the picture")


def assert_numbers(picture):
    """All that the picture tells is finite: JSON has no NaN, but Python writes it."""
    for key in ("errors", "history", "scheme", "evaluations"):
        json.loads(picture.text[f"texsynth:{key}"], parse_constant=refuse)
    assert all(map(math.isfinite, json.loads(picture.text["texsynth:errors"]).values()))


@pytest.fixture
def make_all(folder, real_weights):
    """Makes a texture of each array by one command, with the Winograd engine."""

    def make_all(textures, *arguments):
        for name, pixels in textures.items():
            Image.fromarray(pixels).save(f"{name}.png")
        Path("out").mkdir(exist_ok=True)
        options = ["--engine", "winograd", "--weights", str(real_weights), "-n", "1", "-o", "out"]
        paths = [f"{name}.png" for name in textures]
        return CliRunner().invoke(cli.main, [*options, *arguments, *paths])

    return make_all


def assert_all_made(result, textures):
    assert result.exit_code == 0, result.stderr
    for name, pixels in textures.items():
        with Image.open(f"out/{name}_texture.png") as picture:
            picture.load()
        assert picture.size == pixels.shape[1::-1]
        assert_numbers(picture)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["auto", "gatys", "natural", "regular"])
def test_textures_of_hardly_anything(make_all, preset):
    assert_all_made(make_all(TEXTURES, "--size", "0", "--preset", preset), TEXTURES)


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["auto", "gatys", "natural", "regular"])
def test_textures_as_narrow_as_a_thread(make_all, preset):
    textures = {"wide": make_texture(4000, 17), "tall": make_texture(17, 4000)}
    result = make_all(textures, "--preset", preset)
    told = result.stderr.splitlines()
    assert (result.exit_code, len(told)) == (command.EXIT_FAILURE, 3)
    assert "wide.png: exemplar of 300x1 px is too small: the deepest layer needs sides" in told[0]
    assert_all_made(make_all(textures, "--size", "0", "--preset", preset), textures)


@pytest.mark.slow
@pytest.mark.parametrize("start", ["noise", "phase", "one colour.png"])
def test_losses_whose_target_is_nothing(make_all, start):
    """About the mean, in the spectrum and in all that moves, a single colour is zero."""
    textures = {name: TEXTURES[name] for name in ("one colour", "black")}
    losses = [option for name in LOSSES for option in ("--loss", name)]
    options = ["--size", "0", "--init", start, "--match-colours", "--levels", "2"]
    assert_all_made(make_all(textures, *options, *losses), textures)
