"""The engine for a GPU against the plain network in float64."""

import functools

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.network.convolution import NO_WRAP
from texsynth.network.cuda import stages
from texsynth.network.vgg import VGGFeatures

pytestmark = pytest.mark.gpu

DEFAULT = ("conv1_1", "pool1", "pool2", "pool3", "pool4")
BOTH, ROWS, COLUMNS = (True, True), (True, False), (False, True)
TO_POOL3 = ("conv1_1", "pool1", "pool2", "pool3")
MANY = ("conv1_1", "conv1_2", "pool1", "conv2_2", "conv3_1", "pool2", "conv3_3")
CASES = [
    (DEFAULT, (48, 36), NO_WRAP, "average"),
    (DEFAULT, (33, 39), NO_WRAP, "max"),  # a row or a column is left out by each pooling
    (DEFAULT, (32, 48), BOTH, "average"),
    (TO_POOL3, (32, 21), ROWS, "average"),
    (TO_POOL3, (19, 24), COLUMNS, "max"),
    (("conv1_1", "pool1", "conv2_1"), (22, 36), BOTH, "average"),  # 11 rows end within a tile
    (("conv1_2", "pool1", "conv2_2"), (22, 38), BOTH, "average"),
    (("conv1_2", "pool1", "conv2_2"), (22, 38), BOTH, "max"),
    (MANY, (45, 33), NO_WRAP, "average"),
    (MANY, (45, 33), NO_WRAP, "max"),
    (("conv1_2", "pool1"), (45, 33), NO_WRAP, "average"),  # a convolution and its own pooling
    (("conv1_2", "pool1"), (45, 33), NO_WRAP, "max"),
    (("conv4_1",), (11, 9), NO_WRAP, "average"),  # of one pixel in the end
    (("conv1_1", "conv1_2"), (21, 7), BOTH, "average"),
    (("conv1_1", "conv1_2"), (37, 1), NO_WRAP, "average"),
    (("conv1_1", "conv1_2"), (1, 3), BOTH, "average"),
    (("conv1_2",), (1, 1), BOTH, "average"),  # each pixel is its own neighbour
    (("conv1_1",), (5, 3), BOTH, "average"),
]


@pytest.fixture
def make(gpu, random_weights):
    """Makes the features of the random weights, on the GPU, which is in use."""
    from texsynth.network.cuda.features import CudaFeatures

    gpu.use()
    return lambda *arguments, **options: CudaFeatures(random_weights, *arguments, **options)


def noise(size, seed):
    return np.random.default_rng(seed).uniform(0, 255, (1, 3, *size)).astype(np.float32)


def through(features, image, wrap=NO_WRAP):
    """Activations, and the gradient of their inner products with random numbers, on the host."""
    generator, image = np.random.default_rng(1), chainer.Variable(image)
    activations = features(image, wrap)
    total = 0
    for name in sorted(activations):
        x = activations[name]
        # As much of each layer, whatever its size.
        slopes = generator.standard_normal(x.shape) / np.sqrt(x.size)
        total += chainer.functions.sum(x * image.xp.asarray(slopes, x.dtype))
    total.backward()
    host = chainer.get_device("@numpy")
    return {name: host.send(x.array) for name, x in activations.items()}, host.send(image.grad)


def off(gradient, expected):
    """The length of the difference as a share of the gradient's."""
    return np.linalg.norm(gradient - expected) / np.linalg.norm(expected)


def check_agreement(features, exact, gpu, size, wrap=NO_WRAP):
    """Activations to rounding of the largest, and the gradient of one image of four, at least.

    Where a value is zero to rounding, or two in a window are the same, float32 may light or choose
    another one, and its gradient goes another way: a thousandth of the whole for one of a million
    values. That is no error, but more than any that is allowed here; one image in twenty has it.
    """
    differences = []
    for seed in range(4):
        image = noise(size, seed)
        activations, gradient = through(features, gpu.send(image), wrap)
        expected, exact_gradient = through(exact, image.astype(float), wrap)
        assert activations.keys() == expected.keys()
        for name, x in expected.items():
            np.testing.assert_allclose(
                activations[name], x, rtol=0, atol=2e-5 * abs(x).max(), err_msg=name
            )
        differences.append(off(gradient, exact_gradient))
        if differences[-1] <= 2e-5:
            return
    pytest.fail(f"the gradients are off by {differences}")


@pytest.mark.parametrize(("layers", "size", "wrap", "pooling"), CASES)
def test_activations_and_gradient_agree_with_exact_ones(
    make, gpu, exact_weights, layers, size, wrap, pooling
):
    exact = VGGFeatures(exact_weights, layers, pooling)
    check_agreement(make(layers, pooling), exact, gpu, size, wrap)


@pytest.mark.parametrize(("wrap", "pooling"), [(NO_WRAP, "max"), (BOTH, "average")])
def test_chunks_make_no_difference(make, gpu, exact_weights, monkeypatch, wrap, pooling):
    layers, size = ("conv1_2", "pool1", "conv2_2"), (22, 38)
    monkeypatch.setattr(stages, "_CHUNK_BYTES", 4 * stages.POINTS * 128 * 8)
    for stage in stages.stages(layers)[1:]:
        assert stages.chunk(stage, size) < np.prod(stages.tiles(*stage.shape(size)[1:]))
    exact = VGGFeatures(exact_weights, layers, pooling)
    check_agreement(make(layers, pooling), exact, gpu, size, wrap)


def test_a_gradient_for_some_layers_alone(make, gpu, exact_weights):
    layers = ("conv1_2", "pool1", "conv2_1", "pool2")
    features, exact = make(layers), VGGFeatures(exact_weights, layers)
    for wanted in layers:

        def one(image, wrap, features, wanted=wanted):
            return {wanted: features(image, wrap)[wanted]}

        of_one, exact_of_one = (functools.partial(one, features=f) for f in (features, exact))
        check_agreement(of_one, exact_of_one, gpu, (21, 18))


@pytest.mark.parametrize("size", [(65540, 1), (1, 65540)])
def test_a_side_may_be_longer_than_a_grid(make, hostcuda, gpu, size):
    """Which has 65535 blocks along two of its axes; images have 65536 pixels, and margins."""
    image = chainer.Variable(gpu.xp.zeros((1, 3, *size), np.float32))
    features = make(("conv1_1", "conv1_2"))
    with hostcuda.nothing_computed():
        chainer.functions.sum(features(image)["conv1_2"]).backward()


def test_tf32_is_the_same_to_its_ten_bits(make, gpu):
    image = gpu.send(noise((24, 20), 0))
    exact, rounded = (
        through(make(("conv1_1", "pool1", "pool2"), precision=precision), image)
        for precision in ("fp32", "tf32")
    )
    for name, x in exact[0].items():
        assert off(rounded[0][name], x) <= 3e-3
    assert off(rounded[1], exact[1]) <= 5e-2  # for values about zero are lit or not


@pytest.mark.parametrize(("shape", "dtype"), [((2, 3, 8, 8), "float32"), ((1, 3, 8, 8), "float64")])
def test_another_kind_of_image_is_refused(make, gpu, shape, dtype):
    image = chainer.Variable(gpu.xp.zeros(shape, dtype))
    with pytest.raises(ValueError, match=rf"takes one float32 image, not {dtype} \({shape[0]}, 3,"):
        make(("conv1_1",))(image)


def test_a_side_that_does_not_wrap_evenly_is_refused(make, gpu):
    with pytest.raises(ConfigError):
        make(("pool2",))(chainer.Variable(gpu.send(noise((18, 16), 0))), (True, False))


def test_activations_that_were_written_over_have_no_gradient(make, gpu):
    features = make(("conv1_1", "pool1"))
    one, other = (features(chainer.Variable(gpu.send(noise((8, 8), seed)))) for seed in (0, 1))
    with pytest.raises(RuntimeError, match="written over by a later call"):
        chainer.functions.sum(one["pool1"]).backward()
    chainer.functions.sum(other["pool1"]).backward()


def test_buffers_are_those_of_the_last_call_where_they_fit(make, gpu):
    features = make(("conv1_1", "pool1"))

    def places(size, wrap=NO_WRAP):
        activations = features(chainer.Variable(gpu.send(noise(size, 0))), wrap)
        return [x.array.data.ptr for x in activations.values()]

    first = places((8, 12))
    assert places((8, 12)) == first
    passes = features.passes((8, 12), NO_WRAP)
    places((8, 12), BOTH)
    assert features.passes((8, 12), BOTH) is not passes
    places((12, 8))
    assert features.passes((12, 8), NO_WRAP).size == (12, 8)


def test_at_rest_it_has_kernels_alone(make, gpu, used_bytes):
    features = make(("conv1_1", "pool1"))
    image = chainer.Variable(gpu.send(noise((40, 40), 0)))
    before = used_bytes()
    expected = features(image)["pool1"].array.get()
    assert used_bytes() > before + 40 * 40 * 64 * 4
    features.rest()
    assert used_bytes() == before
    np.testing.assert_array_equal(features(image)["pool1"].array.get(), expected)


@pytest.mark.parametrize("pooling", ["average", "max"])
def test_it_takes_the_memory_that_is_planned(make, used_bytes, pooling):
    from texsynth.network.cuda.passes import Passes

    before = used_bytes()
    network = make(DEFAULT, pooling).network
    # conv1_1's kernels, and biases, are not counted.
    assert used_bytes() - before == pytest.approx(stages.kernel_bytes(DEFAULT), abs=50e3)
    read = {"conv1_1": (slice(2, 39), slice(5, 40)), "pool2": (slice(1, 9), slice(0, 12))}
    before = used_bytes()
    passes = Passes(network, (41, 49), NO_WRAP, read)
    planned = stages.buffer_bytes(DEFAULT, (41, 49), pooling, read)
    assert used_bytes() - before == planned
    assert passes.activations["pool2"].shape == (128, 8, 12)
