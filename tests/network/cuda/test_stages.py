"""The engine's plan: its stages, and what they take of memory, against the network it is of."""

import itertools
import math

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.network import architecture
from texsynth.network.cuda import stages
from texsynth.network.vgg import VGGFeatures
from texsynth.objective import blocks

DEFAULT = ("conv1_1", "pool1", "pool2", "pool3", "pool4")
LAYERS = [DEFAULT, ("conv1_1",), ("conv1_2", "pool1"), ("conv2_1", "conv3_2", "pool3"), ("pool5",)]
SIZES = [(48, 36), (49, 39), (33, 65), (332, 1024), (3000, 47)]


def path(layers, size):
    """The stages, each with its tiles, and how many of them are multiplied at once."""
    for stage in stages.stages(layers):
        yield stage, math.prod(stages.tiles(*stage.shape(size)[1:])), stages.chunk(stage, size)


@pytest.mark.parametrize("layers", LAYERS)
def test_stages_are_the_convolutions_to_the_deepest_layer(layers):
    path = stages.stages(layers)
    names = [name for stage in path for name in (stage.conv, stage.pool) if name]
    order = list(architecture.VGG16)
    upto = order[: order.index(architecture.deepest(layers)) + 1]
    # A pooling belongs to its convolution, even where it is one layer deeper than is asked for.
    assert names == upto or (names[:-1] == upto and names[-1].startswith("pool"))
    for stage in path:
        layer = architecture.VGG16[stage.conv]
        assert (stage.inputs, stage.outputs) == (layer.in_channels, layer.out_channels)
        assert stage.last == names[names.index(stage.conv) + bool(stage.pool)]
    assert path[0].inputs == 3
    assert all(one.outputs == other.inputs for one, other in itertools.pairwise(path))


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("size", [(48, 33), (35, 64)])
def test_buffers_have_the_shapes_of_the_activations(random_weights, layers, size):
    planned = stages.buffers(layers, size, "average")
    image = chainer.Variable(np.zeros((1, 3, *size), np.float32))
    with chainer.no_backprop_mode():
        activations = VGGFeatures(random_weights, layers)(image)
    for name, x in activations.items():
        assert planned[name] == (x.shape[1:], np.float32)


@pytest.mark.parametrize("margin", [(0, 0), (16, 0), (7, 30)])
@pytest.mark.parametrize("size", SIZES)
def test_what_is_read_of_a_layer_has_a_buffer_of_its_own_where_it_is_not_all(size, margin):
    read = blocks.regions(DEFAULT, size, margin)
    planned = stages.buffers(DEFAULT, size, "average", read)
    for name, region in read.items():
        (channels, *whole), _ = planned[name]
        inner = [each.stop - each.start for each in region]
        if inner == whole:
            assert f"{name}.inner" not in planned
        else:
            assert planned[f"{name}.inner"] == ((channels, *inner), np.float32)


@pytest.mark.parametrize("pooling", ["average", "max"])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("size", SIZES)
def test_buffers_hold_what_goes_through_them(layers, size, pooling):
    planned = stages.buffers(layers, size, pooling)
    sizes = {name: math.prod(shape) for name, (shape, _) in planned.items()}
    for number, (stage, tiles, chunk) in enumerate(path(layers, size)):
        assert sizes[stage.last] == math.prod(stage.last_shape(size))
        if not number:  # conv1_1 has no tiles
            assert sizes["gradient.0"] >= math.prod(stage.shape(size))
            continue
        # Rows of transformed tiles are padded to a multiple of four.
        taken = stages.POINTS * max(stage.inputs, stage.outputs) * -(-min(tiles, chunk) // 4) * 4
        assert sizes["transformed"] == sizes["multiplied"] >= taken
        before = stages.stages(layers)[number - 1].last_shape(size)
        assert sizes[f"gradient.{(number - 1) % 2}"] >= math.prod(before)
        bits = (stage.outputs, tiles), np.uint16
        assert planned[f"{stage.conv}.lit"] == bits
        largest = pooling == "max" and stage.pool
        assert planned.get(f"{stage.conv}.chosen") == (bits if largest else None)
    assert planned["taps"] == ((28, *size), np.float32)


def test_a_convolution_that_only_its_pooling_reads_has_no_buffer():
    planned = stages.buffers(DEFAULT, (48, 36), "average")
    assert "conv1_2" not in planned and "conv2_1" in planned
    assert "conv1_2" in stages.buffers(("conv1_2", "pool1"), (48, 36), "average")


@pytest.mark.parametrize("bound", [1 << 17, 1 << 20, 256 << 20])
@pytest.mark.parametrize("size", SIZES)
def test_chunks_share_the_tiles_out_evenly_within_a_bound(size, bound, monkeypatch):
    monkeypatch.setattr(stages, "_CHUNK_BYTES", bound)
    for stage, tiles, chunk in path(("pool5",), size):
        of_a_tile = 4 * stages.POINTS * max(stage.inputs, stage.outputs)
        assert chunk % 4 == 0
        assert of_a_tile * (chunk - 3) <= bound  # to which three tiles may be missing
        parts = -(-tiles // chunk)
        assert (parts - 1) * (bound // of_a_tile) < tiles  # no fewer would do
        assert chunk < tiles / parts + 4


def test_small_images_are_multiplied_at_once():
    for _, tiles, chunk in path(("pool5",), (332, 332)):
        assert tiles <= chunk < tiles + 4


@pytest.mark.parametrize(("side", "tiles"), [(1, 1), (4, 1), (5, 2), (8, 2), (1023, 256)])
def test_tiles_cover_a_side(side, tiles):
    assert stages.tiles(side, 3) == (tiles, 1)
    assert stages.tiles(3, side) == (1, tiles)


def test_bytes_by_hand():
    """conv1_1 alone: 64 channels twice, as the activation and its gradient, and the taps."""
    parts = [channels * 5 * 7 * 4 for channels in (64, 64, 28)]
    assert stages.buffer_bytes(("conv1_1",), (5, 7), "max") == sum(map(stages.rounded, parts))
    assert [stages.rounded(amount) for amount in (0, 1, 512, 513)] == [0, 512, 512, 1024]


def test_bytes_grow_with_the_area_and_with_what_is_read_apart():
    small, large = (stages.buffer_bytes(DEFAULT, (side, side), "average") for side in (256, 512))
    assert large == pytest.approx(4 * small, rel=0.01)
    read = blocks.regions(DEFAULT, (256, 256), (16, 16))
    assert small < stages.buffer_bytes(DEFAULT, (256, 256), "average", read) < 1.5 * small
    assert small < stages.buffer_bytes(DEFAULT, (256, 256), "max") < 1.1 * small


def test_bytes_of_kernels_by_hand():
    """Transformed for both ways; conv1_1's are not, and are nothing beside them."""
    assert stages.kernel_bytes(("conv1_1",)) == 2 * stages.WORKSPACE
    pairs = 64 * 64 + 64 * 128
    assert stages.kernel_bytes(("conv2_1",)) == 2 * stages.WORKSPACE + 2 * 36 * 4 * pairs
