import numpy as np
import pytest

from texsynth import gram


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
