"""The trial before the engine is chosen."""

import numpy as np
import pytest

from texsynth.network import engine

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_the_engine_passes(gpu, precision, monkeypatch):
    monkeypatch.setattr(engine, "_tried", {})
    assert engine.choose("cuda", gpu, precision) == engine.choose("auto", gpu, precision) == "cuda"


@pytest.mark.parametrize("wrong", [1.01, 0, np.nan])
def test_another_gradient_is_noticed(gpu, wrong, monkeypatch):
    from texsynth.network.cuda import trial

    gradient = trial._gradient

    def off(features, image):
        is_on_device = not isinstance(image, np.ndarray)
        return gradient(features, image) * (wrong if is_on_device else 1)

    monkeypatch.setattr(trial, "_gradient", off)
    with pytest.raises(RuntimeError, match="its gradient is off by "):
        trial.run(gpu, "fp32")
