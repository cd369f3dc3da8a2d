import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth.compat import chainer
from texsynth.metrics import tell_apart
from texsynth.metrics.tell_apart import Classifier, Described
from texsynth.network import device, engine

CPU = device.select(-1)


def of_features(features, seed=0):
    """Patches on a grid of 12x12 in a picture of 12x32 pixels a side, none across the middle."""
    places = np.stack(np.meshgrid(*2 * [np.arange(12) * 32], indexing="ij"), -1).reshape(-1, 2)
    return Described(features, places, (384, 384))


def noise(seed, count=144):
    return np.random.default_rng(seed).standard_normal((count, 20))


def in_columns(places_of_left, places_of_right):
    """A value for each patch of the grid, by the half that it lies in."""
    row = np.repeat((places_of_left, places_of_right), 6)
    return np.tile(row, 12)


def naively(exemplar, candidate):
    """The oracle: the normal equations as they are written, patch by patch."""
    rates = []
    for axis in (0, 1):
        for first in (True, False):
            train, test = ([], []), ([], [])
            for number, each in enumerate((exemplar, candidate)):
                for feature, place in zip(each.features, each.places, strict=True):
                    inside = train if (place[axis] < 192) == first else test
                    inside[number].append(feature)
            X = np.array([*train[0], *train[1]])
            t = np.array([-1.0] * len(train[0]) + [1.0] * len(train[1]))
            mean, spread = X.mean(axis=0), X.std(axis=0)
            X = (X - mean) / spread
            w = np.linalg.inv(X.T @ X + len(X) * np.eye(X.shape[1])) @ X.T @ (t - t.mean())
            answers = X @ w
            threshold = (np.median(answers[t < 0]) + np.median(answers[t > 0])) / 2
            below = [(f - mean) / spread @ w < threshold for f in test[0]]
            above = [(f - mean) / spread @ w > threshold for f in test[1]]
            rates.append((np.mean(below) + np.mean(above)) / 2)
    return np.mean(rates)


@pytest.mark.parametrize("shift", [0.0, 0.3, 1.0])
def test_it_is_ridge_regression_on_the_other_half(shift):
    exemplar, candidate = of_features(noise(0)), of_features(noise(1) + shift * (1 - noise(2)))
    found = tell_apart.tell_apart(candidate, exemplar)
    assert found == pytest.approx(naively(exemplar, candidate), abs=1e-9)


def test_the_same_patches_are_told_apart_by_chance_alone():
    assert tell_apart.tell_apart(of_features(noise(0)), of_features(noise(0))) == 0.5
    assert tell_apart.tell_apart(of_features(noise(0)), of_features(noise(1))) == pytest.approx(
        0.5, abs=0.1
    )
    constant = np.ones((144, 20))
    assert tell_apart.tell_apart(of_features(constant), of_features(constant)) == 0.5


def test_a_difference_in_one_feature_is_found_as_often_as_two_normal_distributions_allow():
    several = np.concatenate([noise(seed, 144)[:, :1] for seed in range(4)], axis=1)
    exemplar, candidate = of_features(several), of_features(noise(9)[:, :4] + (2, 0, 0, 0))
    # Two standard deviations apart, each is on its side of the middle in 84 % of all cases.
    assert tell_apart.tell_apart(candidate, exemplar) == pytest.approx(0.84, abs=0.06)


def test_what_holds_in_one_half_only_is_not_taken_for_the_texture():
    """What turns round from left to right is learnt wrongly, and from top to bottom not at all."""
    difference = 5 * in_columns(-1, 1)[:, None]
    exemplar, candidate = of_features(noise(0) - difference), of_features(noise(1) + difference)
    found = tell_apart.tell_apart(candidate, exemplar)
    assert found == pytest.approx((0 + 0 + 0.5 + 0.5) / 4, abs=0.05)


@pytest.mark.parametrize("by", ["plain", "winograd"])
def test_a_patch_is_described_by_what_the_network_makes_of_it_alone(
    random_weights, monkeypatch, by
):
    """However many patches the network looks at side by side, and whatever engine it has."""
    monkeypatch.setattr(engine, "choose", lambda name, target: by)
    pixels = make_texture(128, 139)
    found = Classifier(pixels, random_weights, CPU)._describe(pixels)
    layers = ("conv1_1", "conv1_2", "conv2_1", "conv2_2")
    features = engine.make_features("plain", random_weights, layers, "average", CPU)
    assert len(found.places) == 9 * 10 == len(found.features)
    for number in (0, 7, 8, 63, 64, 89):
        y, x = found.places[number]
        patch = pixels[y : y + 32, x : x + 32].astype(np.float32).transpose(2, 0, 1)
        patch = patch - patch.mean(axis=(1, 2), keepdims=True)
        patch = 128 + 40 * patch / patch.mean(axis=0).std()
        expected = []
        for name, border in zip(layers, (2, 2, 2, 3), strict=True):
            activations = features(chainer.Variable(patch[None]))[name].array[0]
            inner = activations[:, border:-border, border:-border].reshape(len(activations), -1)
            expected += [*np.log(inner.mean(axis=1) + 1), *np.log(inner.std(axis=1) + 1)]
        np.testing.assert_allclose(found.features[number], expected, atol=2e-3)


def test_another_piece_of_the_texture_passes_and_noise_does_not(random_weights):
    classifier = Classifier(make_texture(192, 192), random_weights, CPU)
    assert 0.35 < classifier.accuracy(make_texture(160, 224, seed=1)) < 0.65
    rough = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    assert classifier.accuracy(rough) > 0.95


def test_light_contrast_and_colour_cast_do_not_tell(random_weights):
    exemplar = make_texture(128, 128) // 2 * 2
    other = exemplar // 2 + np.array((10, 20, 30), np.uint8)
    assert Classifier(exemplar, random_weights, CPU).accuracy(other) == pytest.approx(0.5, abs=0.02)


def test_flat_pictures_are_not_blown_up(random_weights):
    flat = np.full((128, 128, 3), 90, np.uint8)
    classifier = Classifier(flat, random_weights, CPU)
    assert classifier.accuracy(flat) == 0.5
    described = classifier._describe(np.where(np.indices(flat.shape).sum(axis=0) % 2, flat, 91))
    assert np.ptp(described.features, axis=0).max() < 0.1


@pytest.mark.parametrize(("side", "other"), [(127, 128), (128, 127)])
def test_small_pictures_are_not_judged(random_weights, side, other):
    classifier = Classifier(make_texture(side, 160), random_weights, CPU)
    assert classifier.accuracy(make_texture(160, other, seed=1)) is None


@pytest.mark.parametrize("side", [128, 256, 300, 339, 341, 1000, 5000])
def test_patches_lie_all_over_and_never_in_step_with_an_even_period(side):
    positions = tell_apart._positions(side)
    (stride,) = set(np.diff(positions))
    assert stride % 2 == 1 and stride >= 11 and 9 <= len(positions) <= 29
    assert side - stride < positions[-1] + 32 <= side


def test_pictures_of_different_sizes_are_told_apart_as_well():
    few = Described(
        noise(1, 16) + 9,
        np.array([(y, x) for y in (0, 32, 64, 96) for x in (0, 32, 64, 96)]),
        (128, 128),
    )
    assert tell_apart.tell_apart(few, of_features(noise(0))) == 1
    assert tell_apart.tell_apart(of_features(noise(0)), few) == 1


def test_no_patch_is_in_two_halves():
    places = np.array([(0, 5), (32, 33), (33, 70), (68, 32), (67, 0)])
    described = Described(np.arange(5.0)[:, None], places, (135, 132))
    halves = [described.half(axis, second).ravel() for axis in (0, 1) for second in (False, True)]
    assert [half.tolist() for half in halves] == [[0, 1, 2], [3], [0, 1, 3, 4], [2]]


@pytest.mark.gpu
def test_a_gpu_tells_the_same(random_weights, gpu):
    exemplar, other = make_texture(128, 128), make_texture(128, 128, seed=1)
    expected = Classifier(exemplar, random_weights, CPU).accuracy(other)
    found = Classifier(exemplar, random_weights, gpu).accuracy(other)
    assert found == pytest.approx(expected, abs=0.02)
