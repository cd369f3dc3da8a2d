"""Sources of kernels, and what is reckoned about their launches; nothing here needs a GPU."""

import fnmatch
import runpy
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import texsynth
from texsynth import cuda

PACKAGE = Path(texsynth.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.cu"))


def name_of(path):
    """The package that a file lies in."""
    return ".".join(path.relative_to(PACKAGE.parent).parent.parts)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_a_source_is_whole_with_the_headers_of_its_package(path):
    """In their order, and before it: NVRTC compiles one text."""
    headers = sorted(path.parent.glob("*.cuh"))
    found = cuda.source(name_of(path), path.stem)
    assert found == "\n".join(each.read_text("utf-8") for each in [*headers, path])


def test_the_layers_have_a_header():
    assert cuda.source("texsynth.network.cuda", "winograd").count("struct Grid {") == 1
    assert "struct Grid {" not in cuda.source("texsynth.optimizers", "lbfgs")


def test_a_source_that_is_not_there_is_told():
    with pytest.raises(FileNotFoundError, match=r"nothing\.cu"):
        cuda.source("texsynth.optimizers", "nothing")


def test_a_wheel_has_the_sources(monkeypatch):
    said = {}
    setuptools = types.SimpleNamespace(setup=said.update, find_packages=lambda include: [])
    monkeypatch.setitem(sys.modules, "setuptools", setuptools)
    setup = PACKAGE.parent / "setup.py"
    if not setup.exists():
        pytest.skip("texsynth is not tested from its sources")
    runpy.run_path(str(setup))
    for path in [*SOURCES, *PACKAGE.rglob("*.cuh")]:
        patterns = said["package_data"].get(name_of(path), [])
        assert any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns), path.name


@pytest.mark.parametrize(
    ("count", "threads", "blocks"), [(1, 256, 1), (256, 256, 1), (257, 256, 2), (0, 32, 0)]
)
def test_blocks_have_a_thread_for_each_value(count, threads, blocks):
    assert cuda.blocks(count, threads) == blocks


def test_a_structure_is_laid_out_as_in_c():
    """An int, padding, and a double where its size divides the place."""
    dtype = np.dtype([("a", "i4"), ("b", "f8"), ("c", "i4")], align=True)
    expected = np.zeros(3, np.int64)
    expected.view(np.int32)[[0, 4]] = 3, 5
    expected.view(np.float64)[1] = 0.5
    made = cuda.structure(dtype, 3, 0.5, 5)
    assert made.shape == () and made.dtype.itemsize == 24
    for name, value in (("a", 3), ("b", 0.5), ("c", 5)):
        assert made[name] == value == np.frombuffer(expected.tobytes(), dtype)[0][name]
