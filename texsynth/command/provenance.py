"""Where a texture comes from: what its file tells, and whether a file tells the same.

Pillow is imported when a file is read: the command's ``--help`` need not wait for it.
"""

import dataclasses
import functools
import json

from texsynth.command.mending import Mending
from texsynth.config import Config
from texsynth.version import __version__


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


def origin(recipe):
    """Returns what a texture is made from, as the text of its file.

    Args:
        recipe (Recipe): Settings and pictures.

    Returns:
        dict: Keywords and texts; the same for the same texture, and for no other.
    """
    exemplar, init = recipe.exemplar, recipe.init
    used = {"target" if exemplar.is_target else "image": exemplar.name}
    text = {"target_sha256" if exemplar.is_target else "exemplar_sha256": exemplar.checksum}
    if init is not None:
        used["init"] = init.path.name
        text["init_sha256"] = init.checksum
    if recipe.mending is not None:
        text["repair"] = recipe.mending.told()
    if (account := exemplar.account()) is not None:
        text["composition"] = account.encode("utf-8", "replace").decode()
    used |= recipe.config.as_dict()
    # File names are bytes: what is no UTF-8 in them cannot be kept in a PNG.
    settings = json.dumps(used, ensure_ascii=False).encode("utf-8", "replace").decode()
    text = {f"texsynth:{key}": value for key, value in {"settings": settings, **text}.items()}
    return {"Software": f"texsynth {__version__}", **text}


DEPTH = "texsynth:depth"
"""The keyword of how deep a file is, where it has not 8 bits."""

NORMAL = "texsynth:normal"
"""The keyword of which way the green of a stack's normals points, where that is not up."""

QUALITY = "texsynth:quality"
"""The keyword of a JPEG's quality."""


def written(depth, quality=None):
    """Returns how a file is written, as its text.

    Args:
        depth (str): Its depth.
        quality (int): Of a JPEG; ``None`` is another format's.
    """
    told = {} if depth == "8" else {DEPTH: depth}
    return told if quality is None else {**told, QUALITY: str(quality)}


def is_finished(path, expected):
    """Returns whether a file is a whole picture of a texture that was finished.

    Args:
        path (pathlib.Path): The file, which need not be there.
        expected (dict): What :func:`origin` returns for the texture, and perhaps :func:`written`
            for the file.
    """
    text = text_of(path, is_whole=True)
    is_as_deep = text.get(DEPTH) == expected.get(DEPTH)
    return is_of_finished(text) and is_as_deep and expected.items() <= text.items()


def is_stopped(path):
    """Returns whether a file is a picture of a texture that was not finished.

    Args:
        path (pathlib.Path): The file.
    """
    return is_ours(path) and not is_of_finished(text_of(path))


def is_ours(path):
    """Returns whether a file is a picture that this program made.

    Args:
        path (pathlib.Path): The file.
    """
    return is_of_ours(text_of(path))


def is_of_ours(text):
    """Returns whether texts are those of a picture that this program made.

    Args:
        text (dict): What :func:`text_of` returned.
    """
    return text.get("Software", "").startswith("texsynth ")


def is_same(path, recipe, is_again):
    """Returns whether a file is a picture of the same texture, be it finished or not.

    Args:
        path (pathlib.Path): The file.
        recipe (Recipe): What the texture is made from.
        is_again (bool): Whether it may also be of another version, of fewer steps (or of more, if
            it was not finished), and with its weights elsewhere or on another GPU: a checkpoint or
            a record says what it is.
    """
    there = text_of(path)
    if not is_ours(path):
        return False
    expected = origin(recipe)
    is_other_version = there["Software"] != expected["Software"]
    if is_other_version and is_of_finished(there) and not is_again:
        return False
    if any(there.get(name) != expected.get(name) for name in _CHECKSUMS):
        return False
    try:
        was, now = (_settings(each) for each in (there, expected))
        if is_again and is_of_finished(there):
            preset = json.loads(there["texsynth:scheme"])["name"]
            if has_more_steps(was, now, preset):
                return False
    # A JSON text of a thousand brackets is a RecursionError.
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return False
    free = FREE if is_again else {}
    return dataclasses.replace(was, **free) == dataclasses.replace(now, **free)


_FILES = {"image", "target", "init"}
_CHECKSUMS = [
    "texsynth:repair",
    *(f"texsynth:{name}_sha256" for name in ("exemplar", "target", "init")),
]
"""Texts that are the same if all but the settings is."""

FREE = {"weights": None, "iterations": None, "quick": False, "gpu": -1}
"""Settings, with a value for all, that may change when a texture is gone on with."""


def has_more_steps(was, now, preset):
    """Returns whether a texture takes more steps than one of the same exemplar.

    Args:
        was (texsynth.Config): The settings of the one.
        now (texsynth.Config): Those of the other.
        preset (str): The preset that was chosen by either.

    Raises:
        KeyError: There is no such preset.
    """
    from texsynth.synthesis import presets

    return presets.steps(was, preset) > presets.steps(now, preset)


def _settings(text):
    """The settings that a picture tells, by its texts; those that its version lacked by default."""
    told = json.loads(text["texsynth:settings"])
    # The names of files, whose checksums say more.
    return Config.from_dict({name: told[name] for name in told.keys() - _FILES})


def is_of_finished(text):
    """Returns whether texts are those of a texture that was finished.

    Args:
        text (dict): What :func:`text_of` returned.
    """
    from texsynth.synthesis.result import INTERRUPTED

    return text.get("texsynth:reason", INTERRUPTED) != INTERRUPTED


def text_of(path, is_whole=False):
    """Returns what :func:`texsynth.images.text_of` does, also of a film.

    Args:
        path (pathlib.Path): As there.
        is_whole (bool): As there.
    """
    from texsynth import films, images

    if path.suffix.lower() in (".gif", ".mp4"):  # those that no image is written to
        return films.text_of(path)
    return images.text_of(path, is_whole)
