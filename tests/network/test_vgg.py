import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.network.vgg import VGGFeatures
from texsynth.weights import VGGWeights

F = chainer.functions


@pytest.fixture
def image():
    return np.random.default_rng(0).uniform(0, 255, (2, 3, 21, 34)).astype(np.float32)


def in_double(weights):
    tensors = {
        n: (W.astype(np.float64), b.astype(np.float64)) for n, (W, b) in weights.tensors.items()
    }
    return VGGWeights(tensors, weights.mean.astype(np.float64))


def reference(weights, image, pooling):
    """Layer by layer with Chainer's own functions, BGR as the weights want it."""
    h = chainer.Variable(image[:, ::-1] - weights.mean.reshape(1, 3, 1, 1))
    activations = {}
    for block, count in enumerate((2, 2, 3, 3), 1):
        for index in range(1, count + 1):
            name = f"conv{block}_{index}"
            W, b = weights.tensors[name]
            h = activations[name] = F.relu(F.convolution_2d(h, W, b, pad=1))
        if pooling == "average":
            h = F.average_pooling_2d(h, 2)
        else:
            h = F.max_pooling_2d(h, 2, cover_all=False)
        activations[f"pool{block}"] = h
    return activations


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_activations_agree_with_chainers_functions_on_bgr(random_weights, image, pooling):
    names = ["conv1_1", "pool1", "conv2_2", "conv3_1", "pool4"]
    actual = VGGFeatures(random_weights, names, pooling)(chainer.Variable(image))
    expected = reference(random_weights, image, pooling)
    assert list(actual) == names
    for name in names:
        scale = np.abs(expected[name].array).max()
        np.testing.assert_allclose(
            actual[name].array, expected[name].array, atol=1e-5 * scale, err_msg=name
        )


def test_pooling_is_the_average_unless_told_otherwise(random_weights, image):
    told, untold = (
        VGGFeatures(random_weights, ["pool1"], *pooling)(chainer.Variable(image))["pool1"].array
        for pooling in (["average"], [])
    )
    np.testing.assert_array_equal(untold, told)


def test_odd_sizes_leave_the_last_row_and_column_out(random_weights, image):
    activations = VGGFeatures(random_weights, ["pool1", "pool2"])(chainer.Variable(image))
    assert activations["pool1"].shape == (2, 64, 10, 17)
    assert activations["pool2"].shape == (2, 128, 5, 8)


def test_it_stops_at_the_deepest_layer_asked_for(random_weights):
    features = VGGFeatures(random_weights, ["conv2_1", "conv1_2"])
    assert {link.name for link in features.children()} == {"conv1_1", "conv1_2", "conv2_1"}


def test_nothing_is_a_parameter(random_weights):
    assert not list(VGGFeatures(random_weights, ["pool5"]).params())


def test_the_given_weights_are_left_alone(random_weights):
    before = random_weights.checksum()
    features = VGGFeatures(random_weights, ["conv1_1"])
    features.conv1_1.W[...] = 0
    assert random_weights.checksum() == before


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize(
    ("wrap", "size"),
    [
        ((False, False), (9, 8)),
        ((True, False), (4, 9)),
        ((False, True), (9, 4)),
        ((True, True), (8, 4)),
    ],
)
def test_gradient_for_the_image_agrees_with_differences(
    random_weights, pooling, wrap, size, check_gradient
):
    features = VGGFeatures(in_double(random_weights), ["conv1_1", "pool2"], pooling)
    image = np.random.default_rng(2).uniform(0, 255, (1, 3, *size))

    def total(image):
        activations = features(image, wrap)
        return F.sum(activations["conv1_1"] ** 2) * 1e-5 + F.sum(activations["pool2"] ** 2) * 1e-5

    check_gradient(total, image)
