import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import texsynth
from texsynth import compat
from texsynth.compat import chainer

PACKAGE = Path(texsynth.__file__).parent
F = chainer.functions


def test_chainer_computes_convolution_pooling_and_adam():
    link = chainer.links.Convolution2D(2, 3, 3, pad=1)
    optimizer = chainer.optimizers.Adam().setup(link)
    before = link.W.array.copy()
    link.cleargrads()
    loss = F.sum(F.average_pooling_2d(link(np.ones((1, 2, 4, 4), np.float32)), 2) ** 2)
    loss.backward()
    optimizer.update()
    assert np.abs(link.W.array - before).min() > 0


def test_as_strided_which_reads_the_restored_name_has_its_gradient():
    x = chainer.Variable(np.arange(4, dtype=np.float32))
    F.sum(F.as_strided(x, (3, 2), (1, 1))).backward()
    np.testing.assert_array_equal(x.grad, [1, 2, 2, 1])


def test_only_the_names_that_chainer_reads_are_added_to_numpy():
    code = """
import numpy
before = set(vars(numpy))
import texsynth.compat
print(*sorted(set(vars(numpy)) - before))
"""
    added = set(_run(code).split())
    # Submodules that NumPy imports when they are first used are no change of ours.
    assert {name for name in added if not hasattr(getattr(np, name), "__path__")} == {"sctypes"}


def test_import_shows_no_warning():
    result = subprocess.run(
        [sys.executable, "-W", "default", "-c", "import texsynth.compat"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("warning", "is_shown"),
    [
        ("'old', DeprecationWarning", False),
        ("'old', FutureWarning", False),
        ("'invalid escape sequence', SyntaxWarning", False),
        ("'\\nnccl library could not be loaded.\\n\\nReason: ...'", False),
        ("'\\ncudnn library could not be loaded.'", False),
        ("'the disk is on fire'", True),
    ],
)
def test_of_what_chainer_warns_at_import_only_what_a_user_can_mend_is_shown(
    tmp_path, warning, is_shown
):
    (tmp_path / "chainer.py").write_text(f"import warnings; warnings.warn({warning})")
    result = subprocess.run(
        [sys.executable, "-P", "-W", "default", compat.__file__],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert bool(result.stderr) == is_shown


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_chainer_is_imported_through_compat_alone(path):
    if path.name == "compat.py":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in getattr(node, "names", []) if hasattr(alias, "name")]
        if isinstance(node, ast.Import):
            assert not any(name.split(".")[0] == "chainer" for name in names)
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] != "chainer"


def _run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
