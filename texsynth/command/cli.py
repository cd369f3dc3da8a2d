"""The command: options to an order, the order to work, an exit code.

Chainer and Pillow are imported when the work begins, so that ``--help`` and usage errors come at
once.
"""

import copy
import functools
import sys

import click

from texsynth import config as settings
from texsynth.command import audience, dry_run, regions, steered
from texsynth.command.asked import Asked, OfAStackError
from texsynth.command.configured import arguments_of, configured_options
from texsynth.command.device import device_options
from texsynth.command.dry_run import dry_run_option
from texsynth.command.environment import by_environment, given_names
from texsynth.command.filming import film_options
from texsynth.command.folders import expanded
from texsynth.command.keeping import keeping_options
from texsynth.command.method import method_options
from texsynth.command.shared import (
    HELP_OPTIONS,
    PATH,
    downloads_forbidden,
    failure,
    set_up_logging,
)
from texsynth.command.tiling import TileAlone
from texsynth.command.words import command_of, completed
from texsynth.command.work import carry_out
from texsynth.config import Config
from texsynth.errors import TexsynthError
from texsynth.files.depths import DEPTHS, QUALITY
from texsynth.version import __version__


class _Command(TileAlone):
    """A word may ask for another command."""

    def main(self, args=None, prog_name=None, **extra):
        args = list(sys.argv[1:] if args is None else args)
        if (other := command_of(args)) is not None:
            return other.main(args[1:], **extra)
        return super().main(args, prog_name, **extra)

    def make_context(self, info_name, args, parent=None, **extra):
        """Makes the context of the command; to complete a line, that of the one it asks for."""
        other = command_of(args) if extra.get("resilient_parsing") else None
        if other is not None:
            return other.make_context(info_name, args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command("texsynth", cls=_Command, context_settings=HELP_OPTIONS)
@click.argument("image_paths", metavar="IMAGE...", type=PATH, nargs=-1, shell_complete=completed)
@configured_options
@dry_run_option
@device_options
@click.option(
    "--engine",
    default=Config.engine,
    show_default=True,
    type=click.Choice(settings.ENGINES),
    help="How to evaluate the network; auto picks the fastest engine that works.",
)
@click.option(
    "--precision",
    default=Config.precision,
    show_default=True,
    type=click.Choice(settings.PRECISIONS),
    help="How the factors of matrix products are rounded: bf16 (to 8 bits, CPUs that have it), tf32"
    " (to 11 bits, GPU) or fp32 (not); auto is bf16 where the CPU has it, else fp32.",
)
@click.option(
    "--preset",
    default=Config.preset,
    show_default=True,
    type=click.Choice(settings.PRESETS),
    help="Settings for a kind of texture: gatys follows the paper, regular is for textures that"
    " repeat (bricks, tiles, cloth), natural for others; auto chooses from IMAGE; paper is the"
    " paper to the letter, which takes long.",
)
@click.option(
    "--network",
    type=click.Choice(settings.NETWORKS),
    help="Network whose activations describe the texture: vgg19-normalised is the paper's, vgg19"
    " needs --weights.  [default: set by the preset: vgg16, paper vgg19-normalised]",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(readable=False),
    help="File to write to, whose name ends in .png, .tif, .tiff, .webp, .jpg, .jpeg or .exr, or"
    " folder, for PNG; a folder if there are several textures. A folder with / at its end is made."
    "  [default: <name>_texture.png in the current folder]",
)
@click.option(
    "--depth",
    type=click.Choice(DEPTHS),
    help="Bits of a channel in the texture's file: 8; 16 (PNG, TIFF, and half precision in EXR); or"
    " float, 32 bits (TIFF, EXR).  [default: 16 if IMAGE has more than 8 and the file can have it,"
    " else 8; EXR 16]",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help=f"Quality of a JPEG.  [default: {QUALITY}]",
)
@method_options
@regions.region_options
@steered.steering_options
@click.option("--seed", default=Config.seed, show_default=True, help="Random seed.")
@click.option(
    "--variations",
    metavar="N",
    type=click.IntRange(1, 10_000),
    help="Make N textures of each IMAGE, with --seed and the seeds after it:"
    " <name>_seed<S>_texture.png.",
)
@click.option(
    "--weights",
    type=click.Path(readable=False),
    help="Weights of the network: .npz, .h5, .caffemodel, .onnx or .pth.  [default: found or"
    " downloaded]",
)
@click.option("--offline", is_flag=True, help="Download no weights.")
@keeping_options
@film_options
@click.option(
    "--distributed",
    is_flag=True,
    help="Share the work among the processes started by mpiexec: the rows of one texture, or"
    " whole textures if there are several.",
)
@click.option(
    "--live",
    is_flag=True,
    help="Show the run in a browser on this machine while it goes on: prints the address of a page"
    " with image, loss, and a button to stop and keep.",
)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    help="Port of --live, on 127.0.0.1.  [default: one that is free]",
)
@click.option("-q", "--quiet", is_flag=True, help="Print only errors.")
@click.option("-v", "--verbose", is_flag=True, help="Print more.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context, image_paths, is_dry_run, offline, quiet, verbose, **options):
    """Make a new image with the texture of IMAGE, or one for each of several images.

    Writes <name>_texture.png, and <name>_comparison.png with the texture and IMAGE side by side.
    A folder stands for the images in it. With several images, textures that were already made
    with the same settings are kept.

    A word before the images asks for something else: "mix" for a texture between theirs, "repair"
    for a part of a photograph made anew, "material" for the maps of a surface, "film" for a film
    of images, "studio" for a page to do it all from. Each has its --help: texsynth mix --help.
    """
    quiet = quiet or audience.is_quiet(context)
    set_up_logging(quiet, verbose)
    try:
        with downloads_forbidden(offline):
            audience.check(options)
            given, paths = given_names(context), expanded(image_paths)
            if steered.is_asked(options):
                compositions = steered.steerings(paths, options)
            elif regions.is_asked(options):
                compositions = regions.paintings(paths, options)
            else:
                compositions = ()
            paths = () if compositions else paths
            asked = Asked(paths, options, given, compositions=compositions)
            order = asked.order()
            if is_dry_run:
                return dry_run.of_order(order)
            return audience.before(quiet, options, functools.partial(carry_out, order))
    except OfAStackError:
        return command_of(["material"]).main(arguments_of(context), obj=context.obj)
    except TexsynthError as error:
        raise failure(error, error) from error


by_environment(main)


def taken_over(*names, told=None):
    """Returns options of the command, for another one that takes them too.

    Args:
        names: Names of its parameters.
        told (dict): Help of those of which something else is to be told, by name.
    """
    found = {parameter.name: copy.copy(parameter) for parameter in main.params}
    for name, text in (told or {}).items():
        found[name].help = text
    return [found[name] for name in names]
