"""Several processes by mpiexec: the same texture, and the same end."""

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
from conftest import make_texture
from PIL import Image

pytest.importorskip("mpi4py")
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@pytest.fixture
def mpirun(tmp_path, random_weights_file):
    Image.fromarray(make_texture(48, 40)).save(tmp_path / "stone.png")

    def mpirun(processes, *args, wait=True):
        command = [MPIEXEC, "-n", processes, sys.executable, "-m", "texsynth", "--distributed"]
        command += ["--weights", random_weights_file, "--layers", "conv1_1,pool1", "-n", "3", *args]
        keywords = {"cwd": tmp_path, "env": {**os.environ, **ONE_THREAD}, "text": True}
        if wait:
            return subprocess.run(
                list(map(str, command)), capture_output=True, timeout=120, **keywords
            )
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
        return subprocess.Popen(list(map(str, command)), **pipes, **keywords)

    return mpirun


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_strips_are_the_whole_image(processes):
    script = Path(__file__).parent / "mpi_strips.py"
    done = subprocess.run(
        [MPIEXEC, "-n", str(processes), sys.executable, str(script), str(processes)],
        capture_output=True, text=True, timeout=120, env={**os.environ, **ONE_THREAD},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok") == processes


@pytest.mark.parametrize("options", [["--levels", "2"], ["--tile", "--output-size", "64x48"]])
def test_any_number_of_processes_makes_the_same_image(mpirun, tmp_path, options):
    """To what three steps make of rounding; and the first of the processes alone writes."""
    for processes in (1, 2):
        done = mpirun(processes, "stone.png", "-o", f"{processes}.png", *options)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] == f"{processes}.png"
        assert done.stdout.count(f"{processes}.png") == 1
    with Image.open(tmp_path / "1.png") as one, Image.open(tmp_path / "2.png") as two:
        assert np.abs(np.asarray(one, int) - np.asarray(two)).max() <= 2
        histories = [json.loads(x.text["texsynth:history"]) for x in (one, two)]
    np.testing.assert_allclose(*(np.concatenate(h) for h in histories), rtol=2e-3)


def test_a_killed_process_ends_the_run_and_nothing_is_written(mpirun, tmp_path):
    run = mpirun(2, "stone.png", "-n", "1000000", wait=False)
    try:
        for line in run.stderr:
            if "step" in line:
                break
        children = subprocess.run(
            ["pgrep", "-f", f"texsynth --distributed.*{tmp_path.parent.name}|-n 1000000"],
            capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
        ranks = [int(pid) for pid in children if _is_rank(pid)]
        began = time.monotonic()
        os.kill(ranks[-1], signal.SIGKILL)
        assert run.wait(timeout=30) != 0
        assert time.monotonic() - began < 30
    finally:
        os.killpg(run.pid, signal.SIGKILL) if run.poll() is None else None
        run.stdout.close()
        run.stderr.close()
    assert [path.name for path in tmp_path.iterdir()] == ["stone.png"]


def _is_rank(pid):
    """Whether a process is one of those that mpiexec started, not mpiexec or its helper."""
    try:
        return b"-m\0texsynth" in Path(f"/proc/{pid}/cmdline").read_bytes() and Path(
            f"/proc/{pid}/exe"
        ).resolve().name.startswith("python")
    except OSError:
        return False


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--preset", "regular"], "loss autocorrelation needs the whole image at once"),
        (["--snapshots", "1"], "--snapshots: none can be taken of what processes share"),
        (["--size", "-1"], "size must be at least 0, not -1"),
    ],
)
def test_what_cannot_be_shared_is_said_once(mpirun, args, message):
    done = mpirun(2, "stone.png", *args)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "error" in line]
    assert message in lines[0]


def test_a_batch_is_shared_out(mpirun, tmp_path):
    for name in "abc":
        shutil.copy(tmp_path / "stone.png", tmp_path / f"{name}.png")
    (tmp_path / "bad.png").write_text("no image")
    (tmp_path / "out").mkdir()
    done = mpirun(2, "a.png", "b.png", "bad.png", "c.png", "-o", "out")
    assert done.returncode == 1
    assert "bad.png is not an image" in done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {f"{n}_{kind}.png" for n in "abc" for kind in ("texture", "comparison")}


def test_without_mpi_it_is_said(monkeypatch):
    from texsynth.errors import TexsynthError
    from texsynth.team import assemble

    monkeypatch.setitem(sys.modules, "chainermn", None)
    with pytest.raises(TexsynthError, match="--distributed needs MPI"):
        assemble(-1)
