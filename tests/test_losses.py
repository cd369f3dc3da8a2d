import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.losses import IMAGE, GramLoss, RangePenalty


@pytest.fixture
def activations():
    generator = np.random.default_rng(0)
    return {
        "conv1_1": generator.standard_normal((1, 3, 6, 5)),
        "pool1": generator.standard_normal((1, 4, 3, 2)),
    }


def gram(x):
    flat = x.reshape(x.shape[1], -1)
    return flat @ flat.T / flat.shape[1]


def test_gram_loss_by_hand(activations):
    loss = GramLoss({"conv1_1": 1.0, "pool1": 0.25})
    candidate = {name: x + 0.5 for name, x in activations.items()}
    expected = sum(
        weight
        * ((gram(candidate[n]) - gram(activations[n])) ** 2).sum()
        / (gram(activations[n]) ** 2).sum()
        for n, weight in (("conv1_1", 1.0), ("pool1", 0.25))
    )
    actual = loss.measure(candidate, loss.target(activations))
    assert float(actual.array) == pytest.approx(expected, rel=1e-12)


def test_gram_loss_of_the_exemplar_itself_is_zero(activations):
    loss = GramLoss({"conv1_1": 1.0, "pool1": 1.0})
    assert float(loss.measure(activations, loss.target(activations)).array) == 0


def test_gram_loss_gradient_agrees_with_differences(activations, check_gradient):
    loss = GramLoss({"conv1_1": 2.0})
    target = loss.target(activations)
    x = activations["conv1_1"] + np.random.default_rng(1).standard_normal((1, 3, 6, 5))
    check_gradient(lambda x: loss.measure({"conv1_1": x}, target), x)


def test_gram_loss_leaves_out_layers_of_weight_zero(activations):
    loss = GramLoss({"conv1_1": 1.0, "pool5": 0.0})
    assert loss.layers == ("conv1_1",)


def test_gram_loss_of_an_all_zero_target_is_finite(activations):
    loss = GramLoss({"conv1_1": 1.0})
    dead = {"conv1_1": np.zeros((1, 3, 6, 5), np.float32)}
    assert float(loss.measure(dead, loss.target(dead)).array) == 0


def test_range_penalty_by_hand():
    x = chainer.Variable(np.array([[[[-3.0, 0.0], [255.0, 257.0]]]]))
    penalty = RangePenalty(0.5)
    value = penalty.measure({IMAGE: x}, penalty.target({}))
    assert float(value.array) == pytest.approx(0.5 * (9 + 4) / 4)
    value.backward()
    np.testing.assert_allclose(x.grad, [[[[-0.75, 0.0], [0.0, 0.5]]]])
