import tracemalloc

import numpy as np
import pytest

from texsynth.compat import chainer
from texsynth.network import convolution
from texsynth.network.convolution import NO_WRAP, ConvolutionReLU, FrozenConvolutionReLU, convolve


def naive_convolution(x, W, wrap=NO_WRAP):
    """Six loops: correlation with padding 1, of zeros or of the opposite edge."""
    batch, _, height, width = x.shape
    y = np.zeros((batch, W.shape[0], height, width), x.dtype)
    for n in range(batch):
        for o in range(W.shape[0]):
            for i in range(height):
                for j in range(width):
                    for ky in range(3):
                        for kx in range(3):
                            row, column = i + ky - 1, j + kx - 1
                            row = row % height if wrap[0] else row
                            column = column % width if wrap[1] else column
                            if 0 <= row < height and 0 <= column < width:
                                y[n, o, i, j] += x[n, :, row, column] @ W[o, :, ky, kx]
    return y


def arrays(batch, channels, out, height, width, dtype=np.float64):
    generator = np.random.default_rng(0)
    x = generator.standard_normal((batch, channels, height, width)).astype(dtype)
    W = generator.standard_normal((out, channels, 3, 3)).astype(dtype)
    return x, W, generator.standard_normal(out).astype(dtype)


WRAPS = [NO_WRAP, (True, False), (False, True), (True, True)]
SHAPES = [(1, 3, 4, 5, 7), (2, 2, 3, 1, 6), (1, 4, 2, 6, 1), (1, 1, 1, 1, 1), (3, 5, 4, 4, 4)]


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_convolve_agrees_with_six_loops(shape, wrap):
    x, W, _ = arrays(*shape)
    np.testing.assert_allclose(convolve(x, W, wrap), naive_convolution(x, W, wrap), atol=1e-12)


def test_padding_is_of_zeros_unless_told_otherwise():
    x, W, _ = arrays(*SHAPES[0])
    np.testing.assert_allclose(convolve(x, W), naive_convolution(x, W), atol=1e-12)


def test_convolve_in_blocks_agrees_with_six_loops(monkeypatch):
    x, W, _ = arrays(2, 3, 4, 7, 5)
    monkeypatch.setattr(convolution, "_BLOCK_BYTES_CPU", 9 * 3 * 5 * 8 * 2)  # two rows a block
    np.testing.assert_allclose(convolve(x, W), naive_convolution(x, W), atol=1e-12)


def test_a_row_that_is_larger_than_a_block_is_a_block(monkeypatch):
    x, W, _ = arrays(*SHAPES[0])
    monkeypatch.setattr(convolution, "_BLOCK_BYTES_CPU", 1)
    np.testing.assert_allclose(convolve(x, W), naive_convolution(x, W), atol=1e-12)


def test_unfolded_patches_take_little_memory():
    """All at once they would take nine times the input."""
    x, W, _ = arrays(1, 64, 1, 128, 128, np.float32)
    tracemalloc.start()
    try:
        convolve(x, W)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * x.nbytes


def test_forward_agrees_with_chainers_own_functions():
    x, W, b = arrays(2, 3, 4, 8, 9, np.float32)
    F = chainer.functions
    expected = F.relu(F.convolution_2d(x, W, b, pad=1)).array
    actual = ConvolutionReLU(W, b).apply((x,))[0].array
    np.testing.assert_allclose(actual, expected, atol=1e-5)
    assert actual.dtype == np.float32
    assert (actual == 0).any()


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("shape", SHAPES)
def test_gradient_agrees_with_differences(shape, wrap, check_gradient):
    x, W, b = arrays(*shape)
    check_gradient(lambda x: ConvolutionReLU(W, b, wrap).apply((x,))[0], x)


@pytest.mark.gpu
@pytest.mark.parametrize("wrap", WRAPS)
def test_convolve_on_a_gpu(wrap, gpu):
    gpu.use()
    x, W, _ = arrays(*SHAPES[0])
    y = chainer.get_device("@numpy").send(convolve(gpu.send(x), gpu.send(W), wrap))
    np.testing.assert_allclose(y, naive_convolution(x, W, wrap), atol=1e-12)


def test_link_has_persistent_arrays_and_no_parameters():
    _, W, b = arrays(1, 3, 4, 2, 2, np.float32)
    link = FrozenConvolutionReLU(W, b)
    assert not list(link.params())
    saved = {}
    chainer.serializers.DictionarySerializer(saved).save(link)
    assert set(saved) == {"W", "b"}
