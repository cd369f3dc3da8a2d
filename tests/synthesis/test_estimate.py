import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth import Config, Workshop
from texsynth.synthesis import estimate

PACES = (0.2, 5.0)  # seconds of an evaluation at either level


@pytest.fixture
def forecast(monkeypatch):
    """Stands in for what is measured: an evaluation at a level takes as long as ``PACES`` says."""
    tried = []

    class Measured:
        def __init__(self, plan):
            self._plan = plan

        def try_level(self, study, number, most=None):
            tried.append((number, most))

        def pace(self, number):
            return PACES[number - 1]

        def seconds(self):
            return [level.steps * pace for level, pace in zip(self._plan, PACES, strict=True)]

    monkeypatch.setattr(estimate, "Forecast", Measured)
    return tried


def test_the_steps_of_each_level_count_and_what_is_beside_them(random_weights_file, forecast):
    settings = {"preset": "gatys", "levels": 2, "iterations": 100, "engine": "plain", "size": 48}
    config = Config(weights=random_weights_file, layers=["conv1_1", "pool1"], **settings)
    study = Workshop(config).study(make_texture(48, 48))
    study.make_network()
    found = estimate.estimate(study)
    assert found.levels == tuple(
        level.steps * pace for level, pace in zip(study.plan, PACES, strict=True)
    )
    assert found.trial >= 0 and found.rest > 0
    np.testing.assert_allclose(found.seconds, found.trial + sum(found.levels) + found.rest)
    # Each level once; what takes less than a second, and than a twentieth of its steps, longer.
    assert forecast == [(1, None), (2, None), (1, 1.0)]


def test_what_only_a_first_run_compiles_is_left_out(
    random_weights_file, forecast, compiled, monkeypatch
):
    """As if trying each level, and what is measured at the end, were compiled for an hour."""

    def compiling(function):
        def first(*arguments):
            compiled.seconds += 3600
            return function(*arguments)

        return first

    settings = {"preset": "gatys", "levels": 2, "engine": "plain", "size": 48}
    config = Config(weights=random_weights_file, layers=["conv1_1", "pool1"], **settings)
    study = Workshop(config).study(make_texture(48, 48))
    study.make_network()
    for whose, name in ((study, "finished"), (estimate.Forecast, "try_level")):
        monkeypatch.setattr(whose, name, compiling(getattr(whose, name)))
    found = estimate.estimate(study)
    assert compiled.seconds >= 3 * 3600
    assert 0 <= found.trial < 1800 and 0 < found.rest < 1800
