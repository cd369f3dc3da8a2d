"""scripts/gpu_check ends well where all is well, in every process that it starts."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import hostcuda
from texsynth import weights
from texsynth.losses import LOSSES

if not hostcuda.is_installed():
    pytest.skip("runs on hostcuda: scripts/test_gpu_on_host", allow_module_level=True)

ROOT = Path(__file__).parents[2]
TOLD = {
    "self-test": {"card", "CuPy, Chainer, NumPy", "CUDA runtime, driver", "memory"}
    | {"trial fp32", "trial tf32"},
    "pebbles": {"cold", "warm", "tf32", "replayed"},
    "timings": {"evaluation", "cuda fp32", "cuda tf32", "plain fp32"},
    "adam": {"fp32", "tf32"},
    "memory": {"48 px", "96 px"},
    "accuracy": {f"{loss} {precision}" for loss in LOSSES for precision in ("fp32", "tf32")},
}


def check(folder, *options):
    """Runs it, and returns the process and what it wrote."""
    command = [sys.executable, "-m", "tests.hostcuda", "gpu_check", "--small"]
    done = subprocess.run(
        [*command, "--out", folder, *options],
        cwd=ROOT,
        env=os.environ | {"HOSTCUDA_MET": "", "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
    )
    return done, json.loads((folder / "gpu_check.json").read_text())


@pytest.fixture(scope="module")
def checked(tmp_path_factory, request):
    """All stages but the one that would run these tests."""
    folder = tmp_path_factory.mktemp("gpu_check")
    path = weights.find() or request.getfixturevalue("random_weights_file")
    done, results = check(folder, "--weights", path, "--without", "tests")
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return results, (folder / "gpu_check.md").read_text()


def test_every_stage_is_done_and_tells_all(checked):
    results, page = checked
    for name, told in TOLD.items():
        assert results[name]["error"] == "" and set(results[name]["told"]) == told, name
    assert results["pytorch"]["error"] == ""
    assert results.keys() == TOLD.keys() | {"pytorch"}
    for name, result in results.items():
        assert f"## {name}: done ({result['seconds']} s)\n\n{result['what']}\n" in page
        for key, value in result["told"].items():
            assert f"| {key} | {value} |\n" in page


def test_what_it_tells_can_be(checked):
    told = {name: result["told"] for name, result in checked[0].items()}
    assert "hostcuda" in told["self-test"]["card"]
    for name in ("cold", "warm", "tf32", "replayed"):
        assert "3 evaluations; all 2 steps" in told["pebbles"][name]
    for size in ("48 px", "96 px"):
        assert 0.9 < float(re.search(r"\((.+)\)", told["memory"][size])[1]) < 1.1
    for name, error in told["accuracy"].items():
        assert float(error.split()[-1]) < (1e-4 if "fp32" in name else 5e-2), name


def test_a_stage_that_fails_is_told(tmp_path):
    """And takes nothing from the others."""
    nothing = tmp_path / "no_weights.npz"
    nothing.touch()
    stages = [word for name in ("pebbles", "memory", "self-test") for word in ("--only", name)]
    done, results = check(tmp_path, "--weights", nothing, *stages)
    assert done.returncode == 1 and "failed: pebbles, memory" in done.stderr
    assert "the command failed: cold, warm, tf32, replayed" in results["pebbles"]["error"]
    assert "no_weights.npz" in results["memory"]["error"]
    assert results["self-test"]["error"] == ""
