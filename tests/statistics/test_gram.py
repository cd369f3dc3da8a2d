import numpy as np
import pytest

from texsynth.statistics import gram


def naive_gram(x):
    batch, channels, height, width = x.shape
    g = np.zeros((batch, channels, channels))
    for n in range(batch):
        for i in range(channels):
            for j in range(channels):
                for row in range(height):
                    for column in range(width):
                        g[n, i, j] += x[n, i, row, column] * x[n, j, row, column]
    return g / (height * width)


@pytest.fixture
def activations():
    return np.random.default_rng(0).standard_normal((2, 3, 4, 5))


def test_gram_matrix_agrees_with_five_loops(activations):
    np.testing.assert_allclose(gram.gram_matrix(activations).array, naive_gram(activations))


def test_gradient_agrees_with_differences(activations, check_gradient):
    check_gradient(gram.gram_matrix, activations)


@pytest.mark.parametrize(
    ("channels", "dtype"), [(64, np.float32), (3, np.float32), (65, np.float32), (64, np.float64)]
)
def test_how_activations_lie_in_memory_changes_nothing(channels, dtype):
    """The fast products take channels next to each other, of one kind only."""
    pytest.importorskip("numba")
    generator = np.random.default_rng(3)
    as_in_engine = (
        generator.standard_normal((2, 4, 5, channels)).astype(dtype).transpose(0, 3, 1, 2)
    )
    plain = np.ascontiguousarray(as_in_engine)
    gradient = generator.standard_normal((2, channels, channels)).astype(dtype)
    for found, expected in (
        (gram.gram_matrix(as_in_engine).array, gram.gram_matrix(plain).array),
        (gram.gram_sum_gradient(as_in_engine, gradient), gram.gram_sum_gradient(plain, gradient)),
    ):
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max())


def test_sums_over_parts_add_up_to_the_whole(activations):
    left, left_count = gram.gram_sum(activations[..., :2])
    right, right_count = gram.gram_sum(activations[..., 2:])
    whole = gram.finalise(left + right, left_count + right_count)
    np.testing.assert_allclose(whole.array, naive_gram(activations))


def test_gram_matrix_ignores_where_things_are(activations):
    flat = activations.reshape(2, 3, 20)
    shuffled = flat[..., np.random.default_rng(2).permutation(20)].reshape(2, 3, 10, 2)
    np.testing.assert_allclose(
        gram.gram_matrix(shuffled).array, gram.gram_matrix(activations).array
    )


def test_images_of_a_batch_do_not_mix(activations):
    together = gram.gram_matrix(activations).array
    for n in range(2):
        alone = gram.gram_matrix(activations[n : n + 1]).array
        np.testing.assert_allclose(together[n : n + 1], alone)


def test_relative_error_by_hand():
    target = np.array([[[3.0, 0.0], [0.0, 4.0]]])
    candidate = np.array([[[3.0, 0.0], [0.0, 1.0]]])
    assert gram.relative_error(candidate, target) == pytest.approx(3 / 5)
    assert gram.relative_error(target, target) == 0


def test_relative_error_of_an_all_zero_target():
    zero = np.zeros((1, 2, 2))
    assert gram.relative_error(zero, zero) == 0
    assert gram.relative_error(zero + 1, zero) == float("inf")
