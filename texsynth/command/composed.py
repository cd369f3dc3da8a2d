"""A composition whose pictures are read, in the place of an exemplar."""

import functools
import hashlib
import json
from pathlib import Path
from typing import Any

from texsynth.command.composition import Composition, Gallery
from texsynth.command.recipe import Picture, Target
from texsynth.config import Config


class Composed:
    """A composition whose pictures are read, in the place of an exemplar.

    Args:
        composition: What is made of them.
        gallery: Where they are read.

    Attributes:
        composition: The same.
        is_target: ``False``: they are no statistics.
    """

    is_target = False

    def __init__(self, composition: Composition, gallery: Gallery) -> None:
        self.composition, self._gallery = composition, gallery

    @property
    def name(self) -> str:
        """What the texture's file calls them."""
        return self.composition.label(self._gallery)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The pictures whose textures are taken."""
        return tuple(self._gallery[path] for path in dict.fromkeys(self.composition.image_paths))

    @functools.cached_property
    def checksums(self) -> dict[Path, str]:
        """Checksums of all pictures by path."""
        return {path: self._gallery[path].checksum for path in self.composition.paths}

    @property
    def checksum(self) -> str:
        """SHA-256 of all that decides on the texture beside the settings, 64 hex digits."""
        told = self.composition.described(self.checksums.__getitem__)
        return hashlib.sha256(json.dumps([self.composition.KIND, told]).encode()).hexdigest()

    def account(self) -> str:
        """Returns what the texture's file tells of it: how it is made, by the names of files."""
        composition = self.composition
        told = {"kind": composition.KIND, **composition.described(lambda path: path.name)}
        sums = {path.name: checksum for path, checksum in self.checksums.items()}
        return json.dumps({**told, "sha256": sums}, ensure_ascii=False)

    def check(self) -> None:
        """Makes sure that its pictures can be read, and are what they are to be.

        Raises:
            texsynth.errors.TexsynthError: They are not.
        """
        self.composition.check(self._gallery)

    def study(self, workshop: Any) -> Any:
        """Returns what is known of the textures before a seed is chosen.

        Args:
            workshop (texsynth.synthesis.workshop.Workshop): Where they will be made.

        Raises:
            texsynth.errors.TexsynthError: They cannot be made.
        """
        return self.composition.study(workshop, self._gallery)

    def made(self, config: Config, **asked: Any) -> Any:
        """Makes the texture; returns the :class:`texsynth.Result`.

        Args:
            config: The settings.
            asked: What else :func:`texsynth.synthesize` takes.

        Raises:
            texsynth.errors.TexsynthError: It cannot be made.
        """
        from texsynth.synthesis.workshop import Workshop

        team = {"team": asked.pop("team")} if "team" in asked else {}
        return self.make(self.study(Workshop(config, **team)), config.seed, **asked)

    def make(self, study: Any, seed: int, **asked: Any) -> Any:
        """Makes one texture, see :meth:`Composition.make`.

        Args:
            study: As there.
            seed: As there.
            asked: As there.

        Raises:
            texsynth.errors.TexsynthError: As there.
        """
        return self.composition.make(study, seed, **asked)

    def checksums_of(self, result: Any) -> dict[str, Any]:
        """Returns what a record keeps of what was made, see :meth:`Composition.checksums_of`.

        Args:
            result: As there.
        """
        return self.composition.checksums_of(result)


def exemplar_of(sources, subject, input_range, gallery=None):
    """Returns what stands for an exemplar in a recipe.

    Args:
        sources (texsynth.command.order.Sources): What textures are made from.
        subject: One of its subjects: a path, or a :class:`Composition`.
        input_range: What is black and what white in pictures, of the settings; or ``None``.
        gallery (Gallery): Where pictures are read that several compositions have in common; or
            ``None``.

    Returns:
        A :class:`texsynth.command.recipe.Picture`, the
        :class:`texsynth.command.recipe.Target` in its place, or a :class:`Composed`.
    """
    if isinstance(subject, Composition):
        return Composed(subject, subject.gallery(input_range) if gallery is None else gallery)
    return Target(subject) if sources.is_target else Picture(subject, input_range)
