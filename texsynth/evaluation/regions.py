"""What was painted by a map, measured region by region."""

from typing import NamedTuple

import numpy as np

from texsynth import images
from texsynth.errors import ImageError
from texsynth.images.labels import name_of
from texsynth.metrics import Part


class Region(NamedTuple):
    """A region of an output, and where its texture comes from.

    Attributes:
        colour: Of the map, as ``"#ff0000"``.
        share: Of the output that the region takes up.
        source: Name of the file of the exemplar.
        output: The region.
        exemplar: Its part of the exemplar.
    """

    colour: str
    share: float
    source: str
    output: Part
    exemplar: Part


def regions_of(painting, gallery, pixels, size):
    """Yields the regions of an output, the largest first, each a :class:`Region`.

    Args:
        painting (texsynth.command.painting.Painting): How it was made.
        gallery (texsynth.command.composition.Gallery): Where pictures are read.
        pixels: ``(H, W, 3)`` uint8, the output.
        size (int): Longer side that exemplars were brought to; 0 kept theirs.

    Raises:
        texsynth.errors.TexsynthError: The maps do not fit, or a picture cannot be read.
    """
    wanted = painting.wanted(gallery)
    textures = list(painting.textures(gallery).items())
    rows, columns = wanted.numbers.shape
    height, width = pixels.shape[:2]
    if abs(width / height * rows / columns - 1) > _LARGEST_CHANGE:
        raise ImageError(
            f"it is {width}x{height}, and {painting.target_guide} {columns}x{rows}: another shape"
        )
    found = []
    for number in np.unique(wanted.numbers):
        colour, (picture, mask) = textures[number]
        where = _resized((wanted.numbers == number).astype("f4"), (width, height))
        exemplar = _part(picture.pixels, mask, size)
        share = float(where.mean())
        name = name_of(colour)
        found.append(Region(name, share, picture.path.name, Part(pixels, where), exemplar))
    return sorted(found, key=lambda region: -region.share)


def _part(pixels, mask, size):
    """The part of an exemplar that has a texture, at the size that it was used at."""
    batch = images.to_batch(pixels)
    size = images.fitted_size(batch.shape[:1:-1], size)
    mask = np.ones(pixels.shape[:2], "f4") if mask is None else mask
    return Part(images.to_pixels(images.fit(batch, size)), _resized(mask, size))


def _resized(mask, size):
    return np.clip(images.resize(mask[None, None], size)[0, 0], 0, 1)


_LARGEST_CHANGE = 0.02  # of the ratio of sides, between a map and what it was painted by
