import numpy as np
import pytest

from tests.materials.drawn import drawn
from texsynth.materials.planes import Planes
from texsynth.metrics.alignment import alignment, alignment_kept
from texsynth.synthesis import octave, piecing
from texsynth.synthesis.patches import Laying, lay, nearest_patches


@pytest.fixture
def random():
    return np.random.default_rng(0)


def batch(random, *shape):
    return random.uniform(0, 255, (1, *shape)).astype(np.float32)


@pytest.mark.parametrize("wrap", [(True, False), (False, False)])
def test_pieces_are_laid_by_gaussian_weights(random, wrap):
    """Against a sum over all pieces, pixel by pixel."""
    exemplar, laying = batch(random, 4, 11, 12), Laying(1, 2, 0.9)
    matches = np.stack([random.integers(2, 9, (6, 7)), random.integers(2, 10, (6, 7))])
    total, weights = np.zeros((4, 6, 7)), np.zeros((6, 7))
    for y in range(6):
        for x in range(7):
            for dy in range(-2, 3):
                for dx in range(-2, 3):
                    row = (y + dy) % 6 if wrap[0] else y + dy
                    if not (0 <= row < 6 and 0 <= x + dx < 7):
                        continue
                    weight = np.exp(-(dy**2 + dx**2) / 2 / 0.9**2)
                    piece = exemplar[0, :, matches[0, y, x] + dy, matches[1, y, x] + dx]
                    total[:, row, x + dx] += weight * piece
                    weights[row, x + dx] += weight
    laid = lay(exemplar, matches, (7, 6), wrap, np, laying)
    np.testing.assert_allclose(laid[0], total / weights, rtol=1e-4)


def test_an_exemplar_is_made_of_its_own_patches(random):
    exemplar = batch(random, 5, 16, 17)
    found = piecing.pieced(exemplar, exemplar, piecing.FINE)
    inner = (..., slice(4, -4), slice(4, -4))
    np.testing.assert_allclose(found[inner], exemplar[inner], rtol=1e-4)


@pytest.mark.parametrize(("way", "side"), [(piecing.FINE, 4), (piecing.COARSEST, 8)])
def test_small_images_stay(random, way, side):
    texture = batch(random, 5, side, 20)
    assert piecing.pieced(texture, batch(random, 5, 9, 9), way) is texture


def test_it_is_made_of_patches_again_and_again(random):
    texture, exemplar = batch(random, 3, 12, 13), batch(random, 3, 14, 15)
    way = piecing.Piecing(Laying(1, 2, 1.2), reach=3, times=2)
    once = piecing.pieced(texture, exemplar, way._replace(times=1), (True, True))
    again = piecing.pieced(once, exemplar, way._replace(times=1), (True, True))
    assert np.abs(again - once).max() > 1
    np.testing.assert_array_equal(piecing.pieced(texture, exemplar, way, (True, True)), again)


def wall(joint, courses=8, length=12, thickness=6):
    """Bricks of 1 between beds of 0 and joints of another value, ``(1, 1, H, W)``."""
    side = courses * thickness
    bricks = np.ones((1, 1, side, side), np.float32)
    for course in range(courses):
        rows = slice(course * thickness, (course + 1) * thickness)
        bricks[:, :, rows, course % 2 * length // 2 :: length] = joint
    bricks[:, :, ::thickness] = 0
    return bricks


def test_faint_joints_last_at_the_coarsest_level(random):
    """To a small patch around one, a brick that goes on is nearer."""
    exemplar, faint = wall(0), wall(0.6)
    noisy = faint + 0.25 * random.standard_normal(faint.shape).astype(np.float32)
    joints = (0, 0, slice(3, None, 12), slice(0, None, 12))  # their middles, of every other course
    coarse, coarsest = (
        1 - piecing.pieced(noisy, exemplar, way, (True, True))[joints].mean()
        for way in (piecing.COARSE, piecing.COARSEST)
    )
    assert coarse < 0.6 and coarsest > 0.85


def parted(stack, noise, random):
    """The planes of a stack with noise of its own in each."""
    planes = Planes(stack)
    batch = planes.batch(stack)
    return planes, batch, batch + noise * random.standard_normal(batch.shape).astype(np.float32)


def test_pieces_bring_maps_together_again(random):
    stack = drawn(64)
    planes, exemplar, noisy = parted(drawn(64, seed=1), 60, random)
    found = piecing.pieced(noisy, exemplar, piecing.FINE, (True, True))
    before, after = (
        alignment_kept(alignment(stack, planes.stack(each))) for each in (noisy, found)
    )
    assert before < 0.7 and after > 0.9


def test_the_octave_is_laid_in_all_maps_where_it_belongs(random):
    """Matches are found once, for all channels; found for each alone, maps lie apart."""
    stack = drawn(64)
    planes = Planes(stack)
    exemplar = planes.batch(stack)
    _, coarse = octave.split(planes.batch(drawn(64, seed=1)))
    groups = list(planes.places.values())
    joint = octave.transfer(coarse, [exemplar], (64, 64), (True, True), groups=groups)
    matches = nearest_patches(coarse, octave.split(exemplar)[1], (True, True))
    assert joint.shape == (1, planes.number, 64, 64) and matches.shape == (2, 32, 32)
    for place in groups:
        own, wanted = (octave.split(x[:, place])[0].std() for x in (joint, exemplar))
        assert own == pytest.approx(wanted, rel=0.25)
    assert alignment_kept(alignment(stack, planes.stack(joint))) > 0.9


def octaves(image, group):
    """Deviations of the octaves, the finest first."""
    found, rest = [], image[:, group]
    while min(rest.shape[2:]) >= 32:
        octave, rest = piecing._parted(rest, (False, False))
        found.append(float(octave.std()))
    return found


def test_octaves_get_the_exemplars_deviations(random):
    exemplar, noise = batch(random, 3, 70, 64), batch(random, 3, 66, 80)
    texture = 0.7 * noise + 20 * np.sin(np.arange(80, dtype=np.float32) / 4)
    groups = [slice(0, 1), slice(1, 3)]
    found = piecing.with_deviation(texture, exemplar, groups)
    for group in groups:
        wanted = octaves(exemplar, group)
        assert octaves(found, group) == pytest.approx(wanted, rel=0.1) and len(wanted) == 2
        assert octaves(texture, group) != pytest.approx(wanted, rel=0.2)


def test_octaves_of_little_deviation_are_not_blown_up(random):
    exemplar = batch(random, 1, 64, 64)
    found = piecing.with_deviation(exemplar / 100, exemplar, [slice(None)])
    assert 1 < found.std() / (exemplar / 100).std() <= 1.6
