"""The command ``repair``: its options, most of them the main command's, to an order."""

import inspect

import click

from texsynth.command import cli
from texsynth.command.asked import Asked
from texsynth.command.device import with_one_device
from texsynth.command.mending import Mending
from texsynth.command.shared import (
    HELP_OPTIONS,
    PATH,
    downloads_forbidden,
    failure,
    from_text,
    set_up_logging,
)
from texsynth.command.tiling import TileAlone
from texsynth.command.work import carry_out
from texsynth.errors import TexsynthError

_WITHOUT = {  # options of the main command that a repair has not, and what stands in their place
    "image_paths": None,
    "size": 0,
    "output_size": None,
    "margin": None,
    "variations": None,
    "snapshots": None,
    "distributed": False,
    "target_path": None,
    "guide_path": None,
    "target_guide_path": None,
    "regions": (),
}
_HELP = {  # what is told of the others where it is not the same
    "input_range": "Which values are black and white in a PHOTO whose type does not say so.",
    "out": "File to write to, see texsynth --help, or folder. A folder with / at its end is made."
    "  [default: <name>_repaired.png in the current folder]",
    "tile": "Make PHOTO tile without a seam: x across, y down, xy (or no value) both ways; only a"
    " band about the edges that meet is made anew. Also writes <name>_tiled.png, a 2 x 2 tiling.",
    "comparison": "Also write <name>_comparison.png, with the result and PHOTO side by side.",
    "resume_path": "Continue from a checkpoint, with its PHOTO and options; a larger -n runs"
    " further.",
}


def _sides(text):
    from texsynth.synthesis.holes import (  # imports NumPy, which takes a moment
        parse_sides,
        to_sides,
    )

    sides = parse_sides(text)
    to_sides(sides)
    return sides


_OWN = [
    click.Argument(["photo"], metavar="PHOTO", type=PATH, required=False),
    click.Option(
        ["--mask"],
        metavar="FILE|alpha",
        help="Image of PHOTO's size: white is made anew, black stays, grey is blended; or alpha,"
        " for where PHOTO is transparent.",
    ),
    click.Option(
        ["--from", "source"],
        metavar="IMAGE",
        type=PATH,
        help="Image whose texture is taken.  [default: what stays of PHOTO]",
    ),
    click.Option(
        ["--band"],
        type=click.IntRange(min=2),
        default=Mending.band,
        show_default=True,
        help="Pixels across the band that --tile makes anew, half of them at each edge.",
    ),
    click.Option(
        ["--grow"],
        metavar="N|SIDE=N,...",
        callback=from_text(_sides),
        help="Make N more pixels on each side, or on some: left=64,right=64,top=8,bottom=8.",
    ),
]


# The main command's options that a repair has too: what it gets new is heeded, or left out above.
_SHARED = cli.taken_over(
    *(each.name for each in cli.main.params if each.name not in _WITHOUT), told=_HELP
)


@click.pass_context
def _main(context, photo, offline, quiet, verbose, **options):
    """Make a part of PHOTO anew, with the texture of the rest; the rest stays to the bit.

    Writes <name>_repaired.png. What is made anew is what --mask says, a band where PHOTO is to
    --tile, what --grow adds, or all of them. (A picture called repair is ./repair.)
    """
    set_up_logging(quiet, verbose)
    try:
        mending = Mending(*(options.pop(name) for name in ("mask", "source", "band", "grow")))
        photos = () if photo is None else (photo,)
        asked = Asked(photos, {**_WITHOUT, **options}, cli.given_names(context), mending)
        with downloads_forbidden(offline):
            return carry_out(asked.order(), quiet)
    except TexsynthError as error:
        raise failure(error, error) from error


main = TileAlone(
    "texsynth repair",
    callback=with_one_device(_main),
    params=[*_OWN, *_SHARED],
    context_settings=HELP_OPTIONS,
)
main.help = inspect.cleandoc(_main.__doc__)
