"""The kernels of a convolution, transformed and in the order in which the product reads them."""

import numpy as np
from numba import njit, prange

from texsynth.kernels.aligned import aligned_zeros
from texsynth.kernels.parallel import parallel
from texsynth.kernels.product import PANEL
from texsynth.network.winograd.transforms import KERNEL_TRANSFORM, PATCH, POINTS

_SIDE = 3


def forward_kernels(kernels, precision):
    """Transform the kernels of a layer for its forward pass.

    Args:
        kernels: (out, in, 3, 3) float32; ``in`` is even, ``out`` a multiple of ``PANEL``.
        precision: "fp32" or "bf16".

    Returns:
        ``G g G^T`` of each kernel, for ``multiply_point``: (out / PANEL, 36, in, PANEL) float32 or
        (out / PANEL, 36, in / 2, 2 * PANEL) uint16, the bits of bfloat16 of two inputs in turn.
    """
    return _transformed(kernels.transpose(1, 0, 2, 3), precision)


def backward_kernels(kernels, precision):
    """Transform them for its backward pass, where in and out are exchanged."""
    return _transformed(kernels, precision)


def _transformed(kernels, precision):
    depth, columns = kernels.shape[:2]
    if precision == "bf16":
        panels = aligned_zeros((columns // PANEL, POINTS, depth // 2, 2 * PANEL), np.uint16)
        _transform_rounded(kernels, KERNEL_TRANSFORM, panels)
    else:
        panels = aligned_zeros((columns // PANEL, POINTS, depth, PANEL))
        _transform(kernels, KERNEL_TRANSFORM, panels)
    return panels


@njit(cache=True)
def _to_points(kernels, step, panel, matrix, half, points):
    """Transform one panel of kernels in double precision.

    Args:
        kernels: (depth, columns, 3, 3) float32.
        step: which of the depth.
        panel: which columns.
        matrix: (6, 3) float64, G.
        half: (3, PANEL) float64, scratch.
        points: (36, PANEL) float32, written.
    """
    for row in range(PATCH):
        for column in range(_SIDE):
            for lane in range(PANEL):
                kernel = kernels[step, panel * PANEL + lane]
                total = matrix[row, 0] * kernel[0, column]
                total += matrix[row, 1] * kernel[1, column]
                half[column, lane] = total + matrix[row, 2] * kernel[2, column]
        for column in range(PATCH):
            for lane in range(PANEL):
                total = half[0, lane] * matrix[column, 0] + half[1, lane] * matrix[column, 1]
                points[row * PATCH + column, lane] = total + half[2, lane] * matrix[column, 2]


@parallel
def _transform(kernels, matrix, panels):
    """Transform kernels (depth, columns, 3, 3) to ``panels`` of float32."""
    for panel in prange(panels.shape[0]):
        half = np.empty((_SIDE, PANEL))
        points = np.empty((POINTS, PANEL), np.float32)
        for step in range(panels.shape[2]):
            _to_points(kernels, step, panel, matrix, half, points)
            panels[panel, :, step] = points


@parallel
def _transform_rounded(kernels, matrix, panels):
    """The same to ``panels`` of bfloat16, rounded to the nearest, or even."""
    for panel in prange(panels.shape[0]):
        half = np.empty((_SIDE, PANEL))
        points = np.empty((POINTS, PANEL), np.float32)
        bits = points.view(np.uint32)
        for step in range(2 * panels.shape[2]):
            _to_points(kernels, step, panel, matrix, half, points)
            for point in range(POINTS):
                for lane in range(PANEL):
                    value = bits[point, lane]
                    value += np.uint32(0x7FFF) + ((value >> np.uint32(16)) & np.uint32(1))
                    panels[panel, point, step // 2, 2 * lane + step % 2] = value >> np.uint32(16)
