"""Plans the way from coarse to fine: levels, sizes, steps. Pure arithmetic."""

from typing import NamedTuple

from texsynth.errors import ConfigError

_COARSEST_SIDE = 64  # below it, the deepest default layer has fewer than 4x4 positions
_MOST_LEVELS = 3


class Level(NamedTuple):
    """One level of the pyramid.

    Attributes:
        exemplar_size: ``(width, height)`` that the exemplar is resized to.
        output_size: ``(width, height)`` of the image that is optimised.
        steps: Optimizer steps.
    """

    exemplar_size: tuple[int, int]
    output_size: tuple[int, int]
    steps: int

    @property
    def work(self):
        """Pixels times steps: what the level costs, in proportion."""
        return self.output_size[0] * self.output_size[1] * self.steps


def plan(exemplar_size, output_size, steps, levels, smallest_side):
    """Plans levels at 1, 1/2, 1/4 ... of the full size, the coarsest first.

    Args:
        exemplar_size: ``(width, height)`` of the exemplar at full size.
        output_size: ``(width, height)`` of the texture at full size.
        steps: Optimizer steps of each level.
        levels: Number of levels; ``None`` takes as many as sides of at least 64 pixels allow, and
            at most 3.
        smallest_side: Smallest side at which the deepest layer of the loss has a position.

    Returns:
        list of Level: From the coarsest to full size.

    Raises:
        texsynth.errors.ConfigError: An image, or the coarsest level of it, is too small for the
            deepest layer.
    """
    _check_sides("exemplar", exemplar_size, smallest_side)
    _check_sides("output", output_size, smallest_side)
    side = min(*exemplar_size, *output_size)
    if levels is None:
        floor = max(_COARSEST_SIDE, smallest_side)
        levels = 1
        while levels < _MOST_LEVELS and side >> levels >= floor:
            levels += 1
    most = max(1, (side // smallest_side).bit_length())
    if levels > most:
        raise ConfigError(f"levels must be at most {most} for a side of {side} px, not {levels}")
    return [
        Level(_halved(exemplar_size, times), _halved(output_size, times), steps)
        for times in reversed(range(levels))
    ]


def _check_sides(what, size, smallest_side):
    if min(size) < smallest_side:
        raise ConfigError(
            f"{what} of {size[0]}x{size[1]} px is too small: the deepest layer needs "
            f"sides of at least {smallest_side} px"
        )


def _halved(size, times):
    return tuple(max(1, round(side / 2**times)) for side in size)
