"""The files that a stack of maps is written to."""

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path

from texsynth.command import provenance
from texsynth.command.exports import Exports
from texsynth.command.keeping import Keeping
from texsynth.command.stack import CONVENTIONS


@dataclass(frozen=True)
class Written:
    """How maps are written.

    Attributes:
        convention: Which way the green of normals points; ``None`` is as it was before, or up.
        exports (texsynth.command.exports.Exports): What is written beside the maps.
    """

    convention: str | None = None
    exports: Exports = field(default_factory=Exports)


@dataclass(frozen=True)
class StackOutputs:
    """Paths of all that is written of one stack, in the place of those of a texture.

    Attributes:
        folder (pathlib.Path): Where the maps are.
        name (str): What files for other programs call the material.
        kinds: Names of the kinds of maps.
        keeping (texsynth.command.keeping.Keeping): What is kept, and how maps are written.
        sources: Paths of files that nothing may be written over.
        prefix (str): What the maps' names begin with.
    """

    folder: Path
    name: str
    kinds: tuple[str, ...]
    keeping: Keeping
    sources: tuple[Path, ...]
    prefix: str = ""

    what = result = "stack"
    films = ()

    @classmethod
    def of(cls, subject, folder, keeping, sources, seed=None):
        """Returns those of one stack.

        Args:
            subject (texsynth.command.stack.StackOfMaps): The stack.
            folder (pathlib.Path): Where it is written.
            keeping (texsynth.command.keeping.Keeping): What is kept of it.
            sources: As of the class.
            seed (int): Its seed, if it is one of several.

        Raises:
            texsynth.errors.ConfigError: An export needs a map that it lacks.
        """
        prefix, name = ("", "") if seed is None else (f"seed{seed}_", f"_seed{seed}")
        made = cls(folder, subject.stem + name, subject.kinds, keeping, sources, prefix)
        made.texts  # noqa: B018 (looked at now: it may raise)
        return made

    @functools.cached_property
    def maps(self):
        """Paths of the maps by the names of their kinds."""
        from texsynth.materials import writing  # imports Pillow, which takes a moment

        return writing.paths(self.kinds, self.folder, self.written.convention, self.prefix)

    @property
    def written(self):
        """The :class:`Written`: how maps are written."""
        return self.keeping.written

    @functools.cached_property
    def texts(self):
        """How each picture is written, as its text, by path: maps, packed files, previews."""
        from texsynth.materials import writing

        turned = self.written.convention == CONVENTIONS[1]
        told = {provenance.NORMAL: CONVENTIONS[1]} if turned else {}
        depths = {
            path: provenance.written(writing.depth_of(name, self.keeping.depth)) | told
            for name, path in self.maps.items()
        }
        return {**depths, **self._exported[0]}

    @functools.cached_property
    def _exported(self):
        """Texts of packed files and previews by path, and paths of files that name others."""
        exports = self.written.exports if self.kinds else Exports()
        return exports.files(self.folder, self.name, self.kinds)

    @property
    def texture(self):
        """The first map, by which it is told of."""
        return next(iter(self.maps.values()), self.folder)

    @property
    def pictures(self):
        """Paths of all pictures."""
        return list(self.texts)

    @property
    def documents(self):
        """Paths of files that name the pictures, for other programs."""
        return self._exported[1]

    @property
    def record(self):
        """The record, whether it is written or not."""
        return self.folder / f"{self.prefix}record.json"

    @property
    def paths(self):
        """All of them."""
        record = [self.record] if self.keeping.record else []
        return [*self.pictures, *self.documents, *record]

    def aside(self, number):
        """Returns other places, for a stack that was stopped.

        Args:
            number (int): Which of them, from 1.
        """
        which = "stopped" if number == 1 else f"stopped{number}"
        return replace(self, prefix=f"{self.prefix}{which}_", name=f"{self.name}_{which}")
