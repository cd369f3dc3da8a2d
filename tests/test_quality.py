"""The promise of the whole, on the real weights: a texture whose Gram matrices match."""

from pathlib import Path

import pytest

import texsynth
from texsynth import Config, images, metrics, weights
from texsynth.network import device

SAMPLES = Path(__file__).parent.parent / "samples"
pytestmark = pytest.mark.slow
# Textures that take a minute or more: the tests of each run in one process, which makes it once.
by_the_paper = pytest.mark.xdist_group("paper")
by_default = pytest.mark.xdist_group("default")

LAYERS = ("conv1_1", "pool1", "pool2", "pool3", "pool4", "pool5")
# About 1.3 times the worse of seeds 0 and 1. With the paper's losses and edges on two levels, so
# that exemplar and output are measured as they were matched:
PAPER = dict(zip(LAYERS, (0.008, 0.009, 0.028, 0.067, 0.085, 0.21), strict=True))
# By default, against the exemplar without the edges, which the statistics do without. pool5 has 4x4
# positions, all of which see the zero padding of this measure; nothing optimises them, and they
# differ by seed (.59, .43):
DEFAULT = dict(zip(LAYERS, (0.022, 0.022, 0.055, 0.175, 0.285, 0.65), strict=True))


@pytest.fixture(scope="module")
def paper(real_weights):
    config = Config(preset="gatys", levels=2, size=128, weights=str(real_weights))
    return texsynth.synthesize(images.read(SAMPLES / "pebbles.png"), config)


@pytest.fixture(scope="module")
def result(real_weights):
    config = Config(size=128, weights=str(real_weights))
    return texsynth.synthesize(images.read(SAMPLES / "pebbles.png"), config)


@pytest.fixture(scope="module")
def inner_errors(result, real_weights):
    inner = images.to_batch(result.exemplar[4:-4, 4:-4])
    vgg_weights = weights.load(real_weights)
    return metrics.gram_errors(result.image, inner, vgg_weights, Config(), device.select(-1))


# No name here has "gram" in it: scripts/test -k gram is for what computes the matrices, at once.


@by_the_paper
@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_matches(paper, layer):
    assert paper.errors[layer] < PAPER[layer]


@by_default
@pytest.mark.parametrize("layer", LAYERS)
def test_each_layer_matches_that_of_the_inner_exemplar(inner_errors, layer):
    assert inner_errors[layer] < DEFAULT[layer]


@by_default
def test_the_result_is_no_copy_of_the_exemplar(result):
    difference = result.image.astype(float) - result.exemplar
    assert abs(difference).mean() > 20  # grey levels


@by_default
def test_few_evaluations_are_wasted(result):
    steps = sum(map(len, result.history))
    assert result.evaluations < 1.1 * steps
