"""What textures hold in memory that are of more than one exemplar, and repairs: masks and images.

Beside what every texture takes (:mod:`texsynth.objective.memory`): how much each position counts,
for each part of an image and for each exemplar of which a part is taken; the statistics of several
exemplars and parts; and the images from which a repair is blended.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

from texsynth.network import architecture
from texsynth.typing import Size

_FLOAT = 4  # bytes
_STATISTICS = 2  # matrices for each layer: of Gram or of covariance, and what they are mixed by


class Held(NamedTuple):
    """What a texture holds beside what all do.

    Attributes:
        planes: One value for each pixel of the canvas, on the host or the device: of an image there
            are three.
        masks: One value for each position of each layer of the canvas, and for each pixel.
        exemplar_masks: The same of an exemplar.
        targets: Sets of statistics beyond the one that every texture has.
        parts: Parts whose losses are computed one after another; 1 is the whole.
    """

    planes: int = 0
    masks: int = 0
    exemplar_masks: int = 0
    targets: int = 0
    parts: int = 1


NOTHING = Held()
"""What a texture of one exemplar holds."""


def held_bytes(
    held: Held,
    layers: Iterable[str],
    canvas: Size,
    exemplar: Size,
    table: architecture.Table = architecture.VGG16,
) -> int:
    """Returns what it takes, in bytes.

    Args:
        held: What is held.
        layers: Names of the layers of the losses.
        canvas: ``(height, width)`` of the image in pixels, with its margins.
        exemplar: ``(height, width)`` of the exemplars, the largest, with what is mirrored.
        table: The network's layers by name.
    """
    layers = list(layers)
    positions = 1 + sum(1 / table[name].stride ** 2 for name in layers)  # for a pixel
    values = (held.planes + held.masks * positions) * math.prod(canvas)
    values += held.exemplar_masks * positions * math.prod(exemplar)
    values += held.targets * _STATISTICS * sum(architecture.channels(n) ** 2 for n in layers)
    if held.parts > 1:
        # A part's gradient for a layer, beside the sum of all of them.
        largest = max((architecture.channels(n) / table[n].stride ** 2 for n in layers), default=0)
        values += largest * math.prod(canvas)
    return int(_FLOAT * values)
