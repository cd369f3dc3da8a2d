"""``texsynth mix``: one texture between those of several images, or a row from one to the other."""

import dataclasses
from pathlib import Path

import click

from texsynth import config as settings
from texsynth import values
from texsynth.command.cli import taken_over
from texsynth.command.composed import Composed, Pictures, make
from texsynth.command.device import device_options
from texsynth.command.keeping import keeping_of
from texsynth.command.order import Order, Sources
from texsynth.command.outputs import make_folder
from texsynth.command.provenance import Picture, Recipe
from texsynth.command.shared import (
    HELP_OPTIONS,
    PATH,
    downloads_forbidden,
    failure,
    from_text,
    set_up_logging,
)
from texsynth.command.tiling import TileAlone
from texsynth.config import Config
from texsynth.errors import ConfigError, TexsynthError
from texsynth.terms import MIXINGS


@click.command("texsynth mix", cls=TileAlone, context_settings=HELP_OPTIONS)
@click.argument("image_paths", metavar="IMAGE IMAGE...", type=PATH, nargs=-1)
@click.option(
    "--weights",
    "shares",
    metavar="W,W,...",
    callback=from_text(values.parse_shares),
    help="How much of each IMAGE, such as 0.7,0.3.  [default: all alike]",
)
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(2, 100),
    help="Make a row of N textures from the first IMAGE to the second, both ends included:"
    " <name>_step<K>_texture.png, and <name>_row.png with all of them.",
)
@click.option(
    "--gradient",
    metavar="x|y|MAP",
    help="Vary the mix over the texture: from the first IMAGE on the left (x) or at the top (y) to"
    " the second, or by a map, an image that is black where the first is to be and white where the"
    " second.",
)
@click.option(
    "--mixing",
    default=MIXINGS[0],
    show_default=True,
    type=click.Choice(MIXINGS),
    help="How statistics are mixed: transport takes means and covariances along the way of least"
    " transport between Gaussians, average takes averages of Gram matrices.",
)
@click.option(
    "--network-weights",
    "weights",
    type=click.Path(readable=False),
    help="Weights of the network: .npz, .h5, .caffemodel, .onnx or .pth.  [default: found or"
    " downloaded]",
)
@device_options
def main(image_paths, offline, quiet, verbose, **options):
    """Make a texture that lies between those of several images.

    Writes <name>_<name>_texture.png, and <name>_<name>_comparison.png with the texture and the
    images side by side. The options from --gpu on mean what they do for texsynth itself; the
    network's --weights are --network-weights here.
    """
    set_up_logging(quiet, verbose)
    try:
        with downloads_forbidden(offline):
            mixes, row_path = _asked(image_paths, options)
            return make(mixes, quiet, row_path)
    except TexsynthError as error:
        raise failure(error, error) from error


main.params += taken_over(
    *("engine", "precision", "preset", "network", "size", "input_range", "output_size"),
    *("iterations", "optimizer", "learning_rate", "losses", "layers", "pooling", "levels"),
    *("margin", "detail", "tile", "match_colours", "init", "memory", "seed", "offline", "out"),
    *("comparison", "overwrites", "depth", "quality", "quiet", "verbose"),
    told={
        "out": "File to write to, see texsynth --help, or folder; with --steps a folder. A folder"
        " with / at its end is made.  [default: <name>_<name>_texture.png in the current folder]",
    },
)


def _asked(image_paths, options):
    """Returns the mixtures that are asked for, and the path of the row that they make, if any."""
    shares, steps, way, along = (
        options.pop(name) for name in ("shares", "steps", "mixing", "gradient")
    )
    _check(image_paths, shares, steps, along, options["init"])
    start = options["init"] if options["init"] in settings.STARTS else None
    names = {field.name for field in dataclasses.fields(Config)} & options.keys()
    config = Config(start=start, **{name: options[name] for name in names})
    init_path = None if start or options["init"] is None else Path(options["init"])
    out, told = Path(options["out"]) if options["out"] else None, options["out"] or ""
    keeping = keeping_of(options)
    maps = () if along in (None, "x", "y") else (Path(along),)
    sources = Sources(image_paths, init_path, maps=maps)
    order = Order(config, sources, out, told.endswith("/"), keeping, False)
    read = {path: Picture(path, config.input_range) for path in sources.pictures}
    if along is not None:
        return [_gradient(order, read, along, way)], None
    if steps is None:
        shares = values.check_shares(shares or [1.0] * len(image_paths), len(image_paths))
        return [_mix(order, read, shares, way)], None
    folder = _folder(out or Path(), order.makes_folder)
    mixes = []
    for number in range(steps):
        share = number / (steps - 1)
        path = folder / f"{sources.stem}_step{number + 1}_texture.png"
        one = dataclasses.replace(order, out=path, makes_folder=False)
        mixes.append(_mix(one, read, (1 - share, share), way))
    return mixes, folder / f"{sources.stem}_row.png"


def _check(image_paths, shares, steps, along, init):
    """Makes sure that the options go together."""
    if len(image_paths) < 2:
        raise click.UsageError(f"a mix needs at least two images, not {len(image_paths)}")
    if init == "":
        raise ConfigError("--init must be noise, phase, or the path of an image, not empty")
    for name, value in (("--steps", steps), ("--gradient", along)):
        if value is not None and shares is not None:
            raise ConfigError(f"{name} cannot be combined with --weights: it has all of them")
        if value is not None and len(image_paths) != 2:
            raise ConfigError(
                f"{name} goes from one image to another, not {len(image_paths)} images"
            )
    if steps is not None and along is not None:
        raise ConfigError("--steps cannot be combined with --gradient")


def _folder(out, is_made):
    """Returns the folder of a row, once it is there."""
    if is_made:
        make_folder(out)
    if not out.is_dir():
        raise ConfigError(f"--out must be a folder for a row, with / at its end to make it: {out}")
    return out


def _mix(order, read, shares, way):
    """The mixture with certain shares."""
    pictures = [read[path] for path in order.sources.image_paths]
    told = zip(pictures, shares, strict=True)
    name = f"{way}: {', '.join(f'{each.name} {share:.6g}' for each, share in told)}"

    def study(workshop):
        from texsynth.synthesis.mixture import Mixture

        return Mixture(workshop, [each.deep for each in pictures], shares, way)

    recipe = _recipe(order, read, Pictures(pictures, name, decided=(shares, way)))
    return Composed(order, recipe, study)


def _gradient(order, read, along, way):
    """The mixture that varies over the image."""
    first, second = (read[path] for path in order.sources.image_paths)
    maps = [read[path] for path in order.sources.maps]

    def study(workshop):
        from texsynth.synthesis.gradients import gradient

        field = maps[0].deep.mean(axis=2) / 255 if maps else along
        return gradient(workshop, first.deep, second.deep, field, way)

    name = f"{way}: {first.name} to {second.name} along {maps[0].name if maps else along}"
    decided = along if not maps else "map", way
    recipe = _recipe(order, read, Pictures([first, second], name, maps, decided))
    return Composed(order, recipe, study)


def _recipe(order, read, pictures):
    init_path = order.sources.init_path
    return Recipe(order.config, pictures, None if init_path is None else read[init_path])
