"""The objective block by block against the whole image's."""

import gc
import weakref

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.losses import LOSSES, GramLoss, RangePenalty
from texsynth.losses.gram import CentredGramLoss
from texsynth.network import engine
from texsynth.network.vgg import VGGFeatures
from texsynth.objective import block_objective, blocks
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.whole import Objective
from texsynth.terms import LOSSES as KINDS
from texsynth.weights import VGGWeights

ADDITIVE = ("gram", "paper-gram", "centred-gram", "scaled-gram")
SHALLOW = {"conv1_1": 1.0, "pool1": 0.5, "pool2": 1.0}
DEFAULT = {"conv1_1": 1.0, "pool1": 1.0, "pool2": 1.0, "pool3": 1.0, "pool4": 1.0}


@pytest.fixture
def exact_weights(random_weights):
    tensors = {
        name: (W.astype(np.float64), b.astype(np.float64))
        for name, (W, b) in random_weights.tensors.items()
    }
    return VGGWeights(tensors, random_weights.mean.astype(np.float64))


@pytest.fixture(params=["plain", "winograd"])
def make_features(request):
    """Both engines, in float32."""
    if request.param == "plain":
        return VGGFeatures
    pytest.importorskip("numba")
    from texsynth.network.winograd.features import WinogradFeatures

    return WinogradFeatures


def make_image(size, seed=0, dtype=np.float32):
    """Half smooth, half noise, some of it out of range: ``(1, 3, *size)``."""
    generator = np.random.default_rng(seed)
    y, x = np.meshgrid(*(np.arange(side) / 7 for side in size), indexing="ij")
    waves = 100 * np.sin(y + seed) * np.cos(1.7 * x)
    noise = generator.uniform(-60, 60, (1, 3, *size))
    return (128 + waves + noise).astype(dtype)


def evaluate(objective, pixels):
    image = chainer.Parameter(pixels.copy())
    loss = objective(image)
    assert objective.evaluations == 1
    np.testing.assert_array_equal(image.array, pixels)
    assert image.grad.dtype == pixels.dtype
    return loss, image.grad


def cosine(a, b):
    a, b = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    return a @ b / np.sqrt((a @ a) * (b @ b))


def number_of_blocks(size, layers, block, wrap=(False, False)):
    return len(blocks.plan(size, tuple(layers), block, wrap))


@pytest.mark.parametrize(
    ("size", "block", "count"),
    [((64, 64), 64, 1), ((64, 64), 32, 4), ((67, 90), 32, 9), ((49, 63), 60, 2), ((35, 38), 9, 9)],
)
@pytest.mark.parametrize("edge", [(0, 0), (5, 9)])
@pytest.mark.parametrize("pooling", ["average", "max"])
def test_same_as_whole_in_float64(size, block, count, edge, pooling, exact_weights):
    """Blocks of any number, sides that poolings leave a remainder of, margin and trim."""
    assert number_of_blocks(size, SHALLOW, block) == count
    features = VGGFeatures(exact_weights, SHALLOW, pooling)
    losses = [GramLoss(SHALLOW), CentredGramLoss({"pool2": 0.3}), RangePenalty(1e-4)]
    exemplar = make_image((50, 45), 1, np.float64)
    image = make_image(size, 2, np.float64)
    expected, gradient = evaluate(Objective(features, losses, exemplar, edge, edge), image)
    loss, found = evaluate(BlockObjective(features, losses, exemplar, edge, edge, block), image)
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-11 * abs(gradient).max())


@pytest.mark.slow
def test_same_as_whole_at_the_deepest_default_layer(exact_weights):
    features = VGGFeatures(exact_weights, ["pool4", "conv4_2"])
    losses = [GramLoss({"pool4": 1.0, "conv4_2": 1.0})]
    exemplar, image = make_image((48, 50), 1, np.float64), make_image((60, 215), 2, np.float64)
    assert number_of_blocks(image.shape[2:], ["pool4"], 80) == 3
    expected, gradient = evaluate(Objective(features, losses, exemplar), image)
    loss, found = evaluate(BlockObjective(features, losses, exemplar, block=80), image)
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-11 * abs(gradient).max())


@pytest.mark.parametrize("wrap", [(True, True), (False, True), (True, False)])
@pytest.mark.parametrize(
    ("size", "block", "count"), [((64, 64), 32, 4), ((64, 20), 32, 2), ((16, 16), 16, 1)]
)
@pytest.mark.parametrize("margin", [(0, 0), (3, 5)])
def test_same_as_whole_of_an_image_that_wraps(wrap, size, block, count, margin, exact_weights):
    assert number_of_blocks(size, SHALLOW, block, wrap) == count
    features = VGGFeatures(exact_weights, SHALLOW)
    losses = [GramLoss(SHALLOW), RangePenalty(1e-4)]
    exemplar, image = make_image((33, 40), 1, np.float64), make_image(size, 2, np.float64)
    told = {"margin": margin, "wrap": wrap}
    expected, gradient = evaluate(Objective(features, losses, exemplar, **told), image)
    by_blocks = BlockObjective(features, losses, exemplar, block=block, **told)
    loss, found = evaluate(by_blocks, image)
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-11 * abs(gradient).max())


def test_a_margin_wider_than_a_block(exact_weights):
    """Then some blocks have no position that counts."""
    features = VGGFeatures(exact_weights, SHALLOW)
    losses = [GramLoss(SHALLOW), RangePenalty(1e-4)]
    exemplar, image = make_image((50, 45), 1, np.float64), make_image((160, 60), 2, np.float64)
    edge = (70, 70)
    expected, gradient = evaluate(Objective(features, losses, exemplar, (9, 9), edge), image)
    loss, found = evaluate(BlockObjective(features, losses, exemplar, (9, 9), edge, 20), image)
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-11 * abs(gradient).max())


@pytest.mark.parametrize(
    ("size", "margin", "block"), [((7, 64), (5, 5), 16), ((20, 75), (0, 40), 20)]
)
def test_an_image_smaller_than_the_margins(size, margin, block, exact_weights):
    """The deepest layer has one or two positions left, in blocks where others have none."""
    features = VGGFeatures(exact_weights, SHALLOW)
    losses = [GramLoss(SHALLOW)]
    exemplar, image = make_image((7, 45), 1, np.float64), make_image(size, 2, np.float64)
    expected, gradient = evaluate(Objective(features, losses, exemplar, (5, 5), margin), image)
    loss, found = evaluate(BlockObjective(features, losses, exemplar, (5, 5), margin, block), image)
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-11 * abs(gradient).max())


@pytest.mark.parametrize("name", ADDITIVE)
def test_both_engines_to_rounding(name, make_features, random_weights):
    features = make_features(random_weights, SHALLOW)
    losses = [LOSSES[name](SHALLOW), RangePenalty(1e-4)]
    exemplar, image = make_image((80, 75), 1), make_image((101, 90), 2)
    assert number_of_blocks(image.shape[2:], SHALLOW, 50) == 6
    expected, gradient = evaluate(Objective(features, losses, exemplar, (4, 4), (8, 8)), image)
    loss, found = evaluate(BlockObjective(features, losses, exemplar, (4, 4), (8, 8), 50), image)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert cosine(found, gradient) >= 0.9999999
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(gradient), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "block", "count"), [((512, 512), 256, 4), ((512, 512), 171, 9), ((501, 519), 175, 9)]
)
def test_both_engines_at_512(size, block, count, make_features, real_weights):
    from texsynth import weights

    assert number_of_blocks(size, DEFAULT, block) == count
    features = make_features(weights.load(real_weights), DEFAULT)
    losses = [GramLoss(DEFAULT), RangePenalty(1e-4)]
    exemplar, image = make_image((256, 256), 1), make_image(size, 2)
    expected, gradient = evaluate(Objective(features, losses, exemplar, (8, 8), (16, 16)), image)
    by_blocks = BlockObjective(features, losses, exemplar, (8, 8), (16, 16), block)
    loss, found = evaluate(by_blocks, image)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert cosine(found, gradient) >= 0.9999999
    # That of float32 itself is 2e-4, against float64: rounding decides which units are silent.
    assert np.linalg.norm(found - gradient) <= 2e-4 * np.linalg.norm(gradient)


@pytest.mark.slow
@pytest.mark.parametrize("wrap", [(False, False), (True, True)])
def test_what_is_kept_changes_no_bit(wrap, random_weights):
    """Nor do the layers that the losses read, or a second evaluation, of another image."""
    features_module = pytest.importorskip("texsynth.network.winograd.features")
    layers = {"conv1_1": 1.0, "pool1": 1.0, "conv3_2": 1.0, "pool3": 0.5}
    losses, exemplar = [GramLoss(layers), RangePenalty(1e-4)], make_image((80, 75), 1)
    found = {}
    for keep in (None, "conv3_1", "conv2_1"):
        features = features_module.WinogradFeatures(random_weights, layers)
        objective = BlockObjective(features, losses, exemplar, block=64, wrap=wrap, keep=keep)
        found[keep] = []
        for seed in (2, 3):
            image = chainer.Parameter(make_image((128, 192), seed))
            found[keep].append((objective(image), image.grad))
    for keep in ("conv3_1", "conv2_1"):
        for (loss, gradient), (expected_loss, expected) in zip(
            found[keep], found[None], strict=True
        ):
            assert loss == expected_loss
            np.testing.assert_array_equal(gradient, expected)


def test_what_is_kept_is_not_computed_again(random_weights, monkeypatch):
    features_module = pytest.importorskip("texsynth.network.winograd.features")
    from texsynth.network.winograd import network

    calls = []
    fill_border = network.fill_border

    def counting(buffer, size, wrap):
        calls.append(size)
        return fill_border(buffer, size, wrap)

    monkeypatch.setattr(network, "fill_border", counting)
    counts = {}
    for keep in (None, "conv2_1"):
        features = features_module.WinogradFeatures(random_weights, ["pool2"])
        objective = BlockObjective(
            features, [GramLoss({"pool2": 1.0})], make_image((64, 64)), block=64, keep=keep
        )
        calls.clear()
        objective(chainer.Parameter(make_image((64, 128), 1)))
        counts[keep] = len(calls)
    # Of one of two blocks, the second time: conv2_1, conv2_2 and its bits.
    assert counts[None] - counts["conv2_1"] == 3


@pytest.mark.parametrize("wrap", [(True, True), (False, True)])
def test_the_fast_engine_wraps_in_blocks(wrap, random_weights):
    features_module = pytest.importorskip("texsynth.network.winograd.features")
    features = features_module.WinogradFeatures(random_weights, SHALLOW)
    losses = [GramLoss(SHALLOW), RangePenalty(1e-4)]
    exemplar, image = make_image((80, 75), 1), make_image((96, 128), 2)
    assert number_of_blocks((96, 128), SHALLOW, 43, wrap) == 9
    expected, gradient = evaluate(Objective(features, losses, exemplar, wrap=wrap), image)
    by_blocks = BlockObjective(features, losses, exemplar, block=43, wrap=wrap)
    loss, found = evaluate(by_blocks, image)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert cosine(found, gradient) >= 0.9999999
    assert np.linalg.norm(found) == pytest.approx(np.linalg.norm(gradient), rel=1e-5)


def test_again_gives_the_same_and_counts(exact_weights):
    features = VGGFeatures(exact_weights, SHALLOW)
    objective = BlockObjective(features, [GramLoss(SHALLOW)], make_image((40, 40)), block=32)
    image = chainer.Parameter(make_image((64, 70), 1, np.float64))
    first = objective(image), image.grad
    second = objective(image), image.grad
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1], second[1])
    assert objective.evaluations == 2


def test_pixels_alone():
    """No layer: blocks without any overlap."""
    nothing = engine.make_features("plain", None, (), "average", None)
    objective = BlockObjective(nothing, [RangePenalty(2.0)], make_image((8, 8)))
    x = make_image((10, 12), 3, np.float64)
    loss, gradient = evaluate(objective, x)
    excess = x - x.clip(0, 255)
    assert loss == pytest.approx(2 * (excess**2).mean())
    np.testing.assert_allclose(gradient, 4 * excess / x.size, rtol=1e-12)


def test_two_images_at_once(exact_weights):
    features = VGGFeatures(exact_weights, SHALLOW)
    exemplar, image = (
        np.concatenate([make_image(size, seed, np.float64) for seed in (1, 2)])
        for size in ((30, 30), (64, 50))
    )
    expected, gradient = evaluate(Objective(features, [GramLoss(SHALLOW)], exemplar), image)
    by_blocks = BlockObjective(features, [GramLoss(SHALLOW)], exemplar, block=32)
    loss, found = evaluate(by_blocks, image)
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-11 * abs(gradient).max())


def test_features_never_see_more_than_a_window(exact_weights):
    """Neither for the exemplar's targets nor for the image."""
    seen = []
    network = VGGFeatures(exact_weights, SHALLOW)

    def features(image, wrap):
        seen.append(image.shape[2:])
        return network(image, wrap=wrap)

    features.table = network.table
    objective = BlockObjective(features, [GramLoss(SHALLOW)], make_image((96, 96)), block=32)
    of_exemplar = set(seen)
    assert len(seen) == 9 and len(of_exemplar) == 1 and max(max(seen)) <= 46
    seen.clear()
    objective(chainer.Parameter(make_image((96, 128))))
    assert len(seen) == 12 + 11 and len(set(seen)) == 1  # the last block is computed once
    assert max(max(seen)) <= 46


def test_statistics_by_bands_of_a_few_rows_are_the_same(exact_weights, monkeypatch):
    """A row of conv1_1 takes more than a band may: bands of one row; of others, of several."""
    features = VGGFeatures(exact_weights, SHALLOW)
    losses = [GramLoss(SHALLOW), RangePenalty(1e-4)]
    exemplar, image = make_image((50, 45), 1, np.float64), make_image((67, 90), 2, np.float64)
    expected, gradient = evaluate(Objective(features, losses, exemplar), image)
    monkeypatch.setattr(block_objective, "_BAND_BYTES", 15_000)
    loss, found = evaluate(BlockObjective(features, losses, exemplar, block=32), image)
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-11 * abs(gradient).max())


def test_images_of_other_sizes_and_dtypes_in_turn(exact_weights):
    features = VGGFeatures(exact_weights, SHALLOW)
    objective = BlockObjective(features, [GramLoss(SHALLOW)], make_image((40, 40)), block=32)
    whole = Objective(features, [GramLoss(SHALLOW)], make_image((40, 40)))
    for size, dtype in (((64, 70), float), ((35, 100), float), ((35, 100), np.float32)):
        image, same = (chainer.Parameter(make_image(size, 1, dtype)) for _ in range(2))
        assert objective(image) == pytest.approx(whole(same), rel=1e-6)
        assert image.grad.dtype == dtype
        np.testing.assert_allclose(image.grad, same.grad, atol=1e-6 * abs(same.grad).max())


@pytest.fixture
def make_keeping(random_weights):
    """Makes objectives that keep what the first pass computes, in blocks of a size."""
    features_module = pytest.importorskip("texsynth.network.winograd.features")

    def make_keeping(block, failures=()):
        network = features_module.WinogradFeatures(random_weights, ["pool2"])

        class Features:
            keep, table = network.keep, network.table

            def __call__(self, image, **options):
                if chainer.config.enable_backprop and failures:
                    raise failures.pop()
                return network(image, **options)

        losses, exemplar = [GramLoss({"pool2": 1.0})], make_image((64, 64))
        return BlockObjective(Features(), losses, exemplar, block=block, keep="conv2_1")

    return make_keeping


def test_at_rest_nothing_of_an_evaluation_is_held(make_keeping):
    objective = make_keeping(64)
    objective(chainer.Parameter(make_image((64, 128), 1)))
    held = [*map(weakref.ref, objective._rooms.values()), weakref.ref(objective._kept[0])]
    objective.rest()
    gc.collect()
    assert held and not any(reference() is not None for reference in held)


def test_out_of_memory_what_was_kept_of_larger_blocks_is_let_go(make_keeping):
    failures = []
    objective, image = make_keeping(128, failures), chainer.Parameter(make_image((128, 256), 1))
    objective(image)
    failures.append(MemoryError())
    found = objective(image), image.grad
    assert objective.block == 64
    expected = make_keeping(64)(image), image.grad
    assert found[0] == expected[0]
    np.testing.assert_array_equal(found[1], expected[1])


def test_out_of_memory_with_the_smallest_blocks_is_the_end(make_keeping):
    objective = make_keeping(256, [MemoryError("full")] * 9)
    with pytest.raises(MemoryError, match="full"):
        objective(chainer.Parameter(make_image((64, 128), 1)))
    assert objective.block == 64


@pytest.mark.parametrize(
    "name", [name for name in LOSSES if name not in (*ADDITIVE, "contrast-gram")]
)
def test_losses_that_need_the_whole_image_are_refused(name):
    layers = {"image" if KINDS[name].on_pixels else "pool1": 1.0}
    losses = [GramLoss(SHALLOW), LOSSES[name](layers)]
    with pytest.raises(ConfigError, match=f"^loss {name} needs the whole image at once"):
        BlockObjective(None, losses, None)


def test_a_loss_of_ones_own_is_refused_by_its_class():
    class Mine:
        layers = ("pool1",)

    with pytest.raises(ConfigError, match="loss Mine needs the whole image at once"):
        BlockObjective(None, [Mine()], None)
