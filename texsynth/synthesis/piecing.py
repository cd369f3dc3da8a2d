"""Makes a texture of its exemplar's patches: what is nearest to it and has the exemplar's detail.

A texture of many channels comes from descents that see three of them at a time, and fine noise of
one then has little to do with that of another. Each pixel's nearest patch of the exemplar, found by
all channels, has in all of them what belongs together. (Kwatra et al. 2005, *Texture optimization
for example-based synthesis*, take turns so between the nearest patches and their mean.)
"""

from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from texsynth import images
from texsynth.compat import chainer
from texsynth.objective.team import ALONE, Alone, Team
from texsynth.synthesis.patches import REACH, Laying, lay, nearest_patches
from texsynth.typing import Batch, Wrap


class Piecing(NamedTuple):
    """How a texture is made of patches.

    Attributes:
        laying: How they are laid.
        reach: Pixels on each side of the middle of those that are compared.
        times: How often they are searched and laid, each time around what was laid before.
    """

    laying: Laying
    reach: int = REACH
    times: int = 1


_SOFTLY = Laying(step=1, spread=2, sigma=1.2)

COARSEST = Piecing(_SOFTLY, reach=4, times=3)
"""For the first level of what repeats, where that is few pixels wide: to a small patch around a
faint joint, one that has none is nearer. Where nothing repeats, wide patches have no near ones."""

COARSE = Piecing(_SOFTLY)
"""For what is enlarged next: seams would be, too."""

FINE = Piecing(Laying(step=1, spread=2, sigma=0.8))
"""For what is done: wider weights average grain away."""


_MOST_GAIN = 1.6
_LEAST_SIDE = 32  # pixels: of what is fewer, a deviation says little


def pieced(
    texture: Batch,
    exemplar: Batch,
    way: Piecing,
    wrap: Wrap = (False, False),
    xp: ModuleType = np,
    team: Team | Alone = ALONE,
) -> Batch:
    """Lays at each pixel of a texture the exemplar's patch that is nearest to the one around it.

    Args:
        texture: ``(1, C, h, w)`` float32, NumPy.
        exemplar: ``(1, C, H, W)`` float32, NumPy, of the same scale.
        way: How patches are compared and laid.
        wrap: ``(rows, columns)``: whether opposite edges of the texture are neighbours.
        xp: What computes, NumPy or CuPy.
        team: Processes that share the search, each with the same arguments.

    Returns:
        numpy.ndarray: ``(1, C, h, w)`` float32; where an image is smaller than a patch, the texture
        as it is.
    """
    if min(*texture.shape[2:], *exemplar.shape[2:]) < 2 * way.reach + 1:
        return texture
    size, pieces = texture.shape[:1:-1], xp.asarray(exemplar)
    for _ in range(way.times):
        matches = nearest_patches(texture, exemplar, wrap, xp, team, reach=way.reach)
        laid = lay(pieces, xp.asarray(matches), size, wrap, xp, way.laying)
        texture = chainer.get_device("@numpy").send(laid)
    return texture


def with_deviation(
    texture: Batch, exemplar: Batch, groups: Sequence[slice], wrap: Wrap = (False, False)
) -> Batch:
    """Gives each octave of a texture the deviation that it has in the exemplar.

    Where patches that are laid beside one another differ, their mean lacks some of it; and among
    patches that are none too near the nearest one is a pale one.

    Args:
        texture: ``(1, C, h, w)`` float32, NumPy.
        exemplar: ``(1, C, H, W)`` float32, NumPy, of the same scale.
        groups: Channels whose octaves have deviations of their own.
        wrap: ``(rows, columns)``: whether opposite edges of the texture are neighbours.

    Returns:
        numpy.ndarray: ``(1, C, h, w)`` float32; octaves of which an image has less than 32 pixels
        along a side stay as they are.
    """
    if min(*texture.shape[2:], *exemplar.shape[2:]) < _LEAST_SIDE:
        return texture
    (own, rest), (wanted, small) = _parted(texture, wrap), _parted(exemplar, (False, False))
    for group in groups:
        there = float(own[:, group].std())
        gain = float(wanted[:, group].std()) / there if there else 1.0
        own[:, group] *= np.float32(min(_MOST_GAIN, max(1 / _MOST_GAIN, gain)))
    rest = with_deviation(rest, small, groups, wrap)
    enlarged: Batch = own + images.resize(rest, texture.shape[:1:-1], wrap)
    return enlarged


def _parted(image: Batch, wrap: Wrap) -> tuple[Batch, Batch]:
    """What an image of any size lacks when it is halved and enlarged again, and its half."""
    width, height = image.shape[:1:-1]
    half = images.resize(image, ((width + 1) // 2, (height + 1) // 2), wrap)
    return image - images.resize(half, (width, height), wrap), half
