import numpy as np
import pytest

from tests.materials.drawn import drawn
from texsynth.errors import ImageError
from texsynth.metrics import alignment as module
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
    covariances = x.T @ x / 500, y.T @ y / 500, x.T @ y / 500
    sums = _canonical(*covariances)
    across = x.T @ y
    product = np.linalg.solve(x.T @ x, across) @ np.linalg.solve(y.T @ y, across.T)
    expected = np.sqrt(np.sort(np.linalg.eigvals(product).real)[::-1][:3])
    np.testing.assert_allclose(_correlations(sums, *covariances), expected, rtol=1e-8)
    pairs = zip((x @ sums[0]).T, (y @ sums[1]).T, strict=True)
    by_points = [np.corrcoef(*pair)[0, 1] for pair in pairs]
    np.testing.assert_allclose(by_points, expected, rtol=1e-8)


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


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_bands_give_what_the_whole_gives(monkeypatch, rows):
    maps = drawn(64), drawn(50, seed=1)
    whole = module.alignment(*maps)
    monkeypatch.setattr(module, "_BAND", 126 * 64 * rows)
    for pair, each in module.alignment(*maps).items():
        assert each == pytest.approx(whole[pair], rel=1e-9)


def test_covariances_are_those_of_what_describes_all_pixels():
    maps = {name: drawn(40)[name] for name in ("normal", "height")}
    described = [module._described(values, 6, 34) for values in maps.values()]
    assert described[0].shape == (28 * 28, 42) and described[1].shape == (28 * 28, 14)
    expected = np.cov(np.concatenate(described, axis=1).T, bias=True)
    within_x, within_y, across = module._Covariances(maps).of("normal", "height")
    for found, place in (
        (within_x, np.s_[:42, :42]), (within_y, np.s_[42:, 42:]), (across, np.s_[:42, 42:]),
    ):  # fmt: skip
        np.testing.assert_allclose(found, expected[place], rtol=1e-9, atol=1e-15)


def test_what_is_at_a_pixel_is_what_its_neighbours_say():
    """Slopes and curvatures of a paraboloid, which a Gaussian leaves but for a constant."""
    y, x = np.mgrid[:40, :48] / 40
    plane = (0.2 * x * x + 0.1 * x * y + 0.3 * y * y)[..., None]
    _, down, across, steep, yy, xx, xy = module._described(plane, 12, 20)[:, :7].T
    inner = np.s_[12:20, 6:-6]
    where = np.s_[:, 6:-6]  # columns that the mirrored edge does not reach
    for found, expected in (
        (down, (0.1 * x + 0.6 * y) / 40), (across, (0.4 * x + 0.1 * y) / 40),
        (yy, np.full_like(x, 0.6 / 1600)), (xx, np.full_like(x, 0.4 / 1600)),
        (xy, np.full_like(x, 0.1 / 1600)),
    ):  # fmt: skip
        rows = found.reshape(8, 36)
        np.testing.assert_allclose(rows[where], expected[inner][where], rtol=1e-6)
    np.testing.assert_allclose(steep, np.hypot(down, across))
