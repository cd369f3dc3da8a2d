import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.metrics import portilla_simoncelli
from texsynth.metrics.luminance import luminance
from texsynth.metrics.portilla_simoncelli import PortillaSimoncelli
from texsynth.statistics.portilla_simoncelli import texture_statistics


def statistics(pixels, places):
    crops = [luminance(pixels)[y : y + 128, x : x + 128] / 255 for y, x in places]
    groups = [texture_statistics(crop).values() for crop in crops]
    return np.array([np.concatenate([each.ravel() for each in group]) for group in groups])


def test_it_is_the_difference_over_the_spread_of_the_exemplars_crops():
    exemplar, candidate = make_texture(256, 192), make_texture(170, 160, seed=1)
    ours = statistics(candidate, [(y, x) for y in (0, 32) for x in (0, 42)]).mean(axis=0)
    theirs = statistics(exemplar, [(y, x) for y in (0, 64) for x in (0, 128)])
    mean, variance = theirs.mean(axis=0), theirs.var(axis=0) * 4 / 3
    difference = np.abs(ours - mean) / np.sqrt(variance + (mean / 20) ** 2 + 1e-8)
    assert 0 < np.count_nonzero(difference > 10) < 5
    expected = np.sqrt((np.minimum(difference, 10) ** 2).mean())
    assert PortillaSimoncelli(exemplar).distance(candidate) == pytest.approx(expected)


def test_the_exemplar_itself_is_at_no_distance_and_others_are_the_farther_the_less_alike():
    exemplar = make_texture(256, 256)
    model = PortillaSimoncelli(exemplar)
    assert model.distance(exemplar) == 0
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    other = model.distance(make_texture(256, 256, seed=1))
    turned = model.distance(255 - exemplar)
    assert 0 < other < 1 and turned < 10
    assert 3 * other < model.distance(noise) <= 10


def test_one_statistic_does_not_make_the_distance():
    flat = np.full((160, 160, 3), 100, np.uint8)
    model = PortillaSimoncelli(flat)
    assert model.distance(flat) == 0
    assert 3 < model.distance(make_texture(160, 160)) <= 10


@pytest.mark.parametrize(("side", "other"), [(159, 160), (160, 159)])
def test_small_images_are_not_measured(side, other):
    model = PortillaSimoncelli(make_texture(side, 200))
    assert model.distance(make_texture(200, other)) is None


@pytest.mark.parametrize(
    ("side", "starts"),
    [(160, [0, 32]), (256, [0, 128]), (320, [0, 192]), (384, [0, 128, 256]), (4000, 4)],
)
def test_crops_lie_from_border_to_border(side, starts):
    found = portilla_simoncelli._starts(side).tolist()
    if isinstance(starts, int):
        assert len(found) == starts and found[0] == 0 and found[-1] == side - 128
    else:
        assert found == starts
