"""Settings of one's own: a TOML file whose keys are the names of options, by path or by name.

A file in the user's folder for them is known by its name alone. Its values stand where defaults
do: the environment and the command line go before them.
"""

import dataclasses
import difflib
import tomllib
from pathlib import Path

import click
import platformdirs

from texsynth.command import words
from texsynth.command.environment import key_of, options_of
from texsynth.config import Config
from texsynth.errors import ConfigError
from texsynth.files.printable import one_line

PATH_OF_SETTINGS = "texsynth.settings"
"""Where ``click.Context.meta`` has the path of the file that was read."""

_ENDING = ".toml"
_MOST_BYTES = 1 << 20
OF_ONE_RUN = frozenset({"settings", "shows_settings", "is_dry_run", "resume_path", "replay_path"})
"""Options that no file of settings has, by the names of their values."""

_TOGETHER = {"network", "layers", "losses", "components"}  # whose values depend on one another
_FIELDS = {field.name for field in dataclasses.fields(Config)} - _TOGETHER


def folder():
    """Returns the folder of the files that are known by name, which need not be there."""
    return platformdirs.user_config_path("texsynth") / "presets"


def names():
    """Returns the names of the files in :func:`folder`, in order."""
    try:
        return sorted(path.stem for path in folder().iterdir() if path.suffix == _ENDING)
    except OSError:
        return []


def path_of(told):
    """Returns the path of a file of settings.

    Args:
        told (str): A path, with a folder or ``.toml`` in it; or a name.

    Raises:
        texsynth.errors.ConfigError: There is no such file.
    """
    path = Path(told)
    if told.endswith(_ENDING) or len(path.parts) != 1:
        if not path.is_file():
            raise ConfigError(f"no such file of settings: {told}")
        return path
    found = folder() / f"{told}{_ENDING}"
    if not found.is_file():
        there = f"; there are {', '.join(names())}" if names() else ""
        raise ConfigError(f"no settings are called {told!r}: no such file: {found}{there}")
    return found


def read(path, context):
    """Reads the values of a file that concern a command.

    Args:
        path (pathlib.Path): The file.
        context (click.Context): The command's.

    Returns:
        dict: Values by the names that the command's function has for its options, ready for
        ``click.Context.default_map``.

    Raises:
        texsynth.errors.ConfigError: It cannot be read, or has a key or a value that is none.
    """
    from texsynth.command.cli import main  # which has this option

    word = words.word_of(context.command)
    told = _told(path)
    tables = {key: told.pop(key) for key in tuple(told) if key in words.MODULES}
    for key, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {key} must be a table of options, [{key}], not {table!r}")
    known = {parameter.name for parameter in context.command.params}
    found = _checked(path, told, context if word is None else click.Context(main))
    found = {name: value for name, value in found.items() if name in known}
    return found | _checked(path, tables.get(word, {}), context, f"{word}.")


def _told(path):
    """The content of a file, by key."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"{path} is not a file of settings: it is too long")
    try:
        return tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # also of what is no UTF-8
        told = one_line(str(error) or type(error).__name__)
        raise ConfigError(f"{path} is not TOML: {told}") from error


def _checked(path, told, context, before=""):
    """Values by the names of a command's options; ``before`` its keys stands the table's name."""
    options = {key_of(each): each for each in options_of(context.command)}
    of_one_run = {key for key, each in options.items() if each.name in OF_ONE_RUN}
    found = {}
    for key, value in told.items():
        if key in of_one_run:
            raise ConfigError(f"{path}: {key} is of one run, and stands on the command line alone")
        if key not in options:
            raise ConfigError(f"{path}: unknown key {one_line(before + key)}{_hint(key, options)}")
        try:
            found[options[key].name] = _value(options[key], value, context)
        except ConfigError as error:
            raise ConfigError(f"{path}: {before}{key}: {error}") from error
    return found


def _hint(key, options):
    near = difflib.get_close_matches(key.replace("_", "-"), options, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _value(option, value, context):
    """A value, once it is sure that it is one of the option's."""
    if option.multiple and isinstance(value, str):
        value = [value]
    kind, wanted = _kind(option)
    values = value if option.multiple and isinstance(value, list) else [value]
    if any(type(each) not in kind for each in values):
        raise ConfigError(f"must be {wanted}, not {one_line(repr(value))}")
    try:
        parsed = option.type_cast_value(context, value)
        if option.callback is not None:
            parsed = option.callback(context, option, parsed)
    except click.BadParameter as error:
        raise ConfigError(error.message) from error
    if option.name in _FIELDS:
        Config(**{option.name: parsed})
    return value


def _kind(option):
    """Types of TOML's values that an option takes, and what they are called."""
    if option.is_flag:
        return (bool,), "true or false"
    if isinstance(option.type, click.types.IntParamType):
        return (int,), "a whole number"
    if isinstance(option.type, click.types.FloatParamType):
        return (int, float), "a number"
    if option.multiple:
        return (str,), 'texts in quotes, ["...", "..."]'
    return (str,), "a text in quotes"


def _load(context, option, told):
    """Takes the values of a file for defaults."""
    if told is not None and not context.resilient_parsing:
        try:
            path = path_of(told)
            context.default_map = read(path, context)
        except ConfigError as error:
            raise click.UsageError(str(error)) from error
        context.meta[PATH_OF_SETTINGS] = path
    return told


class _Name(click.ParamType):
    """A file of settings, which a shell completes by the names there are, or else as a file."""

    name = "settings"

    def shell_complete(self, context, option, incomplete):
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name) for name in names() if name.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]


settings_option = click.option(
    "--settings",
    metavar="NAME|FILE.toml",
    type=_Name(),
    is_eager=True,
    expose_value=False,
    callback=_load,
    help="Take options that are given nowhere else from a TOML file, such as size = 256; or from"
    " NAME.toml in the folder for them (docs/settings.md).",
)
