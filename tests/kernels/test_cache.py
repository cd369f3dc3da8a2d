import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import texsynth
from texsynth.kernels import cache
from texsynth.network import winograd
from texsynth.network.winograd.features import try_out

PACKAGE = Path(texsynth.__file__).parent


def test_kernels_are_kept_under_a_checksum_of_the_sources(tmp_path, monkeypatch):
    (tmp_path / "a.py").write_text("1")
    monkeypatch.setattr(cache, "_SOURCES", tmp_path)
    before = cache._checksum()
    assert cache._checksum() == before
    (tmp_path / "a.py").write_text("2")
    assert cache._checksum() != before


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Where kernels may be kept: beside the sources, and, rather, in the user's cache."""
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
    assert cache._folder().parent == users / "texsynth"
    assert cache.is_kept()
    shutil.rmtree(users)
    users.touch()  # a file, in which not even root can write a folder
    cache._folder.cache_clear()
    assert cache._folder().parent == sources / "__pycache__"
    assert cache.is_kept()


def test_kernels_that_no_place_can_keep_are_those_of_the_process(places, monkeypatch, caplog):
    def homeless(path):
        raise RuntimeError("Could not determine home directory.")

    (places[0] / "__pycache__").touch()
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
    assert caplog.messages == [
        "compiling the Winograd engine first: half a minute more, once per machine"
    ]


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
    sources, users = places
    (sources / "a.py").write_text("1")
    first = cache._folder()
    other = cache._folder(sources)  # another room, with the same sources among its own
    (sources / "a.py").write_text("2")
    cache._folder.cache_clear()
    used = {"elsewhere": users, "gone": users / "removed since", "nobodys": None, "empty": None}
    folders = {name: first.with_name(f"kernels-{name}") for name in used}
    for name, folder in folders.items():
        (folder / "users").mkdir(parents=True)
        (folder / "kernel.nbi").touch()
        if used[name]:
            (folder / "users/user.txt").write_text(str(used[name]))
    (folders["empty"] / "users/user.txt").touch()
    second = cache._folder()
    assert second != first
    assert set(first.parent.iterdir()) == {second, other, folders["elsewhere"]}
    third = cache._folder(sources)
    assert set(first.parent.iterdir()) == {second, third, folders["elsewhere"]}


def test_kernels_that_another_installation_uses_are_shared_and_stay(places, tmp_path, monkeypatch):
    """Two environments of the same sources; one is updated, later the other is removed."""
    ours, theirs = places[0], tmp_path / "theirs"
    for sources in (ours, theirs):
        sources.mkdir(exist_ok=True)
        (sources / "a.py").write_text("1")
    shared = cache._folder()
    monkeypatch.setattr(cache, "_SOURCES", theirs)
    cache._folder.cache_clear()
    assert cache._folder() == shared
    assert len(list((shared / "users").iterdir())) == 2
    monkeypatch.setattr(cache, "_SOURCES", ours)
    (ours / "a.py").write_text("2")
    cache._folder.cache_clear()
    newer = cache._folder()
    assert set(shared.parent.iterdir()) == {shared, newer}
    shutil.rmtree(theirs)
    (ours / "a.py").write_text("3")
    cache._folder.cache_clear()
    newest = cache._folder()
    assert list(shared.parent.iterdir()) == [newest]


@pytest.mark.parametrize(
    ("of", "name", "value"),
    [
        (numba, "__version__", "0.1"),
        (np, "__version__", "9.9"),
        (cache.llvmlite, "__version__", "0.1"),
        (sys.implementation, "cache_tag", "cpython-399"),
        (numba.config, "CPU_NAME", "haswell"),
        (numba.config, "CPU_FEATURES", "+avx2"),
        (cache.binding, "get_host_cpu_name", lambda: "another"),
    ],
)
def test_kernels_are_those_of_versions_and_processor(places, monkeypatch, of, name, value):
    before = cache._folder()
    cache._folder.cache_clear()
    monkeypatch.setattr(of, name, value)
    assert cache._folder() != before


def test_machines_that_share_a_home_leave_each_other_theirs(places, monkeypatch):
    first = cache._folder()
    cache._folder.cache_clear()
    monkeypatch.setattr(cache.binding, "get_host_cpu_name", lambda: "another")
    second = cache._folder()
    assert second != first
    assert set(first.parent.iterdir()) == {first, second}


def test_kernels_compiled_in_one_place_are_loaded_in_another(tmp_path):
    """Copies of the package, as in two environments: the second runs what the first compiled.

    An index or a kernel that is written anew would have another time.
    """
    files, values = [], []
    for name in ("first", "second"):
        copy = tmp_path / name / "texsynth"
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
        code, value, told = compute(tmp_path / "kept", PYTHONPATH=str(copy.parent))
        assert (code, told) == (0, "")
        paths = (tmp_path / "kept").rglob("*.nb*")
        files.append({path: path.stat().st_mtime_ns for path in paths})
        values.append(value)
    assert values == ["400.0\n", "400.0\n"]
    assert files[0] == files[1]
    assert len(files[0]) >= 6


def test_two_that_make_the_folder_at_once(places, monkeypatch):
    def first_by_another(path, target):
        (target / "users").mkdir(parents=True)
        (target / "kernel.nbi").touch()
        raise FileExistsError

    monkeypatch.setattr(Path, "rename", first_by_another)
    assert {path.name for path in cache._folder().iterdir()} == {"kernel.nbi", "users"}
    assert len(list((cache._folder() / "users").iterdir())) == 1
    assert list(cache._folder().parent.iterdir()) == [cache._folder()]


KERNEL = """
import logging, sys
from pathlib import Path
logging.basicConfig(format="%(levelname)s %(message)s")
import numpy as np
from texsynth.kernels.gram import gram_sum
print(gram_sum(np.ones((1, 20, 20, 64), np.float32)).mean())
"""


def compute(folder, **variables):
    done = subprocess.run(
        [sys.executable, "-P", "-c", KERNEL],
        env={**os.environ, "NUMBA_CACHE_DIR": str(folder), **variables},
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
