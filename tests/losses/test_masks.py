"""Losses that are told how much each position counts."""

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.losses import IMAGE, LOSSES, RangePenalty, check_takes_masks
from texsynth.losses.loss import Counted, Partial, counts_of
from texsynth.statistics import gram

MASKED = [name for name, loss in LOSSES.items() if getattr(loss, "takes_masks", False)]
ADDITIVE = ("gram", "paper-gram", "centred-gram")


def random(seed, shape=(1, 3, 6, 5)):
    return np.random.default_rng(seed).standard_normal(shape)


def random_mask(seed, size=(6, 5)):
    """Some of it 0, some of it 1, and a part that is whole."""
    mask = np.clip(np.random.default_rng(seed).uniform(-0.5, 1.5, (1, 1, *size)), 0, 1)
    mask[:, :, :4, :4] = mask[:, :, :4, :4] / 2 + 0.5
    return mask


def measure(name, candidate, exemplar, masks):
    loss = LOSSES[name]({"pool1": 0.25})
    mine, its = masks
    target = loss.target({"pool1": exemplar}, {"pool1": its})
    return float(loss.measure({"pool1": candidate}, target, {"pool1": mine}).array)


def weighted_gram(x, mask, shift=(0, 0)):
    channels, height, width = x.shape[1:]
    matrix, total = np.zeros((channels, channels)), 0.0
    for y in range(height - shift[0]):
        for z in range(width - shift[1]):
            there = y + shift[0], z + shift[1]
            weight = mask[0, 0, y, z]
            if shift != (0, 0):
                weight *= mask[0, 0, *there]
            matrix += weight * np.outer(x[0, :, y, z], x[0, :, *there])
            total += weight
    return matrix / total


def weighted_covariance(x, mask):
    return np.cov(x.reshape(x.shape[1], -1), bias=True, aweights=mask.ravel())


def relative(statistic, candidate, exemplar, masks):
    target = statistic(exemplar, masks[1])
    return ((statistic(candidate, masks[0]) - target) ** 2).sum() / (target**2).sum()


def shifted(candidate, exemplar, masks):
    shifts = ((1, 0), (2, 0), (0, 1), (0, 2))
    return np.mean(
        [
            relative(lambda x, m, d=d: weighted_gram(x, m, d), candidate, exemplar, masks)
            for d in shifts
        ]
    )


def weighted_correlations(x, mask, lags=(3, 2)):
    """Of pairs about the weighted mean, at those lags that are apart by any."""
    mean = (x * mask).sum(axis=(2, 3), keepdims=True) / mask.sum()
    x, height, width = x - mean, *x.shape[2:]
    values = []
    for channel in x[0]:
        for down in range(-lags[0], lags[0] + 1):
            for across in range(lags[1] + 1):
                pairs = [
                    (mask[0, 0, y, z] * mask[0, 0, y + down, z + across], y, z)
                    for y in range(max(0, -down), min(height, height - down))
                    for z in range(width - across)
                ]
                total = sum(m * channel[y, z] * channel[y + down, z + across] for m, y, z in pairs)
                values.append(total / sum(m for m, _, _ in pairs))
    return np.array(values)


def patches_of(x, mask):
    """All 3x3 patches, what of the mask they cover, and where they are."""
    corners = [(y, z) for y in range(x.shape[2] - 2) for z in range(x.shape[3] - 2)]
    values = [x[0, :, y : y + 3, z : z + 3].ravel() for y, z in corners]
    covered = [mask[0, 0, y : y + 3, z : z + 3].ravel() for y, z in corners]
    return np.array(values), np.array(covered), np.array(corners)


def near_enough(patches, corners):
    """The root of three tenths of what patches that have no position in common differ by."""
    nearest = []
    for patch, corner in zip(patches, corners, strict=True):
        apart = (abs(corners - corner) >= 3).any(axis=1)
        if apart.any():
            nearest.append(((patches[apart] - patch) ** 2).sum(axis=1).min())
    return np.sqrt(0.3 * np.median(nearest)) if nearest else 0


def distance_of_patches(candidate, exemplar, masks):
    mine, counts, _ = patches_of(candidate, masks[0])
    its, covered, corners = patches_of(exemplar, masks[1])
    is_there = (covered >= 0.5).all(axis=1)
    its, corners = its[is_there], corners[is_there]
    distances = np.array([min(((patch - other) ** 2).sum() for other in its) for patch in mine])
    excess = np.maximum(np.sqrt(distances) - near_enough(its, corners), 0)
    variance = ((its - its.mean(axis=0)) ** 2).sum(axis=1).mean()
    return np.average(excess**2, weights=counts.mean(axis=1)) / variance


def of_paper(candidate, exemplar, masks):
    error = weighted_gram(candidate, masks[0]) - weighted_gram(exemplar, masks[1])
    return (error**2).sum() / (4 * candidate.shape[1] ** 2)


def scaled(candidate, exemplar, masks):
    target = weighted_gram(exemplar, masks[1])
    roots = np.sqrt(np.diag(target))
    error = (weighted_gram(candidate, masks[0]) - target) / np.outer(roots, roots)
    return (error**2).sum() / candidate.shape[1]


ORACLES = {
    "gram": lambda *given: relative(weighted_gram, *given),
    "paper-gram": of_paper,
    "centred-gram": lambda *given: relative(weighted_covariance, *given),
    "contrast-gram": lambda *given: relative(weighted_gram, *given),
    "scaled-gram": scaled,
    "shifted-gram": shifted,
    "autocorrelation": lambda *given: relative(weighted_correlations, *given),
    "correspondence": distance_of_patches,
}


def test_each_loss_with_masks_has_an_oracle():
    assert list(ORACLES) == MASKED


@pytest.mark.parametrize("name", ORACLES)
def test_value_by_the_definition(name):
    candidate, exemplar = random(0), random(1) + 0.5
    masks = random_mask(2), random_mask(3)
    expected = 0.25 * ORACLES[name](candidate, exemplar, masks)
    assert measure(name, candidate, exemplar, masks) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", MASKED)
def test_gradient_agrees_with_differences(name, check_gradient):
    loss = LOSSES[name]({"pool1": 2.0})
    target = loss.target({"pool1": random(1) + 0.5}, {"pool1": random_mask(3)})
    masks = {"pool1": random_mask(2)}
    check_gradient(lambda x: loss.measure({"pool1": x}, target, masks), random(0))


@pytest.mark.parametrize("name", MASKED)
def test_a_mask_of_ones_changes_nothing(name):
    candidate, exemplar = random(0), random(1) + 0.5
    loss, ones = LOSSES[name]({"pool1": 0.25}), {"pool1": np.ones((1, 1, 6, 5))}
    expected = float(loss.measure({"pool1": candidate}, loss.target({"pool1": exemplar})).array)
    assert measure(name, candidate, exemplar, [*ones.values()] * 2) == pytest.approx(expected)


@pytest.mark.parametrize("name", [name for name in MASKED if name != "correspondence"])
def test_what_does_not_count_may_be_anything(name):
    candidate, exemplar, other = random(0), random(1) + 0.5, 1000 * random(2)
    mask = random_mask(3)
    changed = (np.where(mask == 0, other, x) for x in (candidate, exemplar))
    expected = measure(name, candidate, exemplar, (mask, mask))
    assert measure(name, *changed, (mask, mask)) == pytest.approx(expected)


def test_a_mask_of_the_range_penalty_by_hand():
    x = chainer.Variable(np.array([[[[-3.0, 0.0], [255.0, 257.0]]]]))
    penalty, mask = RangePenalty(0.5), np.array([[[[0.5, 1.0], [1.0, 0.0]]]])
    value = penalty.measure({IMAGE: x}, None, {IMAGE: mask})
    assert float(value.array) == pytest.approx(0.5 * 0.5 * 9 / 2.5)
    value.backward()
    np.testing.assert_allclose(x.grad, [[[[-0.6, 0.0], [0.0, 0.0]]]])


def parts_of(loss, name, x, mask):
    """Sums over three disjoint sets of positions, added up."""
    places = [np.s_[:, :, :2], np.s_[:, :, 2:, :3], np.s_[:, :, 2:, 3:]]
    parts = [loss.partial({name: x[place]}, {name: mask[place]})[name] for place in places]
    sums = tuple(sum(each) for each in zip(*(part.sums for part in parts), strict=True))
    return {name: Partial(sums, sum(part.count for part in parts))}


@pytest.mark.parametrize("kind", [*ADDITIVE, "range"])
def test_parts_of_an_additive_loss_add_up(kind):
    name = IMAGE if kind == "range" else "pool1"
    loss = RangePenalty(0.7) if kind == "range" else LOSSES[kind]({name: 0.7})
    candidate, exemplar = 200 * random(0), 200 * random(1, (1, 3, 5, 7))
    mine, its = random_mask(2), random_mask(3, (5, 7))
    target = loss.target({name: exemplar}, {name: its})
    whole = float(loss.measure({name: candidate}, target, {name: mine}).array)
    target = loss.summary(parts_of(loss, name, exemplar, its))
    by_parts = float(loss.finish(parts_of(loss, name, candidate, mine), target).array)
    assert whole > 0
    assert by_parts == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("kind", [*ADDITIVE, "range"])
def test_gradients_without_sums_are_those_with_them(kind):
    name = IMAGE if kind == "range" else "pool1"
    loss = RangePenalty(0.7) if kind == "range" else LOSSES[kind]({name: 0.7})
    x, mask = chainer.Variable(200 * random(0)), random_mask(1)
    (partial,) = loss.partial({name: x}, {name: mask}).values()
    gradients = [np.asarray(random(k, each.shape)) for k, each in enumerate(partial.sums)]
    for each, gradient in zip(partial.sums, gradients, strict=True):
        each.grad = gradient
    sum(
        chainer.functions.sum(each * gradient)
        for each, gradient in zip(partial.sums, gradients, strict=True)
    ).backward()
    found = loss.sums_gradient(x.array, gradients, mask)
    np.testing.assert_allclose(found, x.grad, rtol=1e-12)


@pytest.mark.parametrize("channels", [64, 3])
def test_how_activations_lie_in_memory_changes_nothing(channels):
    pytest.importorskip("numba")
    generator = np.random.default_rng(3)
    as_in_engine = generator.standard_normal((2, 40, 50, channels)).astype(np.float32)
    as_in_engine = as_in_engine.transpose(0, 3, 1, 2)
    plain = np.ascontiguousarray(as_in_engine)
    mask = random_mask(4, (40, 50)).astype(np.float32)
    gradient = generator.standard_normal((2, channels, channels)).astype(np.float32)
    exact = np.einsum("nchw,ndhw,hw->ncd", plain.astype("f8"), plain.astype("f8"), mask[0, 0])
    sums = [gram.gram_sum(x, mask)[0].array for x in (as_in_engine, plain)]
    for found, expected in (
        (sums[0], exact),
        (sums[1], exact),
        (
            gram.gram_sum_gradient(as_in_engine, gradient, mask),
            gram.gram_sum_gradient(plain, gradient, mask),
        ),
        (gram.channel_sum(as_in_engine, mask).array, gram.channel_sum(plain, mask).array),
    ):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max())


def test_losses_that_count_all_alike_are_named():
    check_takes_masks([LOSSES["gram"]({"pool1": 1.0}), RangePenalty(1.0)])
    with pytest.raises(ConfigError, match="loss wasserstein counts all positions"):
        check_takes_masks([LOSSES["gram"]({"pool1": 1.0}), LOSSES["wasserstein"]({"pool1": 1.0})])


def test_what_masks_sum_to_is_computed_once():
    masks = {"pool1": np.random.default_rng(0).uniform(size=(3, 1, 4, 5)).astype(np.float32)}
    counted = Counted(masks)
    np.testing.assert_allclose(counts_of(counted, "pool1"), masks["pool1"].sum(axis=(1, 2, 3)))
    assert counts_of(counted, "pool1") is counts_of(counted, "pool1")
    before = counts_of(masks, "pool1").copy()
    masks["pool1"] *= 2  # what is not said to stay is summed each time
    np.testing.assert_allclose(counts_of(masks, "pool1"), 2 * before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_positions_are_weighted_a_few_at_a_time(monkeypatch, dtype):
    x, mask = random(0, (2, 3, 6, 5)).astype(dtype), random_mask(1).astype(dtype)
    given = random(2, (2, 3, 3)).astype(dtype)
    whole = gram.gram_sum(x, mask)[0].array, gram.gram_sum_gradient(x, given, mask)
    by_hand = np.einsum("niyx,njyx,yx->nij", x, x, mask[0, 0])
    np.testing.assert_allclose(whole[0], by_hand, rtol=1e-5)
    symmetric = given + given.transpose(0, 2, 1)
    np.testing.assert_allclose(
        whole[1], np.einsum("nij,njyx,yx->niyx", symmetric, x, mask[0, 0]), rtol=1e-4, atol=1e-5
    )
    monkeypatch.setattr(gram, "_CHUNK", 3 * 4)  # the last of 30 positions are two
    found = gram.gram_sum(x, mask)[0].array, gram.gram_sum_gradient(x, given, mask)
    for each, expected in zip(found, whole, strict=True):
        np.testing.assert_allclose(each, expected, rtol=1e-5, atol=1e-5)
        assert each.dtype == dtype
