"""What the package asks of CuPy by name is there, in the release that is installed."""

import pytest

from tests.hostcuda import names

cupy = pytest.importorskip("cupy", exc_type=ImportError)


def test_all_that_the_package_asks_for_is_there():
    paths = sorted(
        [*names.PACKAGE.rglob("*.py"), *(names.PACKAGE.parent / "scripts" / "gpu").glob("*.py")]
    )
    assert names.missing(cupy, paths) == []


def test_names_are_found_however_they_are_written():
    source = """
        from cupy.cuda import runtime, Stream
        cupy.cuda.runtime.getDeviceCount()
        xp.fft.rfft2(x.array, axes=numpy.arange(2))
        self._xp.zeros(3), device.xp.ones(3).sum()
    """
    found = names.asked("if True:" + source)
    assert {name for _, name in found} >= {
        *("cuda.runtime", "cuda.Stream", "cuda.runtime.getDeviceCount"),
        *("fft.rfft2", "zeros", "ones"),
    }


def test_what_is_missing_is_told_with_its_place(tmp_path):
    path = tmp_path / "some.py"
    path.write_text(
        "import cupy\nxp.zeros(1)\nx.xp.put_along_every_axis(1)\ncupy.cuda.nothing.more\n"
    )
    assert sorted(names.missing(cupy, [path])) == [
        f"{path}:3: cupy.put_along_every_axis",
        f"{path}:4: cupy.cuda.nothing",
        f"{path}:4: cupy.cuda.nothing.more",
    ]
