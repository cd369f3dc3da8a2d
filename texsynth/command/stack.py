"""The composition that is a stack of maps of one surface: which files they are."""

import dataclasses
import functools
import hashlib
import json
import logging
from typing import TYPE_CHECKING, ClassVar

from texsynth.command.composition import Composition, Gallery, path_of
from texsynth.command.recipe import Picture
from texsynth.errors import ImageError

if TYPE_CHECKING:  # materials are made of NumPy, which takes a moment
    from texsynth.materials.finding import Taken

_log = logging.getLogger("texsynth")

CONVENTIONS = ("gl", "dx")
"""Which way the green of a normal map may point: up (OpenGL) or down (DirectX)."""

_CHANNELS = (None, 0, 1, 2)


class MapFile(Picture):
    """A file of a map, or of several, which is read as numbers, at full depth.

    Args:
        path (pathlib.Path): The file.
        maps (dict): What each map of the stack is taken from.
    """

    def __init__(self, path, maps):
        super().__init__(path)
        self._maps = maps

    @functools.cached_property
    def deep(self):
        """What :func:`texsynth.materials.reading.read_file` returns."""
        from texsynth.materials import reading

        return reading.read_file(self.path, self._maps)


class _Files(Gallery):
    """The files of a stack."""

    def __init__(self, maps):
        super().__init__()
        self._maps = maps

    def __missing__(self, path):
        return self.setdefault(path, MapFile(path, self._maps))


@dataclasses.dataclass(frozen=True)
class StackOfMaps(Composition):
    """Maps of one surface, whose textures are made together.

    Attributes:
        taken: What each kind of map is taken from, pairs of its name and a
            :class:`texsynth.materials.finding.Taken`.
        given: Which way the green of the given normals points.
        where: What messages call it; it decides on nothing.
        problem: Why it is none, where others are made without it; ``None`` if it is one.
    """

    KIND: ClassVar[str] = "stack"
    taken: tuple[tuple[str, "Taken"], ...]
    given: str
    where: str = dataclasses.field(default="", compare=False)
    problem: str | None = None

    def __str__(self):
        return self.where or self.stem

    @property
    def kinds(self):
        """Names of the kinds of its maps."""
        return tuple(name for name, _ in self.taken)

    @property
    def image_paths(self):
        """See :class:`Composition`."""
        return tuple(dict.fromkeys(taken.path for _, taken in self.taken))

    def described(self, place):
        """See :class:`Composition`."""
        maps = {name: [place(taken.path), taken.channel] for name, taken in self.taken}
        return {"maps": maps, "normals": self.given}

    @classmethod
    def recalled(cls, stem, values):
        """See :class:`Composition`."""
        from texsynth.materials.finding import Taken
        from texsynth.materials.kinds import KINDS

        maps, given = values["maps"].items(), values["normals"]
        if not maps or any(name not in KINDS for name, _ in maps) or given not in CONVENTIONS:
            raise ValueError("a stack of other maps")
        taken = []
        for name, (path, channel) in maps:
            if channel not in _CHANNELS or isinstance(channel, bool):
                raise ValueError(f"a map in channel {channel!r:.100}")
            taken.append((name, Taken(path_of(path), channel)))
        return cls(stem, tuple(taken), given)

    def label(self, gallery):
        """See :class:`Composition`."""
        return self.stem

    def gallery(self, input_range):
        """See :class:`Composition`."""
        return _Files(dict(self.taken))

    def check(self, gallery):
        """See :class:`Composition`."""
        self._maps(gallery)

    def study(self, workshop, gallery):
        """See :class:`Composition`."""
        from texsynth.synthesis.stack_study import StackStudy  # imports Chainer, takes a second

        study = StackStudy(workshop, self._maps(gallery))
        sizes = ["x".join(map(str, size)) for size in sizes_of(study)]
        told = [
            f"{count} {what}{'' if count == 1 else 's'}"
            for count, what in (
                (len(self.taken), "map"),
                (study.channels, "plane"),
                (study.networks, "network"),
            )
        ]
        _log.info("%s of %s to %s px: %s, %s", told[0], *sizes, *told[1:])
        return study

    def about(self):
        """See :class:`Composition`: which map is taken from which file."""
        told = [f"{name} {taken}" for name, taken in self.taken]
        return (("maps", ", ".join(told)),)

    def make(self, study, seed, init=None, **asked):
        """See :class:`Composition`; there is no image to start from."""
        from texsynth.synthesis.stacked import make_stack

        return make_stack(study, seed, **asked)

    def checksums_of(self, result):
        """See :class:`Composition`: those of the maps, and one of them all."""
        from texsynth import images

        maps = {name: images.checksum(values) for name, values in result.maps.items()}
        return {"texture": hashlib.sha256(json.dumps(maps).encode()).hexdigest(), "maps": maps}

    def _maps(self, gallery):
        """The maps, as :data:`texsynth.materials.kinds.Stack`."""
        from texsynth.materials import reading

        if self.problem is not None:
            raise ImageError(self.problem)
        files = {path: gallery[path].deep for path in self.image_paths}
        return reading.assembled(dict(self.taken), files, self.given)


def sizes_of(study):
    """Returns ``(width, height)`` of the given maps, and of what is made.

    Args:
        study (texsynth.StackStudy): The stack.
    """
    return study.plan[-1].exemplar_size, study.plan[-1].output_size
