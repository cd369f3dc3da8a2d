"""``texsynth studio``: a page to choose a photograph on, and to watch what is made of it."""

import os
from pathlib import Path

import click

from texsynth.command.cli import taken_over
from texsynth.command.device import device_options
from texsynth.command.environment import by_environment, given_names
from texsynth.command.outputs import make_folder
from texsynth.command.shared import (
    HELP_OPTIONS,
    PATH,
    OneLineErrors,
    downloads_forbidden,
    failure,
    set_up_logging,
)
from texsynth.errors import TexsynthError

_SIGNALLED = 128
_PASSED_ON = ("engine", "precision", "memory", "weights")


@click.command("texsynth studio", cls=OneLineErrors, context_settings=HELP_OPTIONS)
@click.option(
    "-o",
    "--out",
    "folder",
    type=PATH,
    default=Path("studio"),
    show_default=True,
    help="Folder for uploads and results, made if it is not there; each run has a folder in it.",
)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the page, on 127.0.0.1.  [default: one that is free]",
)
@device_options
def main(folder, port, gpu, offline, quiet, verbose, **options):
    """Make textures from a page in the browser.

    Prints the address of the page. There you choose a photograph, one that lies under the current
    folder or one that you drop there, and how its texture is to be; watch it, stop it, compare it,
    download it. One run goes on at a time, the others wait; the page shows the command line of
    each. Ctrl-C ends it.
    """
    set_up_logging(quiet, verbose)
    passed = ["--gpu", str(gpu)] if gpu >= 0 else []
    given = given_names(click.get_current_context())
    for name in filter(given.__contains__, _PASSED_ON):
        value = options[name]
        text = f"{value >> 20}MiB" if name == "memory" else str(value)
        passed += [f"--{name}", text]
    try:
        with downloads_forbidden(offline):
            return _serve(folder, port, quiet, passed)
    except TexsynthError as error:
        raise failure(error, error) from error


def _serve(folder, port, quiet, options):
    """Works until somebody ends it; returns the exit code."""
    from texsynth.command.desk import Desk
    from texsynth.command.on_page import OnPage
    from texsynth.command.photographs import Photographs
    from texsynth.live import Board, server

    server.check_libraries()
    inbox = folder / "uploads"
    make_folder(inbox)
    board = Board("Studio")
    desk = Desk(board, Photographs(Path(), inbox, folder), folder, options)
    with server.served(board, port, _application(desk)) as where:
        click.echo(f"texsynth: open {where.address} (Ctrl-C ends it)", err=True)
        try:
            while desk.work(quiet, OnPage(board)) < _SIGNALLED:
                pass
        except KeyboardInterrupt:  # while it waited for an order
            pass
    if not quiet:
        click.echo(f"texsynth: results are in {os.path.join(folder, '')}", err=True)  # noqa: PTH118
    return 0


def _application(desk):
    def make(board):
        from texsynth.live import studio

        return studio.make(board, desk)

    return make


main.params += taken_over(*_PASSED_ON, "offline", "quiet", "verbose")
by_environment(main, "studio")
