"""Products of bfloat16 in the Winograd engine."""

import numba
import numpy as np
import pytest

from texsynth.errors import EngineError
from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.product import PANEL, multiply_point
from texsynth.network import architecture, device, engine
from texsynth.network.vgg import VGGFeatures
from texsynth.network.winograd import features
from texsynth.network.winograd import network as winograd
from texsynth.network.winograd.features import WinogradFeatures
from texsynth.network.winograd.kernels import backward_kernels, forward_kernels
from texsynth.network.winograd.rounding import TileFormat, tile_format
from texsynth.network.winograd.transforms import KERNEL_TRANSFORM

from .test_winograd import DEFAULT, make_image, respond

needs_bfloat16 = pytest.mark.skipif(
    features.fastest_precision() != "bf16", reason="a processor without products of bfloat16"
)
CPU = device.select(-1)


def rounded(values):
    """The nearest values of bfloat16, ties to even, as float64."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    step = np.uint64(1 << 16)
    below, rest = bits // step, bits % step
    up = (rest > step // 2) | ((rest == step // 2) & (below % 2 == 1))
    return ((below + up) * step).astype(np.uint32).view(np.float32).astype(float)


def as_floats(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(float)


def make_kernels(outputs=64, inputs=96):
    return np.random.default_rng(4).standard_normal((outputs, inputs, 3, 3)).astype(np.float32)


def transformed(kernels):
    """G g G^T, (36, depth, columns) float64, of (depth, columns, 3, 3)."""
    g = KERNEL_TRANSFORM
    return np.einsum("pa,dcab,qb->pqdc", g, kernels, g).reshape(36, *kernels.shape[:2])


def check_kernels(make, kernels, by_depth):
    """``by_depth``: the kernels as (depth, columns, 3, 3)."""
    depth, columns = by_depth.shape[:2]
    panels, points = columns // PANEL, transformed(by_depth)
    expected = points.reshape(36, depth, panels, PANEL).transpose(2, 0, 1, 3)
    whole = make(kernels, "fp32")
    assert whole.shape == expected.shape and whole.dtype == np.float32
    np.testing.assert_allclose(whole, expected, rtol=1e-6, atol=1e-7)
    pairs = make(kernels, "bf16")
    assert pairs.shape == (panels, 36, depth // 2, 2 * PANEL) and pairs.dtype == np.uint16
    in_order = pairs.reshape(panels, 36, depth // 2, PANEL, 2).swapaxes(3, 4)
    np.testing.assert_array_equal(as_floats(in_order).reshape(whole.shape), rounded(whole))


def test_kernels_are_transformed_for_either_pass_and_rounded_to_the_nearest():
    kernels = make_kernels()
    check_kernels(forward_kernels, kernels, kernels.transpose(1, 0, 2, 3))
    check_kernels(backward_kernels, kernels[:, :64], kernels[:, :64])


@needs_bfloat16
@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("tiles", [1, 7, 12, 40])
def test_a_product_of_pairs_is_that_of_the_rounded_numbers(parts, tiles):
    generator = np.random.default_rng(5)
    depth, rows = 96, tiles + 12
    weights = forward_kernels(make_kernels(64, depth), "bf16")
    v = aligned_zeros((36, rows, parts, depth + 16), np.uint16)
    v[..., :depth] = generator.integers(0x3E00, 0x4000, (36, rows, parts, depth))
    m = aligned_zeros((36, rows, 80))
    for panel in range(2):
        multiply_point(v, weights, m, 11, panel, panel * PANEL, tiles)
    pairs = weights[:, 11].reshape(2, depth // 2, PANEL, 2).transpose(1, 3, 0, 2)
    a, b = as_floats(v[11, :tiles, :, :depth]).sum(1), as_floats(pairs).reshape(depth, 64)
    np.testing.assert_allclose(m[11, :tiles, :64], a @ b, rtol=0, atol=1e-5 * np.abs(a @ b).max())
    assert not m[11, tiles + 4 :].any() and not m[:11].any()


def test_rounded_tiles_of_a_coarse_image_are_in_two_parts():
    assert tile_format("fp32", 1) == tile_format("fp32", 10**6) == TileFormat(np.float32, 1)
    assert tile_format("bf16", 64 * 64) == TileFormat(np.uint16, 2)
    assert tile_format("bf16", 128 * 128) == TileFormat(np.uint16, 1)
    assert TileFormat(np.uint16, 2).item_bytes == TileFormat(np.float32).item_bytes == 4


@needs_bfloat16
@pytest.mark.parametrize("size", [(40, 56), (128, 130)])
@pytest.mark.parametrize("wrap", [(False, False), (True, False)])
def test_near_to_the_exact_network(random_weights, exact_weights, size, wrap):
    """Measured on the random network: .5 % of an activation, 1 - cosine 4e-4."""
    size = (size[0], size[1] // 16 * 16) if wrap[1] else size
    size = (size[0] // 16 * 16, size[1]) if wrap[0] else size
    image = make_image(*size)
    exact = VGGFeatures(exact_weights, DEFAULT, "average")
    expected, gradient = respond(exact, image.astype(np.float64), DEFAULT, wrap)
    rounded_network = WinogradFeatures(random_weights, DEFAULT, "average", "bf16")
    actual, own = respond(rounded_network, image, DEFAULT, wrap)
    for name in DEFAULT:
        error = np.linalg.norm(actual[name] - expected[name]) / np.linalg.norm(expected[name])
        assert error < 0.02, name
    cosine = (own * gradient).sum() / np.linalg.norm(own) / np.linalg.norm(gradient)
    assert cosine > 0.998
    assert np.linalg.norm(own) == pytest.approx(np.linalg.norm(gradient), rel=0.01)


@needs_bfloat16
def test_two_parts_leave_the_rounding_of_kernels_alone(random_weights, monkeypatch):
    """Beside a network of float32 whose kernels were rounded, two parts are as good as exact."""

    def activations(precision, parts):
        monkeypatch.setattr(
            winograd,
            "tile_format",
            lambda _, pixels: TileFormat(np.uint16 if precision == "bf16" else np.float32, parts),
        )
        tensors = random_weights.tensors
        network = winograd.WinogradVGG(architecture.VGG16, tensors, ("pool3",), precision=precision)
        if precision == "fp32":
            for stage in network._stages[1:]:
                stage.forward_weights[...] = rounded(stage.forward_weights)
        return network.forward(make_image(40, 56) - 120, (False, False))["pool3"].copy()

    reference = activations("fp32", 1)
    errors = [
        np.linalg.norm(activations("bf16", parts) - reference) / np.linalg.norm(reference)
        for parts in (1, 2)
    ]
    assert errors[0] > 1e-3 and errors[1] < 1e-5


@needs_bfloat16
@pytest.mark.usefixtures("all_threads")
def test_the_number_of_threads_changes_no_bit(random_weights):
    before, found = numba.get_num_threads(), []
    try:
        for threads in (1, before):
            numba.set_num_threads(threads)
            network = WinogradFeatures(random_weights, DEFAULT, "average", "bf16")
            found.append(
                [respond(network, make_image(*size), DEFAULT) for size in ((70, 45), (140, 133))]
            )
    finally:
        numba.set_num_threads(before)
    for (activations, gradient), (others, other_gradient) in zip(*found, strict=True):
        np.testing.assert_array_equal(gradient, other_gradient)
        for name in DEFAULT:
            np.testing.assert_array_equal(activations[name], others[name])


def test_the_precision_that_is_computed_with(monkeypatch):
    for has_it, fastest in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr(features, "has_bfloat16_products", lambda has_it=has_it: has_it)
        assert engine.precision_of("winograd", "auto") == fastest
        assert engine.precision_of("plain", "auto") == engine.precision_of("cuda", "auto") == "fp32"
    assert engine.precision_of("winograd", "fp32") == "fp32"
    assert engine.precision_of("cuda", "tf32") == "tf32"


def test_bfloat16_is_refused_where_it_cannot_be(monkeypatch):
    with pytest.raises(
        EngineError, match="bf16 needs engine winograd on the CPU, not engine plain"
    ):
        engine.choose("plain", CPU, "bf16")
    monkeypatch.setattr(features, "has_bfloat16_products", lambda: False)
    refused = "engine winograd cannot be used: this processor has no products of bfloat16"
    with pytest.raises(EngineError, match=refused):
        engine.choose("winograd", CPU, "bf16")
    with pytest.raises(
        EngineError, match="bf16 needs engine winograd on the CPU, not engine plain"
    ):
        engine.choose("auto", CPU, "bf16")
    assert engine.choose("auto", CPU) == "winograd"
