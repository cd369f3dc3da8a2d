"""Octave transfer: the fine detail that a level starts with, taken over from the exemplar.

Enlarging the texture of a coarser level leaves the finest octave of its spectrum empty, and a short
descent on Gram matrices fills that with the cheapest pattern there is: a mesh along the axes. So
each level starts with the detail that the exemplar has where it looks like the coarser texture.
"""

import math
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from texsynth import images
from texsynth.compat import chainer
from texsynth.objective.team import ALONE, Alone, Team
from texsynth.statistics import nearest as search
from texsynth.typing import Array, Batch, Size, Wrap

_REACH = 2  # coarse pixels on each side of a patch's middle: patches are 5x5
_SIDE = 2 * _REACH + 1
_SIGMA = 1.2  # fine pixels; wider weights average detail away, narrower ones leave seams
_SPREAD = 3  # fine pixels around the two that a coarse one covers, where its piece counts
_MOST_GAIN = 1.6
_MOST_PATCHES = 1 << 16  # of the exemplar that are compared; more do not look better
_CHUNK = 1 << 24  # distances at once: fewer would make slow products


class Choice(NamedTuple):
    """Which detail may lie where, of a texture in parts.

    Attributes:
        weights: ``(1, K, height, width)`` float32: how much each of K parts counts at each pixel of
            the texture; they sum to 1.
        sets: Which exemplars each part takes detail of, their numbers.
        masks: ``(1, 1, H, W)`` float32 for each exemplar: where in it the texture is; ``None``
            where all of it is.
    """

    weights: Batch
    sets: Sequence[tuple[int, ...]]
    masks: Sequence[Batch | None]


def transfer(
    coarse: Batch,
    exemplars: Sequence[Batch],
    size: Size,
    wrap: Wrap = (False, False),
    xp: ModuleType = np,
    team: Team | Alone = ALONE,
    choice: Choice | None = None,
) -> Batch:
    """Enlarges a texture to about twice its size, with detail of exemplars.

    For each pixel of the coarse texture the patch of the equally coarse exemplars is found that is
    nearest to the one around it. What its exemplar has there beyond its own enlargement is laid
    over the enlarged texture, weighted by a Gaussian, and brought to the deviation that it has in
    the exemplars.

    Args:
        coarse: ``(1, 3, h, w)`` float32, NumPy.
        exemplars: ``(1, 3, H, W)`` float32 each, NumPy, at the finer scale; at least one.
        size: ``(width, height)`` of the texture at the finer scale, in pixels.
        wrap: ``(rows, columns)``: whether opposite edges of the texture are neighbours.
        xp: What computes, NumPy or CuPy.
        team: Processes that share the search, each with the same arguments.
        choice: Which detail may lie where; ``None`` takes any.

    Returns:
        numpy.ndarray: ``(1, 3, height, width)`` float32; where an image is smaller than a patch,
        the enlarged texture as it is.
    """
    enlarged = images.resize(coarse, size, wrap)
    half = images.resize(coarse, ((size[0] + 1) // 2, (size[1] + 1) // 2), wrap)
    details, smalls = zip(*(split(each) for each in exemplars), strict=True)
    sizes = [small.shape[2:] for small in smalls]
    if min(*half.shape[2:], *(side for each in sizes for side in each)) < _SIDE:
        return enlarged
    if choice is None:
        everything = np.ones((1, 1, size[1], size[0]), np.float32)
        choice = Choice(everything, [tuple(range(len(sizes)))], [None] * len(sizes))
    allowed = [_allowed(mask, size) for mask, size in zip(choice.masks, sizes, strict=True)]
    small, parts = _beside(smalls), images.resize(choice.weights, half.shape[:1:-1], wrap)[0]
    first, matches = parts.argmax(axis=0), np.zeros((2, *half.shape[2:]), np.int64)
    for numbers in dict.fromkeys(choice.sets):
        wanted = np.isin(first, [n for n, each in enumerate(choice.sets) if each == numbers])
        corners = _corners(allowed, sizes, numbers)
        found = nearest_patches(half, small, wrap, xp, team, corners, wanted)
        matches[:, wanted] = found[:, wanted]
    on_device = _lay(xp.asarray(_beside(details)), xp.asarray(matches), size, wrap, xp)
    laid: Batch = chainer.get_device("@numpy").send(on_device)
    laid *= _gain(laid, details, choice)
    laid += enlarged
    return laid


def _gain(laid: Batch, details: Sequence[Batch], choice: Choice) -> Batch | float:
    """What brings the detail to the deviation that it has in the exemplars of each part."""
    if len(choice.sets) == 1 and all(mask is None for mask in choice.masks):
        own = [details[number].ravel() for number in choice.sets[0]]
        return _ratio(float((own[0] if len(own) == 1 else np.concatenate(own)).std()), laid.std())
    gain = np.zeros_like(choice.weights[:, :1])
    for number, numbers in enumerate(choice.sets):
        weights = choice.weights[:, number : number + 1]
        squares = sum(_square(details[each], choice.masks[each]) for each in numbers)
        here = (weights * laid**2).sum() / max(3 * float(weights.sum()), 1)
        gain += weights * _ratio(math.sqrt(squares / len(numbers)), math.sqrt(here))
    return gain


def _ratio(wanted: float, found: float) -> float:
    return min(_MOST_GAIN, wanted / float(found)) if found else 0.0


def _square(detail: Batch, mask: Batch | None) -> float:
    """The mean square of detail where its texture is; its mean is about 0."""
    if mask is None:
        return float((detail**2).mean())
    mask = mask[:, :, : detail.shape[2], : detail.shape[3]]
    return float((mask * detail**2).sum() / (3 * mask.sum()))


def split(image: Batch, wrap: Wrap = (False, False)) -> tuple[Batch, Batch]:
    """Parts an image, cut to even sides, into its finest octave and a half-sized rest.

    Args:
        image: ``(1, C, H, W)`` float32, NumPy.
        wrap: As for :func:`transfer`.

    Returns:
        tuple: The finest octave, ``(1, C, H, W)``, what the rest lacks when it is enlarged again;
        and the rest, ``(1, C, H / 2, W / 2)``.
    """
    height, width = (side // 2 * 2 for side in image.shape[2:])
    image = image[:, :, :height, :width]
    rest = images.resize(image, (max(1, width // 2), max(1, height // 2)), wrap)
    return image - images.resize(rest, (width, height), wrap), rest


def nearest_patches(
    texture: Batch,
    exemplar: Batch,
    wrap: Wrap = (False, False),
    xp: ModuleType = np,
    team: Team | Alone = ALONE,
    corners: Array | None = None,
    wanted: Array | None = None,
) -> Array:
    """Finds, for each pixel of a texture, the patch of an exemplar nearest to the one around it.

    The search is exact, by the sum of squared differences of 5x5 patches; of an exemplar with more
    than 65536 patches, that many are compared, spread evenly.

    Args:
        texture: ``(1, C, h, w)`` float32, NumPy; mirrored at edges that do not wrap.
        exemplar: ``(1, C, H, W)`` float32, NumPy, sides of at least 5.
        wrap: As for :func:`transfer`.
        xp: As for :func:`transfer`.
        team: As for :func:`transfer`.
        corners: ``(H - 4, W - 4)`` bool: where the upper left corner of a patch may be; ``None``
            takes all.
        wanted: ``(h, w)`` bool: of which pixels it is asked; ``None`` asks of all.

    Returns:
        numpy.ndarray: ``(2, h, w)`` int64: row and column in ``exemplar`` of the middle of the
        nearest patch; of any patch where it is not asked.
    """
    height, width = texture.shape[2:]
    padded = xp.asarray(_padded(texture, wrap)[0])
    if corners is None:
        corners = _allowed(None, exemplar.shape[2:])
    if wanted is None:
        wanted = np.ones((height, width), bool)
    rows, columns = _compared(corners)
    keys = _patches(xp.asarray(exemplar[0]), xp)[xp.asarray(rows), xp.asarray(columns)]
    keys = keys.reshape(len(rows), -1)
    mean = keys.mean(axis=0)
    keys = search.prepared(keys - mean)
    found = np.zeros((height, width), np.float64)  # processes add up; float64 holds any index
    for part in _shares(height, width * keys.shape[1], team):
        queries = _patches(padded[:, part.start : part.stop + 2 * _REACH], xp)
        queries = queries[xp.asarray(wanted[part])].reshape(-1, len(mean)) - mean
        nearest = search.nearest(queries, keys, _CHUNK)
        found[part][wanted[part]] = chainer.get_device("@numpy").send(nearest)
    nearest = team.sum(found).astype(np.int64)
    return np.stack([rows[nearest], columns[nearest]]) + _REACH


def _beside(exemplars: Sequence[Batch]) -> Batch:
    """Lays images beside one another, with nothing below those that are not as high."""
    if len(exemplars) == 1:
        return exemplars[0]
    height = max(each.shape[2] for each in exemplars)
    return np.concatenate(
        [np.pad(x, ((0, 0), (0, 0), (0, height - x.shape[2]), (0, 0))) for x in exemplars], axis=3
    )


def _allowed(mask: Batch | None, size: Size) -> Array:
    """Where a patch may begin in a half-sized exemplar, ``(height - 4, width - 4)`` bool.

    Of a part of it, those that are all within, or if none is, those that are the most.
    """
    height, width = size
    if mask is None:
        return np.ones((height - 2 * _REACH, width - 2 * _REACH), bool)
    within = images.resize(mask[:, :, : 2 * height, : 2 * width], (width, height))[0]
    shares = _patches(within, np).mean(axis=(2, 3, 4))
    allowed: Array = shares >= min(float(shares.max()), 1) - 1e-3
    return allowed


def _corners(allowed: Sequence[Array], sizes: Sequence[Size], numbers: Sequence[int]) -> Array:
    """Where a patch may begin in exemplars laid beside one another: not where it would leave one.

    Args:
        allowed: Where it may in each.
        sizes: ``(height, width)`` of each.
        numbers: Which exemplars it may be of.
    """
    height = max(size[0] for size in sizes)
    corners = np.zeros((height - 2 * _REACH, sum(size[1] for size in sizes) - 2 * _REACH), bool)
    left = 0
    for number, (here, (_, across)) in enumerate(zip(allowed, sizes, strict=True)):
        if number in numbers:
            corners[: here.shape[0], left : left + here.shape[1]] = here
        left += across
    return corners


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


def _padded(texture: Batch, wrap: Wrap) -> Batch:
    """The texture with what lies beyond its edges, as far as patches reach."""
    for axis, wraps in zip((2, 3), wrap, strict=True):
        widths = [(0, 0)] * 4
        widths[axis] = (_REACH, _REACH)
        texture = np.pad(texture, widths, mode="wrap" if wraps else "reflect")
    return texture


def _patches(image: Array, xp: ModuleType) -> Array:
    """All patches of ``(C, h, w)``, a view: ``(h - 4, w - 4, C, 5, 5)``."""
    windows: Array = xp.lib.stride_tricks.sliding_window_view(image, (_SIDE, _SIDE), axis=(1, 2))
    return windows.transpose(1, 2, 0, 3, 4)


def _lay(detail: Array, matches: Array, size: Size, wrap: Wrap, xp: ModuleType) -> Array:
    """Lays pieces of detail around the pixels they were found for, ``(1, C, height, width)``."""
    width, height = size
    rim = _SPREAD + _SPREAD % 2
    down, across = matches.shape[1:]
    shape = 2 * down + 2 * rim, 2 * across + 2 * rim
    total, weights = xp.zeros((detail.shape[1], *shape), np.float32), xp.zeros(shape, np.float32)
    offsets = range(-_SPREAD, _SPREAD + 2)
    for dy in offsets:
        for dx in offsets:
            weight = math.exp(-((dy - 0.5) ** 2 + (dx - 0.5) ** 2) / (2 * _SIGMA**2))
            place = (
                slice(rim + dy, rim + dy + 2 * down, 2),
                slice(rim + dx, rim + dx + 2 * across, 2),
            )
            piece = detail[0][:, 2 * matches[0] + dy, 2 * matches[1] + dx]
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
