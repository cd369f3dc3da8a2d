import numba
import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.statistics import correspondence


@pytest.fixture
def activations():
    return np.random.default_rng(0).standard_normal((1, 5, 12, 14)).astype(np.float32)


def test_patches_of_the_exemplar_are_nearest_to_themselves(activations):
    exemplar = correspondence.patches(activations)
    ordered = np.ascontiguousarray(activations[0].transpose(1, 2, 0))
    np.testing.assert_array_equal(correspondence.nearest(ordered, exemplar), np.arange(120))


def test_few_distances_at_once_find_the_same(activations, monkeypatch):
    exemplar = correspondence.patches(activations)
    other = np.random.default_rng(1).standard_normal((20, 9, 5)).astype(np.float32)
    whole = correspondence.nearest(other, exemplar)
    monkeypatch.setattr(correspondence, "CHUNK", 7 * 120)
    np.testing.assert_array_equal(correspondence.nearest(other, exemplar), whole)
    assert whole.shape == (18 * 7,)


def engines_of(shape, seed):
    """Activations as the Winograd engine has them, within larger ones, and as the plain one has."""
    images, channels, height, width = shape
    wide = np.random.default_rng(seed).standard_normal((images, height + 2, width + 3, channels))
    inner = wide.astype(np.float32)[:, 1:-1, 1:-2].transpose(0, 3, 1, 2)
    return inner, np.ascontiguousarray(inner)


def distance_of(x, exemplar):
    variable = chainer.Variable(x)
    distance = correspondence.distance(variable, exemplar)
    (distance * 3).backward()
    return distance.array, variable.grad


@pytest.mark.parametrize(
    ("shape", "of_exemplar"),
    [
        ((1, 64, 21, 17), (1, 64, 12, 9)),
        ((1, 128, 9, 60), (1, 128, 14, 13)),  # more in a row than are taken at once
        ((1, 64, 3, 3), (1, 64, 8, 8)),
        ((1, 64, 6, 7), (1, 64, 4, 3)),  # fewer patches than components
        ((1, 64, 6, 7), (1, 64, 3, 3)),  # which have no variance
    ],
)
def test_how_activations_lie_in_memory_changes_nothing(shape, of_exemplar):
    exemplar = correspondence.patches(engines_of(of_exemplar, 1)[1])
    in_engine, plain = engines_of(shape, 2)
    value, gradient = distance_of(in_engine, exemplar)
    expected, its_gradient = distance_of(plain, exemplar)
    assert value.dtype == np.float32
    assert value == pytest.approx(expected, rel=1e-5)
    assert gradient.strides[1] == gradient.itemsize
    np.testing.assert_allclose(gradient, its_gradient, atol=1e-5 * abs(its_gradient).max())


def test_in_the_engine_too_patches_are_nearest_to_themselves():
    in_engine, plain = engines_of((1, 64, 13, 16), 3)
    exemplar = correspondence.patches(plain)
    value, gradient = distance_of(in_engine, exemplar)
    assert value == 0 and not gradient.any()


def test_what_differs_less_than_the_exemplar_from_itself_is_near_enough():
    in_engine, plain = engines_of((1, 64, 13, 16), 3)
    exemplar = correspondence.patches(plain)
    noise = engines_of((1, 64, 13, 16), 4)[0]
    for x in (in_engine, plain):
        value, gradient = distance_of(x + 0.4 * noise, exemplar)
        assert value == 0 and not gradient.any()
        value, gradient = distance_of(x + 0.9 * noise, exemplar)
        assert value > 0 and gradient.any()


def test_what_repeats_must_be_as_near_as_it_does():
    """The exemplar's patches come again, so that any other is too far."""
    repeated = np.tile(engines_of((1, 64, 6, 5), 3)[1], (1, 1, 3, 3))
    assert correspondence.patches(repeated).tolerance == pytest.approx(0, abs=0.05)
    once = correspondence.patches(engines_of((1, 64, 18, 15), 3)[1])
    assert once.tolerance**2 == pytest.approx(0.3 * 2 * 9 * 64, rel=0.2)


def test_an_exemplar_whose_patches_all_overlap_tolerates_nothing():
    assert correspondence.patches(engines_of((1, 64, 5, 4), 3)[1]).tolerance == 0


def test_few_patches_at_once_tolerate_the_same(activations, monkeypatch):
    whole = correspondence.patches(activations).tolerance
    monkeypatch.setattr(correspondence, "_AT_ONCE", 7)
    assert correspondence.patches(activations).tolerance == pytest.approx(whole, rel=1e-6)


def test_values_that_are_no_numbers_are_near_to_something():
    in_engine, plain = engines_of((1, 64, 9, 9), 3)
    exemplar = correspondence.patches(plain)
    in_engine[0, :, 4, 4] = np.nan
    value, _ = distance_of(in_engine, exemplar)
    assert np.isnan(value)


@pytest.mark.usefixtures("all_threads")
def test_the_number_of_threads_changes_no_bit():
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one thread is all there is")
    exemplar, (x, _) = (
        correspondence.patches(engines_of((1, 64, 12, 9), 1)[1]),
        engines_of((1, 64, 21, 57), 2),
    )
    found = []
    for threads in (1, 2):
        numba.set_num_threads(threads)
        found.append(distance_of(x, exemplar))
    assert found[0][0] == found[1][0]
    np.testing.assert_array_equal(found[0][1], found[1][1])
