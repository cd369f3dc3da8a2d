"""The command killed, or its disk full, at any moment: what is there is whole, and goes on.

A process of its own loads the command once, and forks for each run, so that a run takes a fraction
of a second. It makes a small texture with checkpoints, snapshots and a record.
"""

import functools
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ONE_THREAD, make_texture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here"),
]

PICTURES = ["stone_texture.png", "stone_comparison.png"]
OUTPUTS = [*PICTURES, "stone_record.json"]
CALLS = ("fsync", "chmod", "link", "replace", "unlink")
FULL = "No space left on device"


class Runs:
    """Runs of the command in children of this process.

    Args:
        folder: Where the texture is made, empty; the exemplar is in the folder above.
        weights: Path of the weights.
    """

    def __init__(self, folder, weights):
        from texsynth import weights as loading
        from texsynth.command import cli, job  # noqa: F401 (once, and not in every child)
        from texsynth.synthesis import loop  # noqa: F401 (once, and not in every child)

        loading.load = functools.cache(loading.load)
        checksum = loading.load(str(weights)).checksum()
        loading.VGGWeights.checksum = lambda _: checksum
        self._main = cli.main
        self.folder, self._told = Path(folder), Path(folder).parent / "told"
        Image.fromarray(make_texture(40, 30)).save(self.folder.parent / "stone.png")
        os.chdir(self.folder)
        options = "--engine plain --size 32 -n 3 --levels 1 --layers conv1_1,pool1"
        self._plain = ["../stone.png", *options.split(), "--weights", str(weights)]
        keeping = "--checkpoint run.ckpt --every 1 --snapshots 1 --record"
        self.job = [*self._plain, *keeping.split()]
        started = time.monotonic()
        assert self.run(self.job) == 0, self.told
        self.seconds = time.monotonic() - started
        self.whole = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        assert {*OUTPUTS, "run.ckpt", "run.previous.ckpt"} < self.whole.keys()

    @property
    def told(self):
        """What the last run said on standard error, lines."""
        return self._told.read_text().splitlines()

    def clear(self):
        for path in self.folder.iterdir():
            path.unlink()

    def run(self, arguments, prepare=lambda: None, seconds=None):
        """Runs the command; returns the exit code, or less than 0 for a signal.

        Args:
            arguments: Those of the command.
            prepare: Called in the child before.
            seconds: Time after which it is killed; ``None`` lets it come to its end.
        """
        child = os.fork()
        if not child:
            code = 99
            try:
                told = os.open(self._told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(told, 1)
                os.dup2(told, 2)
                prepare()
                self._main(arguments)
            except SystemExit as error:
                code = error.code or 0
            finally:
                os._exit(code)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def check(self):
        """Makes sure that every file is whole; returns the names of those that are there."""
        from texsynth.command import record
        from texsynth.files import checkpoint

        names = sorted(path.name for path in self.folder.iterdir())
        for name in names:
            if name.startswith(".texsynth-") and name.endswith(".part"):
                continue
            path = self.folder / name
            if name.endswith(".png"):
                with Image.open(path) as picture:
                    picture.load()
                assert path.read_bytes() == self.whole[name], name
            elif name.endswith(".ckpt"):
                assert len(checkpoint.load(path).fields["run"]["losses"]) in (1, 2, 3)
            else:
                image_path = record.read(path).recipe.exemplar.path
                assert image_path.samefile(self.folder.parent / "stone.png"), name
        return names

    def go_on(self):
        """Goes on, or makes it anew where there is no checkpoint; it ends as it should."""
        kept = any(Path(name).exists() for name in ("run.ckpt", "run.previous.ckpt"))
        again = ["--resume", "run.ckpt", "--record"] if kept else self.job
        assert self.run(again) == 0, self.told
        names = self.check()
        assert {*OUTPUTS, "run.ckpt"} <= set(names)
        return kept


def counted(function, call):
    """A function that makes a call before each of its own."""

    def wrapped(*arguments, **options):
        call()
        return function(*arguments, **options)

    return wrapped


def at_call(number, act, names=CALLS):
    """Returns what makes this process act at so manieth call, from 1, of functions of ``os``."""
    left = number

    def call():
        nonlocal left
        left -= 1
        if left == 0:
            act()

    def prepare():
        for name in names:
            setattr(os, name, counted(getattr(os, name), call))

    return prepare


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at_any_time(runs):
    """Seeded moments, from the first to a little after the end.

    The first run may have been slower than all others, where the machine was busy with it.
    """
    moments, found, whole = random.Random(0), [], runs.seconds
    for _ in range(40):
        runs.clear()
        began = time.monotonic()
        code = runs.run(runs.job, seconds=moments.uniform(0, 1.05) * whole)
        if code == 0:
            whole = min(whole, time.monotonic() - began)
        names = runs.check()
        found.append([code, names, runs.go_on()])
    return found


def killed_at_any_call(runs):
    """Before each call that puts a file in its place or takes one away."""
    found, code = [], None
    while code != 0:
        runs.clear()
        code = runs.run(runs.job, at_call(len(found) + 1, kill))
        names = runs.check()
        found.append([code, names, runs.go_on()])
    return found


def killed_within_writes(runs):
    """By the system, at a byte in the middle of a file: where it may grow no further."""

    def limit(size):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python has it ignored
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    found = []
    largest = len(runs.whole["run.ckpt"])
    sizes = [0, 1, 1000, *(largest * part // 12 for part in range(1, 12)), largest - 1, largest]
    for size in sizes:
        runs.clear()
        code = runs.run(runs.job, functools.partial(limit, size))
        names = runs.check()
        found.append([code, names, runs.go_on()])
    runs.clear()
    for name in PICTURES:
        code = runs.run(runs._plain, functools.partial(limit, len(runs.whole[name]) - 1))
        found.append([code, runs.check(), False])
        runs.clear()
    return found


def failing_at_any_call(runs):
    """Each call that needs room fails once, and the next one does not."""
    has_failed = runs.folder.parent / "failed"

    def act():
        has_failed.touch()
        raise OSError(28, FULL)

    found = []
    while not found or has_failed.exists():
        has_failed.unlink(missing_ok=True)
        runs.clear()
        prepare = at_call(len(found) + 1, act, ("fsync", "chmod", "replace"))
        code = runs.run(runs.job, prepare)
        told, names = runs.told, runs.check()
        found.append([code, names, runs.go_on(), told])
    return found


def full_disks(runs):
    """Disks of all sizes; then there is room again."""

    def resize(kilobytes):
        mount = ["mount", "-o", f"remount,size={kilobytes}k", str(runs.folder)]
        subprocess.run(mount, check=True)

    needed = sum(-(-len(content) // 4096) * 4 for content in runs.whole.values())
    found = []
    enough = needed + 40 + len(runs.whole["run.ckpt"]) // 1024  # which is there three times
    for size in [4, 8, 12, 16, 20, 24, *range(32, enough, needed // 12), enough]:
        runs.clear()
        resize(size)
        code = runs.run(runs.job)
        told, names = runs.told, runs.check()
        resize(10 * needed)
        found.append([code, names, runs.go_on(), told])
    return found


def main(name, folder, weights):
    """What the process of its own does; prints what was found, as JSON."""
    print(json.dumps(globals()[name](Runs(folder, weights))))


@pytest.fixture
def found(tmp_path, random_weights_file):
    """Runs one of the functions above in a process of its own; returns what it found."""

    def found(function, *mounting):
        program = "import sys; sys.path.insert(0, sys.argv[1])\n"
        program += "from tests.command import test_faults as t; t.main(*sys.argv[2:])"
        (tmp_path / "here").mkdir(exist_ok=True)
        arguments = [Path(__file__).parents[2], function.__name__, tmp_path / "here"]
        command = [*mounting, sys.executable, "-c", program, *arguments, random_weights_file]
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, check=False,
            env={**os.environ, **ONE_THREAD},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return found


def left_over(names):
    return [name for name in names if name.startswith(".texsynth-")]


def test_killed_at_any_time_it_is_whole_and_goes_on(found):
    runs = found(killed_at_any_time)
    assert len(runs) == 40 and all(code in (0, -signal.SIGKILL) for code, _, _ in runs)
    killed = [each for each in runs if each[0]]
    assert len(killed) >= 20
    # It was killed before the first checkpoint and after it.
    assert {kept for _, _, kept in killed} == {False, True}


def test_killed_at_any_call_it_is_whole_and_goes_on(found):
    runs = found(killed_at_any_call)
    assert all(code == -signal.SIGKILL for code, _, _ in runs[:-1]) and runs[-1][0] == 0
    assert len(runs) > 40
    assert any(left_over(names) for _, names, _ in runs)
    assert not left_over(runs[-1][1])
    there = [{*PICTURES, "stone_record.json"} & set(names) for _, names, _ in runs]
    assert {len(each) for each in there} == {0, 1, 2, 3}


def test_killed_within_writes_it_is_whole_and_goes_on(found):
    runs = found(killed_within_writes)
    *checkpointed, texture, comparison = runs
    assert [code for code, _, _ in checkpointed] == [-signal.SIGXFSZ] * (len(runs) - 3) + [0]
    assert {kept for _, _, kept in checkpointed} == {False, True}
    # What it says on standard error may grow no further than the least of these sizes, either.
    assert all(left_over(names) for _, names, _ in checkpointed[3:-1])
    # The texture is smaller than the comparison.
    assert [texture[0], comparison[0]] == [-signal.SIGXFSZ] * 2
    assert [name for name in texture[1] if not left_over([name])] == []
    assert [name for name in comparison[1] if not left_over([name])] == ["stone_texture.png"]


def assert_told(code, names, told):
    """A run on a disk that was full went on, or ended clearly; returns what was hit."""
    assert not left_over(names)
    hit = set()
    for line in told:
        if "run.ckpt: cannot be written: " in line:
            assert line.endswith(f"{FULL}; continuing without it")
            hit.add("checkpoint")
        elif line.endswith(f" is written, but a loss of power may undo it: {FULL}"):
            hit.add("folder")
        elif "no more snapshots will be saved" in line:
            assert FULL in line and line.startswith("texsynth: cannot write stone_texture_level1_s")
            hit.add("snapshot")
        assert "Traceback" not in line
    made = [name for name in OUTPUTS if name in names]
    if code == 0:
        assert made == OUTPUTS
        return hit
    assert code == 1 and made != OUTPUTS
    last = told[-1]
    missing = OUTPUTS[len(made)]
    assert made == OUTPUTS[: len(made)]
    assert last.startswith(f"texsynth: error: cannot write {missing}: ") and FULL in last
    assert [name in last.partition("; written: ")[2] for name in made] == [True] * len(made)
    return hit | {missing}


def test_a_call_that_fails_is_told_and_everything_is_whole(found):
    runs = found(failing_at_any_call)
    assert len(runs) > 25
    *failed, last = runs
    assert assert_told(last[0], last[1], last[3]) == set()
    hits = [assert_told(code, names, told) for code, names, _, told in failed]
    assert all(len(hit) == 1 for hit in hits)
    assert set().union(*hits) == {"checkpoint", "snapshot", "folder", *OUTPUTS}


def test_a_full_disk_is_told_and_everything_is_whole(found, tmp_path):
    script = f'mount -t tmpfs -o size=10m none "{tmp_path}/here" && exec "$@"'
    mounting = ["unshare", "-rm", "sh", "-c", script, "sh"]
    (tmp_path / "here").mkdir()
    may_mount = shutil.which("unshare") and subprocess.run(
        [*mounting, "true"], capture_output=True, check=False
    )
    if not may_mount or may_mount.returncode:
        pytest.skip("no disk may be mounted here")
    runs = found(full_disks, *mounting)
    hits = [assert_told(code, names, told) for code, names, _, told in runs]
    assert hits[-1] == set()  # there was room for all
    assert {"checkpoint", "snapshot", "stone_texture.png"} <= set().union(*hits)
    assert {kept for _, _, kept, _ in runs} == {False, True}


def test_files_that_may_not_grow_are_told_and_everything_is_whole(found):
    """The checkpoints are larger than the pictures: the work goes on without."""
    runs = found(limited)
    for code, names, told in runs:
        assert code == 0 and not left_over(names)
        assert set(OUTPUTS) <= set(names) and "Traceback" not in "".join(told)
        assert sum(line.endswith("File too large; continuing without it") for line in told) > 0
    # The first checkpoint is smaller than the later ones: it stays, whole.
    assert [("run.ckpt" in names) for _, names, _ in runs] == [False, True]


def limited(runs):
    """Files may be as large as pictures, then as large as the first checkpoint."""
    found = []
    # Of 2 images and 2 for each step so far.
    first = len(runs.whole["run.ckpt"]) * 4 // 8 + 5000
    for size in (max(len(runs.whole[name]) for name in OUTPUTS) + 500, first):
        runs.clear()
        limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
        code = runs.run(runs.job, limit)
        told, names = runs.told, runs.check()
        found.append([code, names, told])
        runs.go_on()
    return found
