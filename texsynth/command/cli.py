"""The command: options to an order, the order to work, an exit code.

Chainer and Pillow are imported when the work begins, so that ``--help`` and usage errors come at
once.
"""

import click
from click.core import ParameterSource

from texsynth import config as settings
from texsynth.command.asked import Asked
from texsynth.command.keeping import EVERY
from texsynth.command.shared import (
    HELP_OPTIONS,
    PATH,
    OneLineErrors,
    failure,
    from_text,
    set_up_logging,
)
from texsynth.command.work import carry_out
from texsynth.config import Config
from texsynth.errors import TexsynthError
from texsynth.terms import LOSSES, parse_layers, parse_term
from texsynth.version import __version__


def _terms(context, parameter, texts):
    """Parses the texts of an option that may come several times; none means ``None``."""
    parse = from_text(parse_term)
    return tuple(parse(context, parameter, text) for text in texts) or None


class _Command(OneLineErrors):
    """``--tile`` may stand alone."""

    def parse_args(self, context, args):
        args = list(args)
        for place, arg in enumerate(args):
            if arg == "--":
                break
            if arg == "--tile" and args[place + 1 : place + 2] not in [
                [t] for t in settings.TILINGS
            ]:
                args[place] = "--tile=xy"
        return super().parse_args(context, args)


@click.command("texsynth", cls=_Command, context_settings=HELP_OPTIONS)
@click.argument("image_paths", metavar="IMAGE...", type=PATH, nargs=-1)
@click.option(
    "-g", "--gpu", default=Config.gpu, show_default=True, help="CUDA device number; -1 is the CPU."
)
@click.option(
    "--engine",
    default=Config.engine,
    show_default=True,
    type=click.Choice(settings.ENGINES),
    help="How the network is evaluated; auto takes the fastest that works.",
)
@click.option(
    "--precision",
    default=Config.precision,
    show_default=True,
    type=click.Choice(settings.PRECISIONS),
    help="Of engine cuda: tf32 is faster, and rounds the factors of matrix products.",
)
@click.option(
    "--preset",
    default=Config.preset,
    show_default=True,
    type=click.Choice(settings.PRESETS),
    help="What suits a kind of texture: gatys is the paper as it stands, regular is for what"
    " repeats (bricks, tiles, cloth), natural for what does not; auto looks at IMAGE.",
)
@click.option(
    "-o",
    "--out",
    type=PATH,
    help="PNG file to write, or a folder; of several textures, the folder."
    "  [default: <name>_texture.png in the current folder]",
)
@click.option(
    "--size",
    default=Config.size,
    show_default=True,
    help="Longer side in pixels that IMAGE is brought to before anything else; 0 keeps it.",
)
@click.option(
    "--output-size",
    metavar="WxH",
    callback=from_text(settings.parse_size),
    help="Size of the texture in pixels.  [default: that of the exemplar]",
)
@click.option(
    "-n",
    "--iterations",
    type=int,
    help="Optimizer steps at full size; a coarser level takes twice as many as the next."
    "  [default: the preset's: 80, gatys 180]",
)
@click.option(
    "--optimizer",
    default=Config.optimizer,
    show_default=True,
    type=click.Choice(settings.OPTIMIZERS),
    help="How the image is optimised.",
)
@click.option(
    "--lr",
    "learning_rate",
    default=Config.learning_rate,
    show_default=True,
    help="Step size of Adam in grey levels.",
)
@click.option(
    "--loss",
    "losses",
    metavar="NAME[=WEIGHT][:LAYERS]",
    multiple=True,
    callback=_terms,
    help=f"A term of the loss, once for each: {', '.join(LOSSES)}.  [default: the preset's]",
)
@click.option(
    "--layers",
    metavar="NAME[=WEIGHT],...",
    callback=from_text(parse_layers),
    help="Layers of the Gram loss, conv1_1 to pool5, and their weights."
    f"  [default: {','.join(settings.DEFAULT_LAYERS)}]",
)
@click.option(
    "--pooling",
    default=Config.pooling,
    show_default=True,
    type=click.Choice(settings.POOLINGS),
    help="Pooling of the network.",
)
@click.option(
    "--levels",
    type=int,
    help="Pyramid levels, coarse to fine; 1 is full size only."
    "  [default: the preset's: 1, or 1 to 3 by the size]",
)
@click.option(
    "--margin",
    type=int,
    help="Pixels beyond each edge that are made too, and cut away.  [default: the preset's]",
)
@click.option(
    "--tile",
    metavar="[x|y|xy]",
    type=click.Choice(settings.TILINGS),
    help="Make a texture that tiles without a seam: across, down, or (alone, or xy) both ways."
    " Also writes <name>_tiled.png, two by two of it.",
)
@click.option(
    "--match-colours",
    is_flag=True,
    help="Give the texture the colour histogram of the exemplar at the end.",
)
@click.option(
    "--init",
    metavar="noise|phase|IMAGE",
    help="What to start from: uniform noise, the exemplar with random phases, or an image."
    "  [default: the preset's]",
)
@click.option(
    "--memory",
    metavar="SIZE",
    callback=from_text(settings.parse_memory),
    help="What the run may take of the device's memory, as 4GB; larger textures are made in blocks."
    "  [default: four fifths of what is free]",
)
@click.option("--seed", default=Config.seed, show_default=True, help="Seed of the start.")
@click.option(
    "--variations",
    metavar="N",
    type=click.IntRange(1, 10_000),
    help="Make N textures of each IMAGE, with this seed and those after it:"
    " <name>_seed<S>_texture.png.",
)
@click.option(
    "--weights",
    type=click.Path(readable=False),
    help="VGG16 weights: .npz, .h5, .caffemodel, .onnx or .pth.  [default: found, or fetched]",
)
@click.option(
    "--snapshots",
    metavar="N",
    type=click.IntRange(min=1),
    help="Also save the image so far after every N steps.",
)
@click.option(
    "--checkpoint",
    "checkpoint_path",
    metavar="FILE",
    type=PATH,
    help="Save the state in FILE every so many steps, on Ctrl-C and at the end; the last but one is"
    " kept beside it.",
)
@click.option(
    "--every",
    metavar="N",
    type=click.IntRange(min=1),
    help=f"Steps between checkpoints.  [default: {EVERY}]",
)
@click.option(
    "--resume",
    "resume_path",
    metavar="FILE",
    type=PATH,
    help="Go on from a checkpoint, with its IMAGE and options; a larger -n goes further.",
)
@click.option(
    "--record",
    "keeps_record",
    is_flag=True,
    help="Also write <name>_record.json: all that made the texture.",
)
@click.option(
    "--replay",
    "replay_path",
    metavar="FILE",
    type=PATH,
    help="Make the texture of a record again, and compare.",
)
@click.option(
    "--distributed",
    is_flag=True,
    help="Share the work among the processes that mpiexec started: the rows of one texture, or"
    " whole textures of several.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def main(context, image_paths, quiet, verbose, **options):
    """Make a new image with the texture of IMAGE, or one of each of several.

    Writes <name>_texture.png, and <name>_comparison.png with the texture and IMAGE side by side. Of
    several, those that are there already, made with the same settings, are left.
    """
    set_up_logging(quiet, verbose)
    try:
        asked = Asked(image_paths, options, _given(context))
        return carry_out(asked.order(), quiet)
    except TexsynthError as error:
        raise failure(error, error) from error


def _given(context):
    """Names of the options that are on the command line."""
    return {
        name
        for name in context.params
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
