import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.losses import LOSSES, report
from texsynth.losses import parts as parts_module
from texsynth.losses.parts import EachPart, InParts, in_parts
from texsynth.statistics import gram

ADDITIVE = ["gram", "paper-gram", "centred-gram"]
OTHERS = ["shifted-gram", "autocorrelation", "correspondence"]
SHARES = [0.2, 0.5, 0.3]
SHAPE = (1, 3, 12, 10)


def random(seed, shape=SHAPE):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.fixture(params=["rectangles", "scattered"])
def masks(request):
    """Three parts that overlap; of the last, most rows and columns have nothing.

    Or of all of them many positions have nothing, anywhere.
    """
    found = np.random.default_rng(9).uniform(size=(3, 1, *SHAPE[2:]))
    found[2, :, :4] = found[2, :, :, 7:] = 0
    if request.param == "scattered":
        found[np.random.default_rng(8).uniform(size=found.shape) < 0.6] = 0
    return {"pool1": found}


def targets_of(loss):
    return [loss.target({"pool1": random(seed) + 0.4}) for seed in (1, 2, 3)]


@pytest.mark.parametrize("name", ADDITIVE + OTHERS)
def test_it_is_the_sum_over_parts(name, masks):
    loss = LOSSES[name]({"pool1": 0.7})
    targets, x = targets_of(loss), {"pool1": random(0)}
    found = in_parts(loss, SHARES).measure(x, targets, masks)
    expected = sum(
        share * loss.measure(x, target, {"pool1": masks["pool1"][n : n + 1]}).array
        for n, (share, target) in enumerate(zip(SHARES, targets, strict=True))
    )
    assert float(found.array) == pytest.approx(float(expected), rel=1e-9)


def test_each_gram_matrix_is_that_of_the_naive_loop(masks):
    loss, x = InParts(LOSSES["gram"]({"pool1": 1.0}), SHARES), random(0)
    for number, found in enumerate(loss.target({"pool1": x}, masks)):
        mask, matrix = masks["pool1"][number, 0], np.zeros((3, 3))
        for row in range(SHAPE[2]):
            for column in range(SHAPE[3]):
                vector = x[0, :, row, column]
                matrix += mask[row, column] * np.outer(vector, vector)
        np.testing.assert_allclose(found["pool1"].array[0], matrix / mask.sum(), rtol=1e-9)


@pytest.mark.parametrize("name", ADDITIVE + OTHERS)
def test_the_gradient(name, masks, check_gradient):
    loss = LOSSES[name]({"pool1": 0.7})
    targets, parts = targets_of(loss), in_parts(loss, SHARES)
    check_gradient(lambda x: parts.measure({"pool1": x}, targets, masks), random(0))


@pytest.mark.parametrize("name", ADDITIVE)
def test_sums_over_blocks_are_those_of_the_whole(name, masks):
    parts, x = InParts(LOSSES[name]({"pool1": 1.0}), SHARES), random(0)
    whole = parts.partial({"pool1": x}, masks)["pool1"]
    total = None
    for place in (np.s_[..., :5, :], np.s_[..., 5:, :3], np.s_[..., 5:, 3:]):
        part = parts.partial({"pool1": x[place]}, {"pool1": masks["pool1"][place]})["pool1"]
        values = [*(each.array for each in part.sums), part.count]
        total = values if total is None else [a + b for a, b in zip(total, values, strict=True)]
    for found, expected in zip(total, [*(s.array for s in whole.sums), whole.count], strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("name", ADDITIVE)
def test_the_gradient_by_sums_is_that_of_the_way_back(name, masks):
    parts, x = InParts(LOSSES[name]({"pool1": 1.0}), SHARES), random(0)
    sums = parts.partial({"pool1": chainer.Variable(x)}, masks)["pool1"].sums
    given = [random(5 + n, each.shape) for n, each in enumerate(sums)]
    variable = chainer.Variable(x)
    found = parts.partial({"pool1": variable}, masks)["pool1"].sums
    sum(chainer.functions.sum(s * g) for s, g in zip(found, given, strict=True)).backward()
    np.testing.assert_allclose(
        parts.sums_gradient(x, given, masks["pool1"]), variable.grad, rtol=1e-9, atol=1e-12
    )


def test_it_is_the_kind_that_its_loss_is():
    kinds = {name: type(in_parts(LOSSES[name]({"pool1": 1}), [1.0])) for name in ADDITIVE + OTHERS}
    assert kinds == dict.fromkeys(ADDITIVE, InParts) | dict.fromkeys(OTHERS, EachPart)


def test_what_is_in_parts_is_reported_by_its_own_name():
    observed = {}
    values = [chainer.Variable(np.array(v)) for v in (2.0, 3.0)]
    losses = [in_parts(LOSSES[name]({"pool1": 1}), [1.0]) for name in ("gram", "autocorrelation")]
    with chainer.Reporter().scope(observed):
        report(values[0] + values[1], losses, values)
    found = {name: float(chainer.as_array(value)) for name, value in observed.items()}
    assert found == {"loss": 5.0, "gram": 2.0, "autocorrelation": 3.0}


@pytest.mark.parametrize("channels_last", [False, True])
def test_positions_that_lie_apart_are_summed_in_the_layout_of_the_engine(channels_last):
    """64 channels, as the kernels of the Winograd engine take them."""
    x = random(0, (1, 64, 12, 10)).astype(np.float32)
    if channels_last:
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    mask = np.random.default_rng(9).uniform(-1, 1, (2, 1, 12, 10)).clip(0).astype(np.float32)
    loss = LOSSES["gram"]({"pool1": 1.0})
    parts, variable = InParts(loss, [0.4, 0.6]), chainer.Variable(x)
    sums = parts.partial({"pool1": variable}, {"pool1": mask})["pool1"].sums
    given = random(1, (2, 1, 64, 64)).astype(np.float32)
    sum(chainer.functions.sum(s * g) for s, g in zip(sums, given, strict=True)).backward()
    expected = 0
    for number in range(2):
        weighted = x[0].astype(float) * mask[number]
        matrix = np.einsum("iyx,jyx->ij", weighted, x[0])
        np.testing.assert_allclose(sums[number].array[0], matrix, rtol=1e-4, atol=1e-3)
        g = given[number, 0].astype(float)
        expected = expected + np.einsum("ij,jyx->iyx", g + g.T, weighted)
    np.testing.assert_allclose(variable.grad[0], expected, rtol=1e-3, atol=1e-3)
    assert (variable.grad.strides[1] == 4) == channels_last
    for place, _ in parts_module._places(mask):
        assert isinstance(place, parts_module._Scattered)
        assert gram.is_channels_last(place.of(x)) == channels_last
