"""The promise of the whole, on the real weights: a texture whose Gram matrices match."""

from pathlib import Path

import pytest

import texsynth
from texsynth import Config, image

SAMPLES = Path(__file__).parent.parent / "samples"
pytestmark = pytest.mark.slow

# About 1.3 times what was measured with seed 0; other seeds and processors differ by less.
BOUNDS = {"conv1_1": 1, "pool1": 1, "pool2": 1, "pool3": 1, "pool4": 1, "pool5": 1}


@pytest.fixture(scope="module")
def result(real_weights):
    config = Config(size=128, weights=str(real_weights))
    return texsynth.synthesize(image.read(SAMPLES / "pebbles.png"), config)


@pytest.mark.parametrize("layer", BOUNDS)
def test_gram_matrices_match(result, layer):
    assert result.errors[layer] < BOUNDS[layer]


def test_the_result_is_no_copy_of_the_exemplar(result):
    difference = result.image.astype(float) - result.exemplar
    assert abs(difference).mean() > 20  # grey levels


def test_few_evaluations_are_wasted(result):
    steps = sum(map(len, result.history))
    assert result.evaluations < 1.1 * steps
