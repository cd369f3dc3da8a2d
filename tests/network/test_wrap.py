"""Wrapping around, in both engines: as if the image went on for ever, repeated."""

from functools import partial

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.network import architecture
from texsynth.network.convolution import NO_WRAP
from texsynth.network.vgg import VGGFeatures
from texsynth.network.winograd.features import WinogradFeatures

F = chainer.functions
DEFAULT = ("conv1_1", "pool1", "pool2", "pool3", "pool4")
ROWS, COLUMNS, BOTH = (True, False), (False, True), (True, True)


def plain(layers, pooling, random_weights, exact_weights):
    return VGGFeatures(exact_weights, layers, pooling), np.float64, 1e-9


def winograd(layers, pooling, random_weights, exact_weights):
    return WinogradFeatures(random_weights, layers, pooling), np.float32, 2e-5


@pytest.fixture(params=[plain, winograd], ids=["plain", "winograd"])
def make_engine(request, random_weights, exact_weights):
    """``make_engine(layers, pooling)``: features, their dtype, and how exact they are."""

    def make(layers, pooling="average"):
        return request.param(layers, pooling, random_weights, exact_weights)

    return make


def make_image(height, width):
    return np.random.default_rng(3).uniform(-20, 275, (1, 3, height, width))


def evaluate(features, image, layers):
    """Returns the activations, and the gradient for the image of random gradients at them."""
    image = chainer.Variable(image)
    activations = features(image)
    found = {name: activations[name].array.copy() for name in layers}
    generator, total = np.random.default_rng(4), 0
    for name in layers:
        gradient = generator.standard_normal(found[name].shape) / np.sqrt(found[name].size)
        total += F.sum(activations[name] * gradient.astype(found[name].dtype))
    total.backward()
    return found, image.grad


def by_tiling(features, layers, wrap):
    """The oracle: the image repeated until no zeros are in reach, and the middle cut out."""
    deepest = architecture.deepest(layers)
    path = list(architecture.VGG16)[: list(architecture.VGG16).index(deepest) + 1]
    reach = sum(architecture.VGG16[name].stride for name in path if name.startswith("conv"))

    def wrapped(image):
        before = [-(-reach // n) * on for n, on in zip(image.shape[2:], wrap, strict=True)]
        activations = features(F.tile(image, (1, 1, *(2 * n + 1 for n in before))))
        cut = {}
        for name, activation in activations.items():
            sizes = [n // architecture.VGG16[name].stride for n in image.shape[2:]]
            pairs = zip(before, sizes, strict=True)
            rows, columns = (slice(n * size, (n + 1) * size) for n, size in pairs)
            cut[name] = activation[:, :, rows, columns]
        return cut

    return wrapped


def assert_close(actual, expected, tolerance, name):
    scale = np.abs(expected).max()
    np.testing.assert_allclose(actual, expected, atol=tolerance * scale, rtol=0, err_msg=name)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize(
    ("layers", "size", "wrap"),
    [
        (("conv1_1",), (1, 1), BOTH),
        (("conv1_1", "conv1_2"), (5, 3), BOTH),
        (("pool1", "conv2_1"), (6, 2), BOTH),
        (("conv1_2", "pool2", "conv3_1"), (12, 20), BOTH),
        (("conv1_2", "pool3"), (8, 24), BOTH),
        (DEFAULT, (16, 16), BOTH),
        (DEFAULT, (32, 17), ROWS),
        (DEFAULT, (19, 16), COLUMNS),
    ],
)
def test_it_is_as_if_the_image_went_on(make_engine, exact_weights, layers, size, wrap, pooling):
    features, dtype, tolerance = make_engine(layers, pooling)
    image = make_image(*size).astype(dtype)
    actual, gradient = evaluate(partial(features, wrap=wrap), image, layers)
    endless = by_tiling(VGGFeatures(exact_weights, layers, pooling), layers, wrap)
    expected, exact_gradient = evaluate(endless, image.astype(np.float64), layers)
    assert gradient.shape == image.shape and gradient.dtype == dtype
    for name in layers:
        assert_close(actual[name], expected[name], tolerance, name)
    # In float32 the masks of a few ReLUs turn with the rounding, which moves single pixels.
    error = np.linalg.norm(gradient - exact_gradient) / np.linalg.norm(exact_gradient)
    assert error < (1e-9 if dtype == np.float64 else 5e-3)


@pytest.mark.parametrize(("wrap", "steps"), [(BOTH, (1, -1)), (COLUMNS, (0, 2))])
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_rolling_the_image_rolls_everything(make_engine, pooling, wrap, steps):
    features, dtype, tolerance = make_engine(DEFAULT, pooling)
    image = make_image(32, 48).astype(dtype)

    def respond(image):
        image = chainer.Variable(image)
        activations = features(image, wrap)
        found = {name: activation.array.copy() for name, activation in activations.items()}
        sum(F.mean(activation**2) for activation in activations.values()).backward()
        return found, image.grad

    (before, gradient), (after, rolled) = (
        respond(x) for x in (image, np.roll(image, [16 * n for n in steps], (2, 3)))
    )
    for name in DEFAULT:
        shift = [n * 16 // architecture.VGG16[name].stride for n in steps]
        assert_close(after[name], np.roll(before[name], shift, (2, 3)), tolerance, name)
    expected = np.roll(gradient, [16 * n for n in steps], (2, 3))
    assert np.linalg.norm(rolled - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_calls_in_turn_do_not_disturb_one_another(make_engine, pooling):
    layers = ("conv2_1", "pool2", "conv3_1")
    shared, dtype, _ = make_engine(layers, pooling)
    image = make_image(8, 12).astype(dtype)
    for wrap in (NO_WRAP, BOTH, NO_WRAP, ROWS, COLUMNS, BOTH, BOTH, [True, False], NO_WRAP):
        fresh, _, _ = make_engine(layers, pooling)
        expected, gradient = evaluate(partial(fresh, wrap=wrap), image, layers)
        actual, again = evaluate(partial(shared, wrap=wrap), image, layers)
        for name in layers:
            np.testing.assert_array_equal(actual[name], expected[name], err_msg=f"{wrap} {name}")
        np.testing.assert_array_equal(again, gradient, err_msg=str(wrap))


def test_an_exemplar_of_another_size_between(make_engine):
    features, dtype, _ = make_engine(DEFAULT)
    exemplar, image = make_image(33, 21).astype(dtype), make_image(32, 16).astype(dtype)
    results = []
    for _ in range(2):
        evaluate(features, exemplar, DEFAULT)
        results.append(evaluate(partial(features, wrap=BOTH), image, DEFAULT))
    (first, gradient), (second, again) = results
    np.testing.assert_array_equal(again, gradient)
    for name in DEFAULT:
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize(
    ("layers", "size", "wrap", "message"),
    [
        (DEFAULT, (40, 48), BOTH, "the height must be a multiple of 16 pixels .* pool4.*, not 40"),
        (DEFAULT, (48, 40), BOTH, "the width must be a multiple of 16 pixels .* pool4.*, not 40"),
        (DEFAULT, (8, 16), ROWS, "the height must be a multiple of 16 pixels .* pool4.*, not 8"),
        (("conv3_1", "pool1"), (5, 6), COLUMNS, "the width .* 4 pixels .* conv3_1.*, not 6"),
    ],
)
def test_a_side_that_cannot_wrap_is_named(make_engine, layers, size, wrap, message):
    features, dtype, _ = make_engine(layers)
    with pytest.raises(ConfigError, match=message) as caught:
        features(chainer.Variable(make_image(*size).astype(dtype)), wrap)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)
