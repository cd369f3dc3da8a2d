"""Octave transfer: the fine detail that a level starts with, taken over from the exemplar.

Enlarging the texture of a coarser level leaves the finest octave of its spectrum empty, and a short
descent on Gram matrices fills that with the cheapest pattern there is: a mesh along the axes. So
each level starts with the detail that the exemplar has where it looks like the coarser texture.
"""

import math
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from texsynth import images
from texsynth.compat import chainer
from texsynth.objective.team import ALONE, Alone, Team
from texsynth.synthesis.patches import (
    REACH,
    SIDE,
    Laying,
    everywhere,
    lay,
    nearest_patches,
    patches,
)
from texsynth.typing import Array, Batch, Size, Wrap

_LAYING = Laying(step=2, spread=3, sigma=1.2)
_MOST_GAIN = 1.6


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
    groups: Sequence[slice] = (slice(None),),
) -> Batch:
    """Enlarges a texture to about twice its size, with detail of exemplars.

    For each pixel of the coarse texture the patch of the equally coarse exemplars is found that is
    nearest to the one around it. What its exemplar has there beyond its own enlargement is laid
    over the enlarged texture, weighted by a Gaussian, and brought to the deviation that it has in
    the exemplars.

    Args:
        coarse: ``(1, C, h, w)`` float32, NumPy.
        exemplars: ``(1, C, H, W)`` float32 each, NumPy, at the finer scale; at least one.
        size: ``(width, height)`` of the texture at the finer scale, in pixels.
        wrap: ``(rows, columns)``: whether opposite edges of the texture are neighbours.
        xp: What computes, NumPy or CuPy.
        team: Processes that share the search, each with the same arguments.
        choice: Which detail may lie where; ``None`` takes any.
        groups: Channels whose detail has a deviation of its own. Patches are found, and laid, for
            all channels together.

    Returns:
        numpy.ndarray: ``(1, C, height, width)`` float32; where an image is smaller than a patch,
        the enlarged texture as it is.
    """
    enlarged = images.resize(coarse, size, wrap)
    half = images.resize(coarse, ((size[0] + 1) // 2, (size[1] + 1) // 2), wrap)
    details, smalls = zip(*(split(each) for each in exemplars), strict=True)
    sizes = [small.shape[2:] for small in smalls]
    if min(*half.shape[2:], *(side for each in sizes for side in each)) < SIDE:
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
    on_device = lay(xp.asarray(_beside(details)), xp.asarray(matches), size, wrap, xp, _LAYING)
    laid: Batch = chainer.get_device("@numpy").send(on_device)
    for group in groups:
        laid[:, group] *= _gain(laid[:, group], [each[:, group] for each in details], choice)
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
        return everywhere(size)
    within = images.resize(mask[:, :, : 2 * height, : 2 * width], (width, height))[0]
    shares = patches(within, np).mean(axis=(2, 3, 4))
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
    corners = np.zeros((height - 2 * REACH, sum(size[1] for size in sizes) - 2 * REACH), bool)
    left = 0
    for number, (here, (_, across)) in enumerate(zip(allowed, sizes, strict=True)):
        if number in numbers:
            corners[: here.shape[0], left : left + here.shape[1]] = here
        left += across
    return corners
