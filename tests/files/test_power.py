"""A loss of power at any moment: what is there is whole, and what was said to be saved is there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ONE_THREAD, make_texture
from tests.files import power
from texsynth.command import record
from texsynth.errors import CheckpointError
from texsynth.files import checkpoint
from texsynth.synthesis import resuming

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("cc") is None,
    reason="needs Linux and a C compiler",
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return power.build(tmp_path_factory.mktemp("journal"))


@pytest.fixture
def journal(library, tmp_path):
    """Runs a program in an empty folder; returns the journal of that."""
    folder = tmp_path / "here"
    folder.mkdir()

    def journal(*arguments):
        written = tmp_path / "journal"
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=folder,
            env={
                **os.environ, **ONE_THREAD, "LD_PRELOAD": str(library), "JOURNAL": str(written),
                "JOURNAL_FOLDER": str(folder), "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": str(Path(__file__).parents[2]),
            },
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return list(power.read(written))

    return journal


def losses(entries, folder):
    """Yields, for a loss after each entry, the marks before it and a folder as it may be then."""
    disk = power.Disk()
    for entry in entries:
        disk.do(entry)
        for files in disk.after_a_loss_of_power():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for path, content in files.items():
                (folder / Path(path).name).write_bytes(content)
            yield disk.marks, folder


SAVES = """
import os, sys
import numpy as np
from texsynth.files import checkpoint

def refused(*_):
    raise PermissionError

def nothing(*_):
    pass

if "unlinked" in sys.argv:
    os.link = refused
for name in ("sync_folder", "fsync"):
    if name in sys.argv:
        setattr({"fsync": os, "sync_folder": checkpoint}[name], name, nothing)
if "sync_folder" in sys.argv:
    from texsynth.files import writing
    writing.sync_folder = nothing
for number in range(1, 5):
    arrays = [("a", np.full(3000, number, "f4"))]
    checkpoint.save("run.ckpt", {"n": number}, arrays)
    os.access(f"/mark/{number}", 0)
"""


def saved(entries, folder):
    """For each loss: what was said to be saved, what is there, and what is damaged."""
    for marks, state in losses(entries, folder):
        damaged = []
        for path in state.glob("*.ckpt"):
            try:
                checkpoint.load(path)
            except CheckpointError:
                damaged.append(path.name)
        try:
            there = resuming.load(state / "run.ckpt").fields["n"]
        except CheckpointError:
            there = 0
        yield int(marks[-1]) if marks else 0, there, damaged


@pytest.mark.parametrize("links", ["linked", "unlinked"])
def test_checkpoints_outlive_a_loss_of_power(journal, tmp_path, links):
    found = list(saved(journal("-c", SAVES, links), tmp_path / "then"))
    assert len(found) > 100 and {said for said, _, _ in found} == {0, 1, 2, 3, 4}
    assert all(not damaged for _, _, damaged in found)
    assert all(there in (said, said + 1) for said, there, _ in found)


def test_without_flushing_there_would_be_damage(journal, tmp_path):
    """Or this table would show nothing."""
    assert any(damaged for _, _, damaged in saved(journal("-c", SAVES, "fsync"), tmp_path / "then"))


def test_without_flushing_the_folder_the_last_would_be_lost(journal, tmp_path):
    found = list(saved(journal("-c", SAVES, "sync_folder"), tmp_path / "then"))
    assert any(there < said for said, there, _ in found)
    assert all(not damaged for _, _, damaged in found)


@pytest.mark.slow
def test_what_the_command_writes_outlives_a_loss_of_power(journal, tmp_path, random_weights_file):
    """With checkpoints, snapshots and a record; over what an earlier run has made."""
    Image.fromarray(make_texture(40, 30)).save(tmp_path / "stone.png")
    options = "--engine plain --size 32 -n 2 --levels 1 --layers conv1_1 --checkpoint run.ckpt "
    options += "--every 1 --snapshots 1 --record -q"
    command = ["-m", "texsynth", "../stone.png", *options.split(), "--weights", random_weights_file]
    entries = journal(*command)
    whole = {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()}
    assert len(whole) == 7
    number = 0
    for _, state in losses(entries, tmp_path / "then"):
        number += 1
        for path in state.iterdir():
            if path.suffix == ".png":
                assert path.read_bytes() == whole[path.name], path.name
            elif path.suffix == ".ckpt":
                assert len(checkpoint.load(path).fields["run"]["losses"]) in (1, 2)
            elif path.suffix != ".part":
                assert json.loads(path.read_bytes())["kind"] == "texsynth record"
                record.read(path)
    assert number > 100
    # At the end all is there, whatever happens then.
    assert {path.name: path.read_bytes() for path in state.iterdir()} == whole
