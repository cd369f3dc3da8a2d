import json

import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth import Config, images, metrics
from texsynth.compat import chainer
from texsynth.errors import ImageError
from texsynth.metrics import Evaluator, Measures
from texsynth.metrics.activations import Network
from texsynth.metrics.colour import colour_distance, histograms
from texsynth.metrics.copying import CopyDetector
from texsynth.metrics.portilla_simoncelli import PortillaSimoncelli
from texsynth.metrics.spectrum import band_edges
from texsynth.metrics.tell_apart import Classifier
from texsynth.network import device

CPU = device.select(-1)
LAYERS = ["conv1_1", "pool1", "pool2", "pool3", "pool4", "pool5"]


@pytest.fixture(scope="module")
def sheet():
    """A texture to cut crops from."""
    return make_texture(160, 80)


@pytest.fixture(scope="module")
def evaluator(random_weights, sheet):
    return Evaluator(sheet[:, :80], random_weights)


def noise(side):
    return np.random.default_rng(9).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_the_exemplar_itself_is_without_fault(evaluator, sheet):
    measures = evaluator.measure(sheet[:, :80])
    assert list(measures.gram_errors) == list(measures.sliced_wasserstein) == LAYERS
    assert max(measures.gram_errors.values()) < 1e-6
    assert max(measures.sliced_wasserstein.values()) < 1e-6
    assert measures.spectrum_distance == measures.colour_distance == 0
    assert measures.copied_share == measures.detail == measures.grid == 1


def test_another_crop_is_better_than_noise_in_everything(evaluator, sheet):
    crop, worse = evaluator.measure(sheet[:, 80:]), evaluator.measure(noise(80))
    for name in LAYERS[:5]:
        assert 2 * crop.gram_errors[name] < worse.gram_errors[name], name
        assert 2 * crop.sliced_wasserstein[name] < worse.sliced_wasserstein[name], name
    assert 3 * crop.spectrum_distance < worse.spectrum_distance
    assert 3 * crop.colour_distance < worse.colour_distance
    assert 0.8 < crop.detail < 1.25 and worse.detail > 10
    assert 0.7 < crop.grid < 1.4
    assert crop.copied_share < 0.05 and worse.copied_share < 0.05


def test_gram_errors_are_those_of_the_function(evaluator, random_weights, sheet):
    exemplar = images.to_batch(sheet[:, :80])
    expected = metrics.gram_errors(noise(48), exemplar, random_weights, Config(), CPU)
    assert evaluator.measure(noise(48)).gram_errors == pytest.approx(expected, rel=1e-5)


def test_pooling_and_further_layers(random_weights, sheet):
    maximum = Evaluator(sheet[:, :80], random_weights, pooling="max", layers=["conv2_2"])
    average = Evaluator(sheet[:, :80], random_weights)
    pixels = noise(64)
    ours, other = maximum.measure(pixels), average.measure(pixels)
    assert list(ours.gram_errors) == ["conv1_1", "pool1", "conv2_2", *LAYERS[2:]]
    assert ours.gram_errors["conv1_1"] == pytest.approx(other.gram_errors["conv1_1"])
    assert ours.gram_errors["pool1"] != pytest.approx(other.gram_errors["pool1"], rel=1e-3)


@pytest.mark.parametrize(("side", "deepest"), [(16, "pool4"), (31, "pool4"), (32, "pool5")])
def test_small_images_are_measured_as_deep_as_they_go(evaluator, side, deepest):
    measures = evaluator.measure(noise(80)[:side])
    assert list(measures.gram_errors)[-1] == list(measures.sliced_wasserstein)[-1] == deepest
    json.dumps(measures.as_dict(), allow_nan=False)


def test_an_exemplar_of_the_smallest_size_and_without_contrast(random_weights):
    flat = np.full((16, 16, 3), 128, np.uint8)
    evaluator = Evaluator(flat, random_weights)
    assert evaluator.measure(flat).as_dict()["copied_share"] is None
    plain = evaluator.measure(noise(40)).as_dict()
    json.dumps(plain, allow_nan=False)
    # One position has no spread to compare with.
    assert plain["sliced_wasserstein"]["pool4"] is None


def test_as_dict_has_every_number_and_nothing_else(evaluator):
    measures = evaluator.measure(noise(64))
    plain = measures.as_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert set(plain) == {
        "gram_errors",
        "sliced_wasserstein",
        "spectrum_distance",
        "portilla_simoncelli",
        "colour_distance",
        "detail",
        "grid",
        "tell_apart",
        "copied_share",
        "repetition_share",
        "seam",
    }
    assert set(plain["seam"]) == {"x", "y"}


def test_as_dict_calls_each_number_by_its_name():
    numbers = {
        "gram_errors": {"pool1": 1.0},
        "sliced_wasserstein": {"pool1": 2.0},
        "spectrum_distance": 3.0,
        "portilla_simoncelli": 3.5,
        "colour_distance": 4.0,
        "detail": 0.9,
        "grid": 1.1,
        "tell_apart": 0.8,
        "copied_share": 0.5,
        "repetition_share": 0.6,
        "seam": {"x": 7.0, "y": 8.0},
    }
    assert Measures(**numbers, spectra=None, copies=None).as_dict() == numbers


def test_seam_colours_and_repetition_are_those_of_the_image(evaluator, sheet, monkeypatch):
    """Repetition is the exemplar's, with patches of the size that the image has."""
    asked = []
    monkeypatch.setattr(CopyDetector, "repetition", lambda self, pixels: asked.append(pixels))
    pixels = sheet[:, 80:140].copy()
    pixels[..., 2] = 255 - pixels[..., 2]
    measures = evaluator.measure(pixels)
    assert measures.seam == metrics.seam_scores(pixels)
    assert measures.colour_distance == colour_distance(
        histograms(pixels), histograms(sheet[:, :80])
    )
    (image_asked_for,) = asked
    np.testing.assert_array_equal(image_asked_for, pixels)


def test_large_images_are_measured_in_all_ways(random_weights):
    sheet = make_texture(352, 160)
    exemplar, crop = sheet[:, :160], sheet[:, 160:]
    measures = Evaluator(exemplar, random_weights).measure(crop)
    assert measures.tell_apart == Classifier(exemplar, random_weights, CPU).accuracy(crop)
    assert measures.portilla_simoncelli == PortillaSimoncelli(exemplar).distance(crop)
    assert None not in measures.as_dict().values()


@pytest.mark.parametrize(("side", "other"), [(40, 64), (64, 40)])
def test_bands_are_those_that_the_smaller_of_both_has(random_weights, side, other):
    spectra = Evaluator(noise(side), random_weights).measure(noise(other)).spectra
    edges = band_edges(40)
    np.testing.assert_allclose(spectra[0], np.sqrt(edges[:-1] * edges[1:]))
    assert np.isfinite(spectra).all()


def test_spectra_are_of_both_images(evaluator, sheet):
    frequency, ours, exemplar = evaluator.measure(noise(64)).spectra
    assert (np.diff(frequency) > 0).all() and frequency[0] >= 2 / 64 and frequency[-1] < 0.5
    assert ours[-1] > 10 * exemplar[-1]


@pytest.mark.parametrize(
    ("pixels", "told"),
    [
        (
            np.zeros((15, 40, 3), np.uint8),
            "too small to measure: both sides must have at least 16 pixels, not 40x15",
        ),
        (np.zeros((40, 40, 3)), "not .40, 40, 3. of float64"),
        (np.zeros((40, 40), np.uint8), "not .40, 40. of uint8"),
        (np.zeros((40, 40, 4), np.uint8), "must be a .height, width, 3. array of uint8"),
    ],
)
def test_what_cannot_be_measured_is_told(evaluator, random_weights, pixels, told):
    with pytest.raises(ImageError, match=f"the image .*{told}"):
        evaluator.measure(pixels)
    with pytest.raises(ImageError, match=f"the exemplar .*{told}"):
        Evaluator(pixels, random_weights)


def test_nothing_is_kept_for_a_gradient(random_weights, sheet, monkeypatch):
    kept, features = [], Network.features

    def watched(network, names):
        kept.append(chainer.config.enable_backprop)
        return features(network, names)

    monkeypatch.setattr(Network, "features", watched)
    Evaluator(sheet[:16, :16], random_weights).measure(noise(16))
    assert kept == [False, False]


@pytest.mark.gpu
def test_a_gpu_measures_the_same(evaluator, random_weights, sheet, gpu):
    ours = Evaluator(sheet[:, :80], random_weights, device=gpu).measure(noise(64)).as_dict()
    expected = evaluator.measure(noise(64)).as_dict()
    for name in ("gram_errors", "sliced_wasserstein"):
        assert ours[name] == pytest.approx(expected[name], rel=1e-3)
