"""What a notebook shows of a synthesis: the image, and beside it the curve of the loss."""

import itertools
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from texsynth.typing import Pixels

_GAP = 16  # pixels between image and curve
_WIDTH, _LOWEST = 360, 180  # pixels of the curve's panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 24, 24  # pixels about the curve, for the labels
_FINE = 2  # the panel is drawn so many times as large, and reduced: Pillow's lines have steps
_BACKGROUND, _LINES, _TEXT, _CURVE = "white", "#d8d8d8", "#404040", "#1f6fb4"
_MOST_TICKS = 6


def compose(pixels: Pixels, losses: Sequence[Sequence[float]], longer: int) -> Image.Image:
    """Draws an image, and the losses of all steps on a logarithmic axis.

    Args:
        pixels: ``(H, W, 3)`` uint8, RGB.
        losses: The loss after each step, a list for each level.
        longer: Pixels of the longer side of the image as it is drawn.
    """
    picture = _scaled(Image.fromarray(pixels), longer)
    panel = _panel(losses, max(picture.height, _LOWEST))
    size = picture.width + _GAP + panel.width, panel.height
    whole = Image.new("RGB", size, _BACKGROUND)
    whole.paste(picture, (0, 0))
    whole.paste(panel, (picture.width + _GAP, 0))
    return whole


def _scaled(picture: Image.Image, longer: int) -> Image.Image:
    """Brings the longer side to so many pixels; pixels of small images are seen as they are."""
    factor = longer / max(picture.size)
    if factor == 1:
        return picture
    size = round(factor * picture.width) or 1, round(factor * picture.height) or 1
    way = Image.Resampling.NEAREST if factor > 1 else Image.Resampling.LANCZOS
    return picture.resize(size, way)


def _panel(losses: Sequence[Sequence[float]], height: int) -> Image.Image:
    """Draws the curve of each level, one after another, with ticks."""
    panel = Image.new("RGB", (_FINE * _WIDTH, _FINE * height), _BACKGROUND)
    draw = ImageDraw.Draw(panel)
    font = ImageFont.load_default(12 * _FINE)
    left, right = _FINE * _LEFT, _FINE * (_WIDTH - _RIGHT)
    top, bottom = _FINE * _TOP, _FINE * (height - _BOTTOM)
    finite = [loss for level in losses for loss in level if _has_place(loss)]
    low, high = (min(finite), max(finite)) if finite else (0.1, 1.0)
    span = math.log10(high / low) or 1.0
    steps = sum(map(len, losses))

    def place(step: int, loss: float) -> tuple[float, float]:
        across = left + (right - left) * step / max(steps, 1)
        return across, bottom - (bottom - top) * math.log10(loss / low) / span

    for tick in _ticks(low, high):
        _, down = place(0, tick)
        draw.line([(left, down), (right, down)], _LINES, _FINE)
        draw.text((left - 4 * _FINE, down), f"{tick:.3g}", _TEXT, font, anchor="rm")
    ends = list(itertools.accumulate(map(len, losses)))
    for end in ends[:-1]:  # where the next level begins
        across, _ = place(end, low)
        draw.line([(across, top), (across, bottom)], _LINES, _FINE)
    for first, level in zip([0, *ends], losses, strict=False):
        points = [
            place(first + step, loss) for step, loss in enumerate(level, 1) if _has_place(loss)
        ]
        draw.line(points, _CURVE, 2 * _FINE, joint="curve")
    draw.text((left, 4 * _FINE), "loss", _TEXT, font)
    draw.text((right, _FINE * (height - 4)), f"step {steps}", _TEXT, font, anchor="rs")
    return panel.resize((_WIDTH, height), Image.Resampling.BOX)


def _has_place(loss: float) -> bool:
    """Returns whether a loss is on a logarithmic axis."""
    return math.isfinite(loss) and loss > 0


def _ticks(low: float, high: float) -> list[float]:
    """Returns round numbers within a range; its ends if there are none."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leading in ((1, 2, 5), (1,)):
        ticks = [number * 10.0**power for power in powers for number in leading]
        within = [tick for tick in ticks if low <= tick <= high]
        if len(within) <= _MOST_TICKS:
            break
    return within or [low, high]
