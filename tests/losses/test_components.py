"""Gram losses along principal components, against naive loops."""

import numpy as np
import pytest

import texsynth
from tests.conftest import make_texture
from tests.losses.test_losses import covariance, gram, random
from texsynth.compat import chainer
from texsynth.config import Config
from texsynth.errors import ConfigError
from texsynth.losses import IMAGE, RangePenalty, make_losses
from texsynth.losses.components import ComponentsLoss
from texsynth.network.vgg import VGGFeatures
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.whole import Objective
from texsynth.statistics import components
from texsynth.terms import Term

MATRIX = {"gram": gram, "paper-gram": gram, "centred-gram": covariance}
SHAPE = (1, 5, 6, 7)


def make(name, number, weight=1.0):
    (loss,) = make_losses([Term(name, weight, {"pool1": 1.0})], {}, number)
    return loss


def oracle(name, candidate, exemplar, number):
    """Eigenvectors by power iteration with deflation, and entries one at a time."""
    matrix, target = MATRIX[name](candidate), MATRIX[name](exemplar)
    left, vectors = target.copy(), []
    for k in range(number):
        v = np.random.default_rng(k).standard_normal(len(left))
        for _ in range(3000):
            v = left @ v
            v /= np.linalg.norm(v)
        left -= (v @ left @ v) * np.outer(v, v)
        vectors.append(v)
    error = sum((v @ (matrix - target) @ w) ** 2 for v in vectors for w in vectors)
    norm = sum((v @ target @ w) ** 2 for v in vectors for w in vectors)
    return error / (4 * number**2 if name == "paper-gram" else norm)


@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.parametrize("number", [1, 3, 4])
def test_values_are_those_of_the_oracle(name, number):
    candidate, exemplar = random(0, SHAPE), random(1, SHAPE)
    loss = make(name, number)
    target = loss.target({"pool1": exemplar})
    expected = oracle(name, candidate, exemplar, number)
    assert float(loss.measure({"pool1": candidate}, target).array) == pytest.approx(expected)
    parts = loss.partial({"pool1": candidate})
    assert float(loss.finish(parts, target).array) == pytest.approx(expected)


@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.parametrize("is_in_parts", [False, True])
def test_gradients_are_those_of_differences(name, is_in_parts, check_gradient):
    loss = make(name, 2, 0.7)
    target = loss.target({"pool1": random(1, SHAPE)})

    def value(x):
        if is_in_parts:
            return loss.finish(loss.partial({"pool1": x}), target)
        return loss.measure({"pool1": x}, target)

    check_gradient(value, random(0, SHAPE))


@pytest.mark.parametrize("name", MATRIX)
@pytest.mark.parametrize("number", [5, 64])
def test_as_many_as_channels_are_the_loss_itself(name, number):
    candidate, exemplar = ({"pool1": random(seed, SHAPE)} for seed in range(2))
    values = []
    for count in (None, number):
        loss = make(name, count)
        values.append(float(loss.measure(candidate, loss.target(exemplar)).array))
    assert values[0] == pytest.approx(values[1])


def test_leading_eigenvectors_are_orthonormal_and_in_order():
    x = random(3, (1, 8, 20, 20)) * np.logspace(0, 1, 8).reshape(1, 8, 1, 1)
    matrix = gram(x)[None]
    basis = components.leading(matrix, 4)
    np.testing.assert_allclose(basis.T @ basis, np.eye(4), atol=1e-12)
    along = basis.T @ matrix[0] @ basis
    values = np.diag(along)
    np.testing.assert_allclose(along, np.diag(values), atol=1e-9 * values[0])
    assert (np.diff(values) < 0).all()
    np.testing.assert_allclose(values, np.linalg.eigvalsh(matrix[0])[:-5:-1])


@pytest.mark.parametrize("channels_last", [False, True])
def test_projections_are_products_in_the_layout_of_the_activations(channels_last, check_gradient):
    x = random(0, (2, 6, 4, 5))
    if channels_last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    basis = np.linalg.qr(random(1, (6, 3)))[0]
    y = components.project(chainer.Variable(x), basis).array
    np.testing.assert_allclose(y, np.einsum("nchw,ck->nkhw", x, basis), atol=1e-12)
    assert (y.strides[1] == y.itemsize) == channels_last
    check_gradient(lambda x: components.project(x, basis), x)


@pytest.fixture
def objectives(random_weights):
    """``objectives(kind, ...)``: the same losses, evaluated in one way or another."""
    losses = [make("gram", 16), make("centred-gram", 8), RangePenalty(1e-2)]
    exemplar = make_texture(40, 32).transpose(2, 0, 1)[None].astype(np.float32)

    def make_one(kind, **settings):
        return kind(VGGFeatures(random_weights, ["pool1"]), losses, exemplar, **settings)

    return make_one


def test_blocks_add_up_to_the_whole(objectives):
    image = make_texture(48, 40, 1).transpose(2, 0, 1)[None].astype(np.float32)
    found = []
    for objective in (objectives(Objective), objectives(BlockObjective, block=16)):
        parameter = chainer.Parameter(image.copy())
        found.append((objective(parameter), parameter.grad))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    np.testing.assert_allclose(found[0][1], found[1][1], atol=2e-5 * abs(found[0][1]).max())


def test_they_are_reported_as_what_they_are(objectives):
    objective, observed = objectives(Objective), {}
    with chainer.Reporter().scope(observed):
        objective(chainer.Parameter(np.zeros((1, 3, 32, 32), np.float32)))
    assert list(observed) == ["loss", "gram", "centred-gram", "range"]


def test_other_losses_have_none():
    losses = make_losses([Term("gram"), Term("spectrum")], {"pool1": 1.0}, 4)
    assert [isinstance(loss, ComponentsLoss) for loss in losses] == [True, False]
    assert losses[1].layers == (IMAGE,)


@pytest.fixture
def settings(random_weights_file):
    return {
        "size": 32, "iterations": 8, "preset": "gatys", "components": 12,
        "layers": ["conv1_1", "pool1", "pool2"], "weights": random_weights_file,
    }  # fmt: skip


@pytest.mark.parametrize("engine", ["plain", "winograd"])
def test_a_texture_is_made_from_an_exemplar_and_from_statistics(settings, engine):
    config = Config(**settings, engine=engine, precision="fp32")
    exemplar = make_texture(40, 32)
    whole = texsynth.synthesize(exemplar, config)
    assert whole.history[0][-1] < 0.3 * whole.history[0][0]
    alone = texsynth.synthesize(texsynth.measure(exemplar, config), config)
    np.testing.assert_allclose(alone.history[0], whole.history[0], rtol=5e-3)


@pytest.mark.gpu
def test_on_a_gpu(gpu, settings):
    settings["iterations"] = 2
    exemplar = make_texture(40, 32)
    found, expected = (
        texsynth.synthesize(exemplar, Config(**settings, gpu=number, precision="fp32"))
        for number in (0, -1)
    )
    np.testing.assert_allclose(found.history[0], expected.history[0], rtol=1e-3)


@pytest.mark.parametrize("number", [0, -3, 1.5, True, "8"])
def test_what_is_no_number_of_components_is_refused(number):
    with pytest.raises(ConfigError, match="components must be"):
        Config(components=number)


def test_they_need_a_gram_loss():
    with pytest.raises(ConfigError, match=r"components are of losses gram, .*; there is none"):
        Config(components=4, losses=["autocorrelation"])
    with pytest.raises(ConfigError, match="not of losses of one's own"):
        texsynth.Workshop(Config(components=4), [RangePenalty(1.0)])


def test_settings_with_components_are_read_again():
    config = Config(components=np.int64(4))
    assert Config.from_dict(config.as_dict()) == config and type(config.components) is int
