"""Adam on a GPU against that of the CPU, and by itself."""

import itertools
import math

import numpy as np
import pytest

from tests.optimizers import on_device
from tests.optimizers.on_device import Problem, check_same, gone_on, set_up
from tests.optimizers.test_optimizers import PROBLEMS, START, failing, rosenbrock, sphere, wall
from texsynth.errors import CheckpointError
from texsynth.optimizers import Adam, DeviceAdam

pytestmark = pytest.mark.gpu

FAR = np.full((1, 3, 2, 2), -0.4)
"""From here, steps of 3 end beyond the wall."""


@pytest.fixture
def run(gpu):
    """``run(optimizer, function, start, steps)``: see :func:`tests.optimizers.on_device.run`."""
    gpu.use()

    def run(optimizer, function, start=START, steps=200):
        return on_device.run(optimizer, function, start, steps, gpu)

    return run


def check_steps(gpu, rate, function, start, steps):
    """Both optimizers take the same steps, with as many evaluations, each."""
    cpu, other = Adam(rate), DeviceAdam(rate)
    pixels, expected = set_up(other, start, gpu), set_up(cpu, start)
    problems = Problem(function()), Problem(function())
    for _ in range(steps):
        loss, expected_loss = other.update(problems[0], pixels), cpu.update(problems[1], expected)
        assert loss == pytest.approx(expected_loss, rel=1e-4, nan_ok=True)
        np.testing.assert_allclose(pixels.array.get(), expected.array, rtol=1e-4, atol=1e-5)
        assert problems[0].calls == problems[1].calls
        assert other.stop_reason == cpu.stop_reason
    return other


@pytest.mark.parametrize("name", PROBLEMS)
def test_its_steps_are_those_of_the_cpu(gpu, run, name):
    check_steps(gpu, 0.02, lambda: PROBLEMS[name], START, 150)


def test_its_ways_back_are_those_of_the_cpu(gpu, run):
    """The first step ends beyond the wall, where nothing is finite."""
    optimizer = check_steps(gpu, 3.0, lambda: wall, FAR, 30)
    assert optimizer.stop_reason is None
    assert optimizer.state()[0]["scalars"]["rate"] < 0.4


@pytest.mark.parametrize(
    "off", [{2, 6, 10, 14}, {3, 4, 8}, {2, 3, 4}, {5, 6, 7}, {1}, {2, 4, 6}, {4, 5, 7, 8, 9}]
)
@pytest.mark.parametrize("how", ["nan", "inf", "-inf", "gradient nan", "gradient inf", "far"])
def test_its_failures_are_those_of_the_cpu(gpu, run, off, how):
    """Three in a row are its end, and the first one at the start."""
    odd = {
        "nan": lambda loss, g: (math.nan, g),
        "inf": lambda loss, g: (math.inf, g),
        "-inf": lambda loss, g: (-math.inf, g * math.nan),
        "gradient nan": lambda loss, g: (loss, np.where(g == g.max(), math.nan, g)),
        "gradient inf": lambda loss, g: (loss, np.where(g == g.min(), -math.inf, g)),
        "far": lambda loss, g: (1e3, g),
    }

    def function():
        calls = itertools.count(1)

        def at_times(x):
            found = sphere(x)
            return odd[how](*found) if next(calls) in off else found

        return at_times

    check_steps(gpu, 0.1, function, START, 12)


def test_it_tells_when_nothing_came_of_the_start(run):
    optimizer = DeviceAdam(0.1)
    x, losses, problem = run(optimizer, failing)
    assert optimizer.stop_reason == "the loss of the start is not finite"
    assert math.isnan(losses[0]) and problem.calls == 1
    np.testing.assert_array_equal(x, START.astype(np.float32))


def test_it_stops_at_the_best_image_after_three_failures_in_a_row(run):
    def cliff(x):
        near = abs(x - START).max() < 0.35
        return (x.sum() if near else math.nan), np.ones_like(x)

    optimizer = DeviceAdam(0.1)
    x, losses, problem = run(optimizer, cliff, steps=4)
    assert optimizer.stop_reason is None and losses == sorted(losses, reverse=True)
    best, calls = optimizer.state()[1]["best"].get(), problem.calls
    problem.function = on_device.in_float32(failing)
    assert optimizer.update(problem, optimizer.target.pixels) == losses[-1]
    assert "3 times in a row" in optimizer.stop_reason
    assert problem.calls == calls + 3
    np.testing.assert_array_equal(optimizer.target.pixels.array.get(), best)
    assert abs(best - x).max() < 0.2


def test_it_notices_divergence(run):
    """Ten times the loss of the start is no way to a texture."""
    _, losses, _ = run(DeviceAdam(50.0), sphere, steps=3)
    assert max(losses) <= losses[0]


def test_it_tells_when_a_step_ended_nowhere(run):
    """The image is not what no number can say, not with a hundredth of the step either."""
    x, losses, _ = run(DeviceAdam(1e42), sphere, steps=1)
    assert math.isnan(losses[0])
    assert np.isfinite(x).all()


@pytest.mark.parametrize("size", [1, 257, 512 * 256 + 3])
def test_it_takes_images_of_any_size(gpu, run, size):
    """More than there are threads that look through the gradient: the last value counts too."""
    start = np.linspace(1, 3, size, dtype=np.float32).reshape(1, 1, 1, size)
    x, losses, _ = run(DeviceAdam(0.1), sphere, start, 3)
    expected, expected_losses, _ = on_device.run(Adam(0.1), sphere, start, 3)
    np.testing.assert_allclose(x, expected, rtol=1e-5)
    assert losses == pytest.approx(expected_losses, rel=1e-4)
    optimizer = DeviceAdam(0.1)

    def odd_at_the_end(x):
        gradient = x.copy()
        gradient[..., -1] = math.nan
        return 1.0, gradient

    run(optimizer, odd_at_the_end, start, 1)
    assert optimizer.stop_reason == "the loss of the start is not finite"


def test_it_counts_its_steps(run):
    optimizer = DeviceAdam(0.1)
    run(optimizer, rosenbrock, steps=7)
    assert optimizer.t == 7


# What is saved and gone on with


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5])
def test_what_went_back_goes_on_as_if_it_had_not_been_left(gpu, run, steps):
    """With its smaller steps, the best image, and the failures so far."""
    optimizer = DeviceAdam(3.0)
    pixels = set_up(optimizer, FAR, gpu)
    for _ in range(steps):
        optimizer.update(Problem(wall), pixels)
    again = gone_on(optimizer, DeviceAdam(3.0), gpu)
    for _ in range(6):
        losses = [each.update(Problem(wall), each.target.pixels) for each in (optimizer, again)]
        assert losses[0] == losses[1]
        check_same(optimizer, again)
    assert optimizer.state()[0]["scalars"]["rate"] < 3.0


def test_what_has_stopped_does_not_begin_again(gpu, run):
    optimizer = DeviceAdam(0.1)
    _, _, problem = run(optimizer, rosenbrock, steps=3)
    problem.function = on_device.in_float32(failing)
    loss = optimizer.update(problem, optimizer.target.pixels)
    assert "3 times in a row" in optimizer.stop_reason and math.isfinite(loss)
    again, unasked = gone_on(optimizer, DeviceAdam(0.1), gpu), Problem(failing)
    for each in (optimizer, again):
        assert each.update(unasked, each.target.pixels) == loss
    assert unasked.calls == 0
    check_same(optimizer, again)


def test_it_takes_over_how_often_it_has_failed(gpu, run):
    """Twice in a row: the next time is the last."""
    optimizer, calls = DeviceAdam(0.1), itertools.count(1)
    _, _, problem = run(optimizer, rosenbrock, steps=3)

    def twice(x):
        return failing(x) if next(calls) <= 2 else (0.0, np.zeros_like(x))

    problem.function = on_device.in_float32(twice)
    optimizer.update(problem, optimizer.target.pixels)
    again, problem = gone_on(optimizer, DeviceAdam(0.1), gpu), Problem(failing)
    again.update(problem, again.target.pixels)
    assert "3 times in a row" in again.stop_reason and problem.calls == 1


@pytest.fixture
def saved(gpu, run):
    """The state of an optimizer after two steps, and a fresh one to restore it to."""
    optimizer, fresh = (DeviceAdam(0.1) for _ in range(2))
    run(optimizer, rosenbrock, steps=2)
    set_up(fresh, optimizer.target.pixels.array.get(), gpu)
    return *optimizer.state(), fresh


@pytest.mark.parametrize("name", ["stop_reason", "scalars"])
def test_a_field_that_is_missing_is_told(saved, name):
    fields, arrays, fresh = saved
    with pytest.raises(KeyError, match=name):
        fresh.restore({key: fields[key] for key in fields if key != name}, arrays.__getitem__)


@pytest.mark.parametrize("name", ["m", "v", "best"])
def test_an_array_that_is_missing_is_told(saved, name):
    fields, arrays, fresh = saved
    del arrays[name]
    with pytest.raises(KeyError, match=name):
        fresh.restore(fields, arrays.__getitem__)


def test_the_state_of_the_cpus_optimizer_is_refused(saved):
    cpu = Adam(0.1)
    on_device.run(cpu, rosenbrock, START, 2)
    fields, arrays = cpu.state()
    with pytest.raises(
        CheckpointError, match=r"saved by several .* on with by one process on a GPU"
    ):
        saved[2].restore(fields, arrays.__getitem__)
    with pytest.raises(CheckpointError, match=r"saved by one process on a GPU: .* several"):
        cpu.restore(*saved[:2])


# What is asked of the device


@pytest.mark.parametrize("steps", [1, 5])
def test_the_host_waits_once_a_step(gpu, hostcuda, steps):
    """For a copy of a few bytes that it asked for beforehand."""
    gpu.use()
    xp, optimizer = gpu.xp, DeviceAdam(0.1)
    pixels = set_up(optimizer, np.linspace(1, 9, 300).reshape(1, 3, 10, 10), gpu)
    pixels.grad, loss = xp.empty_like(pixels.array), xp.empty((), np.float32)

    def paraboloid(image):
        """The host never sees it."""
        xp.multiply(image.array, 2, out=image.grad)
        return xp.sum(image.array, out=loss)

    for _ in range(4):
        optimizer.update(paraboloid, pixels)
    hostcuda.reset()
    for _ in range(steps):
        optimizer.update(paraboloid, pixels)
    counted = hostcuda.counters()
    assert optimizer.stop_reason is None
    assert counted["syncs"] == steps
    assert counted["d2h"] == counted["h2d"] == counted["mallocs"] == 0
    assert counted["d2h_bytes"] <= 16 * steps  # within the graph
    assert counted["graph_launches"] == steps
