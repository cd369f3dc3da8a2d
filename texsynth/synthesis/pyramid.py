"""Plans the way from coarse to fine: levels, sizes, steps. Pure arithmetic."""

import math
from typing import NamedTuple

from texsynth.errors import ConfigError
from texsynth.typing import Size, Wrap

_COARSEST = 48  # pixels; below it the texture comes out as a copy, most of all where it repeats
_SPARE = 32  # pixels; a margin of 16 takes as many
_TIMES = (1, 2, 5)  # the steps of full size, for levels from there; still coarser ones take as many


class Level(NamedTuple):
    """One level of the pyramid.

    Attributes:
        exemplar_size: ``(width, height)`` that the exemplar is resized to.
        output_size: ``(width, height)`` of the texture.
        canvas_size: ``(width, height)`` of the image that is optimised: the texture, a frame and a
            margin; along axes that wrap a multiple of what a position of the deepest layer spans.
        steps: Optimizer steps.
        pad: Pixels beyond each edge of the exemplar, mirrored, that the network sees and the
            statistics do without.
        trim: ``(rows, columns)`` in pixels at each edge of the exemplar that the network sees and
            the statistics do without.
        frame: ``(rows, columns)`` in pixels at each edge of the texture that are made as it is, and
            then cut away.
        wrap: ``(rows, columns)``: along which axes opposite edges of the canvas are neighbours.
        deepest: Pixels that lie at most between positions of a layer that takes part.
    """

    exemplar_size: tuple[int, int]
    output_size: tuple[int, int]
    canvas_size: tuple[int, int]
    steps: int
    pad: int = 0
    trim: tuple[int, int] = (0, 0)
    frame: tuple[int, int] = (0, 0)
    wrap: Wrap = (False, False)
    deepest: float = math.inf

    @property
    def whole_size(self) -> tuple[int, int]:
        """``(width, height)`` of what a level hands on: the texture, or all that wraps.

        Cut to the texture, opposite edges would be neighbours no longer.
        """
        width, height = (
            canvas if wraps else output
            for canvas, output, wraps in zip(
                self.canvas_size, self.output_size, reversed(self.wrap), strict=True
            )
        )
        return width, height

    @property
    def framed_size(self) -> tuple[int, int]:
        """``(width, height)`` of that with its frame: of what a level begins with."""
        rows, columns = self.frame
        return self.whole_size[0] + 2 * columns, self.whole_size[1] + 2 * rows

    @property
    def margin(self) -> tuple[int, int]:
        """``(rows, columns)`` in pixels at each edge of the canvas that are in no statistic.

        Of what wraps it is what is cut away in the end: else what is left would have less of what
        is rare than the statistics of all have.
        """
        sides = zip(self.canvas_size[::-1], self.output_size[::-1], self.frame, strict=True)
        rows, columns = ((canvas - output) // 2 - frame for canvas, output, frame in sides)
        return rows, columns

    @property
    def padded_size(self) -> tuple[int, int]:
        """``(width, height)`` of the exemplar with its pad."""
        return self.exemplar_size[0] + 2 * self.pad, self.exemplar_size[1] + 2 * self.pad

    @property
    def work(self) -> int:
        """Pixels times steps: what the level costs, in proportion."""
        return self.canvas_size[0] * self.canvas_size[1] * self.steps


def plan(
    exemplar_size: Size,
    output_size: Size,
    steps: int,
    levels: int | None,
    smallest_side: int,
    margin: int = 0,
    pad: int = 0,
    trim: float = 0.0,
    wrap: Wrap = (False, False),
    frame: int = 0,
    wraps: bool = False,
    least_positions: int = 0,
) -> list[Level]:
    """Plans levels at 1, 1/2, 1/4 ... of the full size, or near it, the coarsest first.

    Zero padding marks the edges of an image in all activations. With it in the statistics, what
    lies at the edge of the exemplar would be wanted at the edge of the output; and where it reaches
    all of the exemplar, as at coarse levels, a larger output would be pale inside. So the exemplar
    goes on beyond its edges, mirrored, and the output has a margin around it that is cut away in
    the end; statistics do without both. Or the output wraps, and has no edges.

    Args:
        exemplar_size: ``(width, height)`` of the exemplar at full size.
        output_size: ``(width, height)`` of the texture at full size.
        steps: Optimizer steps at full size. The next coarser level takes twice as many, and half
            the time, those below it five times as many: what is far apart is decided there. With
            none there is no other level.
        levels: Number of levels; ``None`` takes as many as sides of at least 48 pixels allow.
        smallest_side: Smallest side at which the deepest layer of the loss has a position.
        margin: Pixels between each edge of the texture and of the canvas at full size; coarser
            levels have theirs in proportion.
        pad: Pixels by which the exemplar goes on beyond each edge, at each level.
        trim: Share of the exemplar's sides that its statistics do without, at each edge: where
            captions and frames are.
        wrap: ``(rows, columns)``: along which axes the texture tiles. It has no edges there, so no
            margin, and its side is a multiple of ``smallest_side``, for poolings to wrap too.
        frame: Pixels between each edge of the texture and of what statistics are taken of, at the
            coarsest level if there are others: what repeats is out of step near the edge, where it
            has neighbours on one side alone. It is cut away before the next level.
        wraps: Whether the canvas wraps along both axes, in place of a margin, if the texture tiles
            or not. What it has beyond the texture, to a multiple of ``smallest_side`` or of some
            times that, is in no statistic either, and cut away.
        least_positions: Positions along the exemplar's shorter side that a layer must have to take
            part at a level coarser than full size.

    Returns:
        list of Level: From the coarsest to full size.

    Raises:
        texsynth.errors.ConfigError: An image, or the coarsest level of it, is too small for the
            deepest layer.
    """
    check_sides("exemplar", exemplar_size, smallest_side)
    check_sides("output", output_size, smallest_side)
    _check_tiling(output_size, wrap, smallest_side)
    side = min(*exemplar_size, *output_size)
    levels = 1 if steps == 0 else levels
    if levels is None:
        floor = max(_COARSEST, smallest_side)
        levels = 1
        while side >> levels >= floor:
            levels += 1
    most = max(1, (side // smallest_side).bit_length())
    if levels > most:
        raise ConfigError(f"levels must be at most {most} for a side of {side} px, not {levels}")
    across, down = (0 if axis else 2 * margin for axis in reversed(wrap))
    full_size = output_size[0] + across, output_size[1] + down
    if wraps:
        full_size = _covering(output_size, wrap, smallest_side, levels)
        wrap = (True, True)
    planned = []
    for times in reversed(range(levels)):
        canvas = tileable(_halved(full_size, times), wrap, smallest_side)
        # What wraps is not quite half as wide; then nor is what is made in it, nor the exemplar.
        exemplar, output = (
            _in_proportion(_halved(size, times), size, wrap, canvas, full_size, smallest_side)
            for size in (exemplar_size, output_size)
        )
        taken = steps * _TIMES[min(times, len(_TIMES) - 1)]
        cut = round(trim * exemplar[1]), round(trim * exemplar[0])
        deepest = min(exemplar) / least_positions if times and least_positions else math.inf
        planned.append(Level(exemplar, output, canvas, taken, pad, cut, wrap=wrap, deepest=deepest))
    if levels > 1:
        across, down = (0 if axis else frame for axis in reversed(wrap))
        width, height = planned[0].canvas_size
        framed = width + 2 * across, height + 2 * down
        planned[0] = planned[0]._replace(canvas_size=framed, frame=(down, across))
    return planned


def _covering(size: Size, tiles: Wrap, multiple: int, levels: int) -> Size:
    """A size that can wrap and is no smaller; along axes that tile it is the same.

    One that can still wrap when it is halved, as often as there are levels, if that takes few
    pixels more: a coarser level's texture is only sharp where it is enlarged just twice.
    """
    width, height = (
        side if is_tile else _above(side, multiple, levels)
        for side, is_tile in zip(size, reversed(tiles), strict=True)
    )
    return width, height


def _above(side: int, multiple: int, levels: int) -> int:
    steps = [multiple << halvings for halvings in range(levels)]
    multiples = [-(-side // step) * step for step in steps]
    return next((each for each in reversed(multiples) if each - side <= _SPARE), multiples[0])


def _in_proportion(
    halved: Size, size: Size, wrap: Wrap, canvas: Size, full: Size, least: int
) -> Size:
    """A size at a level: halved, or along axes that wrap to the canvas as at full size."""
    width, height = (
        max(least, round(side * own / whole)) if wraps else half
        for half, side, own, whole, wraps in zip(
            halved, size, canvas, full, reversed(wrap), strict=True
        )
    )
    return width, height


def _check_tiling(size: Size, wrap: Wrap, multiple: int) -> None:
    nearest = tileable(size, wrap, multiple)
    if nearest != tuple(size):
        raise ConfigError(
            f"to tile, the sides of the output must be multiples of {multiple} px, not "
            f"{size[0]}x{size[1]}; use {nearest[0]}x{nearest[1]}"
        )


def tileable(size: Size, wrap: Wrap, multiple: int) -> Size:
    """Returns the size nearest to one that can tile, the larger of two that are equally near.

    Args:
        size: ``(width, height)`` in pixels.
        wrap: ``(rows, columns)``: along which axes it is to tile.
        multiple (int): What sides along those axes must be multiples of.
    """
    width, height = (
        max(1, (2 * side + multiple) // (2 * multiple)) * multiple if wraps else side
        for side, wraps in zip(size, reversed(wrap), strict=True)
    )
    return width, height


def check_sides(what: str, size: Size, smallest_side: int) -> None:
    """Raises a ConfigError if an image is too small for the deepest layer.

    Args:
        what (str): What to call the image.
        size: ``(width, height)`` in pixels.
        smallest_side (int): Smallest side at which the layer has a position.
    """
    if min(size) < smallest_side:
        raise ConfigError(
            f"{what} of {size[0]}x{size[1]} px is too small: the deepest layer needs "
            f"sides of at least {smallest_side} px"
        )


def _halved(size: Size, times: int) -> Size:
    width, height = (max(1, round(side / 2**times)) for side in size)
    return width, height
