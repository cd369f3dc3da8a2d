"""What is measured of a stack of maps: how its maps lie on one another, and each as a picture."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from texsynth import images
from texsynth.errors import ImageError
from texsynth.files.printable import printable
from texsynth.materials import normals
from texsynth.materials.kinds import KINDS
from texsynth.materials.planes import Planes
from texsynth.metrics.alignment import alignment, alignment_kept


class OfStack(NamedTuple):
    """Which map of which stack it is that was measured as a picture.

    Attributes:
        stack: Name of the stack.
        kind: Name of the map's kind.
        file: Name of its file.
    """

    stack: str
    kind: str
    file: str


@dataclass(frozen=True)
class Stack:
    """A stack of maps and what was found out about it as a whole.

    Attributes:
        name: What to call it, printable.
        pictures: ``{kind: (exemplar's, its own)}``, uint8, ``(H, W)`` or ``(H, W, 3)``: the maps as
            they are; ``None`` for one that it lacks.
        files: ``{kind: name of the file}``.
        pairs: How every two maps go together that do so in the exemplar, each a
            :class:`texsynth.metrics.alignment.Alignment` by two kinds.
        kept: The share of the exemplar's alignment that it has, over all pairs, or ``None``.
        without: Why there is no alignment; or ``None``.
        lengths: How far the exemplar's normals are from unit length in their file, and its own,
            each a :class:`texsynth.materials.normals.OffUnit` or ``None``; ``None`` without any.
        outputs: Those of its maps that were measured as pictures, each a
            :class:`texsynth.evaluation.evaluated.Evaluated`.
    """

    name: str
    pictures: dict
    files: dict
    pairs: dict = field(default_factory=dict)
    kept: float | None = None
    without: str | None = None
    lengths: tuple | None = None
    outputs: tuple = ()

    def as_dict(self):
        """Returns it as plain values, ready for JSON; the maps are among the report's outputs."""
        return {
            "name": self.name,
            "files": self.files,
            "alignment": [
                {"maps": list(pair), **each._asdict(), "kept": each.kept}
                for pair, each in self.pairs.items()
            ],
            "alignment_kept": self.kept,
            "normals_off_unit_length": self.lengths
            and {
                whose: found and found._asdict()
                for whose, found in zip(("exemplar", "output"), self.lengths, strict=True)
            },
        }


def described(name, files, exemplar, made, raw):
    """Returns the :class:`Stack` of maps, without what is measured of each as a picture.

    Args:
        name (str): What to call it.
        files (dict): Names of its files by kind.
        exemplar (dict): The exemplar's maps at the size that they were used at.
        made (dict): Its own.
        raw (dict): The exemplar's maps as they are in their files.
    """
    both = [kind for kind in exemplar if kind in made]
    pairs, without = {}, None
    try:
        pairs = alignment(*({kind: maps[kind] for kind in both} for maps in (exemplar, made)))
    except ImageError as error:
        without = printable(str(error))
    if not pairs and without is None:
        without = "no two maps of the exemplar have to do with each other"
    pictures = {kind: (_shown(exemplar[kind]), _shown(made.get(kind))) for kind in exemplar}
    lengths = [_off_unit(raw), _off_unit(made)]
    return Stack(
        name,
        pictures,
        files,
        {pair: each for pair, each in pairs.items() if math.isfinite(each.output)},
        alignment_kept(pairs),
        without,
        tuple(lengths) if any(lengths) else None,
    )


def _off_unit(stack):
    """Of a stack's normals; ``None`` without."""
    return next((normals.off_unit(stack[kind]) for kind in stack if KINDS[kind].is_vector), None)


def _shown(values):
    """A map as it is, for people."""
    if values is None:
        return None
    return np.rint(255 * values[..., 0] if values.shape[2] == 1 else 255 * values).astype(np.uint8)


def as_pictures(exemplar, made, kinds):
    """Returns maps as the network sees them, on the scales of the exemplar's.

    Args:
        exemplar (dict): The exemplar's maps at the size that they were used at.
        made (dict): What was made.
        kinds: Names of the kinds that both have.

    Returns:
        dict: ``{kind: (exemplar's, its own)}``, ``(H, W, 3)`` uint8; without those that have one
        value in the exemplar, in which there is no texture.

    Raises:
        texsynth.errors.ImageError: All have one value.
    """
    planes = Planes({kind: exemplar[kind] for kind in kinds})
    batches = [planes.batch(stack) for stack in (exemplar, made)]
    return {
        kind: tuple(images.to_pixels(planes.picture(kind, batch)) for batch in batches)
        for kind in planes.places
    }
