"""What the commands share: a failure is one line and an exit code; paths, parsing, logging."""

import contextlib
import logging
import os
import sys
from pathlib import Path

import click

from texsynth.command.environment import variable_of
from texsynth.errors import ConfigError, TexsynthError
from texsynth.files import check_target
from texsynth.files.printable import one_line
from texsynth.machine import OFFLINE

_log = logging.getLogger("texsynth")

EXIT_FAILURE, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130

NO_MEMORY = "not enough memory for this size; try a smaller --size or --output-size"
"""What is told of a ``MemoryError``."""

PATH = click.Path(path_type=Path, readable=False)
"""A path; whether it can be read is seen when it is read, and told in our words."""

HELP_OPTIONS = {"help_option_names": ["-h", "--help"]}
"""The context settings of every command."""


class OneLineErrors(click.Command):
    """A command whose every failure is one line on standard error and an exit code."""

    def main(self, args=None, prog_name=None, **extra):
        """Runs the command, ``prog_name`` being its own name by default, and exits.

        Args:
            args: The arguments, a list of str; ``None`` takes those of the process.
            prog_name: The name that usage errors show.
            extra: What else :meth:`click.Command.main` takes.
        """
        prog_name = prog_name or self.name
        try:
            code = super().main(args, prog_name, **{**extra, "standalone_mode": False})
        except click.ClickException as error:
            told = one_line(error.format_message()) + _whence(error)
            click.echo(f"{self.name}: error: {told}", err=True)
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo(f"{self.name}: error: interrupted; written: nothing", err=True)
            code = EXIT_INTERRUPTED
        except Exception as error:
            # Not foreseen, so a defect of ours or a GPU that failed: still one line, unless -v.
            _log.debug("the traceback:", exc_info=True)
            told = one_line(f"{type(error).__name__}: {error}")
            click.echo(f"{self.name}: error: {told}", err=True)
            code = EXIT_FAILURE
        sys.exit(code)

    def invoke(self, ctx):
        """Does what was asked for.

        Args:
            ctx (click.Context): The parsed command line.

        Raises:
            click.ClickException: It was interrupted; click itself would begin with an empty line.
                Or a file ended too early, where nobody foresaw it.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise failure("interrupted", error, ["nothing"]) from error
        except EOFError as error:  # click would take it for an interruption of a prompt
            _log.debug("the traceback:", exc_info=True)
            raise failure(f"EOFError: {error}", error) from error


def _whence(error):
    """Where a wrong value of an option is from, if it is not on the command line."""
    context, option = error.__dict__.get("ctx"), error.__dict__.get("param")
    variable = context and option and variable_of(context, option)
    return f" (environment variable {variable})" if variable else ""


def together(*options):
    """Returns a decorator that gives a command several options, in this order.

    Args:
        options: Each what ``click.option`` returns.
    """

    def decorate(command):
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def from_text(parse):
    """Makes a click callback that parses an option's text and leaves ``None`` alone.

    Args:
        parse: Function of the text; raises :class:`texsynth.errors.ConfigError`.
    """

    def callback(context, parameter, text):
        try:
            return None if text is None else parse(text)
        except ConfigError as error:
            raise click.BadParameter(str(error)) from error

    return callback


@contextlib.contextmanager
def downloads_forbidden(is_so):
    """A context manager within which no weights are downloaded.

    Args:
        is_so (bool): Whether it forbids them; else the environment says.
    """
    before = os.environ.get(OFFLINE)
    if is_so:
        os.environ[OFFLINE] = "1"
    try:
        yield
    finally:
        if is_so:
            del os.environ[OFFLINE]
            os.environ.update({} if before is None else {OFFLINE: before})


def check_out(out, read, overwrites):
    """Makes sure that the file for ``--out`` can be written, and that nothing is lost by it.

    Args:
        out (pathlib.Path): The file.
        read: Paths of the files that are read.
        overwrites (bool): Whether it may take the place of one that is there.

    Raises:
        texsynth.errors.ConfigError: It is a folder, is in none, is one of those that are read, or
            is there already.
        texsynth.errors.TexsynthError: Its folder cannot be written.
    """
    check_target("--out", out, read)
    if out.exists() and not overwrites:
        raise ConfigError(f"{out} already exists; --overwrite replaces it")


def failure(message, error, written=()):
    """Makes the exception that ends a command with one line and an exit code.

    Args:
        message: What to tell.
        error: The exception behind it, which decides on the exit code.
        written: Paths of the files that are there, whole.

    Returns:
        click.ClickException: To be raised.
    """
    told = f"; written: {', '.join(map(str, written))}" if written else ""
    exception = click.ClickException(f"{message}{told}")
    if isinstance(error, KeyboardInterrupt):
        exception.exit_code = EXIT_INTERRUPTED
    else:
        exception.exit_code = EXIT_USAGE if isinstance(error, ConfigError) else EXIT_FAILURE
    return exception


@contextlib.contextmanager
def failures_told():
    """A context manager in which what cannot be done, or lacks memory, ends the command."""
    try:
        yield
    except TexsynthError as error:
        raise failure(error, error) from error
    except MemoryError as error:
        raise failure(NO_MEMORY, error) from error


class _Lines(logging.Formatter):
    """Each message is one line, whatever files are called; a traceback has its own."""

    def formatMessage(self, record):  # noqa: N802 (logging's own name)
        record.message = one_line(record.message)
        return super().formatMessage(record)


def set_up_logging(quiet, verbose):
    """Sends the package's log to standard error as plain lines.

    Args:
        quiet (bool): Errors only.
        verbose (bool): Everything.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_Lines("texsynth: %(message)s"))
    _log.handlers = [handler]
    _log.propagate = False
    _log.setLevel(logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO)
