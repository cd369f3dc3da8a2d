import numpy as np
import pytest

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
