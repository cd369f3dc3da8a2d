"""The hints reach who installs the package: programs that use it are checked by mypy."""

import importlib.util
import os
import re
import runpy
import subprocess
import sys
import types
import venv
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
_PATHS = ("MYPYPATH", "PYTHONPATH")

RIGHT = """
from pathlib import Path
from typing import assert_type

import numpy as np
import numpy.typing as npt

import texsynth.metrics
from texsynth import Checkpoints, Config, Progress, Result, Term, TexsynthError, Workshop
from texsynth import make_variation, read_image, synthesize
from texsynth.losses import LOSSES, GramLoss
from texsynth.weights import load

exemplar = np.zeros((64, 64, 3), np.uint8)
config = Config(size=256, seed=1, losses=[Term("gram")], weights=Path("vgg16.npz"))


def tell(progress: Progress) -> None:
    print(progress.loss, progress.size[0], progress.pixels().shape)


result = synthesize(exemplar, config, callback=tell, checkpoints=Checkpoints("run.ckpt"))
assert_type(result, Result)
assert_type(result.image, npt.NDArray[np.uint8])
assert_type(result.errors, dict[str, float])
assert_type(result.history, list[list[float]])
assert_type(result.is_finished, bool)
result.save(Path("a.png"))
other = Config(losses=["gram", Term("spectrum")], layers=["conv1_1"])
study = Workshop(other).study(read_image("input.png"))
assert_type([make_variation(study, seed) for seed in range(2)], list[Result])
assert_type(result == other, bool)
assert_type({other: 1}, dict[Config, int])

losses = [GramLoss({"pool1": 1.0}), LOSSES["spectrum"]({"image": 1.0})]
try:
    synthesize(exemplar, losses=losses, callback=lambda progress: print(progress.loss))
except TexsynthError as error:
    print(error)

measures = texsynth.metrics.Evaluator(exemplar, load("vgg16.npz")).measure(result.image)
assert_type(measures.copied_share, float | None)
"""

WRONG = """
import texsynth
from texsynth import Config, synthesize

Config(size="large")
synthesize("input.png", {"size": 256})
synthesize([[[0, 0, 0]]]).picture
texsynth.synthesise
"""

EXPECTED = {5: "arg-type", 6: "arg-type", 7: "attr-defined", 8: "attr-defined"}


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """What mypy says of both programs, in an environment that the package is installed in."""
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    folder = tmp_path_factory.mktemp("typing")
    venv.create(folder / "venv", symlinks=True)
    packages = next(folder.glob("venv/lib/python*/site-packages"))
    (packages / "texsynth").symlink_to(ROOT / "texsynth")
    # The environment of the tests, in which the package may be an editable one, comes behind.
    (packages / "others.pth").write_text(str(Path(np.__file__).parents[1]))
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(WRONG)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file="]
    command += ["--python-executable", str(folder / "venv/bin/python"), "right.py", "wrong.py"]
    # These would show mypy the package elsewhere than where it is installed.
    kept = {key: value for key, value in os.environ.items() if key not in _PATHS}
    done = subprocess.run(
        command, cwd=folder, env=kept, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.slow
def test_code_that_uses_the_package_is_right(checked):
    assert "right.py" not in checked


@pytest.mark.slow
def test_code_that_misuses_it_is_not(checked):
    found = dict(re.findall(r"wrong\.py:(\d+): error: .*\[(.*)\]", checked))
    assert found == {str(line): kind for line, kind in EXPECTED.items()}


def test_marker_of_typed_packages_is_shipped(monkeypatch):
    asked = {}
    stand_in = types.SimpleNamespace(find_packages=lambda **_: [], setup=asked.update)
    monkeypatch.setitem(sys.modules, "setuptools", stand_in)
    monkeypatch.chdir(ROOT)
    runpy.run_path("setup.py")
    assert "py.typed" in asked["package_data"]["texsynth"]
    assert (ROOT / "texsynth" / "py.typed").is_file()
