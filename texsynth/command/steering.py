"""``--turn`` and ``--scale-map``: a texture whose direction, or scale, follows a map."""

import dataclasses
from pathlib import Path

import click

from texsynth import config as settings
from texsynth.command.composed import Composed, Pictures, make
from texsynth.command.keeping import Keeping
from texsynth.command.order import Order, Sources
from texsynth.command.provenance import Picture, Recipe
from texsynth.config import Config
from texsynth.errors import ConfigError, ImageError

_MAPS = {"turn_path": "--turn", "scale_map_path": "--scale-map"}
_NOT_WITH = {
    "guide_path": "--guide",
    "target_guide_path": "--target-guide",
    "regions": "--region",
    "target_path": "--target",
    "variations": "--variations",
    "snapshots": "--snapshots",
    "checkpoint_path": "--checkpoint",
    "every": "--every",
    "resume_path": "--resume",
    "keeps_record": "--record",
    "replay_path": "--replay",
    "distributed": "--distributed",
}
_LARGEST_CHANGE = 0.02  # of the ratio of sides, between a map and the output
_MOST_COLOUR = 8  # grey levels between the channels of what is grey: JPEG's rounding is less


def is_asked(options):
    """Returns whether a map of directions or scales is given.

    Args:
        options (dict): All options of the command by name.
    """
    return any(options[name] for name in _MAPS)


def carry_out(image_paths, options, quiet):
    """Makes what is asked for.

    Args:
        image_paths: Paths of the exemplars, of which there is to be one.
        options (dict): All options of the command by name.
        quiet (bool): Say nothing but errors.

    Returns:
        int: The exit code.

    Raises:
        click.ClickException: It failed when something may have been written, or was interrupted.
        texsynth.errors.TexsynthError: It cannot be made as it was asked for.
    """
    told = _checked(image_paths, options)
    map_path = next(Path(options[name]) for name in _MAPS if options[name])
    start = options["init"] if options["init"] in settings.STARTS else None
    names = {field.name for field in dataclasses.fields(Config)} & options.keys()
    config = Config(start=start, **{name: options[name] for name in names})
    init_path = None if start or options["init"] is None else Path(options["init"])
    sources = Sources(image_paths, init_path, maps=(map_path,))
    read = {path: Picture(path, config.input_range) for path in sources.pictures}
    exemplar, field = read[image_paths[0]], read[map_path]
    grey = grey_of(field.pixels, map_path)
    config = _at_size(config, grey.shape[::-1], map_path)
    out = options["out"] or ""
    keeping = Keeping(options["comparison"], options["overwrites"])
    order = Order(config, sources, Path(out) if out else None, out.endswith("/"), keeping, False)
    name = f"{exemplar.name} {told.removeprefix('--')} {field.name}"
    pictures = Pictures([exemplar], name, [field], told)
    recipe = Recipe(config, pictures, None if init_path is None else read[init_path])
    return make([Composed(order, recipe, _study(exemplar, grey, told))], quiet)


def _checked(image_paths, options):
    """Makes sure that the options go together; returns the one that gives the map."""
    asked = [told for name, told in _MAPS.items() if options[name]]
    if len(asked) > 1:
        raise ConfigError(f"{asked[0]} cannot be combined with {asked[1]}")
    for name, told in _NOT_WITH.items():
        if options[name]:
            raise ConfigError(f"{asked[0]} cannot be combined with {told}")
    if options["init"] == "":
        raise ConfigError("--init must be noise, phase, or the path of an image, not empty")
    if not image_paths:
        raise click.UsageError("Missing argument 'IMAGE...'.")
    if len(image_paths) > 1:
        raise ConfigError(f"{asked[0]} takes one IMAGE, not {len(image_paths)}")
    return asked[0]


def grey_of(pixels, path):
    """Returns the grey levels of a map, ``(H, W)`` float64, 0..255.

    Args:
        pixels (numpy.ndarray): ``(H, W, 3)`` uint8.
        path (pathlib.Path): What messages call it.

    Raises:
        texsynth.errors.ImageError: It has colours.
    """
    if int((pixels.max(axis=2) - pixels.min(axis=2)).max()) > _MOST_COLOUR:
        raise ImageError(f"{path} has colours, and a map of angles or scales is grey")
    return pixels.mean(axis=2)


def _at_size(config, size, path):
    """The settings with the size of a map, or with another of the same shape."""
    if config.output_size is None:
        return dataclasses.replace(config, output_size=size)
    (width, height), (columns, rows) = config.output_size, size
    if abs(width / height * rows / columns - 1) > _LARGEST_CHANGE:
        raise ConfigError(
            f"{path} is {columns}x{rows}, and the output {width}x{height}: a map has the shape of"
            " the output"
        )
    return config


def _study(exemplar, grey, told):
    """What makes the study of the exemplar and the map, by a workshop."""

    def study(workshop):
        from texsynth.synthesis import steering

        if told == "--turn":
            return steering.Steered(workshop, exemplar.pixels, angles=steering.angles_of(grey))
        return steering.Steered(workshop, exemplar.pixels, scales=steering.scales_of(grey))

    return study
