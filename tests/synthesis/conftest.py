"""What tests of the synthesis share: the settings of something small."""

import time
from types import SimpleNamespace

import pytest

from texsynth import Config
from texsynth.metrics import gram_error
from texsynth.network import clock


@pytest.fixture(scope="module")
def config(request, random_weights_file):
    """``config(...)``: random weights, the module's ``SETTINGS``, and what is given instead."""

    def config(**settings):
        return Config(**{"weights": random_weights_file, **request.module.SETTINGS, **settings})

    return config


@pytest.fixture
def two_layers_measured(monkeypatch):
    """Errors are of two layers: Gram matrices of 512 channels take longer than small syntheses."""
    monkeypatch.setattr(gram_error, "HELD_OUT", "pool1")
    monkeypatch.setattr(gram_error, "DEFAULT_LAYERS", ("conv1_1", "pool1"))


@pytest.fixture
def compiled(monkeypatch):
    """``compiled.seconds``: how long kernels were compiled; adding to it, so much time passes."""
    compiled = SimpleNamespace(seconds=0.0)
    wall = SimpleNamespace(perf_counter=lambda: time.perf_counter() + compiled.seconds)
    monkeypatch.setattr(clock, "time", wall)
    monkeypatch.setattr(clock, "compiling", lambda: compiled.seconds)
    return compiled


def after(steps):
    """Returns a callback that stops after so many steps, over all levels."""
    seen = []

    def callback(progress):
        seen.append(progress.step)
        return len(seen) == steps

    return callback
