"""conv1_1, whose three input channels are too few for Winograd: a direct product.

Forward, a row of the image is unrolled to the 27 values under the kernel at each
pixel; backward, each pixel's gradient is multiplied by the 27 weights of every
channel and the products are gathered around each image pixel.
"""

import numpy as np
from numba import njit, prange

from texsynth.kernels.parallel import parallel
from texsynth.kernels.product import PANEL, multiply_panel
from texsynth.kernels.simd import LANES, load, maximum, store, take_number, zeros

KERNEL = 27  # 3 channels of 3 x 3
_SIDE = 3
_BAND = 16  # rows of the gradient that a worker takes at a time; two more are read for them
_PADDED_KERNEL = 32  # KERNEL rounded up to whole panels


def forward_weights(kernels):
    """Kernels (64, 3, 3, 3) -> (27, 64) float32, for ``in_panels``."""
    return kernels.reshape(-1, KERNEL).T


def backward_weights(kernels):
    """Kernels (64, 3, 3, 3) -> (64, 32) float32, zero-filled, for ``in_panels``."""
    weights = np.zeros((kernels.shape[0], _PADDED_KERNEL), np.float32)
    weights[:, :KERNEL] = kernels.reshape(-1, KERNEL)
    return weights


@njit(cache=True)
def _unroll_row(image, number, y, width, unrolled):
    """Write the values under the kernel, (27, width), at row ``y`` of the output."""
    for channel in range(3):
        for row in range(_SIDE):
            for column in range(_SIDE):
                k = (channel * _SIDE + row) * _SIDE + column
                for x in range(width):
                    unrolled[k, x] = image[number, channel, y + row, x + column]


@parallel
def first_forward(image, weights, bias, target, height, width, unrolled, sums):
    """conv1_1 and its ReLU.

    Args:
        image: (images, 3, height + 2, width + 2) float32, with its border.
        weights: (64 / PANEL, 27, PANEL) float32.
        bias: (64,) float32.
        target: padded buffer for the activation.
        height: rows of the image.
        width: columns of the image.
        unrolled: (workers, 27, columns) float32, scratch.
        sums: (workers, columns, 64) float32, scratch; columns >= width + STRIP_ROWS.
    """
    workers, channels = unrolled.shape[0], bias.size
    taken = np.zeros(1, np.int64)
    for worker in prange(workers):
        own, total = unrolled[worker], sums[worker]
        line = take_number(taken)
        while line < image.shape[0] * height:
            number, y = divmod(line, height)
            _unroll_row(image, number, y, width, own)
            for panel in range(weights.shape[0]):
                multiply_panel(
                    own, (0, 0), 1, own.shape[1],
                    weights, (panel, 0, 0), PANEL,
                    total, (0, panel * PANEL), channels,
                    width, KERNEL, False,
                )  # fmt: skip
            for x in range(width):
                for channel in range(0, channels, LANES):
                    value = load(total, (x, channel)) + load(bias, (channel,))
                    value = maximum(value, zeros())
                    store(target, (number, y + 1, x + 1, channel), value)
            line = take_number(taken)


@njit(cache=True)
def _weigh_row(gradient, number, row, width, weights, products):
    """Multiply a row of the gradient, border and all, by the 27 weights."""
    channels = gradient.shape[3]
    for panel in range(weights.shape[0]):
        multiply_panel(
            gradient, (number, row, 0, 0), channels, 1,
            weights, (panel, 0, 0), PANEL,
            products, (0, panel * PANEL), _PADDED_KERNEL,
            width, channels, False,
        )  # fmt: skip


@njit(cache=True)
def _gather_row(products, number, y, image_gradient):
    """Sum what each image pixel of row ``y`` gave to the nine pixels around it."""
    for channel in range(3):
        for x in range(image_gradient.shape[3]):
            total = np.float32(0)
            for row in range(_SIDE):
                for column in range(_SIDE):
                    k = (channel * _SIDE + row) * _SIDE + column
                    total += products[(y + 2 - row) % _SIDE, x + 2 - column, k]
            image_gradient[number, channel, y, x] = total


@parallel
def first_backward(gradient, weights, image_gradient, products):
    """Gradient with respect to the image.

    Args:
        gradient: padded buffer of the gradient with respect to conv1_1 before its
            ReLU.
        weights: (32 / PANEL, 64, PANEL) float32.
        image_gradient: (images, 3, height, width) float32, written.
        products: (workers, 3, columns, 32) float32, scratch: the last three rows;
            columns >= width + 2 + STRIP_ROWS.
    """
    workers = products.shape[0]
    images, _, height, width = image_gradient.shape
    bands = -(-height // _BAND)
    taken = np.zeros(1, np.int64)
    for worker in prange(workers):
        own = products[worker]
        job = take_number(taken)
        while job < images * bands:
            number, band = divmod(job, bands)
            begin = band * _BAND
            for row in range(begin, min(begin + _BAND, height) + 2):
                _weigh_row(gradient, number, row, width + 2, weights, own[row % _SIDE])
                if row >= begin + 2:
                    _gather_row(own, number, row - 2, image_gradient)
            job = take_number(taken)
