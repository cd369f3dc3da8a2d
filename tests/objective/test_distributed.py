"""Several processes by mpiexec: the same texture, and the same end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

import texsynth
from tests import hostcuda
from tests.conftest import ONE_THREAD, make_texture
from texsynth.config import Config
from texsynth.errors import TexsynthError
from texsynth.objective import memory
from texsynth.objective.strip_objective import can_share
from texsynth.objective.team import ALONE, assemble

pytest.importorskip("mpi4py")
MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="there is no mpiexec")


@pytest.fixture
def mpirun(tmp_path, random_weights_file):
    Image.fromarray(make_texture(48, 40)).save(tmp_path / "stone.png")

    def mpirun(processes, *args, wait=True, module=("texsynth",)):
        command = [MPIEXEC, "-n", processes, sys.executable, "-m", *module, "--distributed"]
        command += ["--weights", random_weights_file, "--layers", ",".join(LAYERS)]
        command += ["-n", "3", *args]
        keywords = {"cwd": tmp_path, "env": {**os.environ, **ONE_THREAD}, "text": True}
        if wait:
            return subprocess.run(
                list(map(str, command)), capture_output=True, timeout=120, **keywords
            )
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
        return subprocess.Popen(list(map(str, command)), **pipes, **keywords)

    return mpirun


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_strips_are_the_whole_image(processes):
    module = ["-m", "tests.objective.mpi_strips"]
    done = subprocess.run(
        [MPIEXEC, "-n", str(processes), sys.executable, *module, str(processes)],
        capture_output=True, text=True, timeout=120, env={**os.environ, **ONE_THREAD},
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ok") == processes


LAYERS = ("conv1_1", "pool1")
PROCESS = memory.process_bytes("winograd", LAYERS)  # Python 3.13 takes more
SMALL = ["--size", "48", "--levels", "1"]
LITTLE = ["--preset", "natural", "--output-size", "200x150", "--levels", "1"]
LITTLE += ["--memory", f"{(PROCESS + 88e6) / 1e6:.0f}MB"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [["--levels", "2"], ["--tile", "--output-size", "64x48"], LITTLE]
)
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


@pytest.mark.slow
def test_processes_share_a_texture_of_statistics(mpirun, tmp_path, random_weights_file):
    """And along principal components, whose basis each of them finds for itself."""
    config = Config(size=0, layers=LAYERS, weights=random_weights_file)
    texsynth.measure(make_texture(48, 40), config).save(tmp_path / "stone.npz")
    shown = []
    for processes in (1, 2):
        options = ["--components", "16", "--output-size", "96x128", "-o", f"{processes}.png"]
        done = mpirun(processes, "--target", "stone.npz", *options)
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / f"{processes}.png") as image:
            shown.append(np.asarray(image, int))
    assert np.abs(shown[0] - shown[1]).max() <= 2


@pytest.mark.gpu
def test_processes_with_a_gpu_each_make_the_same_image(gpu, mpirun, tmp_path, monkeypatch):
    """Without NCCL, and by an MPI that knows nothing of GPUs."""
    module = ["texsynth"]
    if hostcuda.is_installed():
        module = ["tests.hostcuda", "texsynth"]
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        monkeypatch.setenv("HOSTCUDA_DEVICES", "2")
        monkeypatch.setenv("HOSTCUDA_GUARD", "1")  # whoever reads GPU memory as the host's, dies
    elif gpu.xp.cuda.runtime.getDeviceCount() < 2:
        pytest.skip("needs two GPUs")
    for name, number in (("cpu", "-1"), ("gpu", "0")):
        options = ["-o", f"{name}.png", "--gpu", number, "--engine", "plain", *SMALL]
        done = mpirun(2, "stone.png", *options, module=module)
        assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "cpu.png") as one, Image.open(tmp_path / "gpu.png") as two:
        assert np.abs(np.asarray(one, int) - np.asarray(two)).max() <= 2


def test_a_killed_process_ends_the_run_and_nothing_is_written(mpirun, tmp_path):
    run = mpirun(2, "stone.png", "-n", "1000000", wait=False)
    try:
        for line in run.stderr:
            if "step" in line:
                break
        ranks = [pid for pid in _descendants(run.pid) if _is_rank(pid)]
        began = time.monotonic()
        os.kill(ranks[-1], signal.SIGKILL)
        assert run.wait(timeout=30) != 0
        assert time.monotonic() - began < 30
    finally:
        os.killpg(run.pid, signal.SIGKILL) if run.poll() is None else None
        run.stdout.close()
        run.stderr.close()
    assert [path.name for path in tmp_path.iterdir()] == ["stone.png"]


def _descendants(pid):
    """The processes that a process started, and those that these started."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    children = [int(child) for child in found.stdout.split()]
    return children + [each for child in children for each in _descendants(child)]


def _is_rank(pid):
    """Whether a process is one of those that mpiexec started, not mpiexec or its helper."""
    try:
        return b"-m\0texsynth" in Path(f"/proc/{pid}/cmdline").read_bytes() and Path(
            f"/proc/{pid}/exe"
        ).resolve().name.startswith("python")
    except OSError:
        return False


@pytest.mark.parametrize(
    ("args", "times", "message"),
    [
        pytest.param(
            ["--preset", "regular"],
            1,
            "loss autocorrelation needs the whole image at once",
            marks=pytest.mark.slow,
        ),
        (["--snapshots", "1"], 2, "--snapshots cannot be used when processes share a texture"),
        (["--size", "-1"], 2, "size must be at least 0, not -1"),
    ],
)
def test_what_cannot_be_shared_is_said(mpirun, args, times, message):
    """Once; or by each of two, of what is seen before they know of one another."""
    done = mpirun(2, "stone.png", *args)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if "error" in line]
    assert len(lines) == times and all(message in line for line in lines)


@pytest.mark.slow
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
    assert sorted(done.stdout.split()) == sorted(f"out/{name}" for name in names)  # each by one


def test_without_mpi_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "chainermn", None)
    with pytest.raises(TexsynthError, match="--distributed needs MPI"):
        assemble()


@pytest.mark.parametrize("error", [RuntimeError("cannot load MPI library"), OSError("no libmpi")])
def test_where_mpi_does_not_work_it_is_said(monkeypatch, error):
    def refuse(name):
        raise error

    monkeypatch.setitem(sys.modules, "chainermn", SimpleNamespace(create_communicator=refuse))
    with pytest.raises(TexsynthError, match=rf"--distributed needs MPI \({error}\)"):
        assemble()


def test_a_process_knows_its_place_on_its_machine(monkeypatch):
    """The second of four on the second of two machines."""
    communicator = SimpleNamespace(rank=5, size=8, intra_rank=1, intra_size=4)
    made = {"naive": communicator}  # which needs no NCCL
    chainermn = SimpleNamespace(create_communicator=made.__getitem__)
    monkeypatch.setitem(sys.modules, "chainermn", chainermn)
    team = assemble()
    assert (team.rank, team.size, team.place, team.neighbours) == (5, 8, 1, 4)


def test_strips_are_shared_if_each_is_twice_as_high_as_what_it_borrows():
    """pool4 sees 42 px around the pixels that it covers."""
    two, layers = SimpleNamespace(size=2), ["conv1_1", "pool4"]
    assert can_share((168, 20), layers, two)
    assert not can_share((167, 2000), layers, two)
    assert not can_share((2000, 2000), layers, ALONE)


def test_one_failing_process_ends_the_others(tmp_path):
    """What is wrong with the settings is left to the command; the others would wait for ever."""
    script = """
        from pathlib import Path
        from texsynth.errors import ConfigError
        from texsynth.objective.team import assemble

        team = assemble()
        try:
            with team.ending_together():
                raise ConfigError("unknown")
        except ConfigError:
            Path(f"{team.rank} was left alone").touch()
        team.count(1)
        with team.ending_together():
            if team.rank == 1:
                raise OSError("lost\\nconnection")
            team.count(1)
    """
    done = subprocess.run(
        [MPIEXEC, "-n", "2", sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, timeout=60, env={**os.environ, **ONE_THREAD}, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode != 0
    assert len(list(tmp_path.glob("* was left alone"))) == 2
    assert "texsynth: error: process 1: lost connection\n" in done.stderr
