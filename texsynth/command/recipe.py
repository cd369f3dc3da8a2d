"""What a texture is made from: pictures, or statistics in the place of one, and the settings.

What reads them is imported when a file is read: the command's ``--help`` need not wait for it.
"""

import dataclasses
import functools

from texsynth.command.mending import Mending
from texsynth.config import Config


class Picture:
    """A file that is read when its pixels are first asked for.

    Args:
        path (pathlib.Path): The file.
        input_range: What is black and what white in it, of the settings; or ``None``.

    Attributes:
        path (pathlib.Path): The file.
        is_target (bool): Whether it is a :class:`Target`.
    """

    is_target = False

    def __init__(self, path, input_range=None):
        self.path = path
        self._input_range = input_range

    @property
    def name(self):
        """What the files of its textures call it."""
        return self.path.name

    @property
    def pictures(self):
        """Itself: the pictures that it consists of."""
        return (self,)

    def account(self):
        """What its textures' files tell of it beside its name and checksum: nothing."""
        return None

    def check(self):
        """Makes sure that it can be read, before anything that takes long.

        Raises:
            texsynth.errors.TexsynthError: It cannot.
        """
        self.deep  # noqa: B018 (read now)

    def study(self, workshop):
        """Returns what is known of its textures before a seed is chosen.

        Args:
            workshop (texsynth.synthesis.workshop.Workshop): Where they will be made.

        Raises:
            texsynth.errors.TexsynthError: It is unusable or too small.
        """
        return workshop.study(self.deep)

    def make(self, study, seed, **asked):
        """Makes one of its textures; returns the :class:`texsynth.Result`.

        Args:
            study: What :meth:`study` returned.
            seed (int): Seed of the start.
            asked: What else :func:`texsynth.make_variation` takes.

        Raises:
            texsynth.errors.TexsynthError: It cannot be made.
        """
        from texsynth.synthesis.loop import make_variation

        return make_variation(study, seed, **asked)

    def checksums_of(self, result):
        """Returns what a record keeps of one of its textures, so that it is known again.

        Args:
            result (texsynth.Result): The texture.

        Returns:
            dict: ``texture``, 64 hex digits.
        """
        return checksums_of(result)

    @functools.cached_property
    def deep(self):
        """``(H, W, 3)`` of what depth it has; what, and raises, as `texsynth.images.read_deep`."""
        from texsynth import images

        return images.read_deep(self.path, self._input_range)

    @functools.cached_property
    def pixels(self):
        """``(H, W, 3)`` uint8, RGB: the same, rounded."""
        from texsynth import images

        return images.rounded(self.deep)

    @property
    def is_deep(self):
        """Whether it has more than 8 bits a channel."""
        return self.deep.dtype.itemsize > 1

    @functools.cached_property
    def checksum(self):
        """What :func:`texsynth.images.checksum` returns for all that it has."""
        from texsynth import images

        return images.checksum(self.deep)


def checksums_of(result):
    """Returns what a record keeps of a texture that is one image.

    Args:
        result (texsynth.Result): The texture.
    """
    from texsynth import images

    return {"texture": images.checksum(result.image)}


class Target(Picture):
    """A file of statistics in the place of an exemplar.

    Args:
        path (pathlib.Path): The file.
    """

    is_target = True
    is_deep = False

    @functools.cached_property
    def deep(self):
        """The :class:`texsynth.Statistics`, which is taken where an exemplar's pixels are."""
        from texsynth.targets import Statistics

        return Statistics.load(self.path)

    @functools.cached_property
    def checksum(self):
        """What its ``checksum`` returns."""
        return self.deep.checksum()


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a texture is made from.

    Attributes:
        config (texsynth.Config): The settings.
        exemplar (Picture): The exemplar, or the statistics in its place; or what is made of several
            pictures, a :class:`texsynth.command.composed.Composed`.
        init (Picture): The image to start from; ``None`` starts as the settings say.
        mending (texsynth.command.mending.Mending): What of the exemplar, a photograph, is made
            anew; ``None`` makes a texture.
    """

    config: Config
    exemplar: Picture
    init: Picture | None = None
    mending: Mending | None = None

    @property
    def is_deep(self):
        """Whether any of the pictures has more than 8 bits a channel."""
        start = [] if self.init is None else [self.init]
        return any(each.is_deep for each in (*self.exemplar.pictures, *start))
