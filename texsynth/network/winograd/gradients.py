"""The rarer steps of the backward pass: where it begins, and pooling done apart."""

import numpy as np
from numba import prange

from texsynth.kernels.parallel import parallel
from texsynth.kernels.simd import LANES, greater_bits, keep, load, store, zeros


@parallel
def seed_gradient(target, added, is_rectified):
    """Begin the backward pass: write a layer's gradient over its activation.

    Args:
        target: padded buffer of the activation, overwritten.
        added: (images, height, width, channels) float32, gradient.
        is_rectified: whether the activation comes out of a ReLU, which masks.
    """
    images, height, width, channels = added.shape
    for row in prange(images * height):
        image, y = divmod(np.intp(row), height)  # prange counts unsigned
        for x in range(width):
            for channel in range(0, channels, LANES):
                value = load(added, (image, y, x, channel))
                index = (image, y + 1, x + 1, channel)
                if is_rectified:
                    value = keep(greater_bits(load(target, index), zeros()), value)
                store(target, index, value)


@parallel
def unpool(pooled, bits, scale, target, added, height, width):
    """Gradient before a pooling, for an activation with a loss of its own.

    Args:
        pooled: padded buffer of the gradient with respect to the pooled activation.
        bits: padded bits, which pixels receive it.
        scale: share of each such pixel.
        target: padded buffer of the activation, overwritten.
        added: (images, height, width, channels) float32, the loss's gradient;
            empty: none.
        height: rows of the image.
        width: columns of the image.
    """
    images, channels = target.shape[0], target.shape[3]
    for row in prange(images * height):
        image, y = divmod(np.intp(row), height)  # prange counts unsigned
        for x in range(width):
            for channel in range(0, channels, LANES):
                gradient = load(pooled, (image, y // 2 + 1, x // 2 + 1, channel))
                value = scale * keep(bits[image, y + 1, x + 1, channel // LANES], gradient)
                index = (image, y + 1, x + 1, channel)
                if added.size:
                    own = load(added, (image, y, x, channel))
                    value = value + keep(greater_bits(load(target, index), zeros()), own)
                store(target, index, value)
