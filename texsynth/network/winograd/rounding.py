"""How the two factors of Winograd's products, kernels and tiles, are rounded.

With AVX512_BF16 the processor does twice as many products of bfloat16 as of float32, summed in
float32, and reads kernels of half the size. The kernels, rounded once, make a network that differs
a little from the one given. Rounded tiles are noise on each gradient. For images of a fair size it
costs nothing; on a coarse one, whose many steps come close to a minimum, it stops L-BFGS early. So
there each tile is summed of two parts, the second being what rounding left of the first: the time
of few tiles goes into reading the kernels anyway.
"""

from dataclasses import dataclass

import numpy as np

_FEW_PIXELS = 96 * 96


@dataclass(frozen=True)
class TileFormat:
    """How transformed tiles are kept for the product.

    Attributes:
        dtype: float32, or uint16 for the bits of bfloat16.
        parts: how many are summed.
    """

    dtype: type
    parts: int = 1

    @property
    def item_bytes(self):
        """Bytes of a transformed value."""
        return self.parts * np.dtype(self.dtype).itemsize


def tile_format(precision, pixels):
    """Returns the ``TileFormat`` for images of so many pixels in all.

    Args:
        precision: "fp32" or "bf16".
        pixels: of all images.
    """
    if precision == "fp32":
        return TileFormat(np.float32)
    return TileFormat(np.uint16, 2 if pixels <= _FEW_PIXELS else 1)
