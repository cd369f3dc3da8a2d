"""The transforms of Winograd's minimal filtering F(4x4, 3x3).

A 3x3 convolution is computed tile by tile: 6x6 inputs ``d`` give 4x4 outputs
``y`` (Lavin and Gray 2016, arXiv 1509.09308)::

    y = A^T [ (G g G^T) * (B^T d B) ] A

with ``*`` element by element: 36 products where the direct sum needs 144.
Row and column transforms evaluate polynomials at the points 0, 2/3, -2/3, 3/2, -3/2
and infinity; the product of two values at a point is the value of the product.  The
usual points are 1, -1, 2 and -2; these make half of their rounding error (see
docs/performance.md), and the first and last row of ``B^T`` have no factor, for
2/3 * 3/2 = 1.

Summed over the input channels, the 36 products become 36 matrix products
``V[p] U[p]`` (tiles x channels in) (channels in x channels out).

The gradient with respect to the input is a convolution with the kernels turned
by 180 degrees and the channels exchanged.  Turning the kernel and turning both
the input and the output tile are the same thing::

    correlate(d, turn(g)) = turn(correlate(turn(d), g))

so the backward pass reads each tile from its last corner to its first, uses the
transposes of the *same* 36 matrices, and writes the outputs in reverse.
"""

import numpy as np
from numba import njit

TILE = 4  # outputs along a side
PATCH = 6  # inputs along a side
POINTS = PATCH * PATCH

_A, _B = 2 / 3, 3 / 2
_A2, _B2 = _A**2, _B**2


def _row(point, scale):
    return [scale, scale * point, scale * point**2]


_SCALE_A, _SCALE_B = (1 / (2 * own * (own - other)) for own, other in ((_A2, _B2), (_B2, _A2)))
KERNEL_TRANSFORM = np.array(  # G
    [
        [1, 0, 0],
        _row(_A, _SCALE_A),
        _row(-_A, _SCALE_A),
        _row(_B, _SCALE_B),
        _row(-_B, _SCALE_B),
        [0, 0, 1],
    ]
)


@njit(forceinline=True)
def to_points(d0, d1, d2, d3, d4, d5):
    """``B^T d`` in one dimension: six inputs to their values at six points."""
    even1 = d4 - _B2 * d2
    odd1 = _A * (d3 - _B2 * d1)
    even2 = d4 - _A2 * d2
    odd2 = _B * (d3 - _A2 * d1)
    return (
        d0 - (_A2 + _B2) * d2 + d4,
        even1 + odd1,
        even1 - odd1,
        even2 + odd2,
        even2 - odd2,
        d1 - (_A2 + _B2) * d3 + d5,
    )


@njit(forceinline=True)
def from_points(m0, m1, m2, m3, m4, m5):
    """``A^T m`` in one dimension: values at six points to four outputs."""
    sum1 = m1 + m2
    difference1 = m1 - m2
    sum2 = m3 + m4
    difference2 = m3 - m4
    return (
        m0 + sum1 + sum2,
        _A * difference1 + _B * difference2,
        _A2 * sum1 + _B2 * sum2,
        _A**3 * difference1 + _B**3 * difference2 + m5,
    )
