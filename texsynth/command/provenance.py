"""Where a texture comes from: what its PNG tells, and whether a PNG tells the same.

Pillow is imported when a file is read: the command's ``--help`` need not wait for it.
"""

import dataclasses
import functools
import json
import warnings

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

    @functools.cached_property
    def pixels(self):
        """``(H, W, 3)`` uint8, RGB; raises as :func:`texsynth.images.read`."""
        from texsynth import images

        return images.read(self.path, self._input_range)

    @functools.cached_property
    def checksum(self):
        """What :func:`texsynth.images.checksum` returns for the pixels."""
        from texsynth import images

        return images.checksum(self.pixels)


class Target(Picture):
    """A file of statistics in the place of an exemplar.

    Args:
        path (pathlib.Path): The file.
    """

    is_target = True

    @functools.cached_property
    def pixels(self):
        """The :class:`texsynth.Statistics`, which is taken where an exemplar's pixels are."""
        from texsynth.targets import Statistics

        return Statistics.load(self.path)

    @functools.cached_property
    def checksum(self):
        """What its ``checksum`` returns."""
        return self.pixels.checksum()


def exemplar_of(sources, path, input_range):
    """Returns the :class:`Picture` of an exemplar, or the :class:`Target` in its place.

    Args:
        sources (texsynth.command.order.Sources): What textures are made from.
        path (pathlib.Path): The exemplar's file among them.
        input_range: What is black and what white in it, of the settings; or ``None``.
    """
    return Target(path) if sources.is_target else Picture(path, input_range)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a texture is made from.

    Attributes:
        config (texsynth.Config): The settings.
        exemplar (Picture): The exemplar, or the statistics in its place; or several with what is
            made of them.
        init (Picture): The image to start from; ``None`` starts as the settings say.
        mending (texsynth.command.mending.Mending): What of the exemplar, a photograph, is made
            anew; ``None`` makes a texture.
    """

    config: Config
    exemplar: Picture
    init: Picture | None = None
    mending: Mending | None = None


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
    used |= recipe.config.as_dict()
    # File names are bytes: what is no UTF-8 in them cannot be kept in a PNG.
    settings = json.dumps(used, ensure_ascii=False).encode("utf-8", "replace").decode()
    text = {f"texsynth:{key}": value for key, value in {"settings": settings, **text}.items()}
    return {"Software": f"texsynth {__version__}", **text}


def is_finished(path, expected):
    """Returns whether a file is a whole PNG of a texture that was finished.

    Args:
        path (pathlib.Path): The file, which need not be there.
        expected (dict): What :func:`origin` returns for the texture.
    """
    text = text_of(path, is_whole=True)
    return _is_finished(text) and expected.items() <= text.items()


def is_stopped(path):
    """Returns whether a file is a picture of a texture that was not finished.

    Args:
        path (pathlib.Path): The file.
    """
    return is_ours(path) and not _is_finished(text_of(path))


def is_ours(path):
    """Returns whether a file is a picture that this program made.

    Args:
        path (pathlib.Path): The file.
    """
    return text_of(path).get("Software", "").startswith("texsynth ")


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
    if is_other_version and _is_finished(there) and not is_again:
        return False
    if any(there.get(name) != expected.get(name) for name in _CHECKSUMS):
        return False
    try:
        was, now = (_settings(each) for each in (there, expected))
        if is_again and _is_finished(there):
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
    """The settings that a PNG tells, by its texts; those that its version lacked by default."""
    told = json.loads(text["texsynth:settings"])
    # The names of files, whose checksums say more.
    return Config.from_dict({name: told[name] for name in told.keys() - _FILES})


def _is_finished(text):
    from texsynth.synthesis.result import INTERRUPTED

    return text.get("texsynth:reason", INTERRUPTED) != INTERRUPTED


def text_of(path, is_whole=False):
    """Returns the texts of a PNG by keyword; none of what is none.

    Args:
        path (pathlib.Path): The file, which need not be there.
        is_whole (bool): Whether it has none either if it is damaged.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Of many pixels: as large a texture may have been asked for.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if is_whole:
                with Image.open(path, formats=["PNG"]) as file:
                    file.verify()  # the checksums of all chunks
            with Image.open(path, formats=["PNG"]) as file:
                if is_whole:
                    file.load()
                # What stands before the pixels, as this program writes it.
                return {name: text for name, text in file.info.items() if isinstance(text, str)}
    # Pillow raises all of these on damaged files.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return {}
