"""Who hears and sees how the work goes: a terminal, and a page in a browser."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from texsynth.errors import ConfigError

_SIGNALLED = 128  # exit codes from here on: somebody wanted the end


@dataclass(frozen=True)
class Audience:
    """How the user is told of the work.

    Attributes:
        quiet (bool): Say nothing but errors.
        page (texsynth.command.on_page.OnPage): The page that shows it; ``None`` if there is none.
    """

    quiet: bool = False
    page: Any = None


def is_quiet(context):
    """Returns whether whoever had the command run wants to hear errors alone.

    Args:
        context (click.Context): The command's.
    """
    return isinstance(context.obj, Audience) and context.obj.quiet


def check(options):
    """Makes sure that the options of the page go together with the others.

    Args:
        options (dict): All options of the command by name.

    Raises:
        texsynth.errors.ConfigError: They do not.
    """
    if options["port"] is not None and not options["live"]:
        raise ConfigError("--port is where --live can be seen; give both")
    if options["live"] and options.get("distributed"):
        raise ConfigError("--live cannot be combined with --distributed: it shows one process")


def before(quiet: bool, options: dict, work: Callable[[Audience], int]) -> int:
    """Does work, where it can be seen if that was asked for.

    Args:
        quiet (bool): Say nothing but errors.
        options (dict): All options of the command by name; ``live`` and ``port`` are taken out.
        work: Takes the :class:`Audience` and returns the exit code.

    Returns:
        int: The exit code.

    Raises:
        texsynth.errors.TexsynthError: The page cannot be shown, or the work cannot be done.
    """
    check(options)
    is_live, port = options.pop("live"), options.pop("port")
    given = click.get_current_context().obj
    if isinstance(given, Audience):  # of whoever had the command run
        return work(given)
    if not is_live:
        return work(Audience(quiet))
    from texsynth.command.on_page import OnPage  # imports NumPy, which takes a moment
    from texsynth.live import Board, server

    board = Board("Textures")
    with server.served(board, port or 0) as where:
        # Said even if nothing else is: without it there is no page.
        click.echo(f"texsynth: to watch, open {where.address}", err=True)
        code = work(Audience(quiet, OnPage(board)))
        if code < _SIGNALLED:
            _stay(where, board, quiet)
        return code


def _stay(where, board, quiet):
    """Lets those who look on look at what was made."""
    if board.is_watched and not quiet:
        click.echo("texsynth: done; ends when the page is closed, or on Ctrl-C", err=True)
    with contextlib.suppress(KeyboardInterrupt):
        where.stay()
