"""The Winograd engine against the plain path in float64, which has oracles of its own."""

import os
import platform
import subprocess
import sys
import weakref
from pathlib import Path

import numba
import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.gram import gram_sum, gram_sum_backward
from texsynth.kernels.product import BLOCK_ROWS
from texsynth.losses import GramLoss
from texsynth.network.convolution import NO_WRAP
from texsynth.network.vgg import VGGFeatures
from texsynth.network.winograd import schedule
from texsynth.network.winograd.buffers import padded_buffer
from texsynth.network.winograd.features import WinogradFeatures
from texsynth.network.winograd.rounding import TileFormat
from texsynth.objective.whole import Objective
from texsynth.weights import VGGWeights

DEFAULT = ("conv1_1", "pool1", "pool2", "pool3", "pool4")
F = chainer.functions


def make_image(height, width, images=1):
    shape = (images, 3, height, width)
    return np.random.default_rng(2).uniform(-20, 275, shape).astype(np.float32)


def respond(features, image, given, wrap=NO_WRAP):
    """Returns activations, and the gradient for the image of random gradients at ``given``."""
    image = chainer.Variable(image)
    activations = features(image, wrap)
    found = {name: activation.array.copy() for name, activation in activations.items()}
    generator = np.random.default_rng(1)
    total = 0
    for name in given:
        shape = activations[name].shape
        gradient = generator.standard_normal(shape) / np.sqrt(np.prod(shape))
        total += F.sum(activations[name] * gradient.astype(activations[name].dtype))
    total.backward()
    return found, image.grad


def check(features, exact_weights, image, layers, pooling="average", given=None, wrap=NO_WRAP):
    exact = VGGFeatures(exact_weights, layers, pooling)
    actual, gradient = respond(features, image, given or layers, wrap)
    expected, exact_gradient = respond(exact, image.astype(np.float64), given or layers, wrap)
    assert set(actual) == set(layers)
    for name in layers:
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(actual[name], expected[name], atol=2e-5 * scale, err_msg=name)
    assert gradient.shape == image.shape and gradient.dtype == np.float32
    length, exact_length = np.linalg.norm(gradient), np.linalg.norm(exact_gradient)
    # A few ReLU masks turn with the rounding of F(4x4): the angle tells, single pixels do not.
    assert (gradient * exact_gradient).sum() / length / exact_length > 0.999999
    assert length == pytest.approx(exact_length, rel=1e-4)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("size", [(33, 47), (64, 50), (16, 16), (17, 31)])
def test_sizes_and_poolings(random_weights, exact_weights, size, pooling):
    features = WinogradFeatures(random_weights, DEFAULT, pooling)
    check(features, exact_weights, make_image(*size), DEFAULT, pooling)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize(
    ("layers", "size"),
    [
        (("conv1_1",), (1, 1)),
        (("conv1_1",), (5, 3)),
        (("conv1_2",), (1, 7)),
        (("pool1",), (2, 3)),
        (("conv1_2", "pool1"), (13, 6)),
        (("conv2_2", "conv3_2", "pool2"), (21, 18)),
        (("conv4_3",), (20, 33)),
        (("pool5",), (32, 35)),
        (("conv1_2", "conv2_2", "conv3_3", "conv4_3", "pool4", "conv5_1"), (23, 34)),
    ],
)
def test_layer_sets(random_weights, exact_weights, layers, size, pooling):
    features = WinogradFeatures(random_weights, layers, pooling)
    check(features, exact_weights, make_image(*size), layers, pooling)


@pytest.mark.parametrize("given", [("pool1",), ("conv2_2",), ("conv1_1", "pool2"), ("conv3_1",)])
def test_gradients_of_some_of_the_layers(random_weights, exact_weights, given):
    layers = ("conv1_1", "pool1", "conv2_2", "pool2", "conv3_1", "pool3")
    features = WinogradFeatures(random_weights, layers)
    check(features, exact_weights, make_image(19, 26), layers, given=given)


@pytest.mark.usefixtures("all_threads")
def test_several_images_and_changes_of_size(random_weights, exact_weights):
    features = WinogradFeatures(random_weights, DEFAULT)
    # Not 18 x 37: there one value of conv2_2 lies within rounding of its ReLU's threshold (2.6e-7
    # of the largest), and which side it falls on, in the plain engine too, depends on the
    # processor.
    for shape in ((33, 20), (18, 39, 2), (64, 16), (64, 16), (33, 20)):
        check(features, exact_weights, make_image(*shape), DEFAULT)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize(
    ("layers", "given", "size", "wrap"),
    [
        # Where the backward pass begins, whether a pooling is done apart, partial tiles:
        (("conv1_1",), None, (1, 1), (True, True)),
        (("conv1_1",), None, (5, 3), (True, True)),
        (("conv1_2",), None, (1, 7), (True, True)),
        (("pool1",), None, (2, 2), (True, True)),
        (("pool1",), None, (6, 10), (True, True)),
        (("conv1_2", "pool1"), None, (6, 2), (True, True)),
        (("conv2_2", "pool2"), ("conv2_2",), (8, 4), (True, True)),
        (("conv2_2", "conv3_2", "pool2"), None, (12, 20), (True, True)),
        (("conv2_1", "pool3"), None, (8, 24), (True, True)),
        # Not 27: there a value of conv1_2 and one of conv2_1 lie that near to their threshold.
        (("conv2_1", "pool3"), None, (8, 29), (True, False)),
        (("conv2_1", "pool3"), None, (29, 8), (False, True)),
        (DEFAULT, None, (32, 48), (True, True)),
        (DEFAULT, None, (16, 16), (True, True)),
    ],
)
def test_wrapping(random_weights, exact_weights, layers, given, size, wrap, pooling):
    features = WinogradFeatures(random_weights, layers, pooling)
    image = make_image(*size, images=2)
    check(features, exact_weights, image, layers, pooling, given, wrap)


@pytest.mark.usefixtures("all_threads")
def test_same_bits_every_time(random_weights):
    features = WinogradFeatures(random_weights, DEFAULT)
    first, *others = (respond(features, make_image(70, 45), DEFAULT) for _ in range(3))
    for activations, gradient in others:
        np.testing.assert_array_equal(gradient, first[1])
        for name in DEFAULT:
            np.testing.assert_array_equal(activations[name], first[0][name])


@pytest.mark.parametrize(
    "shape",
    [(1, 33, 21, 64), (2, 5, 7, 128), (2, 1, 1, 512), (1, 40, 40, 256), (1, 97, 90, 64)],
)
@pytest.mark.usefixtures("all_threads")
def test_gram_sums_and_their_gradient(shape):
    generator = np.random.default_rng(4)
    images, height, width, channels = shape
    wide = generator.standard_normal((images, height + 2, width + 3, channels), dtype=np.float32)
    activations = wide[:, 1:-1, 1:-2]  # with gaps between the rows, as in the engine's buffers
    rows = activations.reshape(images, -1, channels).astype(np.float64)
    expected = rows.transpose(0, 2, 1) @ rows
    np.testing.assert_allclose(gram_sum(activations), expected, atol=1e-5 * expected.max())
    matrix = generator.standard_normal((images, channels, channels), dtype=np.float32)
    product = (rows @ (matrix + matrix.transpose(0, 2, 1))).reshape(shape)
    np.testing.assert_allclose(
        gram_sum_backward(activations, matrix), product, atol=1e-5 * np.abs(product).max()
    )
    around = np.ones_like(wide)
    gram_sum_backward(activations, matrix, out=around[:, 1:-1, 1:-2])
    np.testing.assert_allclose(around[:, 1:-1, 1:-2], product, atol=1e-5 * np.abs(product).max())
    around[:, 1:-1, 1:-2] = 1
    assert (around == 1).all()  # nothing else was written


@pytest.mark.usefixtures("all_threads")
def test_gram_sums_of_the_same_bits_every_time():
    activations = np.random.default_rng(5).standard_normal((1, 50, 41, 128), dtype=np.float32)
    np.testing.assert_array_equal(gram_sum(activations), gram_sum(activations))


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX2 is of that processor alone")
def test_a_processor_without_avx_512():
    """Compiles for one, and compares the gradient again."""
    features = "sse sse2 sse3 ssse3 sse4.1 sse4.2 popcnt avx avx2 fma f16c bmi bmi2 lzcnt"
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": ",".join(f"+{feature}" for feature in features.split()),
    }
    code = (
        "from texsynth.kernels.simd import has_wide_registers\n"
        "assert not has_wide_registers()\n"
        "import pytest, sys\n"
        f"chosen = [{__file__!r}, '-q', '-k', 'sizes_and or gram_sums']\n"
        "sys.exit(pytest.main(chosen))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout


def test_backward_through_a_forward_that_was_written_over_is_refused(random_weights):
    features = WinogradFeatures(random_weights, ["conv1_1"])
    images = [chainer.Variable(np.full((1, 3, 8, 8), grey, np.float32)) for grey in (10, 200)]
    first, _ = (chainer.functions.sum(features(x)["conv1_1"] ** 2) for x in images)
    with pytest.raises(RuntimeError, match="backward must follow its own forward"):
        first.backward()


def test_the_number_of_threads_changes_no_bit(random_weights):
    """Sums are added in the same order, whoever computes them."""
    layers = dict.fromkeys(("conv1_1", "pool1", "pool2", "conv3_3", "pool4"), 1.0)
    exemplar, image = make_image(150, 131, images=2)[:, None]
    found = []
    before = numba.get_num_threads()
    try:
        for threads in (1, min(3, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(threads)
            features = WinogradFeatures(random_weights, layers)
            variable = chainer.Variable(image)
            loss = Objective(features, [GramLoss(layers)], exemplar)(variable)
            found.append((threads, loss, variable.grad))
    finally:
        numba.set_num_threads(before)
    (one, loss, gradient), (several, other_loss, other_gradient) = found
    if one == several:
        pytest.skip("one thread is all there is")
    assert loss == other_loss
    np.testing.assert_array_equal(gradient, other_gradient)


def test_the_number_of_workers_changes_no_bit(random_weights, monkeypatch):
    """Each does its part, whether there are threads for all or not."""
    layers = dict.fromkeys(("conv1_1", "pool1", "pool2", "conv3_3", "pool4"), 1.0)
    exemplar, image = make_image(66, 83, images=2)[:, None]
    found = []
    for workers in (1, 3, 20):
        for module in ("kernels.gram", "network.winograd.network"):
            monkeypatch.setattr(f"texsynth.{module}.thread_count", lambda n=workers: n)
        features = WinogradFeatures(random_weights, layers)
        variable = chainer.Variable(image)
        loss = Objective(features, [GramLoss(layers)], exemplar)(variable)
        found.append((loss, variable.grad))
    for loss, gradient in found[1:]:
        assert loss == found[0][0]
        np.testing.assert_array_equal(gradient, found[0][1])


def test_the_number_of_tiles_at_once_changes_no_bit(random_weights, monkeypatch):
    layers, image, found = ["pool3", "conv4_2"], make_image(90, 75, images=2), []
    for memory in (schedule._SHARED_BYTES, 1):
        monkeypatch.setattr(schedule, "_SHARED_BYTES", memory)
        features = WinogradFeatures(random_weights, layers)
        found.append(respond(features, image, layers))
    (activations, gradient), (others, other_gradient) = found
    np.testing.assert_array_equal(other_gradient, gradient)
    for name in layers:
        np.testing.assert_array_equal(others[name], activations[name])


@pytest.mark.parametrize("channels", [64, 512])
@pytest.mark.parametrize("tiles", [1, 50, 1000])
def test_scratch_is_for_whole_blocks_and_work_for_all(channels, tiles):
    """The product writes whole blocks; and a worker without tiles would be idle."""
    made = schedule.make_schedule(channels, 64, tiles, 4, TileFormat(np.float32))
    group = made.v_shape[-3]
    assert made.m_shape[-2] == group
    assert group % BLOCK_ROWS == 0
    if channels == 64:
        assert -(-tiles // group) >= min(4, tiles // BLOCK_ROWS)


def test_memory_begins_on_a_cache_line_and_reaches_beyond_what_is_read():
    for shape in ((3,), (5, 7), (1, 1, 64)):
        assert aligned_zeros(shape).ctypes.data % 64 == 0
    assert padded_buffer(2, 9, 4, 64).shape == (2, 14, 6, 64)
    assert padded_buffer(2, 9, 4, 64, at_least=(15, 3)).shape == (2, 15, 6, 64)
    assert padded_buffer(2, 9, 4, 64, at_least=(3, 10)).shape == (2, 14, 10, 64)


@pytest.mark.parametrize("lower", [(), (0,), (0, 1)])
def test_of_equal_values_the_first_gets_the_gradient_of_a_maximum(random_weights, lower):
    """Some pixels of each square are lower; the others are the same, to the last bit."""
    tensors = dict(random_weights.tensors)
    for name, middle in (("conv1_1", 1), ("conv1_2", -(2.0**-23))):
        W = np.zeros_like(tensors[name][0])
        W[:, :, 1, 1] = middle
        tensors[name] = W, np.ones(64, np.float32)
    weights = VGGWeights(tensors, random_weights.mean)
    image = np.broadcast_to(weights.mean[::-1].reshape(1, 3, 1, 1), (1, 3, 8, 12)).copy()
    for place in lower:
        image[:, :, place // 2 :: 2, place % 2 :: 2] += 50
    found = []
    for make in (VGGFeatures, WinogradFeatures):
        activations, gradient = respond(make(weights, ["pool1"], "max"), image, ["pool1"])
        assert (activations["pool1"] == 1 - 2.0**-17).all()
        found.append(gradient)
    expected, gradient = found
    first = len(lower)
    assert (expected[:, :, first // 2 :: 2, first % 2 :: 2] != 0).all()
    np.testing.assert_allclose(gradient, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_what_is_no_number_is_not_hidden(random_weights, pooling):
    image = make_image(24, 24)
    image[0, 1, 11, 7] = np.nan
    layers = ["conv1_1", "conv1_2", "pool1", "conv2_1", "pool2"]
    plain, winograd = (
        make(random_weights, layers, pooling)(chainer.Variable(image))
        for make in (VGGFeatures, WinogradFeatures)
    )
    for name in layers:
        hidden = np.isnan(plain[name].array) & ~np.isnan(winograd[name].array)
        assert np.isnan(plain[name].array).any() and not hidden.any()


def test_an_image_too_small_for_a_pooling_is_refused(random_weights):
    features = WinogradFeatures(random_weights, ["pool2"])
    with pytest.raises(ValueError, match=r"\(1, 3, 3, 8\) are too small for pool2"):
        features(chainer.Variable(make_image(3, 8)))
    assert features(chainer.Variable(make_image(4, 8)))["pool2"].shape == (1, 128, 1, 2)


def test_a_second_way_back_is_refused(random_weights):
    features = WinogradFeatures(random_weights, ["conv1_1", "conv1_2"])
    activations = features(chainer.Variable(make_image(8, 8)))
    F.sum(activations["conv1_2"]).backward()
    with pytest.raises(RuntimeError, match="backward needs a forward before it"):
        F.sum(activations["conv1_1"]).backward()
    with pytest.raises(RuntimeError, match="only a forward without its backward leaves something"):
        features.keep("conv1_2")


def test_rest_lets_go_of_the_buffers_and_the_way_back(random_weights):
    features = WinogradFeatures(random_weights, ["conv1_1", "pool1"])
    image = chainer.Variable(make_image(8, 8))
    activations = features(image)
    before = {name: activation.array.copy() for name, activation in activations.items()}
    features.rest()
    with pytest.raises(RuntimeError, match="backward needs a forward before it"):
        F.sum(activations["pool1"]).backward()
    buffers = [weakref.ref(activation.array.base) for activation in activations.values()]
    del activations
    assert [buffer() for buffer in buffers] == [None, None]
    for name, activation in features(image).items():
        np.testing.assert_array_equal(activation.array, before[name])
