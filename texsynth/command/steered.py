"""``--turn`` and ``--scale-map``: a texture whose direction, or scale, follows a map."""

from pathlib import Path

import click

from texsynth.command.shared import PATH, together
from texsynth.command.steering import SCALE, TURN, Steering
from texsynth.errors import ConfigError

_MAPS = {"turn_path": TURN, "scale_map_path": SCALE}
_NOT_WITH = {
    "guide_path": "--guide",
    "target_guide_path": "--target-guide",
    "regions": "--region",
    "target_path": "--target",
}

steering_options = together(
    click.option(
        "--turn",
        "turn_path",
        metavar="MAP",
        type=PATH,
        help="Turn the texture from place to place by a grey map: black leaves it as it is,"
        " brighter turns it counter-clockwise, 64 of 255 by a quarter, 128 by a half. The output"
        " has its size.",
    ),
    click.option(
        "--scale-map",
        "scale_map_path",
        metavar="MAP",
        type=PATH,
        help="Scale the texture from place to place by a grey map: black halves it, middle grey"
        " leaves it as it is, white doubles it. The output has its size.",
    ),
)
"""A decorator that gives a command ``--turn`` and ``--scale-map``."""


def is_asked(options):
    """Returns whether a map of directions or scales is given.

    Args:
        options (dict): All options of the command by name.
    """
    return any(options[name] for name in _MAPS)


def steerings(image_paths, options):
    """Returns what is to be made: of each image, one that follows the map.

    Args:
        image_paths: Paths of the exemplars.
        options (dict): All options of the command by name.

    Returns:
        tuple: Each a :class:`texsynth.command.steering.Steering`.

    Raises:
        click.UsageError: There is no exemplar.
        texsynth.errors.ConfigError: Options do not go together.
    """
    asked = [meaning for name, meaning in _MAPS.items() if options[name]]
    others = [f"--{meaning}" for meaning in asked[1:]]
    others += [told for name, told in _NOT_WITH.items() if options.get(name)]
    if others:
        raise ConfigError(f"--{asked[0]} cannot be combined with {others[0]}")
    if not image_paths:
        raise click.UsageError("Missing argument 'IMAGE...'.")
    by = next(Path(options[name]) for name in _MAPS if options[name])
    return tuple(Steering(path.stem, path, by, asked[0]) for path in image_paths)
