"""Which stacks of maps the folders on the command line have."""

import re
from typing import NamedTuple

from texsynth.errors import ConfigError, ImageError
from texsynth.materials import finding

_OF_SEED = re.compile(r"seed(\d+)_")  # what the files of variations begin with


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
    if given:
        raise ConfigError(f"{given[0]} is for pictures, and {paths[0]} is a folder of maps")
    for path in paths[1:]:
        if not finding.is_of_maps(path):
            raise ConfigError(
                f"{paths[0]} is a folder of maps, to be compared with folders; {path} is none"
            )


def made(where, name):
    """Returns the :class:`Files` of each stack in a folder: of each seed, if there are several.

    Args:
        where (pathlib.Path): A folder, or a pattern of files in one.
        name (str): What to call it, printable.

    Raises:
        texsynth.errors.ImageError: There are no maps, or two of a stack are of one kind.
    """
    paths = finding.listed(where)
    seeds = {}
    for path in paths:
        if (of_seed := _OF_SEED.match(path.name)) is not None:
            seeds.setdefault(int(of_seed[1]), []).append(path)
    named = {f"{name} seed {seed}": those for seed, those in sorted(seeds.items())}
    try:
        return [
            Files(each, finding.find(those)) for each, those in (named or {name: paths}).items()
        ]
    except ImageError as error:
        raise ImageError(f"{where}: {error}") from error


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
