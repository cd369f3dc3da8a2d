"""What is there already: replaced if it is the same texture, or kept."""

import itertools
import os
import stat

from texsynth.command import provenance, record
from texsynth.errors import ConfigError

_WAYS = "-o writes elsewhere, --overwrite replaces it"


def check(outputs, recipe, is_again):
    """Makes sure that nothing is there that would be lost.

    Args:
        outputs (texsynth.command.outputs.Outputs): What is to be written.
        recipe (texsynth.command.recipe.Recipe): What it is made from.
        is_again (bool): Whether it goes on from a checkpoint, or is made again from a record.

    Raises:
        texsynth.errors.ConfigError: A file is there that is not of the same texture.
        texsynth.errors.TexsynthError: The exemplar cannot be read.
    """
    if outputs.keeping.overwrites:
        return
    what = outputs.result
    for path in [*outputs.pictures, *outputs.films]:
        if not is_replaceable(path, recipe, is_again):
            raise ConfigError(f"{path} already exists and is not the same {what}; {_WAYS}")
    for path in outputs.documents:  # they say nothing of themselves, but name pictures beside them
        beside = [each for each in outputs.pictures if each.parent == path.parent]
        if _has_content(path) and not any(map(_has_content, beside)):
            raise ConfigError(f"{path} already exists; {_WAYS}")
    path = outputs.record
    is_free = not outputs.keeping.record or not _has_content(path)
    if not is_free and not record.is_same(path, recipe, is_again):
        raise ConfigError(f"{path} already exists and is not the same {what}'s; {_WAYS}")


def is_replaceable(path, recipe, is_again):
    """Returns whether nothing is lost if a picture of a texture takes the place of what is there.

    Args:
        path (pathlib.Path): The file, which need not be there.
        recipe (texsynth.command.recipe.Recipe): What the texture is made from.
        is_again (bool): As for :func:`check`; then it may be an earlier stage of the same run, and
            of another version.

    Raises:
        texsynth.errors.TexsynthError: The exemplar cannot be read.
    """
    return not _has_content(path) or provenance.is_same(path, recipe, is_again)


def for_a_stopped_one(outputs, recipe):
    """Returns where a texture that was stopped goes: never in the place of a finished one.

    Args:
        outputs (texsynth.command.outputs.Outputs): Where it goes if nothing finished is there.
        recipe (texsynth.command.recipe.Recipe): What it is made from.

    Returns:
        texsynth.command.outputs.Outputs: The same, or names with ``_stopped`` in them.
    """
    places = (outputs.aside(number) for number in itertools.count(1))
    for place in itertools.chain([outputs], places):
        kinds = [(provenance, path) for path in [*place.pictures, *place.films]]
        kinds += [(record, place.record)] if place.keeping.record else []
        if all(_takes_a_stopped_one(path, kind, recipe) for kind, path in kinds):
            return place


def _takes_a_stopped_one(path, kind, recipe):
    """Whether the file may go; ``kind`` is the module that reads it."""
    if not _has_content(path):
        return True
    return kind.is_stopped(path) and kind.is_same(path, recipe, is_again=True)


def _has_content(path):
    """Whether a file is there with something in it; a link is replaced, and loses nothing."""
    try:
        status = os.lstat(path)
    except OSError:  # told when it is written
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size > 0
