import numpy as np
import pytest

from tests.materials.drawn import drawn
from texsynth.errors import ImageError
from texsynth.metrics.alignment import _canonical, _correlations, alignment, alignment_kept


def test_an_exemplar_keeps_all_of_its_own():
    stack = drawn(64)
    pairs = alignment(stack, stack)
    assert len(pairs) == 10
    assert all(each.kept == pytest.approx(1) for each in pairs.values())
    assert pairs["normal", "height"].exemplar > 0.9


def test_another_piece_of_it_keeps_nearly_all():
    kept = alignment_kept(alignment(drawn(96), drawn(80, seed=1)))
    assert kept == pytest.approx(1, abs=0.08)


def test_maps_of_different_pieces_keep_nothing():
    several = {name: drawn(96, seed)[name] for seed, name in enumerate(drawn(96), 1)}
    assert abs(alignment_kept(alignment(drawn(96), several))) < 0.15


def test_a_shift_of_one_map_is_seen():
    stack = drawn(64)
    moved = stack | {"height": np.roll(stack["height"], 8, axis=0)}
    pairs = alignment(stack, moved)
    assert pairs["albedo", "ao"].kept == pytest.approx(1)
    assert pairs["normal", "height"].kept < 0.5


def test_canonical_correlations_are_those_of_their_definition():
    """Roots of the eigenvalues of the product of both regressions (Hotelling 1936)."""
    random = np.random.default_rng(0)
    x = random.standard_normal((500, 4))
    y = x @ random.standard_normal((4, 3)) + random.standard_normal((500, 3))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    sums = _canonical(x, y)
    across = x.T @ y
    product = np.linalg.solve(x.T @ x, across) @ np.linalg.solve(y.T @ y, across.T)
    expected = np.sqrt(np.sort(np.linalg.eigvals(product).real)[::-1][:3])
    np.testing.assert_allclose(_correlations(x @ sums[0], y @ sums[1]), expected, rtol=1e-8)


def test_what_has_nothing_to_do_with_each_other_is_left_out():
    random = np.random.default_rng(0)
    noise = random.uniform(0, 1, (96, 96, 1)).astype(np.float32)
    flat = np.full((96, 96, 1), 0.5, np.float32)
    stack = {"height": drawn(96)["height"], "roughness": noise, "ao": flat}
    assert alignment(stack, stack) == {}
    assert alignment_kept({}) is None


def test_too_small():
    with pytest.raises(ImageError, match="sides above 24 px"):
        alignment(drawn(24), drawn(48))
