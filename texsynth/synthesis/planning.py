"""The levels for an exemplar, and what of it they see."""

import logging
from collections.abc import Collection

from texsynth import images
from texsynth.config import Config
from texsynth.network import architecture
from texsynth.synthesis import pyramid
from texsynth.synthesis.presets import Scheme
from texsynth.synthesis.pyramid import Level
from texsynth.typing import Batch, Size

_log = logging.getLogger(__name__)

_LITTLE = 64  # pixels; the deepest default layer has 4x4 positions then
_MUCH = 4  # times as wide as the exemplar


def without_edge(exemplar: Batch, level: Level) -> Batch:
    """Returns an exemplar at a level's size, without the edges that are in no statistic.

    Args:
        exemplar: ``(1, 3, H, W)`` float32.
        level: The level.
    """
    scaled = images.resize(exemplar, level.exemplar_size)
    (top, left), (height, width) = level.trim, scaled.shape[2:]
    return scaled[:, :, top : height - top, left : width - left]


def warn_of_little(size: Size, level: Level) -> None:
    """Says so where an exemplar holds far less than what is to be made of it.

    Args:
        size: ``(width, height)`` in pixels of the exemplar as it was given.
        level: That of full size.
    """
    if min(size) >= _LITTLE:
        return
    given = f"an exemplar of {size[0]}x{size[1]} px"
    enlarged = max(level.exemplar_size) / max(size)
    if enlarged >= _MUCH:
        _log.warning(
            "%s is enlarged %.1f times, and its texture will be as soft; --size 0 keeps its size",
            given,
            enlarged,
        )
    elif max(level.output_size) >= _MUCH * max(size):
        _log.warning("%s says little of what lies far apart: the texture may look unlike it", given)


def plan_for(
    exemplar: Batch, config: Config, scheme: Scheme, layers: Collection[str]
) -> list[Level]:
    """Returns the levels for an exemplar, see :func:`texsynth.synthesis.pyramid.plan`.

    Args:
        exemplar: ``(1, 3, H, W)``.
        config: The settings.
        scheme: What they come to.
        layers: Names of the layers that the losses read.

    Raises:
        texsynth.errors.ConfigError: An image is too small, or cannot tile.
    """
    return plan_of_size(exemplar.shape[:1:-1], True, config, scheme, layers)


def plan_of_size(
    size: Size, has_exemplar: bool, config: Config, scheme: Scheme, layers: Collection[str]
) -> list[Level]:
    """Returns the levels for an exemplar of a size, or for statistics of one.

    Args:
        size: ``(width, height)`` in pixels.
        has_exemplar: Whether there is more than statistics.
        config: As for :func:`plan_for`.
        scheme: As there.
        layers: As there.

    Raises:
        texsynth.errors.ConfigError: As there.
    """
    smallest = architecture.smallest_side(layers) if layers else 1
    output_size = config.output_size or pyramid.tileable(size, config.wrap, smallest)
    return pyramid.plan(
        size if has_exemplar else output_size,
        output_size,
        scheme.iterations,
        scheme.levels,
        smallest,
        scheme.margin,
        scheme.pad,
        scheme.trim,
        config.wrap,
        scheme.frame,
        scheme.wraps,
        scheme.least_positions,
    )
