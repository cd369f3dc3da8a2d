"""``texsynth material``: new maps of a surface, made together from the maps of one."""

import logging

import click

from texsynth.command import dry_run
from texsynth.command.asked import Asked
from texsynth.command.audience import Audience
from texsynth.command.cli import taken_over
from texsynth.command.device import device_options
from texsynth.command.environment import by_environment, given_names
from texsynth.command.exports import Exports, export_options
from texsynth.command.shared import (
    HELP_OPTIONS,
    downloads_forbidden,
    failure,
    set_up_logging,
)
from texsynth.command.stack import CONVENTIONS, StackOfMaps
from texsynth.command.stack_outputs import Written
from texsynth.command.tiling import TileAlone
from texsynth.command.work import carry_out
from texsynth.errors import ConfigError, TexsynthError

_log = logging.getLogger("texsynth")


@click.command("texsynth material", cls=TileAlone, context_settings=HELP_OPTIONS)
@click.argument("where", metavar="FOLDER|PATTERN...", nargs=-1, type=click.Path(readable=False))
@click.option(
    "-o",
    "--out",
    type=click.Path(readable=False),
    help="Folder to write the maps to; it is made if it is not there.  [required, but with"
    " --resume]",
)
@click.option(
    "--normal",
    "convention",
    type=click.Choice(CONVENTIONS),
    help="Which way the green of normal maps points: gl (OpenGL) up, dx (DirectX) down. It holds"
    " for what is written, and for what is read where the file's name does not say it."
    "  [default: gl]",
)
@click.option(
    "--depth",
    type=click.Choice(["8", "16"]),
    help="Bits of a channel of what is written.  [default: 8 for colours, 16 for other maps]",
)
@click.option(
    "--size",
    default=0,
    show_default=True,
    help="Resize the maps first, so that their longer side has this many pixels; 0 keeps their"
    " size.",
)
@export_options
@device_options
@click.pass_context
def main(context, where, is_dry_run, offline, quiet, verbose, **options):
    """Make new maps of a surface from the maps in FOLDER, all together; or of several surfaces.

    What lies on one another in the given maps does so in the new ones: a crack of the colour is a
    crack of the height. Files are known by the ends of their names (_albedo, _normal, _roughness,
    _metallic, _height, _ao, _opacity, and other usual ones). A PATTERN such as "maps/wall_*" names
    some files of a folder. Writes albedo.png, normal_gl.png and so on into the folder of --out.

    With several folders, a folder of folders, or a folder in which files of several names are the
    same map, each material is written to a folder of its own in that of --out, and maps that were
    already made with the same settings are kept.
    """
    set_up_logging(quiet, verbose)
    try:
        with downloads_forbidden(offline):
            order = _asked(where, options, given_names(context)).order()
            return dry_run.of_order(order) if is_dry_run else carry_out(order, Audience(quiet))
    except TexsynthError as error:
        raise failure(error, error) from error


main.params += taken_over(
    *("settings", "shows_settings", "is_dry_run", "engine", "precision", "preset", "network"),
    *("output_size", "iterations", "quick", "optimizer"),
    *("learning_rate", "losses", "layers", "components", "pooling", "levels", "margin", "detail"),
    *("flatten", "tile", "match_colours", "memory", "seed", "variations", "weights", "offline"),
    *("overwrites", "checkpoint_path", "every", "resume_path", "keeps_record", "replay_path"),
    *("quiet", "verbose"),
    told={
        "preset": "Settings for a kind of texture, as for texsynth itself; auto chooses by the map"
        " that repeats most.",
        "flatten": "Take slow drifts out of the maps first: what varies more slowly than a Gaussian"
        " of SCALE pixels, at their --size. Colours are divided by it, from others it is"
        " subtracted.",
        "tile": "Make maps that tile without a seam: x across, y down, xy (or no value) both ways.",
        "detail": "Make each level of patches of the given maps, the same ones in all maps, and"
        " start it with their fine detail.  [default: set by the preset: only gatys and paper do"
        " without]",
        "match_colours": "Match the distribution of each map's values at the end.  [default: set by"
        " the preset: only paper does]",
        "variations": "Make N stacks, with --seed and the seeds after it: seed<S>_albedo.png and"
        " so on.",
        "resume_path": "Continue from a checkpoint, with its maps and options; a larger -n runs"
        " further.",
        "overwrites": "Replace files that are there already; without it only those of the same"
        " stack are replaced.",
        "keeps_record": "Also write record.json, with everything that determined the maps.",
        "replay_path": "Make maps again and compare: those of a record, or by the texts of a map"
        " that texsynth wrote, with the given maps beside it or in the current folder.",
    },
)
by_environment(main, "material")

_WITHOUT = {  # options of the main command that a material has not, and what stands in their place
    **dict.fromkeys(("init", "target_path", "film", "frames", "loops", "snapshots", "quality")),
    "comparison": False,
    "distributed": False,
}


def _asked(where, options, given):
    """Returns the :class:`texsynth.command.asked.Asked` that the command line comes to."""
    asked = (options.pop(name) for name in ("exports", "packings_path", "previews"))
    written = Written(options.pop("convention"), Exports.asked(*asked))
    is_told = options["resume_path"] or options["replay_path"]
    if not (where or is_told):
        raise click.UsageError("Missing argument 'FOLDER|PATTERN...'.")
    stacks = tuple(_stacks(where, written.convention))
    if options["out"] is None and not options["resume_path"]:  # which says where
        raise click.UsageError("Missing option '-o' / '--out'.")
    if options["out"] == "":
        raise ConfigError("--out must be a folder, not empty")
    out = options["out"] and f"{options['out']}/"
    options = {**_WITHOUT, **options, "out": out, "written": written}
    return Asked((), options, given, compositions=stacks)


def _stacks(where, convention):
    """Yields the stacks that are asked for, also those of which no maps are found among others."""
    from texsynth.materials.listing import materials  # imports NumPy, which takes a moment

    found = materials(where)
    for each in found:
        if each.found is None:
            yield StackOfMaps(each.name, (), CONVENTIONS[0], each.where, each.problem)
            continue
        for line in each.found.told():
            _log.info("%s%s", "" if len(found) == 1 else f"{each.where}: ", line)
        given = each.found.convention or convention or CONVENTIONS[0]
        yield StackOfMaps(each.name, tuple(each.found.maps.items()), given, each.where)
