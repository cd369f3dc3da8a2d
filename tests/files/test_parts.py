"""What a killed writer left is swept, what is being written is not."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from texsynth.files import checkpoint, parts, written_whole

WRITE = """
import os, sys
from pathlib import Path
from texsynth.files import written_whole
with written_whole(Path("file")) as file:
    file.write(b"half")
    file.flush()
    print("writing", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def nothing_swept(monkeypatch):
    monkeypatch.setattr(parts, "_swept", set())


@pytest.fixture
def writer(tmp_path):
    """Another process, in the middle of writing ``file`` to the folder."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITE],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stdout.readline() == b"writing\n"
        yield process


def write(folder, name="other"):
    with written_whole(folder / name) as file:
        file.write(b"whole")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_is_swept(tmp_path, writer):
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    (left,) = names(tmp_path)
    assert left.startswith(".texsynth-") and left.endswith(".part")
    write(tmp_path)
    assert names(tmp_path) == ["other"]


def test_what_is_being_written_is_not_swept(tmp_path, writer):
    write(tmp_path)
    assert len(names(tmp_path)) == 2
    writer.communicate(timeout=60)
    assert names(tmp_path) == ["file", "other"]
    assert (tmp_path / "file").read_bytes() == b"half"


def test_a_stopped_writer_is_not_gone(tmp_path, writer):
    writer.send_signal(signal.SIGSTOP)
    write(tmp_path)
    writer.send_signal(signal.SIGCONT)
    writer.communicate(timeout=60)
    assert names(tmp_path) == ["file", "other"]


def test_a_folder_is_looked_through_once(tmp_path):
    write(tmp_path)
    (tmp_path / ".texsynth-x.part").touch()
    write(tmp_path)
    assert names(tmp_path) == [".texsynth-x.part", "other"]


def test_nothing_else_is_swept(tmp_path):
    """Not what has such a name and is no file; nor what a link leads to."""
    (tmp_path / ".texsynth-folder.part").mkdir()
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / ".texsynth-link.part").symlink_to("mine")
    os.mkfifo(tmp_path / ".texsynth-pipe.part")
    for name in (".texsynth-", "texsynth-a.part", ".texsynth-a.part.png", ".other-a.part"):
        (tmp_path / name).touch()
    before = names(tmp_path)
    write(tmp_path)
    assert names(tmp_path) == sorted([*before, "other"])


def test_what_was_swept_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    """Between the two, it looks like what a killed writer left."""
    swept = []

    def first(number, operation):
        path = Path(f"/proc/self/fd/{number}").readlink()
        if not swept:
            swept.append(path)
            path.unlink()

    monkeypatch.setattr(fcntl, "flock", first)
    write(tmp_path)
    assert names(tmp_path) == ["other"] and len(swept) == 1


def test_where_there_are_no_locks_nothing_is_swept(tmp_path, monkeypatch):
    def unknown(number, operation):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unknown)
    (tmp_path / ".texsynth-x.part").touch()
    write(tmp_path)
    assert names(tmp_path) == [".texsynth-x.part", "other"]


def test_the_older_of_two_checkpoints_is_not_swept_amidst(tmp_path, monkeypatch):
    """While it has the name of a part, a run begins in the folder."""
    replace, others = Path.replace, []

    def amidst(path, target):
        if path.name == ".texsynth-run.ckpt.part":
            parts._swept.clear()
            other = threading.Thread(target=write, args=[tmp_path])
            other.start()
            other.join()
            others.append(path.exists())
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", amidst)
    for number in range(3):
        checkpoint.save(tmp_path / "run.ckpt", {"n": number}, [("a", np.zeros(3))])
    assert others == [True, True]
    assert checkpoint.load(tmp_path / "run.previous.ckpt").fields["n"] == 1
