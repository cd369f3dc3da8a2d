"""Which stacks of maps the folders on the command line have."""

import re
from typing import NamedTuple

from texsynth.errors import ConfigError, ImageError
from texsynth.materials import finding

_OF_ONE = re.compile(r"(?:seed(\d+)_)?(?:stopped(\d*)_)?")
"""What the files of variations begin with, and of stacks that were stopped."""


class Files(NamedTuple):
    """The files of a stack.

    Attributes:
        name: What to call the stack, printable.
        found: Which of them are which maps, a :class:`texsynth.materials.finding.Found`.
    """

    name: str
    found: finding.Found


def check(paths, given):
    """Makes sure that folders of maps are compared with folders of maps, and with nothing else.

    Args:
        paths: Paths of exemplar and outputs.
        given: Names of the options that were given and are for pictures, such as ``--mask``.

    Raises:
        texsynth.errors.ConfigError: They do not go together.
    """
    if "--record" in given:
        raise ConfigError(
            "folders of maps are compared without --record: EXEMPLAR's, and those that were made"
        )
    if given:
        raise ConfigError(f"{given[0]} is for pictures, and {paths[0]} is a folder of maps")
    for path in paths[1:]:
        if not finding.is_of_maps(path):
            raise ConfigError(
                f"{paths[0]} is a folder of maps, to be compared with folders; {path} is none"
            )


def made(where, name):
    """Returns the :class:`Files` of each stack in a folder: of each seed, and of one stopped.

    Args:
        where (pathlib.Path): A folder, or a pattern of files in one.
        name (str): What to call it, printable.

    Raises:
        texsynth.errors.ImageError: There are no maps, or two of a stack are of one kind.
    """
    stacks = {}
    for path in finding.listed(where):
        seed, stopped = _OF_ONE.match(path.name).groups()
        stacks.setdefault((_number(seed), _number(stopped)), []).append(path)
    if any(seed is not None for seed, _ in stacks):  # of no seed are pictures of all kinds
        stacks = {which: those for which, those in stacks.items() if which[0] is not None}
    try:
        return [
            Files(_named(name, *which), finding.find(those))
            for which, those in sorted(stacks.items(), key=_in_order)
        ]
    except ImageError as error:
        raise ImageError(f"{where}: {error}") from error


def _number(digits):
    """That of a seed, or of one stopped, of which the first says none; ``None`` if not of one."""
    return None if digits is None else int(digits or 1)


def _in_order(stack):
    """What stacks are sorted by: their seeds, those that were stopped last."""
    (seed, stopped), _ = stack
    return seed or 0, stopped or 0


def _named(name, seed, stopped):
    of_seed = "" if seed is None else f" seed {seed}"
    return f"{name}{of_seed}" + ("" if stopped is None else f" stopped {stopped}")


def all_of(paths):
    """Returns the images in folders; none of those that cannot be read, which is told later.

    Args:
        paths: Folders, or patterns of files.
    """
    found = []
    for path in paths:
        try:
            found += finding.listed(path)
        except ImageError:
            continue
    return found
