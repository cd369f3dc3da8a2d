import numpy as np
import pytest

from tests.conftest import make_texture
from texsynth import Config, images, metrics
from texsynth.metrics.activations import Network
from texsynth.network import device

CPU = device.select(-1)


@pytest.mark.parametrize(
    ("side", "deepest"), [(32, "pool5"), (31, "pool4"), (16, "pool4"), (15, "pool3")]
)
def test_layers_go_as_deep_as_the_image_allows(random_weights, side, deepest):
    exemplar = images.to_batch(make_texture(40, 40))
    config = Config(layers={"conv1_2": 1})
    errors = metrics.gram_errors(make_texture(side, 40), exemplar, random_weights, config, CPU)
    expected = ["conv1_1", "conv1_2", "pool1", "pool2", "pool3", "pool4", "pool5"]
    assert list(errors) == expected[: expected.index(deepest) + 1]


def test_layers_go_as_deep_as_the_exemplar_allows(random_weights):
    exemplar = images.to_batch(make_texture(40, 31))
    errors = metrics.gram_errors(make_texture(40, 40), exemplar, random_weights, Config(), CPU)
    assert list(errors)[-1] == "pool4"


def test_the_layer_held_out_is_measured_and_not_optimised(random_weights):
    pixels = make_texture(32, 32)
    errors = metrics.gram_errors(pixels, images.to_batch(pixels), random_weights, Config(), CPU)
    assert set(errors) - set(Config().layers) == {metrics.HELD_OUT}


def test_no_more_than_a_block_and_what_it_sees_is_measured_at_once(random_weights, monkeypatch):
    seen, features = [], Network.features

    def watched(network, names):
        def look(image, wrap):
            seen.append(image.shape[3])
            return features(network, names)(image, wrap)

        look.table = random_weights.table
        return look

    monkeypatch.setattr(Network, "features", watched)
    exemplar, pixels = images.to_batch(make_texture(32, 32)), make_texture(400, 32, seed=3)
    whole, by_blocks = (
        metrics.gram_errors(pixels, exemplar, random_weights, Config(), CPU, block=block)
        for block in (400, 128)
    )
    assert seen[:2] == [400, 32] and 128 < max(seen[2:]) < 350
    assert by_blocks == pytest.approx(whole, rel=1e-4)


def test_the_exemplar_itself_has_no_error_and_another_image_has(random_weights):
    pixels = make_texture(32, 32)
    for candidate, zero in ((pixels, True), (make_texture(32, 32, seed=3), False)):
        errors = metrics.gram_errors(
            candidate, images.to_batch(pixels), random_weights, Config(), CPU
        )
        assert all((error < 1e-6) is zero for error in errors.values())


def test_pooling_is_that_of_the_loss(random_weights):
    exemplar, pixels = images.to_batch(make_texture(32, 32)), make_texture(32, 32, seed=3)
    average, maximum = (
        metrics.gram_errors(pixels, exemplar, random_weights, Config(pooling=pooling), CPU)
        for pooling in ("average", "max")
    )
    assert average["conv1_1"] == maximum["conv1_1"]
    assert not np.isclose(average["pool1"], maximum["pool1"])


@pytest.mark.slow
def test_both_engines_measure_the_same(random_weights):
    pytest.importorskip("numba")
    exemplar, pixels = images.to_batch(make_texture(64, 64)), make_texture(70, 64, seed=3)
    plain, fast = (
        metrics.gram_errors(pixels, exemplar, random_weights, Config(), CPU, by)
        for by in ("plain", "winograd")
    )
    assert fast == pytest.approx(plain, rel=1e-4)
    assert fast != plain
