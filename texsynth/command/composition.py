"""What is made of several pictures: a mixture of textures, or what is painted by a map.

A composition is plain values and paths, so that records and checkpoints can hold it. It stands
where the path of an exemplar does; :class:`texsynth.command.composed.Composed` reads its pictures.
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from texsynth.command.recipe import Picture, checksums_of
from texsynth.config import Config


class Gallery(dict[Path, Picture]):
    """Pictures by path, each read when its pixels are first asked for, and once.

    Args:
        input_range: What is black and what white in them, of the settings; or ``None``.
    """

    def __init__(self, input_range: Any = None) -> None:
        super().__init__()
        self._input_range = input_range

    def __missing__(self, path: Path) -> Picture:
        return self.setdefault(path, Picture(path, self._input_range))


@dataclasses.dataclass(frozen=True)
class Composition:
    """What is made of several pictures.

    Attributes:
        KIND: What it is called in files.
        stem: What the names of files begin with.
    """

    KIND: ClassVar[str]
    stem: str

    def __str__(self) -> str:
        return self.stem

    @property
    def image_paths(self) -> tuple[Path, ...]:
        """Paths of the pictures whose textures are taken."""
        raise NotImplementedError

    @property
    def maps(self) -> tuple[Path, ...]:
        """Paths of the pictures that say what goes where."""
        return ()

    @property
    def paths(self) -> tuple[Path, ...]:
        """Paths of all of them, each once."""
        return tuple(dict.fromkeys([*self.image_paths, *self.maps]))

    def described(self, place: Callable[[Path], Any]) -> dict[str, Any]:
        """Returns all that decides on what is made, plain values by name.

        Args:
            place: What stands for a path.
        """
        raise NotImplementedError

    @classmethod
    def recalled(cls, stem: str, values: Mapping[str, Any]) -> Self:
        """Returns the one that :meth:`described` these values, with paths as texts.

        Args:
            stem: As for the class.
            values: Plain values by name, by way of JSON.

        Raises:
            TypeError: They are of other types; or KeyError, ValueError.
        """
        raise NotImplementedError

    def label(self, gallery: Gallery) -> str:
        """Returns what the texture's file calls its pictures.

        Args:
            gallery: Where its pictures are read.
        """
        raise NotImplementedError

    def sized(self, config: Config) -> Config:
        """Returns settings whose output has the size that this asks for, if they say no other.

        Args:
            config: The settings.

        Raises:
            texsynth.errors.TexsynthError: A picture that says so cannot be read.
        """
        return config

    def check(self, gallery: Gallery) -> None:
        """Makes sure that its pictures can be read, and are what they are to be.

        Args:
            gallery: Where they are read.

        Raises:
            texsynth.errors.TexsynthError: They are not.
        """
        for path in self.paths:
            gallery[path].check()

    def study(self, workshop: Any, gallery: Gallery) -> Any:
        """Returns what is known of the textures before a seed is chosen.

        Args:
            workshop (texsynth.synthesis.workshop.Workshop): Where they will be made.
            gallery: Where its pictures are read.

        Raises:
            texsynth.errors.TexsynthError: As what the library makes it by.
        """
        raise NotImplementedError

    def gallery(self, input_range: Any) -> Gallery:
        """Returns where its pictures can be read.

        Args:
            input_range: As for :class:`Gallery`.
        """
        return Gallery(input_range)

    def about(self) -> tuple[tuple[str, str], ...]:
        """Returns what a plan tells of it beside its name, labels and texts."""
        return ()

    def make(self, study: Any, seed: int, **asked: Any) -> Any:
        """Makes one texture; returns the :class:`texsynth.Result`, or what there is in its place.

        Args:
            study: What :meth:`study` returned.
            seed: Seed of the start.
            asked: What else :func:`texsynth.make_variation` takes.

        Raises:
            texsynth.errors.TexsynthError: It cannot be made.
        """
        from texsynth.synthesis.loop import make_variation

        return make_variation(study, seed, **asked)

    def checksums_of(self, result: Any) -> dict[str, Any]:
        """Returns what a record keeps of what was made, see :class:`.recipe.Picture`.

        Args:
            result: What :meth:`make` returned.
        """
        return checksums_of(result)

    def as_dict(self) -> dict[str, Any]:
        """Returns plain values by name, with whole paths: it may be read in another folder."""
        told = self.described(lambda path: str(path.absolute()))
        return {"kind": self.KIND, "stem": self.stem, **told}


def recalled(values: Mapping[str, Any]) -> Composition:
    """Returns the composition whose :meth:`Composition.as_dict` these values are.

    Args:
        values: Plain values by name, by way of JSON.

    Raises:
        TypeError: They are of other types; or KeyError, ValueError.
    """
    from texsynth.command.mixtures import Gradient, Mix  # these are made of what is above
    from texsynth.command.painting import Painting
    from texsynth.command.stack import StackOfMaps
    from texsynth.command.steering import Steering

    kinds: dict[str, type[Composition]] = {
        each.KIND: each for each in (Mix, Gradient, Painting, StackOfMaps, Steering)
    }
    values = dict(values)
    stem, kind = values.pop("stem"), kinds[values.pop("kind")]
    if not isinstance(stem, str) or not stem or any(each in stem for each in "/\\\0"):
        raise TypeError(f"of a name {stem!r:.100}")
    return kind.recalled(stem, values)


def path_of(text: Any) -> Path:
    """Returns a path that was written as a text.

    Args:
        text: The text.

    Raises:
        TypeError: It is none.
    """
    if not isinstance(text, str) or not text or "\0" in text:
        raise TypeError(f"of a path {text!r:.100}")
    return Path(text)
