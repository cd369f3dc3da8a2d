"""The time left, by a clock that goes as it is told."""

from types import SimpleNamespace

import numpy as np
import pytest

import texsynth
from tests.conftest import make_texture
from texsynth import Checkpoints, Config
from texsynth.objective.colours import Colours
from texsynth.objective.whole import Objective
from texsynth.synthesis import forecast, pyramid
from texsynth.synthesis.forecast import Forecast

pytestmark = pytest.mark.usefixtures("weights_read_once")


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(forecast, "clock", SimpleNamespace(now=lambda: clock.now))
    return clock


def check(told, slack):
    """What is told of the time left is within a quarter of it, from a tenth of the way on.

    Args:
        told: Pairs of a time and what was said to be left then, from the beginning to the end.
        slack: Seconds that it may be off even so: nobody knows how long a single step takes.
    """
    (begin, _), (end, last) = told[0], told[-1]
    assert last == 0
    later = np.array([each for each in told[1:] if each[0] - begin >= 0.1 * (end - begin)])
    left = end - later[:, 0]
    np.testing.assert_array_less(abs(later[:, 1] - left), 0.25 * left + slack + 1e-9)


class Studied:
    """As much of a study as a trial needs: objectives that take their time, by the clock."""

    channels = 3

    def __init__(self, plan, paces, clock, once=0.0, engine="winograd"):
        team = SimpleNamespace(any=bool)
        device = SimpleNamespace(send=lambda array: array, xp=np)
        self.workshop = SimpleNamespace(team=team, engine=engine, device=device)
        self.plan, self.colours, self.evaluated = plan, Colours(None), []
        self._paces, self._clock, self._once = paces, clock, once

    def objective(self, number):
        def evaluate(image):
            assert image.shape[:1:-1] == self.plan[number - 1].canvas_size
            self._clock.now += self._paces[number - 1] + self._once
            self._once = 0.0
            self.evaluated.append(number)
            return 1.0

        def own(canvas):
            return canvas

        evaluate.own, evaluate.rest = own, lambda: None
        return evaluate


def drive(plan, paces, clock, seed, once=0.0):
    """Goes through the levels, with steps of uneven length; returns what was told."""
    generator = np.random.default_rng(seed)
    foretold, told = Forecast(plan), [(clock.now, None)]
    foretold.try_levels(Studied(plan, paces, clock, once), 1, lambda: False)
    evaluations = 0
    for number, (level, pace) in enumerate(zip(plan, paces, strict=True), 1):
        foretold.begin(evaluations)
        for step in range(level.steps):
            # L-BFGS evaluates the start too, and searches now and then.
            taken = 1 + (step == 0) + (generator.uniform() < 0.05)
            evaluations += taken
            clock.now += pace * taken * generator.uniform(0.8, 1.25)
            foretold.step(number, evaluations)
            told.append((clock.now, foretold.seconds_left(number, level.steps - step - 1)))
    return told


# Seconds of an evaluation as they were measured: what a pixel costs varies by a factor of 25.
MEASURED = [
    ((300, 300), 80, (0.06, 0.2, 0.6)),
    ((300, 300), 80, (0.4, 0.41, 1.4)),
    ((400, 400), 80, (0.8, 1.4, 10.0)),
    ((512, 512), 80, (0.8, 1.5, 10.0, 80.0)),
    ((300, 300), 40, (0.5, 0.2, 0.1)),
    ((300, 300), 40, (0.01, 0.2, 3.0)),
]


@pytest.mark.parametrize(("size", "steps", "paces"), MEASURED)
@pytest.mark.parametrize("once", [0.0, 30.0])
def test_within_a_quarter_from_a_tenth_of_the_way_on(clock, size, steps, paces, once):
    plan = pyramid.plan((300, 300), size, steps, len(paces), 16)
    for seed in range(3):
        check(drive(plan, paces, clock, seed, once), slack=1.25 * paces[-1])


def test_what_is_done_once_is_no_part_of_the_pace(clock):
    """Compiling takes a hundred times as long as a step."""
    plan = pyramid.plan((64, 64), (64, 64), 80, 1, 16)
    told = drive(plan, (0.3,), clock, 0, once=30.0)
    assert told[1][1] == pytest.approx(told[-1][0] - told[1][0], rel=0.25)


def test_the_pace_is_that_of_the_last_steps(clock):
    """What else the machine does makes all steps three times as long from the middle on."""
    foretold = Forecast(pyramid.plan((64, 64), (64, 64), 400, 1, 16))
    foretold.begin(0)
    for step in range(1, 301):
        clock.now += 1 if step <= 200 else 3
        foretold.step(1, step)
    assert foretold.seconds_left(1, 100) == pytest.approx(300)


def test_a_trial_on_a_busy_machine_is_forgotten(clock):
    plan = pyramid.plan((64, 64), (64, 64), 80, 1, 16)
    foretold = Forecast(plan)
    foretold.try_levels(Studied(plan, (4.0,), clock), 1, lambda: False)
    foretold.begin(0)
    left = []
    for step in range(1, 81):
        clock.now += 1
        foretold.step(1, step)
        left.append(foretold.seconds_left(1, 80 - step))
    assert left[0] > 2 * 79  # it counts at first
    np.testing.assert_allclose(left[40:], np.arange(39, -1, -1))


def test_the_pace_is_the_mean_of_many_steps(clock):
    """A step that takes ten times as long is no reason to expect the others to."""
    foretold = Forecast(pyramid.plan((64, 64), (64, 64), 400, 1, 16))
    foretold.begin(0)
    for step in range(1, 101):
        clock.now += 10 if step == 100 else 1
        foretold.step(1, step)
    assert foretold.seconds_left(1, 300) == pytest.approx(300 * (31 + 10) / 32)


def test_levels_of_few_steps_are_not_tried_but_taken_by_pixels(clock):
    plan = pyramid.plan((64, 64), (64, 64), 3, 2, 16)
    study = Studied(plan, (1.0, 9.0), clock)
    foretold = Forecast(plan)
    foretold.try_levels(study, 1, lambda: False)
    assert study.evaluated == []
    foretold.begin(0)
    clock.now += 5
    foretold.step(1, 1)
    assert foretold.seconds_left(1, 5) == pytest.approx(5 * 5 + 3 * 5 * 4)
    clock.now += 2
    foretold.step(1, 2)
    assert foretold.seconds_left(1, 4) == pytest.approx(4 * 2 + 3 * 2 * 4)


def test_levels_are_tried_once_but_for_the_first_which_loads_what_is_compiled(clock):
    plan = pyramid.plan((64, 64), (64, 64), 40, 3, 16)
    study = Studied(plan, (0.2, 7.0, 14.0), clock, once=0.5)
    Forecast(plan).try_levels(study, 1, lambda: False)
    assert study.evaluated == [1, 1, 2, 3]


def test_only_levels_to_come_are_tried_and_none_when_it_is_to_stop(clock):
    plan = pyramid.plan((64, 64), (64, 64), 40, 3, 16)
    study = Studied(plan, (12.0, 13.0, 14.0), clock)
    Forecast(plan).try_levels(study, 2, lambda: False)
    assert study.evaluated == [2, 2, 3]
    Forecast(plan).try_levels(study, 1, lambda: True)
    assert study.evaluated == [2, 2, 3]


def test_on_a_gpu_only_large_levels_are_tried(clock):
    plan = pyramid.plan((1024, 1024), (1024, 1024), 40, 2, 16)
    study = Studied(plan, (12.0, 13.0), clock, engine="cuda")
    Forecast(plan).try_levels(study, 1, lambda: False)
    assert study.evaluated == [2, 2]


@pytest.fixture
def timed(clock, monkeypatch):
    """Each evaluation takes a time of its own size, and the first of all is longer."""
    measure, seconds, once = Objective.__call__, {16: 2.0, 32: 3.0}, [40.0]

    def slow(self, image):
        clock.now += seconds[image.shape[3]] + once[0]
        once[0] = 0.0
        return measure(self, image)

    monkeypatch.setattr(Objective, "__call__", slow)
    return clock


def synthesize(weights, clock, checkpoints=None, until=None):
    told = [(clock.now, None)]

    def look(progress):
        told.append((clock.now, progress.seconds_left))
        return until == (progress.level, progress.step)

    config = Config(
        preset="gatys", size=32, iterations=40, levels=2, layers={"conv1_1": 1.0}, weights=weights,
        engine="plain",
    )  # fmt: skip
    result = texsynth.synthesize(
        make_texture(32, 24), config, callback=look, checkpoints=checkpoints
    )
    return result, told


def test_a_synthesis_tells_the_time_that_it_takes(timed, random_weights_file):
    result, told = synthesize(random_weights_file, timed)
    assert result.is_finished and len(told) == 121
    check(told, slack=0)


def test_what_is_resumed_tells_it_too(timed, random_weights_file, tmp_path):
    path = tmp_path / "run.ckpt"
    synthesize(random_weights_file, timed, Checkpoints(path), until=(1, 60))
    result, told = synthesize(random_weights_file, timed, Checkpoints(path, resume=path))
    assert result.is_finished and len(told) == 61
    check(told, slack=0)


def test_trials_change_neither_texture_nor_count(random_weights_file, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    tried, _ = synthesize(random_weights_file, clock)
    monkeypatch.setattr(forecast, "_WORTH", 10_000)
    untried, _ = synthesize(random_weights_file, clock)
    np.testing.assert_array_equal(tried.image, untried.image)
    assert tried.history == untried.history and tried.evaluations == untried.evaluations


def test_on_a_gpu_each_level_is_tried_twice_for_the_first_time_is_recorded(clock):
    plan = pyramid.plan((2048, 2048), (2048, 2048), 40, 2, 16)
    study = Studied(plan, (12.0, 13.0), clock, engine="cuda")
    Forecast(plan).try_levels(study, 1, lambda: False)
    assert study.evaluated == [1, 1, 2, 2]


def test_all_levels_are_foretold_by_the_pace_of_each(clock):
    plan = pyramid.plan((64, 64), (64, 64), 40, 2, 16)
    study, foretold = Studied(plan, (0.2, 3.0), clock), Forecast(plan)
    for number in (1, 2):
        foretold.try_level(study, number)
    assert foretold.seconds() == pytest.approx([0.2 * 82, 3.0 * 42])


def test_a_trial_takes_the_median_of_what_its_time_allows(clock):
    plan = pyramid.plan((64, 64), (64, 64), 40, 1, 16)
    study, foretold = Studied(plan, (0.3,), clock), Forecast(plan)
    foretold.try_level(study, 1, 1.0)
    assert study.evaluated == [1] * 4
    assert foretold.pace(1) == pytest.approx(0.3)
