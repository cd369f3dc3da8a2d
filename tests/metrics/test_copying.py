import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.metrics.copying import CopyDetector, CopyMap
from texsynth.metrics.luminance import luminance
from texsynth.metrics.patch_search import PatchIndex


def best_by_looking_everywhere(patches, grey, patch, apart=None):
    """The oracle: every patch with every place, one by one."""
    found = []
    for number, query in enumerate(patches):
        best = -1
        for y in range(grey.shape[0] - patch + 1):
            for x in range(grey.shape[1] - patch + 1):
                if apart is not None and max(abs(apart[number] - (y, x))) < patch / 2:
                    continue
                there = grey[y : y + patch, x : x + patch]
                best = max(best, np.corrcoef(query.ravel(), there.ravel())[0, 1])
        found.append(best)
    return np.array(found)


def patches_of(grey, patch, places):
    return np.stack([grey[y : y + patch, x : x + patch] for y, x in places]).astype(np.float32)


def assert_nearly_the_best(found, expected):
    """Never more than the best, most often the best, else little less."""
    assert (found < expected + 1e-5).all() and (found > expected - 0.002).all()
    assert np.count_nonzero(found > expected - 1e-5) >= 0.9 * len(found)


PLACES = np.array([(y, x) for y in (0, 5, 9, 20) for x in (0, 7, 14, 24)])


@pytest.mark.parametrize("patch", [6, 7])
def test_the_best_correlations_are_those_of_a_full_search(patch):
    grey = luminance(make_texture(31, 27)).astype(np.float32)
    other = luminance(make_texture(31, 27, seed=3)).astype(np.float32)
    index = PatchIndex(grey, patch)
    patches = patches_of(other, patch, PLACES)
    expected = best_by_looking_everywhere(patches, grey, patch)
    assert_nearly_the_best(index.best_correlations(patches), expected)


@pytest.mark.parametrize("patch", [6, 7])
def test_places_near_a_patch_itself_are_left_out(patch):
    grey = luminance(make_texture(31, 27)).astype(np.float32)
    patches = patches_of(grey, patch, PLACES)
    expected = best_by_looking_everywhere(patches, grey, patch, PLACES)
    found = PatchIndex(grey, patch).best_correlations(patches, PLACES)
    assert_nearly_the_best(found, expected)
    assert PatchIndex(grey, patch).best_correlations(patches).min() > 0.9999


def test_many_patches_are_searched_a_few_at_a_time(monkeypatch):
    grey = luminance(make_texture(31, 27)).astype(np.float32)
    index, patches = PatchIndex(grey, 6), patches_of(grey, 6, PLACES)
    together = index.best_correlations(patches, PLACES)
    monkeypatch.setattr("texsynth.metrics.patch_search._QUERIES_AT_ONCE", 5)
    found = index.best_correlations(patches[::-1], PLACES[::-1])
    np.testing.assert_allclose(found, together[::-1], atol=1e-5)


@pytest.mark.parametrize(("period", "is_found"), [(2, False), (3, True)])
@pytest.mark.parametrize("axis", [0, 1])
def test_half_a_patch_away_is_elsewhere_and_less_is_not(period, is_found, axis):
    """Noise that repeats once, so that one place is like another and no third."""
    noise = np.random.default_rng(0).standard_normal((period, 30))
    grey = np.tile(noise, (6, 1))[: 6 + period].astype(np.float32)
    grey = np.ascontiguousarray(grey.swapaxes(0, axis))
    place = np.array([(0, 11)]) if axis == 0 else np.array([(11, 0)])
    found = PatchIndex(grey, 6).best_correlations(patches_of(grey, 6, place), place)
    assert bool(found[0] > 0.999) is is_found


def test_copies_are_found_where_the_bound_is_weak(monkeypatch):
    """White noise has no few directions that it mostly lies in."""
    monkeypatch.setattr("texsynth.metrics.patch_search._MOST_POSITIONS_AT_ONCE", 100)
    grey = np.random.default_rng(0).standard_normal((60, 70)).astype(np.float32)
    places = [(3, 50), (44, 0), (17, 33)]
    copies = patches_of(grey, 16, places)
    noise = np.random.default_rng(1).standard_normal(copies.shape)
    found = PatchIndex(grey, 16).best_correlations((copies + 0.2 * noise).astype(np.float32))
    np.testing.assert_allclose(found, 1 / np.hypot(1, 0.2), atol=0.02)


def test_a_rare_patch_that_is_unlike_all_others_is_found():
    """The few directions hold nearly nothing of it: the bound on the rest has to find it."""
    y, x = np.mgrid[:160, :200]
    grey = (50 * np.sin(y / 9) * np.sin(x / 7)).astype(np.float32)
    fine = (-1.0) ** (y + x) * (1 + 0.05 * np.sin(y / 9))  # far finer than all the rest
    grey[70:86, 90:106] = fine[:16, :16] + 0.1 * grey[:16, :16]
    index = PatchIndex(grey, 16)
    assert index.best_correlations(grey[None, 70:86, 90:106])[0] > 0.9999


def test_where_nothing_is_apart_nothing_is_found():
    grey = luminance(make_texture(9, 9)).astype(np.float32)
    patches = patches_of(grey, 8, [(0, 0), (1, 1)])
    assert (PatchIndex(grey, 8).best_correlations(patches, np.array([(0, 0), (1, 1)])) == -1).all()


def test_the_exemplar_itself_is_all_copied_and_does_not_repeat_itself():
    pixels = make_texture(128, 96)
    detector = CopyDetector(pixels)
    assert detector.copies(pixels).share == 1
    assert detector.repetition(pixels) < 0.05


def test_a_correlation_of_95_percent_is_a_copy():
    correlation = np.array([[0.94, 0.96, 0.99]])
    copies = CopyMap(np.arange(1), np.arange(3), 12, correlation, np.array([[False, False, True]]))
    assert copies.copied.tolist() == [[False, True, False]]
    assert copies.share == 1 / 2


def test_another_image_is_not_copied():
    pixels = make_texture(128, 96)
    for other in (
        make_texture(128, 96, seed=5),
        np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8),
    ):
        assert CopyDetector(pixels).copies(other).share < 0.05


def test_a_half_that_was_pasted_is_found_there():
    exemplar, output = make_texture(128, 128), make_texture(128, 128, seed=5)
    output[:, 64:] = np.roll(exemplar, (13, 7), axis=(0, 1))[:, 64:]
    copies = CopyDetector(exemplar).copies(output)
    inside = copies.columns >= 64
    outside = copies.columns + copies.patch <= 64
    # The roll tears the exemplar along one row: patches across it are in it nowhere.
    torn = (copies.rows < 13) & (copies.rows + copies.patch > 13)
    assert copies.copied[np.ix_(~torn, inside)].all()
    assert copies.copied[:, outside].mean() < 0.05


def test_brighter_paler_copies_are_copies():
    exemplar = make_texture(96, 96)
    paler = (exemplar * 0.5 + 90).astype(np.uint8)
    assert CopyDetector(exemplar).copies(paler).share == 1


def test_the_repetition_of_a_regular_texture_is_told():
    x = np.arange(96)
    stripes = np.repeat((128 + 100 * np.sin(2 * np.pi * x / 12))[None, :, None], 96, axis=0)
    stripes = np.repeat(np.rint(stripes), 3, axis=2).astype(np.uint8)
    detector = CopyDetector(stripes)
    moved = np.roll(stripes, 5, axis=1)
    assert detector.copies(moved).share == detector.repetition(moved) == 1


def test_the_repetition_for_patches_of_one_size_is_measured_once(monkeypatch):
    sizes, search = [], PatchIndex.best_correlations
    monkeypatch.setattr(
        PatchIndex,
        "best_correlations",
        lambda index, patches, *rest: (
            sizes.append(patches.shape[1]) or search(index, patches, *rest)
        ),
    )
    detector = CopyDetector(make_texture(64, 64))
    shares = [detector.repetition(make_texture(side, 64)) for side in (64, 100, 10, 64)]
    assert sizes == [12, 10] and shares[0] == shares[1] == shares[3]


@pytest.mark.parametrize("contrast", [1, 4])
def test_flat_patches_do_not_count(contrast):
    """Either by themselves, or beside what else the exemplar has."""
    exemplar = make_texture(96, 96)
    exemplar[:, 48:] = 128 + contrast * (exemplar[:, 48:] > 140)
    copies = CopyDetector(exemplar).copies(exemplar)
    assert copies.flat[:, copies.columns >= 48].all()
    assert not copies.flat[:, copies.columns + copies.patch <= 48].any()
    assert copies.share == 1 and not copies.copied[copies.flat].any()
    flat = np.full((96, 96, 3), 99, np.uint8)
    detector = CopyDetector(flat)
    assert detector.copies(exemplar).share == 0
    assert detector.copies(flat).share is None and detector.repetition(flat) is None


@pytest.mark.parametrize(
    ("exemplar", "output", "patch"),
    [((64, 64), (64, 64), 12), ((320, 256), (256, 320), 16), ((512, 512), (20, 400), 20)],
)
def test_patches_grow_with_the_exemplar_and_fit_the_output(exemplar, output, patch):
    copies = CopyDetector(make_texture(*exemplar)).copies(make_texture(*output))
    assert copies.patch == patch
    assert copies.correlation.shape == (len(copies.rows), len(copies.columns))
    assert copies.rows[-1] + patch <= output[1] and copies.columns[-1] + patch <= output[0]


@pytest.mark.parametrize("side", [66, 71])
def test_patches_lie_half_a_patch_apart_from_border_to_border(side):
    copies = CopyDetector(make_texture(64, 64)).copies(make_texture(side, side))
    assert copies.rows.tolist() == copies.columns.tolist() == list(range(0, 55, 6))


def test_large_outputs_are_sampled_thinly():
    copies = CopyDetector(make_texture(64, 64)).copies(make_texture(12 + 64 * 19, 40))
    assert copies.columns.tolist() == list(range(0, 64 * 19 + 1, 19))
