"""Blocks of an image: what they share out, what they see, and what they cost."""

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.network import architecture
from texsynth.network.vgg import VGGFeatures
from texsynth.objective.blocks import Span, kept, plan, reach

SIZES = [(512, 512), (513, 700), (1000, 333), (96, 97), (17, 40), (2048, 128)]
LAYERS = [("pool4",), ("conv1_1", "pool1"), ("pool2", "conv3_1"), ("pool5",), ()]


def stride_of(layers):
    return architecture.smallest_side(layers) if layers else 1


@pytest.mark.parametrize("layer", ["conv1_1", "pool1", "pool2", "conv3_1", "pool3", "pool4"])
def test_reach_is_what_the_network_shows(layer, random_weights):
    assert_reach(layer, random_weights)


def test_vgg19_reaches_farther(random_vgg19):
    assert_reach("pool3", random_vgg19)
    reaches = [reach(["pool4"], table) for table in (architecture.VGG16, architecture.VGG19)]
    assert reaches == [2 + 4 + 12 + 24, 2 + 4 + 16 + 32]


def assert_reach(layer, weights):
    """The pixels that one position's activations depend on, found by their gradient."""
    stride = architecture.stride(layer)
    position = 3 if stride > 4 else 8
    side = 2 * position * stride + stride
    image = chainer.Variable(np.random.default_rng(0).uniform(0, 255, (1, 3, side, side)))
    image.array = image.array.astype(np.float32)
    activations = VGGFeatures(weights, [layer])(image)[layer]
    chainer.functions.sum(activations[:, :, position, position]).backward()
    seen = np.flatnonzero(abs(image.grad[0]).max(axis=(0, 1)))
    beyond = reach([layer], weights.table)
    first, last = position * stride - beyond, (position + 1) * stride - 1 + beyond
    assert (seen[0], seen[-1]) == (first, last)


def test_reach_goes_by_the_deepest_layer():
    assert reach(["pool2", "conv1_1"]) == reach(["pool2"])
    assert reach([]) == 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("side", [64, 150, 256, 10000])
def test_cores_share_the_image_out(size, layers, side):
    if min(size) < stride_of(layers):
        pytest.skip("too small for the layer")
    count = np.zeros(size, int)
    for rows, columns in plan(size, layers, side):
        count[slice(*rows.core), slice(*columns.core)] += 1
        assert rows.core[0] % stride_of(layers) == columns.core[0] % stride_of(layers) == 0
    assert (count == 1).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("side", [64, 150, 256])
def test_windows_hold_what_the_core_sees(size, layers, side):
    if min(size) < stride_of(layers):
        pytest.skip("too small for the layer")
    blocks = plan(size, layers, side)
    for block in blocks:
        for span, pixels in zip(block, size, strict=True):
            assert span.start % stride_of(layers) == 0
            assert 0 <= span.start <= max(0, span.core[0] - reach(layers))
            assert pixels >= span.start + span.length >= min(pixels, span.core[1] + reach(layers))
    assert len({block.shape for block in blocks}) == 1
    assert not any(wrap for block in blocks for wrap in block.wrap)


@pytest.mark.parametrize("size", [(512, 512), (96, 1024), (64, 32), (16, 160)])
@pytest.mark.parametrize("side", [64, 100, 256])
def test_blocks_of_an_image_that_wraps(size, side):
    """Every pixel is one core's, and windows go on at the opposite edge."""
    count = np.zeros(size, int)
    blocks = plan(size, ["pool4"], side, (True, True))
    for block in blocks:
        count[slice(*block.rows.core), slice(*block.columns.core)] += 1
        for span, pixels in zip(block, size, strict=True):
            if span.wraps:
                assert span == Span(0, pixels, (0, pixels), wraps=True)
                continue
            assert span.length < pixels  # or a pixel would be there twice
            assert span.start % 16 == 0 and span.start <= span.core[0] - 42
            assert span.start + span.length >= span.core[1] + 42
            everywhere = np.concatenate([np.arange(pixels)] * 3)
            window = np.full(span.length, -1)
            for here, there in span.pieces(pixels):
                window[here] = np.arange(pixels)[there]
            expected = everywhere[pixels + span.start :][: span.length]
            np.testing.assert_array_equal(window, expected)
    assert (count == 1).all()
    assert len({block.shape for block in blocks}) == 1


def test_one_axis_may_wrap_alone():
    blocks = plan((512, 512), ["pool2"], 200, (False, True))
    assert all(block.rows.start >= 0 for block in blocks)
    assert min(block.columns.start for block in blocks) < 0
    blocks = plan((512, 64), ["pool4"], 256, (False, True))
    assert [block.wrap for block in blocks] == [(False, True)] * 2


def test_smaller_blocks_have_smaller_windows():
    areas = [np.prod(plan((4096, 4096), ["pool4"], side)[0].shape) for side in (4096, 1024, 64)]
    assert areas[0] == 4096**2 and areas == sorted(areas, reverse=True)
    assert areas[1] <= (1024 + 96) ** 2 and areas[2] <= (64 + 96) ** 2


def test_positions_of_a_core():
    span = Span(32, 100, (80, 112))
    assert span.positions(16, slice(0, 50)) == slice(3, 5)
    assert span.positions(2, slice(41, 50)) == slice(25, 34)
    assert span.positions(16, slice(0, 3)) == slice(3, 3)  # none counts


@pytest.mark.parametrize("stride", [1, 2, 16])
def test_kept_are_the_positions_that_cover_no_edge(stride):
    for side in range(stride, 5 * stride + 3):
        for edge in (0, 1, 5, 16, 17, 100):
            own = side // stride
            covering = [k for k in range(own) if k * stride < edge]
            count = min(len(covering), max(0, own - 2) // 2)  # two stay at least
            assert kept(side, stride, edge) == slice(count, own - count)


def test_where_poolings_drop_rows_the_stride_is_still_the_layers():
    assert kept(95, 16, 17) == slice(1, 4)  # of five positions; 17 pixels touch two, but two stay
    assert kept(127, 16, 17) == slice(2, 5)
