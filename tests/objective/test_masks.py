"""Masks of layers, and objectives of which some positions count more than others."""

import numpy as np
import pytest

from tests.objective.test_block_objective import SHALLOW, evaluate, make_image
from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.losses import IMAGE, LOSSES, GramLoss, RangePenalty
from texsynth.losses.gram import CentredGramLoss
from texsynth.network.vgg import VGGFeatures
from texsynth.objective import masks
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.masks import Masks
from texsynth.objective.whole import Objective


def disc(size, centre, radius):
    """``(1, 1, *size)``: 1 within a disc whose edge is soft."""
    y, x = np.indices(size)
    distance = np.hypot(y - centre[0], x - centre[1])
    return np.clip((radius - distance) / 3 + 0.5, 0, 1)[None, None].astype(np.float32)


def naive_shares(mask, convolutions, wrap=(False, False)):
    """Of a layer behind so many 3x3 convolutions and then a 2x2 pooling, by loops."""
    now = mask[0, 0].astype(float)
    height, width = now.shape
    for _ in range(convolutions):
        after = np.zeros_like(now)
        for y in range(height):
            for x in range(width):
                seen = []
                for v in (y - 1, y, y + 1):
                    for u in (x - 1, x, x + 1):
                        inside = (wrap[0] or 0 <= v < height) and (wrap[1] or 0 <= u < width)
                        if inside:
                            seen.append(now[v % height, u % width])
                after[y, x] = np.mean(seen)
        now = after
    pooled = np.zeros((height // 2, width // 2))
    for y in range(height // 2):
        for x in range(width // 2):
            pooled[y, x] = now[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean()
    return now, pooled


@pytest.mark.parametrize("wrap", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("size", [(8, 10), (7, 9)])
def test_shares_by_loops(size, wrap):
    mask = np.random.default_rng(0).random((1, 1, *size), np.float32)
    found = masks.shares(mask, ["conv1_2", "pool1", "conv2_1"], wrap=wrap)
    assert set(found) == {IMAGE, "conv1_2", "pool1", "conv2_1"}
    convolved, pooled = naive_shares(mask, 2, wrap)
    np.testing.assert_allclose(found["conv1_2"][0, 0], convolved, rtol=1e-5)
    np.testing.assert_allclose(found["pool1"][0, 0], pooled, rtol=1e-5)
    deeper, _ = naive_shares(found["pool1"], 1, wrap)
    np.testing.assert_allclose(found["conv2_1"][0, 0], deeper, rtol=1e-5)
    assert found[IMAGE] is mask


@pytest.mark.parametrize("size", [(64, 80), (37, 51)])
def test_shares_lie_where_activations_do(size, random_weights):
    layers = ["conv1_1", "pool1", "conv3_2", "pool3"]
    image = chainer.Variable(np.zeros((1, 3, *size), np.float32))
    activations = VGGFeatures(random_weights, layers)(image)
    found = masks.shares(np.ones((1, 1, *size), np.float32), layers)
    for name in layers:
        assert found[name].shape[2:] == activations[name].shape[2:]
        np.testing.assert_allclose(found[name], 1, rtol=1e-5)  # the edges are no hole


def test_what_is_within_and_what_touches_are_opposites():
    mask = disc((64, 64), (30, 20), 15)
    inside = masks.within(masks.shares(1 - mask, SHALLOW))
    touched = masks.touching(masks.shares(mask, SHALLOW))
    for name in SHALLOW:
        np.testing.assert_allclose(inside[name] + touched[name], 1, atol=1e-5)
        assert inside[name].max() == pytest.approx(1) and touched[name].max() == pytest.approx(1)
        assert inside[name].min() >= 0 and touched[name].min() >= 0


def test_too_little_is_told_of_with_its_layer():
    size = (32, 32)
    found = masks.within(masks.shares(1 - disc(size, (16, 16), 12), ["conv1_1", "pool3"]))
    masks.check({"conv1_1": found["conv1_1"]}, size, (0, 0), "what is not masked")
    with pytest.raises(ConfigError, match="what is not masked is too little: layer pool3"):
        masks.check(found, size, (4, 4), "what is not masked")


def pairs(size, exemplar_size, wrap=(False, False), dtype=np.float32):
    """Of an exemplar with a hole, and of an image of which a disc counts."""
    hole = masks.shares(1 - disc(exemplar_size, (20, 20), 10).astype(dtype), SHALLOW)
    part = masks.shares(disc(size, (size[0] - 6, 9), 14).astype(dtype), SHALLOW, wrap=wrap)
    return Masks(masks.within(hole), masks.touching(part))


@pytest.mark.parametrize(
    ("size", "block", "wrap"),
    [
        ((67, 90), 32, (False, False)),
        ((49, 63), 60, (False, False)),
        ((64, 64), 32, (True, True)),
        ((64, 20), 32, (False, True)),
    ],
)
@pytest.mark.parametrize("edge", [(0, 0), (5, 9)])
def test_blocks_are_the_same_as_the_whole(size, block, wrap, edge, exact_weights):
    features = VGGFeatures(exact_weights, SHALLOW)
    losses = [GramLoss(SHALLOW), CentredGramLoss({"pool2": 0.3}), RangePenalty(1e-4)]
    exemplar, image = make_image((50, 45), 1, np.float64), make_image(size, 2, np.float64)
    margin = tuple(0 if wraps else cut for wraps, cut in zip(wrap, edge, strict=True))
    given = features, losses, exemplar, edge, margin
    told = {"wrap": wrap, "masks": pairs(size, (50, 45), wrap, np.float64)}
    expected, gradient = evaluate(Objective(*given, **told), image)
    plain, _ = evaluate(Objective(*given, wrap=wrap), image)
    loss, found = evaluate(BlockObjective(*given, block, **told), image)
    assert abs(expected - plain) > 1e-3 * plain
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-11 * abs(gradient).max())


def test_the_gradient_agrees_with_differences(exact_weights):
    features = VGGFeatures(exact_weights, SHALLOW)
    losses = [GramLoss(SHALLOW), CentredGramLoss({"pool1": 0.3}), RangePenalty(1e-4)]
    x = make_image((40, 36), 2, np.float64)
    exemplar = make_image((50, 45), 1, np.float64)
    told = pairs((40, 36), (50, 45), dtype=np.float64)
    objective = Objective(features, losses, exemplar, masks=told)
    image, generator = chainer.Parameter(x), np.random.default_rng(0)
    objective(image)
    for _ in range(3):
        way = generator.standard_normal(x.shape)
        up, down = (objective(chainer.Parameter(x + e * way)) for e in (1e-4, -1e-4))
        assert (image.grad * way).sum() == pytest.approx((up - down) / 2e-4, rel=1e-5)


def test_both_engines_agree(random_weights):
    features_module = pytest.importorskip("texsynth.network.winograd.features")
    losses = [LOSSES["gram"](SHALLOW), CentredGramLoss(SHALLOW), RangePenalty(1e-4)]
    exemplar, image = make_image((80, 75), 1), make_image((101, 90), 2)
    told = pairs((101, 90), (80, 75))
    found = [
        evaluate(Objective(kind(random_weights, SHALLOW), losses, exemplar, masks=told), image)
        for kind in (VGGFeatures, features_module.WinogradFeatures)
    ]
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    difference = np.linalg.norm(found[0][1] - found[1][1])
    assert difference <= 1e-3 * np.linalg.norm(found[0][1])


@pytest.mark.parametrize("kind", [Objective, BlockObjective])
def test_a_loss_that_takes_no_masks_is_refused(kind, random_weights):
    features = VGGFeatures(random_weights, ["pool1"])
    losses = [LOSSES["histogram"]({IMAGE: 1.0})]
    with pytest.raises(ConfigError, match="loss histogram"):
        kind(features, losses, make_image((32, 32)), masks=pairs((32, 32), (32, 32)))
