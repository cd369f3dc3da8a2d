import numpy as np
import pytest

from texsynth.metrics import sliced_distance
from texsynth.metrics.sliced_distance import SlicedDistribution
from texsynth.statistics.wasserstein import directions


def activations(channels, height, width, seed, scale=1.0):
    noise = np.random.default_rng(seed).gamma(2.0, scale, (1, channels, height, width))
    return noise.astype(np.float32)


def naive_distance(a, b):
    """Direction by direction, with NumPy's own quantiles at (k + 1/2) / count."""
    squares, variances = [], []
    for vector in directions(a.shape[1], sliced_distance.DIRECTIONS, "metrics"):
        along_a, along_b = (np.einsum("c,cn->n", vector, x.reshape(x.shape[1], -1)) for x in (a, b))
        count = min(len(along_a), len(along_b))
        levels = (np.arange(count) + 0.5) / count
        quantiles = [np.quantile(x, levels, method="hazen") for x in (along_a, along_b)]
        squares.append(np.mean((quantiles[0] - quantiles[1]) ** 2))
        variances.append(along_b.var())
    return np.sqrt(np.mean(squares) / np.mean(variances))


@pytest.mark.parametrize("shape", [(6, 5), (3, 4), (9, 7), (1, 1)])
def test_it_is_the_naive_distance(shape):
    a, b = activations(4, *shape, seed=0, scale=2.0), activations(4, 6, 5, seed=1)
    found = SlicedDistribution(a).relative_distance(SlicedDistribution(b))
    assert found == pytest.approx(naive_distance(a, b), rel=1e-4)


def test_a_shift_of_the_activations_is_found_to_its_length():
    b = activations(8, 16, 16, seed=0)
    shift = np.arange(8, dtype=np.float32).reshape(1, 8, 1, 1)
    distance = SlicedDistribution(b + shift).relative_distance(SlicedDistribution(b))
    moved = directions(8, sliced_distance.DIRECTIONS, "metrics") @ shift.ravel()
    spread = SlicedDistribution(b).variance
    assert distance == pytest.approx(np.sqrt((moved**2).mean() / spread), rel=1e-3)


def test_where_the_positions_are_does_not_count_and_what_they_hold_does():
    b = activations(4, 8, 8, seed=0)
    moved = b[:, :, ::-1, ::-1]
    assert SlicedDistribution(moved).relative_distance(SlicedDistribution(b)) < 1e-6
    # Each channel keeps its values, but no longer together with those of the others.
    torn = b.copy()
    torn[:, 0] = b[:, 0].T.reshape(8, 8, 1)[::-1, :, 0].reshape(1, 8, 8)
    assert SlicedDistribution(torn).relative_distance(SlicedDistribution(b)) > 1e-3


def test_many_positions_are_kept_as_few_quantiles(monkeypatch):
    a, b = activations(3, 40, 40, seed=0), activations(3, 40, 40, seed=1)
    exact = SlicedDistribution(a).relative_distance(SlicedDistribution(b))
    monkeypatch.setattr(sliced_distance, "_MOST_QUANTILES", 400)
    few = [SlicedDistribution(x) for x in (a, b)]
    assert few[0].quantiles.shape == (64, 400)
    assert few[0].relative_distance(few[1]) == pytest.approx(exact, rel=0.1)


def test_an_exemplar_without_spread():
    flat = np.ones((1, 3, 4, 4), np.float32)
    assert SlicedDistribution(flat).relative_distance(SlicedDistribution(flat)) == 0
    other = SlicedDistribution(2 * flat)
    assert other.relative_distance(SlicedDistribution(flat)) == float("inf")
