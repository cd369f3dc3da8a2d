import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from texsynth.kernels import cache
from texsynth.network import winograd
from texsynth.network.winograd.features import try_out


def test_kernels_are_kept_under_a_checksum_of_the_sources(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("1")
    monkeypatch.setattr(cache, "_SOURCES", tmp_path)
    before = cache._checksum()
    assert cache._checksum() == before
    (tmp_path / "a.py").write_text("2")
    assert cache._checksum() != before


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Where kernels may be kept: beside the sources, and in the user's cache."""
    places = tmp_path / "sources", tmp_path / "cache"
    for place in places:
        place.mkdir()
    monkeypatch.setattr(cache, "_SOURCES", places[0])
    monkeypatch.setenv("XDG_CACHE_HOME", str(places[1]))
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    for name in ("_folder", "_for_this_process"):
        unasked = functools.cache(getattr(cache, name).__wrapped__)
        monkeypatch.setattr(cache, name, unasked)
    yield places
    if not cache.is_kept():
        cache._for_this_process().cleanup()


def test_kernels_are_kept_in_the_first_place_that_can_be_written(places):
    sources, users = places
    assert cache._folder().parent == sources / "__pycache__"
    assert cache.is_kept()
    cache._folder.cache_clear()
    shutil.rmtree(sources / "__pycache__")
    (sources / "__pycache__").touch()  # a file, in which not even root can write a folder
    cache._folder.cache_clear()
    assert cache._folder().parent == users / "texsynth"
    assert cache.is_kept()


def test_kernels_that_no_place_can_keep_are_those_of_the_process(places, monkeypatch, caplog):
    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert cache.is_empty()
    assert not cache.is_kept()
    assert cache._folder().is_dir()
    with caplog.at_level("INFO", "texsynth"):
        try_out()
    assert "on every run, as no cache folder can be written (see NUMBA_CACHE_DIR)" in caplog.text


def test_compiling_is_said_once_where_kernels_are_kept(places, caplog):
    with caplog.at_level("INFO", "texsynth"):
        try_out()
        (cache._folder(winograd.SOURCES) / "kernel.nbi").touch()
        try_out()
    assert caplog.messages == ["compiling the Winograd engine (half a minute, once per machine)"]


def test_numbas_own_setting_is_as_it_was(monkeypatch):
    monkeypatch.setattr("numba.config.CACHE_DIR", "before")
    with pytest.raises(ImportError), cache.kernels_kept_here():
        assert numba.config.CACHE_DIR != "before"
        raise ImportError
    assert numba.config.CACHE_DIR == "before"


def test_kernels_are_kept_where_numba_is_told_to(tmp_path):
    code = (
        "from texsynth.kernels import cache\n"
        "assert cache.is_empty()\n"
        "import numpy as np\nfrom texsynth.network.winograd.gradients import seed_gradient\n"
        "print(cache._folder())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith(f"{tmp_path}{os.sep}kernels-")
    assert result.stderr == ""


def test_what_earlier_sources_left_is_removed_and_nothing_else(places):
    sources, _ = places
    (sources / "a.py").write_text("1")
    first = cache._folder()
    other = cache._folder(sources)  # another room, with the same sources among its own
    (sources / "a.py").write_text("2")
    cache._folder.cache_clear()
    elsewhere = first.with_name("kernels-elsewhere")
    elsewhere.mkdir()
    (elsewhere / "sources.txt").write_text(str(places[1]))
    gone = first.with_name("kernels-gone")
    gone.mkdir()
    (gone / "sources.txt").write_text(str(places[1] / "removed since"))
    nobodys = first.with_name("kernels-nobodys")
    nobodys.mkdir()
    (nobodys / "kernel.nbi").touch()
    second = cache._folder()
    assert second != first
    assert set(first.parent.iterdir()) == {second, other, elsewhere}
    assert set(cache._folder(sources).parent.iterdir()) == {
        second,
        cache._folder(sources),
        elsewhere,
    }


def test_two_that_make_the_folder_at_once(places, monkeypatch):
    def first_by_another(path, target):
        target.mkdir(parents=True)
        (target / "kernel.nbi").touch()
        raise FileExistsError

    monkeypatch.setattr(Path, "rename", first_by_another)
    assert [path.name for path in cache._folder().iterdir()] == ["kernel.nbi"]
    assert list(cache._folder().parent.iterdir()) == [cache._folder()]


KERNEL = """
import logging, sys
from pathlib import Path
logging.basicConfig(format="%(levelname)s %(message)s")
import numpy as np
from texsynth.kernels.gram import gram_sum
print(gram_sum(np.ones((1, 20, 20, 64), np.float32)).mean())
"""


def compute(folder):
    done = subprocess.run(
        [sys.executable, "-c", KERNEL],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder of kernels that are whole."""
    folder = tmp_path_factory.mktemp("kernels")
    assert compute(folder) == (0, "400.0\n", "")
    return folder


DAMAGE = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "a bit": lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_damaged_kernels_are_compiled_anew_and_kept(kept, tmp_path, kind, damage):
    """With one line, of however many files; the next run finds them whole."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    paths = list(tmp_path.rglob(f"*.{kind}"))
    assert len(paths) >= 3
    for path in paths:
        path.write_bytes(DAMAGE[damage](path.read_bytes()))
    code, output, told = compute(tmp_path)
    assert (code, output) == (0, "400.0\n")
    (line,) = told.splitlines()
    assert line.startswith(f"WARNING a compiled kernel in {tmp_path}")
    assert line.endswith(
        "is damaged (its checksum is another); compiling anew (up to half a minute)"
    )
    assert compute(tmp_path) == (0, "400.0\n", "")


def test_kernels_that_cannot_be_kept_are_used_all_the_same(kept, tmp_path):
    """The places of their files are taken by folders, which not even root can write to."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    for path in list(tmp_path.rglob("*.nbi")):
        path.unlink()
        path.mkdir()
    code, output, told = compute(tmp_path)
    assert (code, output) == (0, "400.0\n")
    damaged, unkept = told.splitlines()
    assert "is damaged ([Errno 21] Is a directory" in damaged
    assert unkept.startswith(f"WARNING compiled kernels cannot be kept in {tmp_path}")
    assert unkept.endswith("(Is a directory)")
