"""Patches: where those of a texture are in an exemplar, and what is laid there."""

import math
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import numpy as np

from texsynth.compat import chainer
from texsynth.objective.team import ALONE, Alone, Team
from texsynth.statistics import nearest as search
from texsynth.typing import Array, Batch, Size, Wrap

REACH = 2
"""Pixels on each side of a patch's middle, if nothing else is asked for: patches are 5x5."""

SIDE = 2 * REACH + 1

_MOST_PATCHES = 1 << 16  # of the exemplar that are compared; more do not look better
_CHUNK = 1 << 24  # distances at once: fewer would make slow products


class Laying(NamedTuple):
    """How pieces are laid.

    Attributes:
        step: Pixels of what is made, along each axis, for one that was compared.
        spread: Pixels around those where a piece counts, at most ``2 * step``.
        sigma: Deviation of the Gaussian in pixels; wider weights average detail away, narrower ones
            leave seams.
    """

    step: int
    spread: int
    sigma: float


def nearest_patches(
    texture: Batch,
    exemplar: Batch,
    wrap: Wrap = (False, False),
    xp: ModuleType = np,
    team: Team | Alone = ALONE,
    corners: Array | None = None,
    wanted: Array | None = None,
    reach: int = REACH,
) -> Array:
    """Finds, for each pixel of a texture, the patch of an exemplar nearest to the one around it.

    The search is exact, by the sum of squared differences of the patches; of an exemplar with more
    than 65536 patches, that many are compared, spread evenly.

    Args:
        texture: ``(1, C, h, w)`` float32, NumPy; mirrored at edges that do not wrap.
        exemplar: ``(1, C, H, W)`` float32, NumPy, sides of at least a patch's.
        wrap: As for :func:`texsynth.synthesis.octave.transfer`.
        xp: As there.
        team: As there.
        corners: ``(H - 2 reach, W - 2 reach)`` bool: where the upper left corner of a patch may
            be; ``None`` takes all.
        wanted: ``(h, w)`` bool: of which pixels it is asked; ``None`` asks of all.
        reach: Pixels on each side of a patch's middle.

    Returns:
        numpy.ndarray: ``(2, h, w)`` int64: row and column in ``exemplar`` of the middle of the
        nearest patch; of any patch where it is not asked.
    """
    height, width = texture.shape[2:]
    padded = xp.asarray(_padded(texture, wrap, reach)[0])
    if corners is None:
        corners = everywhere(exemplar.shape[2:], reach)
    if wanted is None:
        wanted = np.ones((height, width), bool)
    rows, columns = _compared(corners)
    keys = patches(xp.asarray(exemplar[0]), xp, reach)[xp.asarray(rows), xp.asarray(columns)]
    keys = keys.reshape(len(rows), -1)
    mean = keys.mean(axis=0)
    keys = search.prepared(keys - mean)
    found = np.zeros((height, width), np.float64)  # processes add up; float64 holds any index
    for part in _shares(height, width * keys.shape[1], team):
        queries = patches(padded[:, part.start : part.stop + 2 * reach], xp, reach)
        queries = queries[xp.asarray(wanted[part])].reshape(-1, len(mean)) - mean
        nearest = search.nearest(queries, keys, _CHUNK)
        found[part][wanted[part]] = chainer.get_device("@numpy").send(nearest)
    nearest = team.sum(found).astype(np.int64)
    return np.stack([rows[nearest], columns[nearest]]) + reach


def everywhere(size: Size, reach: int = REACH) -> Array:
    """Where the corner of a patch may be in an exemplar of ``(height, width)``: all are True."""
    return np.ones((size[0] - 2 * reach, size[1] - 2 * reach), bool)


def _compared(corners: Array) -> tuple[Array, Array]:
    """Rows and columns of the upper left corners of the patches that are compared."""
    chosen = np.flatnonzero(corners)
    count = len(chosen)
    if count > _MOST_PATCHES:
        # Steps of the golden ratio fall into all rows and columns alike.
        steps = np.arange(_MOST_PATCHES) * (math.sqrt(5) - 1) / 2
        chosen = chosen[np.unique(((steps % 1) * count).astype(np.int64))]
    return chosen // corners.shape[1], chosen % corners.shape[1]


def _shares(height: int, width: int, team: Team | Alone) -> Iterator[slice]:
    """Rows whose search is this process's, in parts that bound the memory of the search."""
    step = max(1, _CHUNK // width)
    first, last = (height * rank // team.size for rank in (team.rank, team.rank + 1))
    for start in range(first, last, step):
        yield slice(start, min(start + step, last))


def _padded(texture: Batch, wrap: Wrap, reach: int) -> Batch:
    """The texture with what lies beyond its edges, as far as patches reach."""
    for axis, wraps in zip((2, 3), wrap, strict=True):
        widths = [(0, 0)] * 4
        widths[axis] = (reach, reach)
        texture = np.pad(texture, widths, mode="wrap" if wraps else "reflect")
    return texture


def patches(image: Array, xp: ModuleType, reach: int = REACH) -> Array:
    """All patches of ``(C, h, w)``, a view: ``(h - side + 1, w - side + 1, C, side, side)``."""
    sides = 2 * reach + 1, 2 * reach + 1
    windows: Array = xp.lib.stride_tricks.sliding_window_view(image, sides, axis=(1, 2))
    return windows.transpose(1, 2, 0, 3, 4)


def lay(
    pieces: Array, matches: Array, size: Size, wrap: Wrap, xp: ModuleType, laying: Laying
) -> Array:
    """Lays pieces of an exemplar around the pixels they were found for, weighted by a Gaussian.

    Args:
        pieces: ``(1, C, H, W)``: the exemplar, or its detail, ``laying.step`` times as fine as what
            was compared.
        matches: ``(2, h, w)``: what :func:`nearest_patches` found.
        size: ``(width, height)`` of what is made.
        wrap: As for :func:`texsynth.synthesis.octave.transfer`.
        xp: As there.
        laying: How they are laid.

    Returns:
        array: ``(1, C, height, width)`` float32.
    """
    step, spread = laying.step, laying.spread
    width, height = size
    rim = -(-spread // step) * step
    down, across = matches.shape[1:]
    shape = step * down + 2 * rim, step * across + 2 * rim
    total, weights = xp.zeros((pieces.shape[1], *shape), np.float32), xp.zeros(shape, np.float32)
    offsets, middle = range(-spread, spread + step), (step - 1) / 2
    for dy in offsets:
        for dx in offsets:
            weight = math.exp(-((dy - middle) ** 2 + (dx - middle) ** 2) / (2 * laying.sigma**2))
            place = (
                slice(rim + dy, rim + dy + step * down, step),
                slice(rim + dx, rim + dx + step * across, step),
            )
            piece = pieces[0][:, step * matches[0] + dy, step * matches[1] + dx]
            total[(slice(None), *place)] += np.float32(weight) * piece
            weights[place] += np.float32(weight)
    total, weights = (
        _folded(_folded(x, -2, wrap[0], rim), -1, wrap[1], rim) for x in (total, weights)
    )
    return (total / weights)[None, :, :height, :width]


def _folded(image: Array, axis: int, wraps: bool, rim: int) -> Array:
    """Cuts the rims away at both ends of an axis; they count at the other end where it wraps."""
    image = image.swapaxes(0, axis)
    inner = image[rim:-rim]
    if wraps:
        inner[:rim] += image[-rim:]
        inner[-rim:] += image[:rim]
    return inner.swapaxes(0, axis)
