"""How a texture is made: options for its size, its steps, its losses, its levels."""

import click

from texsynth import config as settings
from texsynth import values
from texsynth.command.shared import PATH, from_text, together
from texsynth.config import Config
from texsynth.terms import LOSSES, parse_layers, parse_term


def _terms(context, parameter, texts):
    """Parses the texts of an option that may come several times; none means ``None``."""
    parse = from_text(parse_term)
    return tuple(parse(context, parameter, text) for text in texts) or None


method_options = together(
    click.option(
        "--size",
        default=Config.size,
        show_default=True,
        help="Resize IMAGE first, so that its longer side has this many pixels; 0 keeps its size.",
    ),
    click.option(
        "--flatten",
        metavar="SCALE",
        type=float,
        help="Take slow drifts of light and colour out of IMAGE first: what varies more slowly"
        " than a Gaussian of SCALE pixels of IMAGE at its --size.",
    ),
    click.option(
        "--input-range",
        metavar="LOW,HIGH",
        callback=from_text(values.parse_range),
        help="Which values are black and white in an image whose type does not say so:"
        " floating-point numbers, or integers with a sign or beyond 16 bits.",
    ),
    click.option(
        "--output-size",
        metavar="WxH",
        callback=from_text(values.parse_size),
        help="Size of the texture in pixels; one number is a square.  [default: size of the"
        " exemplar]",
    ),
    click.option(
        "-n",
        "--iterations",
        type=int,
        help="Optimizer steps at full size; the next coarser level takes twice, coarser ones five"
        " times as many.  [default: set by the preset: 45, regular 60, gatys 180, paper 2000]",
    ),
    click.option(
        "--quick/--no-quick",
        default=Config.quick,
        help="Take a quarter of these steps at each level, for a picture to judge by in a third of"
        " the time.",
    ),
    click.option(
        "--optimizer",
        default=Config.optimizer,
        show_default=True,
        type=click.Choice(settings.OPTIMIZERS),
        help="Optimizer of the image.",
    ),
    click.option(
        "--lr",
        "learning_rate",
        default=Config.learning_rate,
        show_default=True,
        help="Step size for Adam, in grey levels.",
    ),
    click.option(
        "--loss",
        "losses",
        metavar="NAME[=WEIGHT][:LAYERS]",
        multiple=True,
        callback=_terms,
        help=f"A loss term, one of {', '.join(LOSSES)}; repeat the option to add terms."
        "  [default: set by the preset]",
    ),
    click.option(
        "--layers",
        metavar="NAME[=WEIGHT],...",
        callback=from_text(parse_layers),
        help="Layers of the Gram loss, conv1_1 to pool5, and their weights."
        f"  [default: {','.join(settings.DEFAULT_LAYERS)}]",
    ),
    click.option(
        "--components",
        metavar="K",
        type=int,
        help="Take Gram losses along the K principal components of each layer of the exemplar, not"
        " all its channels.",
    ),
    click.option(
        "--pooling",
        default=Config.pooling,
        show_default=True,
        type=click.Choice(settings.POOLINGS),
        help="Pooling of the network.",
    ),
    click.option(
        "--levels",
        type=int,
        help="Number of pyramid levels, coarse to fine; 1 is full size only."
        "  [default: set by the preset: 1, or as many as the size allows]",
    ),
    click.option(
        "--margin",
        type=int,
        help="Extra pixels to make beyond each edge and crop at the end.  [default: set by the"
        " preset: 0, 16, or for natural none, for opposite edges are neighbours]",
    ),
    click.option(
        "--detail/--no-detail",
        default=None,
        help="Start each level with fine detail of the exemplar.  [default: set by the preset: only"
        " gatys and paper do without]",
    ),
    click.option(
        "--tile",
        metavar="[x|y|xy]",
        type=click.Choice(settings.TILINGS),
        help="Make a texture that tiles without a seam: x across, y down, xy (or no value) both"
        " ways. Also writes <name>_tiled.png, a 2 x 2 tiling.",
    ),
    click.option(
        "--match-colours/--no-match-colours",
        default=None,
        help="Match the exemplar's colour histogram at the end.  [default: set by the preset: only"
        " paper does]",
    ),
    click.option(
        "--init",
        type=click.Path(readable=False),
        metavar="noise|phase|IMAGE",
        help="Where to start: uniform noise, the exemplar with random phases, or an image."
        "  [default: set by the preset]",
    ),
    click.option(
        "--target",
        "target_path",
        metavar="FILE",
        type=PATH,
        help="Make the texture from statistics alone, as python -m texsynth.statistics saved them,"
        " in the place of IMAGE; as by preset gatys, or by preset paper.",
    ),
    click.option(
        "--memory",
        metavar="SIZE",
        callback=from_text(values.parse_memory),
        help="Device memory that the run may use, such as 4GB; larger textures are made in blocks."
        "  [default: four fifths of what is free]",
    ),
)
"""A decorator that gives a command all options from ``--size`` to ``--memory``."""
