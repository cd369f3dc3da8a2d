"""Texture by numbers: ``--target-guide`` says which texture is to be where."""

from pathlib import Path

import click

from texsynth.command.painting import Painting
from texsynth.command.shared import PATH, from_text, together
from texsynth.errors import ConfigError

_OPTIONS = ("guide_path", "target_guide_path", "regions")


def parse_region(text):
    """Reads ``"red=grass.jpg"`` as a colour, ``(red, green, blue)``, and a path.

    Args:
        text (str): A name or ``#rrggbb``, and the path of an image.

    Raises:
        texsynth.errors.ConfigError: It has another form.
    """
    from PIL import ImageColor  # as all of Pillow: --help need not wait for it

    name, equals, path = text.partition("=")
    try:
        colour = ImageColor.getrgb(name.strip())[:3] if equals and path else None
    except ValueError:
        colour = None
    if colour is None:
        raise ConfigError(
            f"a region must look like red=grass.jpg or #ff0000=grass.jpg, not {text!r}"
        )
    return colour, Path(path)


def _regions(context, parameter, texts):
    """Parses the regions."""
    parse = from_text(parse_region)
    return tuple(parse(context, parameter, text) for text in texts)


region_options = together(
    click.option(
        "--guide",
        "guide_path",
        metavar="MAP",
        type=PATH,
        help="Map of IMAGE whose colours name its parts, for --target-guide.  [default:"
        " <name>_sem.png beside IMAGE]",
    ),
    click.option(
        "--target-guide",
        "target_guide_path",
        metavar="MAP",
        type=PATH,
        help="Map of what to make: where it has a colour, the texture is made that IMAGE has where"
        " --guide has that colour. The output has its size.",
    ),
    click.option(
        "--region",
        "regions",
        metavar="COLOUR=IMAGE",
        multiple=True,
        callback=_regions,
        help="The texture for a colour of --target-guide is that of another image, such as"
        " red=grass.jpg or #ff0000=grass.jpg; repeat the option for more.",
    ),
)
"""A decorator that gives a command ``--guide``, ``--target-guide`` and ``--region``."""


def is_asked(options):
    """Returns whether regions are asked for.

    Args:
        options (dict): All options of the command by name.
    """
    return any(options[name] for name in _OPTIONS)


def paintings(image_paths, options):
    """Returns what is to be painted: one image by the map, or one of the parts of each image.

    Args:
        image_paths: Paths of the exemplars that have guides; there may be none.
        options (dict): All options of the command by name.

    Returns:
        tuple: Each a :class:`texsynth.command.painting.Painting`.

    Raises:
        click.UsageError: There is nothing to take textures from.
        texsynth.errors.ConfigError: Options do not go together, or a guide is missing.
    """
    if not options["target_guide_path"]:
        raise ConfigError("--guide and --region need --target-guide, which says what goes where")
    if options.get("target_path"):
        raise ConfigError("--target-guide cannot be combined with --target")
    target, regions = Path(options["target_guide_path"]), tuple(sorted(options["regions"]))
    if len(dict(regions)) < len(regions):
        raise ConfigError("--region: a colour is given twice")
    if not image_paths:
        if options["guide_path"]:
            raise ConfigError("--guide needs IMAGE, whose parts it names")
        if not regions:
            raise click.UsageError("Missing argument 'IMAGE...'.")
        return (Painting(target.stem, None, None, target, regions),)
    if options["guide_path"] and len(image_paths) > 1:
        raise ConfigError(
            "--guide is the map of one IMAGE; of several, each has its own beside it, called"
            " <name>_sem.png"
        )
    maps = {guide_beside(path) for path in image_paths}  # they lie in one folder
    return tuple(
        Painting(path.stem, path, _guide_of(path, options["guide_path"]), target, regions)
        for path in image_paths
        if path not in maps
    )


def guide_beside(path):
    """Returns where the guide of an image is if none is named, whether it is there or not.

    Args:
        path (pathlib.Path): The image.
    """
    return path.with_name(f"{path.stem}_sem.png")


def _guide_of(path, named):
    """The path of an image's guide."""
    if named:
        return Path(named)
    found = guide_beside(path)
    if not found.is_file():
        raise ConfigError(f"--target-guide needs --guide, or a map of {path} called {found}")
    return found
