import functools
import os
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
    (sources / "__pycache__" / cache._folder().name).rmdir()
    (sources / "__pycache__").rmdir()
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
