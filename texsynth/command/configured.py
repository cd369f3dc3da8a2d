"""Commands whose options may also come from the environment, and from a file of settings."""

import click
from click.core import ParameterSource

from texsynth.command import shown
from texsynth.command.environment import leave_to_what_was_saved
from texsynth.command.settings_file import settings_option
from texsynth.command.shared import OneLineErrors, failure, together
from texsynth.errors import TexsynthError

configured_options = together(
    settings_option,
    click.option(
        "--show-settings",
        "shows_settings",
        is_flag=True,
        expose_value=False,
        callback=lambda context, option, value: context.meta.update({_SHOWS: value}),
        help="Print what the options come to and where each comes from, as a file for --settings,"
        " and make nothing.",
    ),
)
"""A decorator that gives a command ``--settings`` and ``--show-settings``."""

_SHOWS, _ARGUMENTS = "texsynth.shows_settings", "texsynth.arguments"


def arguments_of(context):
    """Returns the arguments that a command was given, a list of str, as they are.

    Args:
        context (click.Context): That of a :class:`Configured` command.
    """
    return context.meta[_ARGUMENTS]


class Configured(OneLineErrors):
    """A command with :data:`configured_options`; it may do without them."""

    def parse_args(self, context, args):
        """Parses the arguments, and keeps them as they are.

        Args:
            context (click.Context): The command's.
            args: The arguments, a list of str.
        """
        context.meta[_ARGUMENTS] = list(args)
        return super().parse_args(context, args)

    def invoke(self, context):
        """Does what was asked for, or shows what it is.

        Args:
            context (click.Context): The parsed command line.

        Raises:
            click.ClickException: As the function of the command does; or what was asked for does
                not go together.
        """
        _check(context)
        leave_to_what_was_saved(context)
        if not context.meta.get(_SHOWS):
            return super().invoke(context)
        try:
            return click.echo(shown.as_toml(context, context.meta[_ARGUMENTS]))
        except TexsynthError as error:
            raise failure(error, error) from error


def _check(context):
    """Makes sure that settings are asked for only where they are heeded."""
    source = context.get_parameter_source("settings")
    asked = {
        "--settings": source is ParameterSource.COMMANDLINE,
        "--show-settings": context.meta.get(_SHOWS),
    }
    option = next((option for option, is_asked in asked.items() if is_asked), None)
    for name, what in (("resume", "checkpoint"), ("replay", "record")):
        if option is not None and context.params.get(f"{name}_path"):
            raise click.UsageError(
                f"{option} cannot be combined with --{name}: the {what} has the settings;"
                " give what is to change as options"
            )
