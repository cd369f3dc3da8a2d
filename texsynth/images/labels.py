"""Maps whose colours are labels: what is to be where."""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from texsynth.errors import ConfigError, ImageError
from texsynth.typing import Pixels

Colour: TypeAlias = tuple[int, int, int]
"""Red, green and blue, 0..255."""

_MOST = 16  # labels; a photograph has many more colours
_LEAST = 0.01  # of the pixels, that a label takes up; what has less is the blending of an edge
_PURE = 0.8  # of the pixels, that must have the colour of a label
_NEAR = 48  # grey levels between two colours, as vectors, that mean the same label


class Labels(NamedTuple):
    """A map that was read.

    Attributes:
        colours: The labels.
        numbers: ``(H, W)`` integers: which of them each pixel has.
    """

    colours: tuple[Colour, ...]
    numbers: npt.NDArray[np.intp]


def name_of(colour: Colour) -> str:
    """Returns a colour as ``"#ff0000"``."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def read_labels(pixels: Pixels, name: str) -> Labels:
    """Reads a map: each colour that takes up 1 % of it or more is a label.

    Pixels of other colours, as blended edges have them, take the label that is nearest.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        name: What messages call it.

    Raises:
        texsynth.errors.ImageError: It has more than 16 labels, or other colours over large parts,
            as photographs have.
    """
    colours, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    kept: list[Colour] = []
    for colour in colours[order[counts[order] >= _LEAST * counts.sum()]]:
        if not kept or _distances(colour, kept).min() > _NEAR:  # else JPEG's noise about a label
            red, green, blue = map(int, colour)
            kept.append((red, green, blue))
    near = [] if not kept else [_distances(each, kept).min() <= _NEAR for each in colours]
    if len(kept) > _MOST or counts[near].sum() < _PURE * counts.sum():
        raise ImageError(
            f"{name} has {len(colours)} colours; a map has at most {_MOST}, one for each texture"
        )
    return Labels(tuple(kept), _nearest(pixels, kept))


def matched(labels: Labels, known: Sequence[Colour], name: str, where: str) -> Labels:
    """Returns a map in the colours of others, each the nearest of theirs.

    Args:
        labels: The map.
        known: The colours that there may be.
        name: What messages call the map.
        where: What messages call the place of the others.

    Raises:
        texsynth.errors.ConfigError: A label is near none of them.
    """
    numbers = []
    for colour in labels.colours:
        distances = _distances(np.array(colour), known)
        if distances.min() > _NEAR:
            told = ", ".join(map(name_of, known))
            raise ConfigError(f"{name} asks for {name_of(colour)}, but {where} has only {told}")
        numbers.append(int(distances.argmin()))
    return Labels(tuple(known), np.array(numbers)[labels.numbers])


def _distances(colour: npt.ArrayLike, others: Sequence[Colour]) -> npt.NDArray[np.float64]:
    difference = np.array(others, float) - np.asarray(colour, float)
    found: npt.NDArray[np.float64] = np.sqrt((difference**2).sum(axis=1))
    return found


def _nearest(pixels: Pixels, colours: Sequence[Colour]) -> npt.NDArray[np.intp]:
    distances = [((pixels.astype(np.int32) - colour) ** 2).sum(axis=2) for colour in colours]
    found: npt.NDArray[np.intp] = np.argmin(distances, axis=0)
    return found
