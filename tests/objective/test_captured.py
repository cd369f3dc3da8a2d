"""An evaluation as one graph of a GPU, against the plain objective on the CPU."""

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.losses import LOSSES, GramLoss, PaperGramLoss, RangePenalty, ScaledGramLoss
from texsynth.network.vgg import VGGFeatures
from texsynth.objective.whole import Objective

DEFAULT = ("conv1_1", "pool1", "pool2", "pool3", "pool4")
SHALLOW = ("conv1_1", "pool1", "conv2_1")
BOTH, ROWS, NO_WRAP = (True, True), (True, False), (False, False)


def noise(size, seed, low=0, high=255):
    return np.random.default_rng(seed).uniform(low, high, (1, 3, *size)).astype(np.float32)


def of_layers(layers, weight=1e-2):
    """Layers of different weights, and a penalty that counts beside them."""
    weights = {name: 1.0 + number for number, name in enumerate(layers)}
    return [GramLoss(weights), RangePenalty(weight)]


@pytest.fixture
def make(gpu, random_weights):
    """``make(layers, losses, exemplar, ...)``: the objective on the GPU, which is in use."""
    from texsynth.network.cuda.features import CudaFeatures
    from texsynth.objective.captured import CapturedObjective

    gpu.use()

    def make(layers, losses, exemplar, *arguments, pooling="average", **options):
        features = CudaFeatures(random_weights, layers, pooling)
        return CapturedObjective(features, losses, gpu.send(exemplar), *arguments, **options)

    return make


def evaluate(objective, image):
    """Loss and gradient, on the host."""
    parameter = chainer.Parameter(image)
    loss = float(objective(parameter))
    return loss, chainer.get_device("@numpy").send(parameter.grad)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("layers", "size", "settings"),
    [
        (("conv1_1", "pool1", "pool2", "pool3"), (32, 27), {}),
        (DEFAULT, (48, 51), {"margin": (16, 8), "trim": (2, 2)}),
        (SHALLOW, (49, 39), {"margin": (16, 0), "trim": (0, 5), "pooling": "max"}),
        (SHALLOW, (48, 32), {"wrap": BOTH}),
        (SHALLOW, (48, 33), {"wrap": ROWS, "margin": (0, 7), "trim": (3, 3)}),
        (("conv1_2", "pool1", "pool2"), (21, 18), {"margin": (30, 30)}),  # all but two positions
        (("conv1_1",), (5, 3), {}),
    ],
)
def test_loss_and_gradient_are_those_of_the_cpu(make, gpu, random_weights, layers, size, settings):
    exemplar, losses = noise((40, 52), 0), of_layers(layers)
    options = dict(settings)
    features = VGGFeatures(random_weights, layers, options.pop("pooling", "average"))
    exact = Objective(features, losses, exemplar, **options)
    objective = make(layers, losses, exemplar, **settings)
    differences = []
    for seed in range(4):  # see tests/network/cuda/test_features.py for why
        image = noise(size, seed, -30, 280)
        loss, gradient = evaluate(objective, gpu.send(image))
        expected_loss, expected = evaluate(exact, image)
        assert loss == pytest.approx(expected_loss, rel=2e-5)
        differences.append(np.linalg.norm(gradient - expected) / np.linalg.norm(expected))
        if differences[-1] <= 2e-5:
            return
    pytest.fail(f"the gradients are off by {differences}")


@pytest.mark.gpu
def test_the_papers_scale(make, gpu, random_weights):
    losses = [PaperGramLoss({"conv1_1": 1.0, "pool1": 0.5}), RangePenalty(1e-2)]
    layers, exemplar, image = losses[0].layers, noise((8, 9), 0), noise((10, 8), 1, -90)
    found = evaluate(make(layers, losses, exemplar), gpu.send(image))
    expected = evaluate(Objective(VGGFeatures(random_weights, layers), losses, exemplar), image)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5 * abs(expected[1]).max())


@pytest.mark.gpu
@pytest.mark.parametrize("others", [[], [RangePenalty(1e-2)]])
def test_the_scaled_error_beside(make, gpu, random_weights, others):
    """At layers of which one is the Gram loss's too."""
    scaled = ScaledGramLoss({"conv1_1": 0.7, "pool1": 2.0})
    losses = [GramLoss({"pool1": 1.0, "conv2_1": 0.5}), scaled, *others]
    exemplar, image = noise((24, 22), 0), noise((20, 28), 1, -90)
    objective = make(SHALLOW, losses, exemplar)
    found = evaluate(objective, gpu.send(image))
    expected = evaluate(Objective(VGGFeatures(random_weights, SHALLOW), losses, exemplar), image)
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=2e-5 * abs(expected[1]).max())
    observed = {}
    with chainer.Reporter().scope(observed):
        loss, _ = evaluate(objective, gpu.send(image))
    assert float(observed["scaled-gram"]) > 0.1 * loss
    names = [name for name in observed if name != "loss"]
    assert sum(float(observed[name]) for name in names) == pytest.approx(loss, rel=1e-5)
    assert len(names) == len(losses)


@pytest.mark.gpu
def test_without_a_penalty(make, gpu, random_weights):
    losses, exemplar, image = of_layers(("conv1_1",))[:1], noise((8, 9), 0), noise((9, 8), 1, -90)
    found = evaluate(make(("conv1_1",), losses, exemplar), gpu.send(image))
    expected = evaluate(
        Objective(VGGFeatures(random_weights, ("conv1_1",)), losses, exemplar), image
    )
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-5 * abs(expected[1]).max())


@pytest.mark.gpu
def test_the_exemplar_itself_has_no_loss(make, gpu):
    exemplar = noise((24, 20), 0)
    objective = make(SHALLOW, of_layers(SHALLOW), exemplar)
    assert evaluate(objective, gpu.send(exemplar))[0] < 1e-10
    assert evaluate(objective, gpu.send(noise((24, 20), 1)))[0] > 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("margin", [(0, 0), (5, 5)])
def test_the_same_image_has_the_same_bits(make, gpu, margin):
    """Whether it is recorded, replayed, or recorded by another."""
    exemplar, image = noise((24, 20), 0), gpu.send(noise((27, 31), 1))
    results = []
    for _ in range(2):
        objective = make(SHALLOW, of_layers(SHALLOW), exemplar, margin=margin)
        results += [evaluate(objective, image) for _ in range(2)]
    for loss, gradient in results:
        assert loss == results[0][0]
        np.testing.assert_array_equal(gradient, results[0][1])


@pytest.mark.gpu
def test_a_replay_sees_the_image_as_it_is_now(make, gpu):
    images = [noise((20, 17), seed) for seed in (1, 2, 3)]
    objective, fresh = (make(SHALLOW, of_layers(SHALLOW), noise((16, 16), 0)) for _ in range(2))
    parameter = chainer.Parameter(gpu.send(images[0]))
    for number, image in enumerate(images, 1):
        parameter.array[...] = gpu.send(image)
        loss, gradient = float(objective(parameter)), parameter.grad.get()
        expected = evaluate(fresh, gpu.send(image))
        assert loss == expected[0]
        np.testing.assert_array_equal(gradient, expected[1])
        assert objective.evaluations == number


@pytest.mark.gpu
def test_another_array_is_recorded_anew_and_has_a_gradient_of_its_own(make, gpu):
    objective = make(SHALLOW, of_layers(SHALLOW), noise((16, 16), 0))
    # The last has another size, so that it cannot be where the first one was.
    parameters = [
        chainer.Parameter(gpu.send(noise(size, seed)))
        for seed, size in enumerate([(20, 17), (20, 17), (24, 18)])
    ]
    gradients = []
    for parameter in parameters:
        objective(parameter)
        gradients.append(parameter.grad.get())
    places = {parameter.grad.data.ptr for parameter in parameters}
    assert len(places) == 3
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert parameter.grad.shape == parameter.shape
        np.testing.assert_array_equal(parameter.grad.get(), gradient)  # as it was left
        objective(parameter)
        np.testing.assert_array_equal(parameter.grad.get(), gradient)


@pytest.mark.gpu
def test_at_rest_it_has_no_buffers(make, gpu, used_bytes):
    objective = make(SHALLOW, of_layers(SHALLOW), noise((16, 16), 0))
    parameter = chainer.Parameter(gpu.send(noise((40, 40), 1)))
    before = used_bytes()
    expected = evaluate(objective, parameter.array)
    objective(parameter)
    objective.rest()
    parameter.cleargrad()
    assert used_bytes() == before
    found = evaluate(objective, parameter.array)
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])


@pytest.mark.gpu
def test_a_side_that_does_not_wrap_evenly_is_refused(make, gpu):
    objective = make(("pool2",), of_layers(("pool2",)), noise((16, 16), 0), wrap=ROWS)
    with pytest.raises(ConfigError):
        objective(chainer.Parameter(gpu.send(noise((18, 16), 1))))


@pytest.mark.gpu
def test_an_evaluation_is_one_launch_for_the_host(make, gpu, hostcuda):
    """It copies nothing and waits for nothing, however often it is replayed."""
    objective = make(DEFAULT, of_layers(DEFAULT), noise((32, 32), 0), margin=(8, 8))
    parameter = chainer.Parameter(gpu.send(noise((48, 48), 1)))
    with hostcuda.nothing_computed():
        objective(parameter)
        hostcuda.reset()
        for _ in range(3):
            objective(parameter)
        counted = hostcuda.counters()
    assert counted["graph_launches"] == 3
    assert 30 < counted["graph_nodes"] / 3 < 80
    for name in ("launches", "library_calls", "memsets", "h2d", "d2h", "d2d", "syncs", "mallocs"):
        assert counted[name] == 0, name


def test_what_can_be_captured():
    pytest.importorskip("cupy")
    from texsynth.objective.captured import can_capture

    class Mine(GramLoss):
        """Whose sums nobody knows."""

    gram, penalty = GramLoss({"pool1": 1.0}), RangePenalty(1e-4)
    other = LOSSES["centred-gram"]({"pool1": 1.0})
    assert can_capture([gram]) and can_capture([gram, penalty]) and can_capture([penalty, gram])
    for losses in (
        [],
        [penalty],
        [gram, gram],
        [gram, penalty, penalty],
        [gram, other],
        [gram, penalty, other],
        [Mine({"pool1": 1.0})],
        [Mine({"pool1": 1.0}), penalty],
    ):
        assert not can_capture(losses)


@pytest.mark.gpu
@pytest.mark.parametrize("has_penalty", [True, False])
def test_loss_and_terms_are_reported(make, gpu, has_penalty):
    losses = of_layers(SHALLOW)[: 1 + has_penalty]
    objective = make(SHALLOW, losses, noise((24, 20), 0))
    parameter, observed = chainer.Parameter(gpu.send(noise((21, 18), 1, -90))), {}
    with chainer.Reporter().scope(observed):
        loss = float(objective(parameter))
    parameter.array[...] = 0
    objective(parameter)  # writes over what is not a copy
    assert list(observed) == ["loss", "gram", "range"][: 2 + has_penalty]
    values = [float(value) for value in observed.values()]
    assert values[0] == loss == pytest.approx(sum(values[1:]), rel=1e-5)
