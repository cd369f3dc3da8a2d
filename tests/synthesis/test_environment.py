import importlib.util
import platform

import numpy as np
import PIL

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


def test_differences_name_what_changed_came_and_went():
    then = {"numpy": "2.1", "engine": "plain", "cupy": "13"}
    now = {"numpy": "2.2", "engine": "plain", "numba": "0.61"}
    assert environment.differences(then, now) == [
        "numpy 2.1, now 2.2",
        "cupy 13, now none",
        "numba none, now 0.61",
    ]
    assert environment.differences(now, now) == []
