import numpy as np
import pytest

from texsynth.statistics import nearest


@pytest.mark.parametrize("at_once", [1, 50, 10_000])
def test_the_nearest_by_the_definition(at_once):
    random = np.random.default_rng(0)
    keys, queries = random.standard_normal((40, 7)), random.standard_normal((60, 7))
    expected = [((keys - query) ** 2).sum(axis=1).argmin() for query in queries]
    found = nearest.nearest(queries, nearest.prepared(keys), at_once)
    np.testing.assert_array_equal(found, expected)
