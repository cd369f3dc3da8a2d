"""The command that measures exemplars: ``python -m texsynth.statistics``."""

from pathlib import Path

import click

from texsynth import config as settings
from texsynth.command.cli import taken_over
from texsynth.command.device import device_options
from texsynth.command.environment import by_environment
from texsynth.command.folders import expanded
from texsynth.command.shared import (
    HELP_OPTIONS,
    PATH,
    OneLineErrors,
    check_out,
    downloads_forbidden,
    failures_told,
    from_text,
    set_up_logging,
)
from texsynth.config import Config
from texsynth.errors import ConfigError, StatisticsError
from texsynth.terms import parse_layers


def _parse_layers(text):
    """Reads the names of layers."""
    layers = parse_layers(text)
    if weighted := [name for name, weight in layers.items() if weight != 1]:
        raise ConfigError(
            f"layers are measured without weights, not {weighted[0]}={layers[weighted[0]]:g};"
            " texsynth --target takes them"
        )
    return layers


@click.command("texsynth.statistics", cls=OneLineErrors, context_settings=HELP_OPTIONS)
@click.argument("paths", metavar="IMAGE...", type=PATH, nargs=-1, required=True)
@click.option(
    "-o", "--out", metavar="FILE", type=PATH, required=True, help=".npz file to write to."
)
@click.option(
    "--size",
    default=Config.size,
    show_default=True,
    help="Resize each IMAGE first, so that its longer side has this many pixels; 0 keeps its size.",
)
@click.option(
    "--network",
    default="vgg16",
    show_default=True,
    type=click.Choice(settings.NETWORKS),
    help="Network whose activations are measured; vgg19 needs --weights.",
)
@click.option(
    "--layers",
    metavar="NAME,...",
    callback=from_text(_parse_layers),
    help=f"Layers to measure.  [default: {','.join(settings.DEFAULT_LAYERS)}]",
)
@device_options
def main(paths, out, input_range, offline, overwrites, quiet, verbose, **options):
    """Save the statistics of IMAGE, or the mean of those of several, for texsynth --target.

    They are Gram matrices, means and covariances of activations, as arrays for numpy.load. A file
    of statistics (.npz) may stand in the place of an IMAGE; in the mean each counts alike. A folder
    stands for the images in it.
    """
    set_up_logging(quiet, verbose)
    with failures_told(), downloads_forbidden(offline):
        config = Config(input_range=input_range, **options)
        files = expanded(paths)
        _check_out(out, files, overwrites)
        _measured(files, config).save(out)
    if not quiet:
        click.echo(out)


main.params += taken_over(
    *("flatten", "pooling", "input_range", "engine", "precision", "weights", "offline"),
    *("overwrites", "quiet", "verbose", "version"),
    told={
        "precision": "How the factors of matrix products are rounded, see texsynth --help; auto is"
        " fp32 here.",
        "overwrites": "Replace a FILE that is there.",
    },
)
by_environment(main, "statistics")


def _check_out(out, files, overwrites):
    if out.suffix.lower() != ".npz":
        raise ConfigError(f"--out must be a .npz file, not {out}")
    check_out(out, files, overwrites)


def _measured(files: tuple[Path, ...], config):
    """The mean of the statistics of all files."""
    from texsynth import images  # these take a second
    from texsynth.synthesis.measuring import measure_by, unrounded
    from texsynth.synthesis.workshop import Workshop
    from texsynth.targets import Statistics

    workshop, several = Workshop(unrounded(config)), []
    for path in files:
        if path.suffix.lower() == ".npz":
            several.append(Statistics.load(path))
            continue
        pixels = images.read_deep(path, config.input_range)
        try:
            several.append(measure_by(workshop, pixels))
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error
    try:
        return Statistics.average(several) if len(several) > 1 else several[0]
    except StatisticsError as error:
        raise ConfigError(str(error)) from error
