"""L-BFGS on a GPU against that of the CPU, and by itself."""

import itertools
import math

import numpy as np
import pytest

from tests.optimizers import on_device
from tests.optimizers.on_device import Problem, check_same, gone_on, set_up
from tests.optimizers.test_optimizers import (
    PROBLEMS,
    START,
    failing,
    ill_conditioned,
    rosenbrock,
    sphere,
)
from texsynth.compat import chainer
from texsynth.errors import CheckpointError
from texsynth.optimizers import LBFGS, DeviceLBFGS, Stopped

pytestmark = pytest.mark.gpu

ALIKE = {"ill_conditioned": 10, "rosenbrock": 8, "sphere": 3, "wall": 40}
"""Steps for which rounding has not yet sent the two to different places."""


@pytest.fixture
def run(gpu):
    """``run(optimizer, function, start, steps)``: see :func:`tests.optimizers.on_device.run`."""
    gpu.use()

    def run(optimizer, function, start=START, steps=200):
        return on_device.run(optimizer, function, start, steps, gpu)

    return run


def pairs(optimizer):
    """The curvature pairs that are kept, the oldest first, as the rows of two matrices."""
    fields, arrays = optimizer.state()
    count, newest = (fields["scalars"][name] for name in ("count", "newest"))
    rows = [(newest - age) % count for age in reversed(range(count))]
    return [[arrays[f"{kind}.{row}"].get().ravel() for row in rows] for kind in "sy"]


@pytest.mark.parametrize("name", PROBLEMS)
def test_it_finds_the_minimum(run, name):
    x, losses, _ = run(DeviceLBFGS(first_step=0.5), PROBLEMS[name])
    _, gradient = PROBLEMS[name](x)
    assert np.abs(gradient).max() < 1e-3
    np.testing.assert_allclose(x, 0 if name == "sphere" else 1, atol=2e-3)
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))


@pytest.mark.parametrize("first_step", [0.5, 2.0])
@pytest.mark.parametrize("name", PROBLEMS)
def test_its_steps_are_those_of_the_cpu(gpu, run, name, first_step):
    """With as many evaluations, each."""
    cpu, other = LBFGS(first_step=first_step), DeviceLBFGS(first_step=first_step)
    pixels, expected = set_up(other, START, gpu), set_up(cpu, START)
    problems = Problem(PROBLEMS[name]), Problem(PROBLEMS[name])
    for _ in range(ALIKE[name]):
        loss = other.update(problems[0], pixels)
        assert loss == pytest.approx(cpu.update(problems[1], expected), rel=1e-4)
        np.testing.assert_allclose(pixels.array.get(), expected.array, atol=1e-4)
        assert problems[0].calls == problems[1].calls
        assert (other.stop_reason, other.t) == (cpu.stop_reason, cpu.t)


def test_it_nearly_always_takes_the_first_try(run):
    _, losses, problem = run(DeviceLBFGS(first_step=0.5), rosenbrock)
    assert problem.calls <= 1.5 * len(losses)


@pytest.mark.parametrize("memory", [20, 3, 1])
def test_its_direction_is_the_dense_bfgs_direction(gpu, run, memory):
    """Equation 6.17 of Nocedal and Wright on dense matrices is the oracle."""
    optimizer = DeviceLBFGS(memory, first_step=0.5)
    run(optimizer, rosenbrock, steps=7)
    changes, slopes = (np.array(rows, np.float64) for rows in pairs(optimizer))
    assert len(changes) == min(memory, 6 + 1)
    s, y = changes[-1], slopes[-1]
    inverse = np.eye(s.size) * (s @ y) / (y @ y)
    for s, y in zip(changes, slopes, strict=True):
        left = np.eye(s.size) - np.outer(s, y) / (s @ y)
        inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    _, arrays = optimizer.state()
    gradient, direction = (arrays[name].get().ravel() for name in ("gradient", "direction"))
    expected = -inverse @ gradient
    assert np.linalg.norm(direction - expected) <= 1e-3 * np.linalg.norm(expected)


def test_its_first_step_is_sized_in_pixel_units(run):
    for scale in (1e-9, 1e9):
        x, _, _ = run(
            DeviceLBFGS(first_step=0.25), lambda x, c=scale: (c * x.sum(), c + 0 * x), steps=1
        )
        np.testing.assert_allclose(START - x, 0.25, rtol=1e-5)


def test_it_keeps_no_pair_of_negative_curvature(run):
    optimizer = DeviceLBFGS(first_step=0.1)
    run(optimizer, lambda x: (-(x**2).sum(), -2 * x), steps=5)
    assert pairs(optimizer) == [[], []]


@pytest.mark.parametrize(("steep", "flat"), [(1e11, 1.0), (1.3e19, -1.3e19)])
def test_it_takes_no_rounding_for_curvature(run, steep, flat):
    """Its inverse would be a step out of all proportion; nor what overflowed."""
    optimizer, calls = DeviceLBFGS(first_step=0.1), itertools.count()

    def ravine(x):
        """Each step ends on the other side."""
        call = next(calls)
        return -1e30 * call, np.full_like(x, -steep if call % 2 else flat)

    run(optimizer, ravine, np.zeros((1, 1, 1, 1)), steps=4)
    assert optimizer.t == 4 and pairs(optimizer) == [[], []]


def test_it_says_when_the_gradient_is_zero(run):
    optimizer = DeviceLBFGS()
    _, losses, problem = run(optimizer, sphere, np.zeros((1, 3, 2, 2)))
    assert optimizer.stop_reason == "the gradient is zero"
    assert (losses, problem.calls, optimizer.t) == ([0], 1, 0)


def test_it_takes_a_gradient_that_cannot_be_divided_by_for_none(run):
    optimizer = DeviceLBFGS()
    run(optimizer, lambda x: (1.0, np.full_like(x, 1e-40)), steps=1)
    assert optimizer.stop_reason == "the gradient is zero"


def test_it_says_when_the_loss_of_the_start_is_not_finite(run):
    for value in (math.nan, math.inf, -math.inf):
        optimizer = DeviceLBFGS()
        x, losses, problem = run(optimizer, lambda x, value=value: (value, x))
        assert optimizer.stop_reason == "the loss of the start is not finite"
        assert math.isnan(losses[0]) and problem.calls == 1
        np.testing.assert_array_equal(x, START.astype(np.float32))


def test_it_says_when_the_gradient_of_the_start_is_not_finite(run):
    for value in (math.nan, math.inf):
        optimizer = DeviceLBFGS()
        _, losses, _ = run(optimizer, lambda x, v=value: (1.0, np.where(x > 1.9, v, x)))
        assert optimizer.stop_reason == "the gradient of the start is not finite"
        assert math.isnan(losses[0])


def test_it_gives_up_on_a_wrong_gradient_and_leaves_the_image_as_it_was(run):
    wrong = lambda x: ((x**2).sum(), -2 * x)  # noqa: E731
    cpu, optimizer = LBFGS(first_step=0.5), DeviceLBFGS(first_step=0.5)
    _, expected, as_often = on_device.run(cpu, wrong, START)
    x, losses, problem = run(optimizer, wrong)
    assert optimizer.stop_reason == "no step along the gradient lowers the loss"
    np.testing.assert_array_equal(x, START.astype(np.float32))
    np.testing.assert_array_equal(optimizer.target.pixels.grad.get(), wrong(x)[1])
    assert losses == expected and problem.calls == as_often.calls


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_after_a_failed_line_it_drops_its_pairs_and_goes_on(gpu, run, wrong):
    """As on the CPU: steepest descent comes next, from where it was."""
    ends = []
    for optimizer, device in (
        (LBFGS(first_step=0.5), on_device.HOST),
        (DeviceLBFGS(first_step=0.5), gpu),
    ):
        pixels, problem = set_up(optimizer, START, device), Problem(ill_conditioned)
        for _ in range(5):
            before = optimizer.update(problem, pixels)
        calls = itertools.count(1)

        def at_first(x, calls=calls):
            loss, gradient = ill_conditioned(x)
            is_off = next(calls) <= 12  # trials along a line
            # -inf would be lower, but for its gradient.
            return (wrong, np.full_like(x, math.nan)) if is_off else (loss, gradient)

        problem.function = on_device.in_float32(at_first)
        after = optimizer.update(problem, pixels)
        assert optimizer.stop_reason is None and after < before
        ends.append((after, problem.calls, on_device.HOST.send(pixels.array)))
    assert len(pairs(optimizer)[0]) == 1
    assert ends[1][0] == pytest.approx(ends[0][0], rel=1e-4) and ends[1][1] == ends[0][1]
    np.testing.assert_allclose(ends[1][2], ends[0][2], rtol=1e-3, atol=1e-5)


def test_it_treats_a_gradient_that_is_not_finite_as_no_progress(run):
    def spiky(x):
        loss, gradient = sphere(x)
        return loss, np.full_like(x, np.inf) if loss < 1 else gradient

    x, _, _ = run(DeviceLBFGS(first_step=1.5), spiky, steps=30)
    assert np.isfinite(x).all() and sphere(x)[0] >= 1


def test_it_shortens_a_step_that_does_not_lower_the_loss_enough(run):
    """Along the parabola -x + c x^2 from 0, a full step of 1 lowers the loss by nearly nothing."""
    c = 1 - 1e-6

    def parabola(x):
        return (c * x**2 - x).sum(), 2 * c * x - 1

    x, _, problem = run(DeviceLBFGS(first_step=1), parabola, np.zeros((1, 1, 1, 1)), 1)
    assert problem.calls == 3  # the start, the full step, and the parabola's minimiser
    np.testing.assert_allclose(x, 0.5, atol=1e-4)


def test_it_shortens_a_step_into_what_is_not_finite_by_ten(run):
    def cliff(x):
        return (math.inf if (x > 0.15).any() else -x.sum()), np.full_like(x, -1)

    x, _, _ = run(DeviceLBFGS(first_step=1), cliff, np.zeros((1, 1, 1, 1)), 1)
    np.testing.assert_allclose(x, 0.1)


@pytest.mark.parametrize("memory", [1, 3, 64])
def test_it_bounds_its_memory(run, memory):
    optimizer = DeviceLBFGS(memory, first_step=0.5)
    _, losses, _ = run(optimizer, rosenbrock, steps=70)
    assert len(pairs(optimizer)[0]) <= memory
    assert len(pairs(optimizer)[0]) == memory or memory == 64
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("size", [1, 255, 257, 4097])
def test_it_takes_images_of_any_size(run, size):
    """Less than a block of threads, more than a part of the sums: all values count."""
    start = np.linspace(-1, 1, size, dtype=np.float32).reshape(1, 1, 1, size)
    _, losses, _ = run(DeviceLBFGS(first_step=0.5), ill_conditioned, start, 25)
    _, expected, _ = on_device.run(LBFGS(first_step=0.5), ill_conditioned, start, 25)
    assert losses[:6] == pytest.approx(expected[:6], rel=1e-3)
    assert losses[-1] == pytest.approx(expected[-1], rel=0.5, abs=1e-3)


@pytest.mark.parametrize("memory", [0, -1, 65])
def test_it_refuses_another_memory(memory):
    with pytest.raises(ValueError, match=f"memory must be from 1 to 64, not {memory}"):
        DeviceLBFGS(memory)


@pytest.mark.parametrize("first_step", [0.0, -1.0, math.nan, math.inf])
def test_it_refuses_a_first_step_that_is_no_length(first_step):
    with pytest.raises(ValueError, match="first_step must be a positive number"):
        DeviceLBFGS(first_step=first_step)


def test_it_refuses_a_link_with_two_parameters():
    with pytest.raises(ValueError, match="one parameter, not 2"):
        DeviceLBFGS().setup(chainer.links.Linear(2, 2))


def test_it_counts_its_steps(run):
    optimizer = DeviceLBFGS(first_step=0.5)
    run(optimizer, rosenbrock, steps=7)
    assert optimizer.t == 7


# What is given up, saved and gone on with


@pytest.mark.parametrize("is_restored", [False, True])
@pytest.mark.parametrize(("steps", "at"), [(0, 1), (0, 2), (0, 3), (2, 1)])
def test_a_step_that_is_given_up_leaves_image_and_gradient_as_they_were(
    gpu, run, steps, at, is_restored
):
    """And what comes of it later is what would have come of it."""
    optimizer, expected = (DeviceLBFGS(first_step=20.0) for _ in range(2))
    pixels, others = (set_up(each, START, gpu) for each in (optimizer, expected))
    problem = Problem(rosenbrock)
    for _ in range(steps):
        optimizer.update(problem, pixels)
    before, left = pixels.array.get(), [at]

    def given_up(image):
        left[0] -= 1
        if not left[0]:
            raise Stopped
        return problem(image)

    with pytest.raises(Stopped):
        optimizer.update(given_up, pixels)
    np.testing.assert_array_equal(pixels.array.get(), before)
    if steps + at > 1:  # else there is none yet
        np.testing.assert_array_equal(pixels.grad.get(), problem.function(before)[1])
    if is_restored:
        optimizer = gone_on(optimizer, DeviceLBFGS(first_step=20.0), gpu)
    losses = [optimizer.update(problem, optimizer.target.pixels) for _ in range(3)]
    assert (
        losses == [expected.update(Problem(rosenbrock), others) for _ in range(steps + 3)][steps:]
    )
    check_same(optimizer, expected)


@pytest.mark.parametrize("memory", [3, 20])
@pytest.mark.parametrize("steps", [0, 1, 2, 5, 9])
def test_what_is_restored_goes_on_to_the_last_bit(gpu, run, steps, memory):
    optimizer = DeviceLBFGS(memory, first_step=0.5)
    pixels, problem = set_up(optimizer, START, gpu), Problem(rosenbrock)
    for _ in range(steps):
        optimizer.update(problem, pixels)
    again = gone_on(optimizer, DeviceLBFGS(memory, first_step=0.5), gpu)
    for _ in range(6):
        losses = [
            each.update(Problem(rosenbrock), each.target.pixels) for each in (optimizer, again)
        ]
        assert losses[0] == losses[1]
        check_same(optimizer, again)


@pytest.mark.parametrize("function", [failing, sphere])
def test_what_has_stopped_does_not_begin_again(gpu, run, function):
    optimizer = DeviceLBFGS(first_step=0.5)
    _, losses, problem = run(optimizer, sphere if function is sphere else rosenbrock, steps=3)
    problem.function = on_device.in_float32(function)
    while optimizer.stop_reason is None:
        optimizer.update(problem, optimizer.target.pixels)
    again, unasked = gone_on(optimizer, DeviceLBFGS(first_step=0.5), gpu), Problem(failing)
    for each in (optimizer, again):
        assert each.update(unasked, each.target.pixels) == losses[-1]
    assert unasked.calls == 0
    check_same(optimizer, again)


@pytest.fixture
def saved(gpu, run):
    """The state of an optimizer with two pairs, and a fresh one to restore it to."""
    optimizer, fresh = (DeviceLBFGS(5, first_step=0.5) for _ in range(2))
    run(optimizer, rosenbrock, steps=2)
    fields, arrays = optimizer.state()
    set_up(fresh, optimizer.target.pixels.array.get(), gpu)
    return fields, arrays, fresh


@pytest.mark.parametrize("name", ["t", "stop_reason", "ends", "scalars", "table"])
def test_a_field_that_is_missing_is_told(saved, name):
    fields, arrays, fresh = saved
    with pytest.raises(KeyError, match=name):
        fresh.restore({key: fields[key] for key in fields if key != name}, arrays.__getitem__)


@pytest.mark.parametrize("name", ["gradient", "direction", "s.1", "y.0"])
def test_an_array_that_is_missing_is_told(saved, name):
    fields, arrays, fresh = saved
    del arrays[name]
    with pytest.raises(KeyError, match=name):
        fresh.restore(fields, arrays.__getitem__)


@pytest.mark.parametrize("memory", [3, 20])
@pytest.mark.parametrize("steps", [0, 1, 2, 9])
def test_the_state_of_the_cpus_optimizer_is_gone_on_with(gpu, run, steps, memory):
    """As teams save it, and older releases did: what follows is what would have followed there."""
    cpu, problem = LBFGS(memory, first_step=0.5), Problem(rosenbrock)
    pixels = set_up(cpu, START, gpu)
    for _ in range(steps):
        cpu.update(problem, pixels)
    again = gone_on(cpu, DeviceLBFGS(memory, first_step=0.5), gpu)
    for made, kept in zip(pairs(again), ("s", "y"), strict=True):
        arrays = cpu.state()[1]
        expected = [arrays[f"{kept}.{row}"].get().ravel() for row in range(min(steps, memory))]
        np.testing.assert_array_equal(made, expected)
    for _ in range(4):
        expected, loss = (each.update(problem, each.target.pixels) for each in (cpu, again))
        assert loss == pytest.approx(expected, rel=1e-4)
        assert (again.t, again.stop_reason) == (cpu.t, cpu.stop_reason)
        np.testing.assert_allclose(again.target.pixels.array.get(), pixels.array.get(), atol=1e-4)


def test_of_more_pairs_of_the_cpus_the_last_are_kept(gpu, run):
    cpu = LBFGS(8, first_step=0.5)
    run(cpu, rosenbrock, steps=8)
    again = gone_on(cpu, DeviceLBFGS(3, first_step=0.5), gpu)
    arrays = cpu.state()[1]
    for made, kept in zip(pairs(again), "sy", strict=True):
        np.testing.assert_array_equal(
            made, [arrays[f"{kept}.{n}"].get().ravel() for n in (5, 6, 7)]
        )


@pytest.mark.parametrize("function", [sphere, lambda x: ((x**2).sum(), -2 * x)])
def test_what_stopped_as_the_cpus_does_not_begin_again(gpu, run, function):
    cpu = LBFGS(first_step=0.5)
    run(cpu, function)
    again, unasked = gone_on(cpu, DeviceLBFGS(first_step=0.5), gpu), Problem(failing)
    assert again.update(unasked, again.target.pixels) == cpu.update(unasked, cpu.target.pixels)
    assert unasked.calls == 0 and again.stop_reason is not None
    check_same(cpu, again)


def test_what_never_began_as_the_cpus_does_not_begin(gpu, run):
    cpu = LBFGS(first_step=0.5)
    run(cpu, lambda x: (math.inf, x))
    again = gone_on(cpu, DeviceLBFGS(first_step=0.5), gpu)
    assert math.isnan(again.update(Problem(failing), again.target.pixels))
    check_same(cpu, again)


def test_a_gradient_of_the_cpus_that_is_not_finite_is_refused(gpu, run, saved):
    cpu = LBFGS(5, first_step=0.5)
    run(cpu, rosenbrock, steps=2)
    fields, arrays = cpu.state()
    arrays["gradient"][...] = math.nan
    with pytest.raises(ValueError, match="gradient is not finite"):
        saved[2].restore(fields, arrays.__getitem__)


def test_the_cpus_optimizer_refuses_its_state(saved):
    fields, arrays, _ = saved
    with pytest.raises(CheckpointError, match=r"saved by one process on a GPU: .* several"):
        LBFGS(5).restore(fields, arrays.__getitem__)


def test_another_number_of_pairs_is_refused(gpu, saved):
    fields, arrays, _ = saved
    other = DeviceLBFGS(6)
    set_up(other, START, gpu)
    with pytest.raises(ValueError, match=r"a table of \(11, 11\) is not for 6 curvature pairs"):
        other.restore(fields, arrays.__getitem__)


@pytest.mark.parametrize(
    ("name", "value"), [("count", -1), ("count", 6), ("newest", 5), ("newest", -2)]
)
def test_pairs_that_cannot_be_are_refused(saved, name, value):
    fields, arrays, fresh = saved
    fields["scalars"][name] = value
    with pytest.raises(ValueError, match="curvature pairs"):
        fresh.restore(fields, arrays.__getitem__)


# What is asked of the device


@pytest.mark.parametrize("steps", [1, 5])
def test_the_host_waits_once_a_step(gpu, hostcuda, steps):
    """For a copy of a few bytes that it asked for beforehand."""
    gpu.use()
    xp, optimizer = gpu.xp, DeviceLBFGS(first_step=0.5)
    pixels = set_up(optimizer, np.linspace(1, 9, 300).reshape(1, 3, 10, 10), gpu)
    scale = xp.logspace(0, 2, 300, dtype=np.float32).reshape(pixels.shape)
    pixels.grad, halves = xp.empty_like(scale), xp.empty_like(scale)
    loss = xp.empty((), np.float32)

    def paraboloid(image):
        """The host never sees it."""
        xp.multiply(image.array, scale, out=image.grad)
        xp.multiply(image.array, image.grad, out=halves)
        return xp.sum(halves, out=loss)

    for _ in range(4):
        optimizer.update(paraboloid, pixels)
    hostcuda.reset()
    for _ in range(steps):
        optimizer.update(paraboloid, pixels)
    counted = hostcuda.counters()
    assert optimizer.stop_reason is None and optimizer.t == 4 + steps
    assert counted["syncs"] == steps
    assert counted["d2h"] == counted["h2d"] == counted["mallocs"] == 0
    assert counted["d2h_bytes"] <= 16 * steps  # within the graph
    assert counted["graph_launches"] == steps
