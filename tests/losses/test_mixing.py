import numpy as np
import pytest

from tests.losses.test_losses import layer_of, random
from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.losses import LOSSES, RangePenalty, mixing
from texsynth.statistics.transport import barycentre

MIXABLE = [name for name in LOSSES if name != "spectrum"]
SECOND_ORDER = ["gram", "paper-gram", "centred-gram"]
SHAPE = (1, 3, 12, 10)


def mixture(name, exemplars, shares, transports=True):
    """A loss, and its target of a mixture."""
    loss = LOSSES[name]({layer_of(name): 1.0})
    (measured,) = mixing.measured([loss])
    targets = [measured.target({layer_of(name): each}) for each in exemplars]
    return loss, mixing.mixed(loss, targets, shares, transports)


def measured(name, candidate, exemplars, shares, transports=True):
    loss, target = mixture(name, exemplars, shares, transports)
    return float(loss.measure({layer_of(name): candidate}, target).array)


def moments(x):
    flat = x.reshape(x.shape[1], -1)
    return flat.mean(axis=1), np.cov(flat, bias=True)


def matrix(name, exemplars, shares, transports):
    _, target = mixture(name, exemplars, shares, transports)
    return chainer.as_array(target["pool1"])[0]


@pytest.fixture
def exemplars():
    return random(1, SHAPE) + 0.5, 2 * random(2, SHAPE) - 0.3


@pytest.mark.parametrize("name", MIXABLE)
@pytest.mark.parametrize("transports", [True, False])
def test_of_one_it_is_that_one(name, transports):
    exemplar, candidate = random(1, SHAPE) + 0.5, random(0, SHAPE)
    loss = LOSSES[name]({layer_of(name): 1.0})
    alone = loss.measure({layer_of(name): candidate}, loss.target({layer_of(name): exemplar})).array
    assert measured(name, candidate, [exemplar], [1.0], transports) == pytest.approx(float(alone))


@pytest.mark.parametrize("name", MIXABLE)
@pytest.mark.parametrize("transports", [True, False])
def test_of_the_same_twice_it_is_the_same(name, transports):
    exemplar, candidate = random(1, SHAPE) + 0.5, random(0, SHAPE)
    alone = measured(name, candidate, [exemplar], [1.0])
    twice = measured(name, candidate, [exemplar, exemplar], [0.3, 0.7], transports)
    assert twice == pytest.approx(alone, rel=1e-5)


def test_gram_matrices_have_the_moments_on_the_way(exemplars):
    shares = [0.3, 0.7]
    (mean, s), (other_mean, other) = map(moments, exemplars)
    wanted = 0.3 * mean + 0.7 * other_mean
    covariance = barycentre([s, other], shares)
    found = matrix("centred-gram", exemplars, shares, True)
    np.testing.assert_allclose(found, covariance, rtol=1e-6)
    found = matrix("gram", exemplars, shares, True)
    np.testing.assert_allclose(found, covariance + np.outer(wanted, wanted), rtol=1e-6)


def test_averaged_they_are_those_of_all_positions_together(exemplars):
    together = np.concatenate([each.reshape(3, -1) for each in exemplars], axis=1)
    found = matrix("gram", exemplars, [0.5, 0.5], False)
    np.testing.assert_allclose(found, together @ together.T / together.shape[1], rtol=1e-10)
    covariances = [moments(each)[1] for each in exemplars]
    found = matrix("centred-gram", exemplars, [0.5, 0.5], False)
    np.testing.assert_allclose(found, np.mean(covariances, axis=0), rtol=1e-6)


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_the_two_ways_differ(name, exemplars):
    ways = [matrix(name, exemplars, [0.5, 0.5], transports) for transports in (True, False)]
    assert np.abs(ways[0] - ways[1]).max() > 0.1


def test_distributions_are_averaged_by_rank():
    first, second = random(1, SHAPE), random(2, (1, 3, 7, 9))
    _, target = mixture("histogram", [first, second], [0.25, 0.75])
    ranks = (np.arange(120) + 0.5) / 120
    expected = [
        0.25 * np.quantile(a, ranks, method="hazen") + 0.75 * np.quantile(b, ranks, method="hazen")
        for a, b in zip(first[0].reshape(3, -1), second[0].reshape(3, -1), strict=True)
    ]
    np.testing.assert_allclose(target["image"][1][0], expected, rtol=1e-6)


def test_lags_and_shifts_are_those_that_all_have():
    exemplars = random(1, SHAPE), random(2, (1, 3, 8, 14))
    _, target = mixture("autocorrelation", exemplars, [0.5, 0.5])
    assert chainer.as_array(target["pool1"][0]).shape == (1, 3, 9, 6)
    _, target = mixture("shifted-gram", exemplars, [0.5, 0.5])
    assert sorted(target["pool1"]) == [(2, 1), (2, 2), (2, 4), (3, 1), (3, 2), (3, 4)]


@pytest.mark.parametrize("number", [0, 1])
def test_each_exemplar_has_the_patches_of_a_mixture(number):
    exemplars = random(1, SHAPE), random(2, (1, 3, 8, 14)) + 3
    assert measured("correspondence", exemplars[number], exemplars, [0.5, 0.5]) < 1e-12
    assert measured("correspondence", random(3, SHAPE), exemplars, [0.5, 0.5]) > 0.01


def test_an_exemplar_with_too_many_patches_leaves_none():
    exemplars = random(1, SHAPE), random(2, (1, 3, 60, 60))
    assert measured("correspondence", random(0, SHAPE), exemplars, [0.5, 0.5]) == 0


@pytest.mark.parametrize("name", MIXABLE)
def test_the_gradient(name, exemplars, check_gradient):
    loss, target = mixture(name, exemplars, [0.4, 0.6])
    check_gradient(lambda x: loss.measure({layer_of(name): x}, target), random(0, SHAPE))


def test_a_loss_that_cannot_be_mixed_is_named():
    with pytest.raises(ConfigError, match=r"^loss spectrum cannot be mixed$"):
        mixing.measured([RangePenalty(1.0), LOSSES["spectrum"]({"image": 1.0})])


def test_powers_of_bands_are_mixed_by_their_logarithms(exemplars):
    loss, target = mixture("band-power", exemplars, [0.3, 0.7])
    one, other = (loss.target({"image": each}) for each in exemplars)
    np.testing.assert_allclose(target, one**0.3 * other**0.7, rtol=1e-12)
