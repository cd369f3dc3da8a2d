"""Texture by numbers: ``--target-guide`` says which texture is to be where."""

import dataclasses
from pathlib import Path

import click

from texsynth import config as settings
from texsynth.command.composed import Composed, Pictures, make
from texsynth.command.keeping import keeping_of
from texsynth.command.order import Order, Sources
from texsynth.command.provenance import Picture, Recipe
from texsynth.config import Config
from texsynth.errors import ConfigError

_OPTIONS = ("guide_path", "target_guide_path", "regions")
_NOT_WITH = {
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
_LARGEST_CHANGE = 0.02  # of the ratio of sides, between a guide and its image


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


def is_asked(options):
    """Returns whether regions are asked for.

    Args:
        options (dict): All options of the command by name.
    """
    return any(options[name] for name in _OPTIONS)


def carry_out(image_paths, options, quiet):
    """Makes what is asked for.

    Args:
        image_paths: Paths of the exemplars: one that has a guide, or none.
        options (dict): All options of the command by name.
        quiet (bool): Say nothing but errors.

    Returns:
        int: The exit code.

    Raises:
        click.ClickException: It failed when something may have been written, or was interrupted.
        texsynth.errors.TexsynthError: It cannot be made as it was asked for.
    """
    from texsynth.images import labels

    guide_path = _checked(image_paths, options)
    target_path, regions = Path(options["target_guide_path"]), dict(options["regions"])
    if len(regions) < len(options["regions"]):
        raise ConfigError("--region: a colour is given twice")
    start = options["init"] if options["init"] in settings.STARTS else None
    names = {field.name for field in dataclasses.fields(Config)} & options.keys()
    config = Config(start=start, **{name: options[name] for name in names})
    init_path = None if start or options["init"] is None else Path(options["init"])
    exemplars = (*image_paths, *regions.values())
    maps = tuple(path for path in (guide_path, target_path) if path)
    name = image_paths[0].stem if image_paths else target_path.stem
    sources = Sources(exemplars, init_path, maps=maps, name=name)
    read = {path: Picture(path, config.input_range) for path in sources.pictures}
    wanted = labels.read_labels(read[target_path].pixels, str(target_path))
    textures = _of_guide(image_paths, guide_path, read)
    for colour, path in regions.items():
        if colour in textures:
            raise ConfigError(f"--region: {labels.name_of(colour)} is in {guide_path} too")
        textures[colour] = read[path], None
    where = " and ".join([str(guide_path)] * bool(guide_path) + ["--region"] * bool(regions))
    wanted = labels.matched(wanted, tuple(textures), str(target_path), where)
    if config.output_size is None:
        size = wanted.numbers.shape[::-1]
        config = dataclasses.replace(config, output_size=size)
    out, told = Path(options["out"]) if options["out"] else None, options["out"] or ""
    keeping = keeping_of(options)
    order = Order(config, sources, out, told.endswith("/"), keeping, False)
    init = None if init_path is None else read[init_path]
    pictures = Pictures(
        [read[path] for path in dict.fromkeys(exemplars)],
        f"{', '.join(read[path].name for path in exemplars)} by {target_path.name}",
        [read[path] for path in maps],
        sorted((colour, path.name) for colour, path in regions.items()),
    )
    recipe = Recipe(config, pictures, init)
    return make([Composed(order, recipe, _study(textures, wanted))], quiet)


def _study(textures, wanted):
    """What makes the study of textures and a map, by a workshop."""

    def study(workshop):
        from texsynth.images.labels import name_of
        from texsynth.synthesis.regions import painted
        from texsynth.synthesis.varied import Source

        sources = {}
        for number, (colour, (picture, mask)) in enumerate(textures.items()):
            name = f"the part {name_of(colour)} of {picture.path}"
            sources[number] = Source(picture.deep, mask, name)
        return painted(workshop, sources, wanted.numbers)

    return study


def _checked(image_paths, options):
    """Makes sure that the options go together; returns the path of the guide, or ``None``."""
    if not options["target_guide_path"]:
        raise ConfigError("--guide and --region need --target-guide, which says what goes where")
    for name, told in _NOT_WITH.items():
        if options[name]:
            raise ConfigError(f"--target-guide cannot be combined with {told}")
    if options["init"] == "":
        raise ConfigError("--init must be noise, phase, or the path of an image, not empty")
    if len(image_paths) > 1:
        raise ConfigError("--target-guide takes one IMAGE with a guide; --region takes more images")
    if not image_paths:
        if options["guide_path"]:
            raise ConfigError("--guide needs IMAGE, whose parts it names")
        if not options["regions"]:
            raise click.UsageError("Missing argument 'IMAGE...'.")
        return None
    if options["guide_path"]:
        return Path(options["guide_path"])
    path = image_paths[0]
    found = path.with_name(f"{path.stem}_sem.png")
    if not found.is_file():
        raise ConfigError(f"--target-guide needs --guide, or a map of {path} called {found}")
    return found


def _of_guide(image_paths, guide_path, read):
    """The textures of an image that has a guide, ``{colour: (picture, mask)}``."""
    from texsynth.images.labels import read_labels

    if guide_path is None:
        return {}
    picture, guide = read[image_paths[0]], read[guide_path]
    (height, width), (rows, columns) = picture.pixels.shape[:2], guide.pixels.shape[:2]
    if abs(width / height * rows / columns - 1) > _LARGEST_CHANGE:
        raise ConfigError(
            f"{guide_path} is {columns}x{rows}, and {picture.path} {width}x{height}: a guide has"
            " the shape of its image"
        )
    found = read_labels(guide.pixels, str(guide_path))
    return {
        colour: (picture, (found.numbers == number).astype("f4"))
        for number, colour in enumerate(found.colours)
    }
