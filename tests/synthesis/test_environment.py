import importlib.metadata
import importlib.util
import platform

import numpy as np
import PIL
import pytest

import texsynth
from texsynth import Config
from texsynth.compat import chainer
from texsynth.synthesis import environment
from texsynth.synthesis.workshop import Workshop


def test_what_is_told(random_weights_file):
    told = environment.describe(Workshop(Config(engine="plain", weights=str(random_weights_file))))
    assert told["texsynth"] == texsynth.__version__
    assert told["numpy"] == np.__version__
    assert (told["engine"], told["device"], told["processes"]) == ("plain", "@numpy", 1)
    assert (told["chainer"], told["pillow"]) == (chainer.__version__, PIL.__version__)
    assert told["python"] == platform.python_version()
    assert told["machine"] == f"{platform.system()} {platform.machine()}"
    for name in ("numba", "cupy"):  # an engine's and a device's, where they are there
        assert (name in told) == (importlib.util.find_spec(name) is not None)
    assert all(isinstance(value, str | int) for value in told.values())


@pytest.mark.parametrize("name", ["cupy", "cupy-cuda12x", "cupy-cuda13x"])
def test_cupy_is_told_by_whatever_name_it_is_installed(name, random_weights_file, monkeypatch):
    def version(asked):
        if asked.startswith("cupy") and asked != name:
            raise importlib.metadata.PackageNotFoundError(asked)
        return "14.2.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    told = environment.describe(Workshop(Config(engine="plain", weights=str(random_weights_file))))
    assert told["cupy"] == "14.2.0"
    assert "card" not in told  # made on the CPU


@pytest.mark.gpu
def test_a_gpu_is_told_by_its_name(random_weights_file, gpu):
    import cupy

    settings = Config(engine="plain", weights=str(random_weights_file), gpu=0)
    told = environment.describe(Workshop(settings))
    assert told["cupy"] == cupy.__version__
    assert told["device"] == "@cupy:0"
    assert told["card"] == cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()


def test_differences_name_what_changed_came_and_went():
    then = {"numpy": "2.1", "engine": "plain", "cupy": "13"}
    now = {"numpy": "2.2", "engine": "plain", "numba": "0.61"}
    assert environment.differences(then, now) == [
        "numpy 2.1, now 2.2",
        "cupy 13, now none",
        "numba none, now 0.61",
    ]
    assert environment.differences(now, now) == []
