"""The command ``film``: one of images that are there, such as the snapshots of a texture."""

from pathlib import Path

import click

from texsynth.command import cli
from texsynth.command.environment import by_environment
from texsynth.command.filming import FRAMES, bounds_of_films
from texsynth.command.shared import (
    HELP_OPTIONS,
    PATH,
    OneLineErrors,
    check_out,
    failures_told,
    set_up_logging,
)


@click.command("texsynth film", cls=OneLineErrors, context_settings=HELP_OPTIONS)
@click.argument("paths", metavar="IMAGE...", type=PATH, nargs=-1, required=True)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=PATH,
    required=True,
    help="File to write to: .gif, .webp, .png (animated) or .mp4.",
)
@bounds_of_films
def main(paths, out, frames, loops, overwrites, quiet, verbose):
    """Make a film of images, such as the snapshots of a texture, in their order.

    Frames are spaced by how much changes: of images that are nearly alike, some are left out.
    Smaller images are brought to the size of the last one.
    """
    set_up_logging(quiet, verbose)
    with failures_told():
        _check_out(out, paths, overwrites)
        _make(paths, out, frames or FRAMES, loops is not False)
    if not quiet:
        click.echo(out)


main.params += cli.taken_over(
    *("overwrites", "quiet", "verbose", "version"), told={"overwrites": "Replace FILE."}
)
by_environment(main, "film")


def _check_out(out: Path, paths, overwrites):
    from texsynth import films  # imports NumPy, which takes a moment

    films.format_of(out)
    check_out(out, paths, overwrites)


def _make(paths, out, count, loops):
    from texsynth import films, images

    frames = films.Frames(count)
    for path in paths:
        frames.add(images.read(path))
    films.write(out, frames.chosen(), loops, {})
