import itertools
import math

import numpy as np
import pytest

from texsynth import optimizers
from texsynth.compat import chainer

START = np.linspace(-1.5, 2.0, 12).reshape(1, 3, 2, 2)


def sphere(x):
    return (x**2).sum(), 2 * x


def ill_conditioned(x):
    scale = np.logspace(0, 4, x.size).reshape(x.shape)
    return (scale * (x - 1) ** 2).sum(), 2 * scale * (x - 1)


def rosenbrock(x):
    """Minimum 0 at 1; the valley is curved."""
    flat = x.ravel()
    a, b = flat[:-1], flat[1:]
    gradient = np.zeros_like(flat)
    gradient[:-1] = -400 * a * (b - a**2) - 2 * (1 - a)
    gradient[1:] += 200 * (b - a**2)
    return (100 * (b - a**2) ** 2 + (1 - a) ** 2).sum(), gradient.reshape(x.shape)


def wall(x):
    """Minimum at 1; infinite for any value of at least 2.5."""
    if (x >= 2.5).any():
        return math.inf, np.full_like(x, np.nan)
    return ((x - 1) ** 2 - np.log(2.5 - x) / 1e3).sum(), 2 * (x - 1) + 1 / (2.5 - x) / 1e3


PROBLEMS = {f.__name__: f for f in (sphere, ill_conditioned, rosenbrock, wall)}


class Problem:
    """A test function as an objective that counts its calls."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, image):
        self.calls += 1
        loss, image.grad = self.function(image.array)
        return float(loss)


def run(optimizer, function, start=START, steps=200):
    image = optimizers.Image(start.copy())
    optimizer.setup(image)
    problem = Problem(function)
    losses = []
    for _ in range(steps):
        losses.append(optimizer.update(problem, image.pixels))
        if optimizer.stop_reason:
            break
    return image.pixels.array, losses, problem


@pytest.mark.parametrize("name", PROBLEMS)
def test_lbfgs_finds_the_minimum(name):
    x, losses, _ = run(optimizers.LBFGS(first_step=0.5), PROBLEMS[name])
    _, gradient = PROBLEMS[name](x)
    assert np.abs(gradient).max() < 1e-3
    np.testing.assert_allclose(x, 0 if name == "sphere" else 1, atol=2e-3)
    assert all(later <= earlier for earlier, later in itertools.pairwise(losses))


@pytest.mark.parametrize("name", ["sphere", "ill_conditioned", "wall"])
def test_adam_comes_near_the_minimum(name):
    x, _, _ = run(optimizers.Adam(0.02), PROBLEMS[name], steps=1500)
    np.testing.assert_allclose(x, 0 if name == "sphere" else 1, atol=2e-2)


def test_adam_takes_few_enough_steps_on_rosenbrock():
    _, losses, _ = run(optimizers.Adam(0.02), rosenbrock, steps=1500)
    assert losses[-1] < 1e-2 * losses[0]


def test_lbfgs_nearly_always_takes_the_first_try():
    _, losses, problem = run(optimizers.LBFGS(first_step=0.5), rosenbrock)
    assert problem.calls <= 1.5 * len(losses)


def test_lbfgs_direction_is_the_dense_bfgs_direction():
    """Equation 6.17 of Nocedal and Wright on dense matrices is the oracle."""
    generator = np.random.default_rng(0)
    n = START.size
    hessian = generator.standard_normal((n, n))
    hessian = hessian @ hessian.T + np.eye(n)
    optimizer = optimizers.LBFGS()
    image = optimizers.Image(START.copy())
    optimizer.setup(image)
    pairs = [(s, hessian @ s) for s in generator.standard_normal((4, n))]
    for s, y in pairs:
        optimizer._remember(s.reshape(START.shape), y.reshape(START.shape))
    gradient = generator.standard_normal(n)
    image.pixels.grad = gradient.reshape(START.shape)
    s, y = pairs[-1]
    inverse = np.eye(n) * (s @ y) / (y @ y)
    for s, y in pairs:
        rho = 1 / (s @ y)
        left = np.eye(n) - rho * np.outer(s, y)
        inverse = left @ inverse @ left.T + rho * np.outer(s, s)
    np.testing.assert_allclose(optimizer._direction().ravel(), -inverse @ gradient, rtol=1e-9)


def test_lbfgs_first_step_is_sized_in_pixel_units():
    for scale in (1e-9, 1e9):
        x, _, _ = run(
            optimizers.LBFGS(first_step=0.25), lambda x, c=scale: (c * x.sum(), c + 0 * x), steps=1
        )
        np.testing.assert_allclose(START - x, 0.25)


def test_lbfgs_keeps_no_pair_of_negative_curvature():
    optimizer = optimizers.LBFGS(first_step=0.1)
    run(optimizer, lambda x: (-(x**2).sum(), -2 * x), steps=5)
    assert not optimizer._pairs


def test_lbfgs_keeps_float32():
    x, losses, _ = run(optimizers.LBFGS(first_step=0.5), rosenbrock, START.astype(np.float32))
    assert x.dtype == np.float32
    assert losses[-1] < 1e-3


def test_lbfgs_says_when_the_gradient_is_zero():
    optimizer = optimizers.LBFGS()
    run(optimizer, sphere, np.zeros((1, 3, 2, 2)))
    assert optimizer.stop_reason == "the gradient is zero"


def test_lbfgs_says_when_the_start_is_not_finite():
    optimizer = optimizers.LBFGS()
    run(optimizer, lambda x: (math.nan, x))
    assert optimizer.stop_reason == "the loss of the start is not finite"


def test_lbfgs_gives_up_on_a_wrong_gradient_and_leaves_the_image_as_it_was():
    optimizer = optimizers.LBFGS(first_step=0.5)
    x, _, _ = run(optimizer, lambda x: ((x**2).sum(), -2 * x))
    assert optimizer.stop_reason == "no step along the gradient lowers the loss"
    np.testing.assert_array_equal(x, START)


def test_lbfgs_goes_on_where_rounding_hides_that_the_loss_falls():
    """A loss of steps: a thousandth of it is lost, and the gradient turns by a hundredth."""

    def coarse(x):
        loss, gradient = rosenbrock(x)
        loss = 1e3 + loss  # of which the steps are then .5
        return math.floor(loss * 2) / 2, gradient * (1 + np.sin(1e6 * x) / 100)

    found = []
    for noise in (0.0, 1e-3):
        optimizer = optimizers.make("lbfgs", 4.0, 20, noise=noise)
        x, losses, _ = run(optimizer, coarse, steps=150)
        found.append((optimizer.stop_reason, len(losses), rosenbrock(x)[0]))
    (without, few, far), (_, many, near) = found
    assert without is not None and few < many
    assert near < far / 10


def test_lbfgs_may_raise_the_loss_by_its_noise_and_no_more():
    for rise, taken in ((0.9e-3, True), (1.1e-3, False)):
        seen = []

        def rising(x, rise=rise, seen=seen):
            seen.append(1)
            return 5.0 * (1 + rise * (len(seen) > 1)), np.ones_like(x)

        optimizer = optimizers.LBFGS(noise=1e-3)
        run(optimizer, rising, steps=1)
        assert (optimizer.stop_reason is None) == taken


def test_lbfgs_drops_its_pairs_and_goes_on_after_a_failed_line(monkeypatch):
    optimizer = optimizers.LBFGS(first_step=0.5)
    image = optimizers.Image(START.copy())
    optimizer.setup(image)
    problem = Problem(ill_conditioned)
    for _ in range(5):
        optimizer.update(problem, image.pixels)
    before = optimizer.update(problem, image.pixels)
    downhill = optimizer._direction
    uphill = lambda: image.pixels.grad if optimizer._pairs else downhill()  # noqa: E731
    monkeypatch.setattr(optimizer, "_direction", uphill)
    after = optimizer.update(problem, image.pixels)
    assert optimizer.stop_reason is None
    assert after < before
    assert len(optimizer._pairs) == 1


def test_lbfgs_treats_a_gradient_that_is_not_finite_as_no_progress():
    def spiky(x):
        loss, gradient = sphere(x)
        return loss, np.full_like(x, np.inf) if loss < 1 else gradient

    x, _, _ = run(optimizers.LBFGS(first_step=1.5), spiky, steps=30)
    assert np.isfinite(x).all() and sphere(x)[0] >= 1


def test_lbfgs_bounds_its_memory():
    optimizer = optimizers.LBFGS(memory=3, first_step=0.5)
    run(optimizer, rosenbrock, steps=30)
    assert len(optimizer._pairs) == 3


@pytest.mark.parametrize("memory", [0, -1])
def test_lbfgs_refuses_no_memory(memory):
    with pytest.raises(ValueError, match=f"memory must be at least 1, not {memory}"):
        optimizers.LBFGS(memory=memory)


@pytest.mark.parametrize("first_step", [0.0, -1.0, math.nan, math.inf])
def test_lbfgs_refuses_a_first_step_that_is_no_length(first_step):
    with pytest.raises(ValueError, match="first_step must be a positive number"):
        optimizers.LBFGS(first_step=first_step)


def test_lbfgs_refuses_a_link_without_parameters():
    with pytest.raises(ValueError, match="at least one parameter"):
        optimizers.LBFGS().setup(chainer.Chain())


def test_lbfgs_shortens_a_step_that_does_not_lower_the_loss_enough():
    """Along the parabola -x + c x^2 from 0, a full step of 1 lowers the loss by nearly nothing."""
    c = 1 - 1e-6

    def parabola(x):
        return (c * x**2 - x).sum(), 2 * c * x - 1

    x, _, problem = run(optimizers.LBFGS(first_step=1), parabola, np.zeros((1, 1, 1, 1)), steps=1)
    assert problem.calls == 3  # the start, the full step, and the parabola's minimiser
    np.testing.assert_allclose(x, 0.5, atol=1e-4)


def test_lbfgs_shortens_a_step_into_what_is_not_finite_by_ten():
    def cliff(x):
        return (math.inf if (x > 0.15).any() else -x.sum()), np.full_like(x, -1)

    x, _, _ = run(optimizers.LBFGS(first_step=1), cliff, np.zeros((1, 1, 1, 1)), steps=1)
    np.testing.assert_allclose(x, 0.1)


def test_optimizers_count_their_steps():
    for optimizer in (optimizers.LBFGS(first_step=0.5), optimizers.Adam(0.1)):
        run(optimizer, rosenbrock, steps=7)
        assert optimizer.t == 7


def test_adam_tells_when_a_step_ended_nowhere():
    with np.errstate(over="ignore"):
        _, losses, _ = run(optimizers.Adam(1e39), sphere, START.astype(np.float32), steps=1)
    assert math.isnan(losses[0])


def test_adam_goes_back_to_the_best_image_and_on_in_smaller_steps():
    """The first step ends beyond the wall, where nothing is finite."""
    optimizer = optimizers.Adam(3.0)
    x, losses, _ = run(optimizer, wall, np.full((1, 3, 2, 2), -0.4), steps=60)
    assert optimizer.stop_reason is None
    assert all(map(math.isfinite, losses)) and losses[-1] < 0.05 * losses[0]
    np.testing.assert_allclose(x, 1, atol=0.3)


def test_adam_stops_at_the_best_image_after_three_failures_in_a_row():
    def cliff(x):
        near = abs(x - START).max() < 0.35
        return (x.sum() if near else math.nan), np.ones_like(x)

    optimizer = optimizers.Adam(0.1)
    x, losses, problem = run(optimizer, cliff, steps=4)
    assert optimizer.stop_reason is None and losses == sorted(losses, reverse=True)
    best, calls = x.copy(), problem.calls

    def always_off(x):
        return math.nan, np.ones_like(x)

    problem.function = always_off
    optimizer.alpha = 1e3
    assert math.isfinite(optimizer.update(problem, optimizer.target.pixels))
    assert "3 times in a row" in optimizer.stop_reason
    assert problem.calls == calls + 3
    assert abs(optimizer.target.pixels.array - best).max() < 0.2


def test_adam_notices_divergence():
    """Ten times the loss of the start is no way to a texture."""
    optimizer = optimizers.Adam(50.0)
    _, losses, _ = run(optimizer, sphere, steps=3)
    assert max(losses) <= losses[0]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_lbfgs_leaves_a_step_that_is_given_up_as_if_it_had_not_begun(at):
    optimizer, calls = optimizers.LBFGS(first_step=1.0), []
    image = optimizers.Image(START.copy())
    optimizer.setup(image)
    problem = Problem(rosenbrock)
    for _ in range(2):
        optimizer.update(problem, image.pixels)
    before = image.pixels.array.copy(), image.pixels.grad.copy()
    expected = optimizers.LBFGS(first_step=1.0)

    def given_up(pixels):
        calls.append(1)
        if len(calls) == at:
            raise optimizers.Stopped
        pixels.grad = np.full_like(pixels.array, np.nan)
        return math.nan

    with pytest.raises(optimizers.Stopped):
        optimizer.update(given_up, image.pixels)
    np.testing.assert_array_equal(image.pixels.array, before[0])
    np.testing.assert_array_equal(image.pixels.grad, before[1])
    expected_image = optimizers.Image(START.copy())
    expected.setup(expected_image)
    for _ in range(3):
        expected.update(Problem(rosenbrock), expected_image.pixels)
    optimizer.update(problem, image.pixels)
    np.testing.assert_array_equal(image.pixels.array, expected_image.pixels.array)


def test_a_gradient_that_is_not_finite_at_the_start_is_told():
    def steep(x):
        return x.sum(), np.full_like(x, np.inf)

    optimizer = optimizers.LBFGS()
    _, losses, _ = run(optimizer, steep, steps=1)
    assert math.isnan(losses[0])
    assert optimizer.stop_reason == "the gradient of the start is not finite"


def gone_on(optimizer, fresh):
    """A fresh optimizer and image that take over the state of another's."""
    fields, arrays = optimizer.state()
    kept = {name: array.copy() for name, array in arrays.items()}
    fresh.setup(optimizers.Image(optimizer.target.pixels.array.copy()))
    fresh.restore(dict(fields), kept.__getitem__)
    return fresh


@pytest.mark.parametrize("steps", range(1, 6))
def test_adam_that_went_back_goes_on_as_if_it_had_not_been_left(steps):
    """With its smaller steps, the best image, and the failures so far."""
    optimizer = optimizers.Adam(3.0)
    run(optimizer, wall, np.full((1, 3, 2, 2), -0.4), steps=steps)
    again = gone_on(optimizer, optimizers.Adam(3.0))
    for _ in range(6):
        losses = [each.update(Problem(wall), each.target.pixels) for each in (optimizer, again)]
        assert losses[0] == losses[1]
        np.testing.assert_array_equal(optimizer.target.pixels.array, again.target.pixels.array)
    assert optimizer.alpha < 3.0


def failing(x):
    return math.nan, np.full_like(x, math.nan)


@pytest.mark.parametrize("make", [lambda: optimizers.Adam(0.1), optimizers.LBFGS])
def test_an_optimizer_that_stopped_does_not_begin_again(make):
    optimizer = make()
    _, _, problem = run(optimizer, rosenbrock, steps=3)
    problem.function = failing
    loss = optimizer.update(problem, optimizer.target.pixels)
    assert optimizer.stop_reason is not None
    again, unasked = gone_on(optimizer, make()), Problem(failing)
    assert again.update(unasked, again.target.pixels) == loss
    assert (again.stop_reason, unasked.calls) == (optimizer.stop_reason, 0)


def test_adam_takes_over_how_often_it_has_failed():
    """Twice in a row: the next time is the last."""
    optimizer = optimizers.Adam(0.1)
    _, _, problem = run(optimizer, rosenbrock, steps=3)
    calls = []

    def twice(x):
        calls.append(1)
        return failing(x) if len(calls) <= 2 else (0.0, np.zeros_like(x))

    problem.function = twice
    optimizer.update(problem, optimizer.target.pixels)
    again, problem = gone_on(optimizer, optimizers.Adam(0.1)), Problem(failing)
    again.update(problem, again.target.pixels)
    assert "3 times in a row" in again.stop_reason and problem.calls == 1


def test_adam_stops_at_failures_in_a_row_alone():
    optimizer, calls = optimizers.Adam(0.1), itertools.count(1)

    def now_and_then(x):
        return failing(x) if next(calls) in (2, 6, 10, 14) else sphere(x)

    run(optimizer, now_and_then, steps=16)
    assert optimizer.stop_reason is None
    assert optimizer.alpha == pytest.approx(1e-5)


def test_lbfgs_takes_no_rounding_for_curvature():
    """Its inverse would be a step out of all proportion; nor what overflowed."""
    optimizer = optimizers.LBFGS()
    y = np.ones(START.shape)
    optimizer._remember(1e-11 * y, y)
    with np.errstate(over="ignore"):
        optimizer._remember(y, 1e200 * y)
    assert not optimizer._pairs
    optimizer._remember(1e-9 * y, y)
    assert len(optimizer._pairs) == 1


def test_lbfgs_takes_a_gradient_that_cannot_be_divided_by_for_none():
    optimizer = optimizers.LBFGS()
    faint = lambda x: (1.0, np.full_like(x, 1e-40))  # noqa: E731
    run(optimizer, faint, START.astype(np.float32), steps=1)
    assert optimizer.stop_reason == "the gradient is zero"


@pytest.mark.parametrize("pairs", [3, 7])
def test_an_optimizer_made_by_its_name_has_what_was_asked_for(pairs):
    optimizer = optimizers.make("lbfgs", 4.0, pairs)
    run(optimizer, rosenbrock, steps=30)
    assert len(optimizer._pairs) == pairs
    assert optimizers.make("adam", 0.25).alpha == 0.25
