"""How much each position of each layer counts, from a mask of the image's pixels.

The mask goes through the network's own geometry: where a convolution looks at 3x3 positions, their
mean is taken, where a pooling takes 2x2, theirs. What comes out at a position is the share of what
it sees that lies under the mask, those near its middle counting most, as they do in the network.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from texsynth.errors import ConfigError
from texsynth.losses import IMAGE
from texsynth.network import architecture
from texsynth.objective import blocks
from texsynth.typing import Array, Size, Wrap

LEAST = 1.0
"""Positions that must count at each layer, for statistics to be of anything."""


class Masks(NamedTuple):
    """How much each position counts; ``None`` counts all alike.

    Attributes:
        exemplar: ``{layer: (1, 1, h, w)}`` float32, at all positions of the exemplar; its pixels'
            are under ``"image"``.
        image: Of the image that is optimised, likewise.
    """

    exemplar: Mapping[str, Array] | None = None
    image: Mapping[str, Array] | None = None


NO_MASKS = Masks()
"""All positions count alike."""


def shares(
    mask: Array,
    layers: Iterable[str],
    table: architecture.Table = architecture.VGG16,
    wrap: Wrap = (False, False),
) -> dict[str, Array]:
    """Returns the share of what each position sees that lies under a mask.

    At the image's edges it is a share of what there is: padding is not under any mask, and not
    beside it.

    Args:
        mask: ``(1, 1, H, W)`` float32, NumPy, 0..1.
        layers: Names of layers, each of the table.
        table: The network's layers by name.
        wrap: ``(rows, columns)``: whether opposite edges of the image are neighbours.

    Returns:
        dict: ``{layer: (1, 1, H // stride, W // stride)}`` float32, 0..1, and the mask itself under
        ``"image"``.
    """
    layers = set(layers)
    found, now = {IMAGE: mask}, mask
    for layer in architecture.to_deepest(layers, table):
        if isinstance(layer, architecture.Convolution):
            for axis, wraps in zip((2, 3), wrap, strict=True):
                now = _mean_of_three(now, axis, wraps)
        else:
            rows, columns = (side // 2 for side in now.shape[2:])
            squares = now[:, :, : 2 * rows, : 2 * columns].reshape(1, 1, rows, 2, columns, 2)
            now = squares.mean(axis=(3, 5))
        if layer.name in layers:
            found[layer.name] = now
    return found


def within(shares: Mapping[str, Array]) -> dict[str, Array]:
    """Returns what counts at positions that see nearly nothing but what is under the mask.

    Args:
        shares: What :func:`shares` returned.

    Returns:
        dict: The same layers: 1 where the share is 1, 0 where it is a half or less.
    """
    return {name: np.maximum(2 * share - 1, 0) for name, share in shares.items()}


def touching(shares: Mapping[str, Array]) -> dict[str, Array]:
    """Returns what counts at positions that see more than a little of what is under the mask.

    What :func:`within` has of the opposite mask is 1 less this.

    Args:
        shares: What :func:`shares` returned.

    Returns:
        dict: The same layers: 0 where the share is 0, 1 where it is a half or more.
    """
    return {name: np.minimum(2 * share, 1) for name, share in shares.items()}


def enough(masks: Masks, layers: Iterable[str]) -> tuple[str, ...]:
    """Returns the layers at which any position counts of both images, and enough of the exemplar.

    Args:
        masks: How much each position counts.
        layers: Names of layers, in the order in which they are returned.
    """
    return tuple(
        name
        for name in layers
        if all(
            each is None or float(each[name].sum()) >= least
            for each, least in zip(masks, (LEAST, 1e-6), strict=True)
        )
    )


def check(masks: Mapping[str, Array], size: Size, edge: Size, what: str) -> None:
    """Raises a ConfigError unless enough positions count at each layer.

    Args:
        masks: ``{layer: (1, 1, h, w)}``, on any device.
        size: ``(height, width)`` of the image in pixels.
        edge: ``(rows, columns)``: pixels at each edge whose positions are left out.
        what: What the masks leave of the image, for the message.

    Raises:
        texsynth.errors.ConfigError: It names the layer.
    """
    for name, (rows, columns) in blocks.regions(masks, size, edge).items():
        if not float(masks[name][..., rows, columns].sum()) >= LEAST:
            raise ConfigError(
                f"{what} is too little: layer {name} has less than {LEAST:g} position of it"
            )


def _mean_of_three(x: Array, axis: int, wraps: bool) -> Array:
    """The mean of each value and its two neighbours along an axis, as far as there are two."""
    side = x.shape[axis]
    widths = [(0, 0)] * 4
    widths[axis] = (1, 1)
    padded = np.pad(x, widths, mode="wrap" if wraps else "constant")
    total = sum(padded.take(range(shift, shift + side), axis) for shift in range(3))
    count = np.full(side, 3, x.dtype)
    if not wraps:
        count[0] -= 1
        count[-1] -= 1
    mean: Array = total / count.reshape([-1 if each == axis else 1 for each in range(4)])
    return mean
