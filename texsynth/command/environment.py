"""Options by environment variables: which variable an option has, and what it says of resumed runs.

``TEXSYNTH_SEED=3`` is ``--seed 3`` that stands there for all runs. What stands on the command line
goes before it, and it goes before a file of settings.
"""

import os

import click
from click.core import ParameterSource

PREFIX = "TEXSYNTH"
"""What the names of all variables begin with."""

_WITHOUT = {"version", "help"}  # they are of one call, and TEXSYNTH_VERSION is many a script's
_SURROUNDINGS = (ParameterSource.ENVIRONMENT, ParameterSource.DEFAULT_MAP)
_OF_A_TEXTURE = (
    *("init", "variations", "target_path", "guide_path", "target_guide_path", "regions"),
    *("turn_path", "scale_map_path"),
)
_NOT_HEEDED = {
    "resume_path": (*_OF_A_TEXTURE, "out"),
    "replay_path": (*_OF_A_TEXTURE, "checkpoint_path", "every"),
}
"""What a checkpoint and a record say themselves, beside settings."""


def key_of(option):
    """Returns the name of an option without dashes, such as ``output-size``.

    Args:
        option (click.Option): The option.
    """
    return next(name for name in option.opts if name.startswith("--"))[2:]


def by_environment(command, word=None):
    """Gives each option of a command an environment variable.

    Args:
        command (click.Command): The command. An option that has a variable already, as one that is
            another command's too, keeps it behind its own.
        word (str): What stands in the names of this command's own; ``None`` is the main one.
    """
    start = PREFIX if word is None else f"{PREFIX}_{word.upper()}"
    for option in options_of(command):
        own = f"{start}_{key_of(option).upper().replace('-', '_')}"
        shared = [option.envvar] if isinstance(option.envvar, str) else option.envvar or []
        option.envvar = [own, *(name for name in shared if name != own)]


def options_of(command):
    """Returns the options of a command that have a variable.

    Args:
        command (click.Command): The command.
    """
    options = [each for each in command.params if isinstance(each, click.Option)]
    return [each for each in options if each.name not in _WITHOUT]


def variable_of(context, option):
    """Returns the name of the variable that an option's value is from, or ``None``.

    Args:
        context (click.Context): The command line that was parsed, at least as far as the option.
        option (click.Parameter): The option.
    """
    if context.get_parameter_source(option.name) is not ParameterSource.ENVIRONMENT:
        return None
    names = [option.envvar] if isinstance(option.envvar, str) else option.envvar
    return next((name for name in names if os.environ.get(name)), None)


def given_names(context):
    """Returns the names of the options that are on the command line, and nowhere else.

    Args:
        context (click.Context): The parsed command line; its ``--device`` is another ``--gpu``.
    """
    sources = {name: context.get_parameter_source(name) for name in context.params}
    names = {name for name, source in sources.items() if source is ParameterSource.COMMANDLINE}
    return names | {"gpu"} if "device" in names else names


def leave_to_what_was_saved(context):
    """Where a run goes on or is made again, takes back what the surroundings say of its texture.

    A checkpoint and a record have the settings of their texture. What stands on the command line
    may change some; what an environment or a file of settings says of all runs may not.

    Args:
        context (click.Context): The command line that was parsed; its ``params`` are changed.
    """
    for asked, names in _NOT_HEEDED.items():
        if not context.params.get(asked):
            continue
        for option in context.command.params:
            source = context.get_parameter_source(option.name)
            if option.name in names and source in _SURROUNDINGS:
                context.params[option.name] = () if option.multiple else None
                context.set_parameter_source(option.name, ParameterSource.DEFAULT)
