"""What the file of a texture tells of where it comes from, and whether a file tells the same.

Pillow is imported when a file is read: the command's ``--help`` need not wait for it.
"""

import dataclasses
import json

from texsynth.config import Config
from texsynth.version import __version__


def origin(recipe):
    """Returns what a texture is made from, as the text of its file.

    Args:
        recipe (texsynth.command.recipe.Recipe): Settings and pictures.

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
        recipe (texsynth.command.recipe.Recipe): What the texture is made from.
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
