"""``texsynth mix``: one texture between those of several images, or a row from one to the other."""

import functools
from pathlib import Path

import click

from texsynth import values
from texsynth.command import audience, dry_run
from texsynth.command.asked import Asked
from texsynth.command.cli import taken_over
from texsynth.command.device import device_options
from texsynth.command.environment import by_environment, given_names
from texsynth.command.mixtures import Gradient, Mix
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
    "along",
    type=click.Path(readable=False),
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
    envvar="TEXSYNTH_WEIGHTS",  # those of every command's network
    type=click.Path(readable=False),
    help="Weights of the network: .npz, .h5, .caffemodel, .onnx or .pth.  [default: found or"
    " downloaded]",
)
@device_options
@click.pass_context
def main(context, image_paths, offline, quiet, verbose, **options):
    """Make a texture that lies between those of several images.

    Writes <name>_<name>_texture.png, and <name>_<name>_comparison.png with the texture and the
    images side by side. The options from --gpu on mean what they do for texsynth itself; the
    network's --weights are --network-weights here.
    """
    set_up_logging(quiet, verbose)
    try:
        with downloads_forbidden(offline):
            is_dry_run = options.pop("is_dry_run")
            asked = _asked(image_paths, options, given_names(context))
            order = asked.order()
            if is_dry_run:
                return dry_run.of_order(order)
            return audience.before(quiet, options, functools.partial(carry_out, order))
    except TexsynthError as error:
        raise failure(error, error) from error


main.params += taken_over(
    *("settings", "shows_settings", "is_dry_run", "engine", "precision", "preset", "network"),
    *("size", "flatten", "input_range", "output_size"),
    *("iterations", "quick", "optimizer", "learning_rate", "losses", "layers", "pooling", "levels"),
    *("margin", "detail", "tile", "match_colours", "init", "memory", "seed", "variations"),
    *("offline", "out", "depth", "quality", "snapshots", "film", "frames", "loops", "comparison"),
    *("overwrites", "checkpoint_path", "every", "resume_path", "keeps_record", "replay_path"),
    *("live", "port", "quiet", "verbose", "version"),
    told={
        "out": "File to write to, see texsynth --help, or folder; with --steps or --variations a"
        " folder. A folder with / at its end is made.  [default: <name>_<name>_texture.png in the"
        " current folder]",
        "variations": "Make N textures (or rows), with --seed and the seeds after it:"
        " <name>_<name>_seed<S>_texture.png.",
        "comparison": "Also write <name>_<name>_comparison.png, with the texture and the images"
        " side by side.",
        "resume_path": "Continue from a checkpoint, with its images and options; a larger -n runs"
        " further.",
        "keeps_record": "Also write <name>_<name>_record.json, with everything that determined the"
        " texture.",
    },
)
by_environment(main, "mix")

_WITHOUT = {"target_path": None, "distributed": False}  # options of the main command
_OWN = {"shares": "--weights", "steps": "--steps", "along": "--gradient", "mixing": "--mixing"}


def _asked(image_paths, options, given):
    """Returns the :class:`texsynth.command.asked.Asked` that the command line comes to."""
    own = {name: options.pop(name) for name in _OWN}
    told = next((name for name in ("resume", "replay") if options[f"{name}_path"]), None)
    compositions, row_stem = (), None
    if image_paths or told is None:
        _check(image_paths, own["shares"], own["steps"], own["along"])
        stem = "_".join(path.stem for path in image_paths)
        compositions = tuple(_compositions(stem, image_paths, **own))
        row_stem = None if own["steps"] is None else stem
    elif changed := [option for name, option in _OWN.items() if name in given]:
        raise ConfigError(f"{changed[0]} needs the images too, beside --{told}")
    return Asked((), {**_WITHOUT, **options}, given, None, compositions, row_stem)


def _compositions(stem, image_paths, shares, steps, along, mixing):
    """Yields the mixtures that are asked for."""
    if along is not None:
        axis = along if along in ("x", "y") else None
        yield Gradient(stem, image_paths, axis, None if axis else Path(along), mixing)
    elif steps is None:
        number = len(image_paths)
        yield Mix(stem, image_paths, values.check_shares(shares or [1.0] * number, number), mixing)
    else:
        for number in range(steps):
            share = number / (steps - 1)
            yield Mix(f"{stem}_step{number + 1}", image_paths, (1 - share, share), mixing)


def _check(image_paths, shares, steps, along):
    """Makes sure that the options go together."""
    if len(image_paths) < 2:
        raise click.UsageError(f"a mix needs at least two images, not {len(image_paths)}")
    for name, value in (("--steps", steps), ("--gradient", along)):
        if value is not None and shares is not None:
            raise ConfigError(f"{name} cannot be combined with --weights: it has all of them")
        if value is not None and len(image_paths) != 2:
            raise ConfigError(
                f"{name} goes from one image to another, not {len(image_paths)} images"
            )
    if steps is not None and along is not None:
        raise ConfigError("--steps cannot be combined with --gradient")
