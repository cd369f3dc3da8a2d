import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth import images
from texsynth.synthesis import octave, patches


@pytest.fixture
def random():
    return np.random.default_rng(0)


def batch(random, height, width):
    return random.uniform(0, 255, (1, 3, height, width)).astype(np.float32)


def nearest_by_hand(texture, exemplar, wrap, reach=2):
    """Middles of nearest patches, one difference after another, in float64."""
    side, rim = 2 * reach + 1, (reach, reach)
    modes = ["wrap" if each else "reflect" for each in wrap]
    padded = np.pad(texture[0].astype(float), ((0, 0), rim, (0, 0)), mode=modes[0])
    padded = np.pad(padded, ((0, 0), (0, 0), rim), mode=modes[1])
    height, width = texture.shape[2:]
    found = np.empty((2, height, width), int)
    for y in range(height):
        for x in range(width):
            patch = padded[:, y : y + side, x : x + side]
            distances = {
                (row + reach, column + reach): np.square(
                    exemplar[0, :, row : row + side, column : column + side] - patch
                ).sum()
                for row in range(exemplar.shape[2] - side + 1)
                for column in range(exemplar.shape[3] - side + 1)
            }
            found[:, y, x] = min(distances, key=distances.get)
    return found


@pytest.mark.parametrize("wrap", [(False, False), (True, False), (False, True), (True, True)])
def test_patches_are_the_nearest(random, wrap):
    texture, exemplar = batch(random, 6, 7), batch(random, 9, 8)
    found = patches.nearest_patches(texture, exemplar, wrap)
    np.testing.assert_array_equal(found, nearest_by_hand(texture, exemplar, wrap))


def test_patches_of_another_size_are_the_nearest(random):
    texture, exemplar, wrap = batch(random, 8, 9), batch(random, 11, 12), (True, False)
    found = patches.nearest_patches(texture, exemplar, wrap, reach=3)
    np.testing.assert_array_equal(found, nearest_by_hand(texture, exemplar, wrap, reach=3))


def test_parts_of_the_search_find_the_same(random, monkeypatch):
    texture, exemplar = batch(random, 13, 12), batch(random, 16, 15)
    whole = patches.nearest_patches(texture, exemplar)
    monkeypatch.setattr(patches, "_CHUNK", 1)  # row by row
    np.testing.assert_array_equal(patches.nearest_patches(texture, exemplar), whole)


class Part:
    """One of two processes, which sees what the other adds only in the end."""

    size = 2

    def __init__(self, rank, others):
        self.rank, self._others = rank, others

    def sum(self, array):
        self._others.append(array.copy())
        return sum(self._others)


def test_processes_share_the_search(random):
    texture, exemplar = batch(random, 11, 12), batch(random, 16, 15)
    parts = []
    patches.nearest_patches(texture, exemplar, team=Part(0, parts))
    found = patches.nearest_patches(texture, exemplar, team=Part(1, parts))
    assert all(
        (part[rows] == 0).all() for part, rows in zip(parts, (slice(5, 11), slice(5)), strict=True)
    )
    np.testing.assert_array_equal(found, patches.nearest_patches(texture, exemplar))


def test_of_a_large_exemplar_patches_are_compared_that_lie_everywhere(random, monkeypatch):
    monkeypatch.setattr(patches, "_MOST_PATCHES", 500)
    rows, columns = patches._compared(patches.everywhere((104, 64)))
    assert 450 <= len(rows) <= 500
    assert len(set(zip(rows.tolist(), columns.tolist(), strict=True))) == len(rows)
    assert rows.max() < 100 and columns.max() < 60
    counts, *_ = np.histogram2d(rows, columns, (5, 3), ((0, 100), (0, 60)))
    assert counts.min() > 20  # of 33 each
    found = patches.nearest_patches(batch(random, 6, 6), batch(random, 104, 64))
    assert set(found[0].ravel() - 2) <= set(rows.tolist())


def test_detail_is_laid_by_gaussian_weights(random):
    """Against a sum over all pieces, pixel by pixel."""
    height, width, wrap = 12, 14, (True, False)
    detail = batch(random, 20, 22)
    matches = np.stack([random.integers(2, 8, (6, 7)), random.integers(2, 9, (6, 7))])
    total, weights = np.zeros((3, height, width)), np.zeros((height, width))
    for y in range(6):
        for x in range(7):
            for dy in range(-3, 5):
                for dx in range(-3, 5):
                    row, column = (2 * y + dy) % height, 2 * x + dx
                    if not 0 <= column < width:
                        continue
                    weight = np.exp(-((dy - 0.5) ** 2 + (dx - 0.5) ** 2) / 2 / 1.2**2)
                    source = 2 * matches[:, y, x] + (dy, dx)
                    total[:, row, column] += weight * detail[0][:, source[0], source[1]]
                    weights[row, column] += weight
    laid = patches.lay(detail, matches, (width, height), wrap, np, octave._LAYING)
    np.testing.assert_allclose(laid[0], total / weights, rtol=1e-4, atol=1e-3)


def test_an_exemplar_finds_its_own_detail():
    exemplar = images.to_batch(make_texture(40, 48))
    _, rest = octave.split(exemplar)
    finer = octave.transfer(rest, [exemplar], (40, 48))
    enlarged = images.resize(rest, (40, 48))
    inner = np.s_[:, :, 8:-8, 8:-8]  # patches at the edges are other ones
    error, before = (np.abs(x[inner] - exemplar[inner]).mean() for x in (finer, enlarged))
    assert error < 0.2 * before


def test_the_finest_octave_has_the_exemplars_deviation(random):
    exemplar = images.to_batch(make_texture(64, 64))
    coarse = images.resize(images.to_batch(make_texture(64, 64, seed=3)), (32, 32))
    finer = octave.transfer(coarse, [exemplar], (64, 64))
    own, then = (octave.split(x)[0].std() for x in (finer, exemplar))
    assert own == pytest.approx(then, rel=0.15)


def test_a_texture_that_tiles_still_does(random):
    exemplar = images.to_batch(make_texture(40, 48))
    coarse = images.resize(images.to_batch(make_texture(32, 32, seed=1)), (16, 16))
    finer = octave.transfer(coarse, [exemplar], (32, 32), (True, True))
    moved = octave.transfer(np.roll(coarse, (5, 3), (2, 3)), [exemplar], (32, 32), (True, True))
    np.testing.assert_allclose(np.roll(finer, (10, 6), (2, 3)), moved, atol=0.05)


@pytest.mark.parametrize("size", [(31, 33), (32, 34), (40, 30)])
def test_any_size_will_do(random, size):
    finer = octave.transfer(batch(random, 16, 16), [batch(random, 33, 31)], size)
    assert finer.shape == (1, 3, size[1], size[0]) and finer.dtype == np.float32
    assert np.isfinite(finer).all()


def test_without_room_for_a_patch_the_texture_is_only_enlarged(random):
    coarse, exemplar = batch(random, 8, 8), batch(random, 9, 9)
    np.testing.assert_array_equal(
        octave.transfer(coarse, [exemplar], (16, 16)), images.resize(coarse, (16, 16))
    )


def test_a_flat_exemplar_has_no_detail(random):
    coarse, flat = batch(random, 8, 8), np.full((1, 3, 16, 16), 9, np.float32)
    finer = octave.transfer(coarse, [flat], (16, 16))
    np.testing.assert_allclose(finer, images.resize(coarse, (16, 16)), atol=1e-3)


@pytest.mark.gpu
def test_a_gpu_finds_the_same(random, gpu):
    texture, exemplar = batch(random, 21, 17), batch(random, 24, 30)
    found = patches.nearest_patches(texture, exemplar, (True, False), gpu.xp)
    np.testing.assert_array_equal(found, patches.nearest_patches(texture, exemplar, (True, False)))
    finer = octave.transfer(texture, [exemplar], (33, 42), xp=gpu.xp)
    np.testing.assert_allclose(finer, octave.transfer(texture, [exemplar], (33, 42)), atol=1e-2)


def test_the_deviation_is_that_of_where_the_texture_is():
    """Beside it the exemplar is flat, which is no part of it; of one part as of two."""
    exemplar = np.full((1, 3, 96, 96), 128.0, np.float32)
    exemplar[..., 48:] += np.random.default_rng(0).normal(0, 40, (1, 3, 96, 48))
    mask = np.zeros((1, 1, 96, 96), np.float32)
    mask[..., 52:92] = 1
    coarse = images.resize(exemplar[..., 52:92], (20, 20))
    one = np.ones((1, 1, 40, 40), np.float32)
    found = []
    for weights in (one, np.concatenate([one, 0 * one], axis=1)):
        sets = [(0,)] * weights.shape[1]
        choice = octave.Choice(weights, sets, [mask])
        found.append(octave.transfer(coarse, [exemplar], (40, 40), choice=choice))
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=1e-3)


def test_patches_are_sought_where_it_is_asked(random, monkeypatch):
    texture, exemplar = batch(random, 13, 12), batch(random, 16, 15)
    whole, wanted = patches.nearest_patches(texture, exemplar), random.uniform(size=(13, 12)) < 0.3
    wanted[4] = False
    monkeypatch.setattr(patches, "_CHUNK", 1)  # row by row, and one has none
    found = patches.nearest_patches(texture, exemplar, wanted=wanted)
    np.testing.assert_array_equal(found[:, wanted], whole[:, wanted])


def test_a_texture_in_parts_seeks_each_pixel_once(random, monkeypatch):
    sought, nearest = [], patches.search.nearest
    monkeypatch.setattr(
        patches.search,
        "nearest",
        lambda queries, *rest: sought.append(len(queries)) or nearest(queries, *rest),
    )
    weights = np.zeros((1, 3, 16, 20), np.float32)
    weights[0, np.arange(16) // 6, np.arange(16)] = 1
    choice = octave.Choice(weights, [(0,), (1,), (0,)], [None, None])
    octave.transfer(batch(random, 8, 10), [batch(random, 16, 16)] * 2, (20, 16), choice=choice)
    assert sum(sought) == 8 * 10
