"""What the options of a command come to, as a file of settings that says where each comes from."""

import dataclasses
import math

import click
from click.core import ParameterSource

from texsynth import config as settings
from texsynth.command import words
from texsynth.command.device import decisive
from texsynth.command.environment import key_of, options_of, variable_of
from texsynth.command.folders import expanded
from texsynth.command.settings_file import OF_ONE_RUN, PATH_OF_SETTINGS
from texsynth.config import DEFAULT_LAYERS, Config
from texsynth.errors import ConfigError
from texsynth.files.printable import one_line
from texsynth.version import __version__


def as_toml(context, arguments):
    """Returns the settings as TOML: what is set as keys, the rest as comments.

    What a preset decides stays its own: another exemplar may have another preset.

    Args:
        context (click.Context): The command line that was parsed.
        arguments: Its arguments, a list of str.

    Raises:
        texsynth.errors.ConfigError: A setting is out of range, or cannot be told in TOML.
        texsynth.errors.TexsynthError: An image that decides on the preset cannot be read.
    """
    word = words.word_of(context.command)
    lines = [f"# texsynth {__version__}: what its options come to, and where from; for --settings"]
    lines += [] if word is None else [f"[{word}]"]
    given = _given(context, arguments)
    decided = _decided(context)
    idle = {"gpu", "device"} - {decisive(context)}  # one device is enough
    for option in options_of(context.command):
        if option.name not in OF_ONE_RUN | idle:
            lines.append(_line(context, option, given, decided))
    return "\n".join(lines)


def _line(context, option, given, decided):
    key = key_of(option)
    source = context.get_parameter_source(option.name)
    if source is ParameterSource.COMMANDLINE:
        value, whence = option.type_cast_value(context, given[option.name]), "command line"
    elif source is ParameterSource.ENVIRONMENT:
        value = option.type_cast_value(context, option.value_from_envvar(context))
        whence = f"environment {variable_of(context, option)}"
    elif source is ParameterSource.DEFAULT_MAP:
        value, whence = context.default_map[option.name], f"file {context.meta[PATH_OF_SETTINGS]}"
    else:
        value, whence = context.params[option.name], "default"
    if option.name in decided and value in (None, ()):
        value, whence = decided[option.name]
        return f"# {key}: {whence}" if value is None else f"# {_pair(key, value)}  # {whence}"
    if value in (None, ()):
        return f"# {key}: not set"
    return f"{_pair(key, value)}  # {one_line(whence)}"


def _pair(key, value):
    """A line of TOML."""
    import tomlkit

    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{key} must be a finite number, not {value}")
    if isinstance(value, tuple | list):
        texts = ", ".join(_quoted(key, each) for each in value)
        return f"{key} = [{texts}]"
    plain = value if isinstance(value, bool | int | float) else None
    told = _quoted(key, value) if plain is None else tomlkit.item(plain).as_string()
    return f"{key} = {told}"


def _quoted(key, value):
    import tomlkit

    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"--{key} {one_line(text)} is no UTF-8, and cannot stand in a file of settings"
        ) from None
    return tomlkit.string(text).as_string()


def _given(context, arguments):
    """What stands on the command line for each option, as texts."""
    command = context.command
    values, _, _ = command.make_parser(click.Context(command)).parse_args(list(arguments))
    return values


def _decided(context):
    """What comes of what is not set, ``{name: (value or None, whence)}``."""
    config = _config(context)
    found = {"network": (config.network, f"preset {config.preset}")}
    if "layers" in context.params:
        found["layers"] = ",".join(DEFAULT_LAYERS), "default"
    return found | _of_preset(context, config)


def _of_preset(context, config):
    """What the preset decides; it may be the exemplar that decides on the preset."""
    from texsynth.synthesis import presets  # imports NumPy, which takes a moment

    if words.word_of(context.command) is not None:
        return dict.fromkeys(_OF_A_PRESET, (None, "set by the preset and what is made"))
    paths = expanded(context.params["image_paths"])
    if config.preset != "auto":
        scheme = presets.choose(config, None)
    elif context.params.get("target_path"):
        scheme = presets.choose_for_statistics(config)
    elif len(paths) == 1:
        scheme = _scheme_of(paths[0], config)
    else:
        return dict.fromkeys(_OF_A_PRESET, (None, "set by the preset, on which the image decides"))
    found = {name: getattr(scheme, field) for name, field in _OF_A_PRESET.items()}
    found["losses"] = [_text_of(term) for term in found["losses"]]
    whence = dict.fromkeys(found, f"preset {scheme.name}")
    if found["levels"] is None:
        whence["levels"] = "as many as the size allows"
    if scheme.wraps:
        found["margin"], whence["margin"] = None, f"none, preset {scheme.name} wraps"
    return {name: (value, whence[name]) for name, value in found.items()}


def _scheme_of(path, config):
    from texsynth import images
    from texsynth.synthesis import sources  # imports Chainer, which takes a second

    return sources.of(images.read_deep(path, config.input_range), config).scheme(config)


def _config(context):
    names = {field.name for field in dataclasses.fields(Config)} & context.params.keys()
    init = context.params.get("init")
    start = init if init in settings.STARTS else None
    return Config(start=start, **{name: context.params[name] for name in names})


def _text_of(term):
    """A loss as ``--loss`` takes it."""
    layers = term.layers and ",".join(f"{name}={weight!r}" for name, weight in term.layers.items())
    return f"{term.name}={term.weight!r}" + (f":{layers}" if layers else "")


_OF_A_PRESET = {
    **{name: name for name in ("iterations", "losses", "levels", "margin", "detail")},
    "match_colours": "match_colours",
    "init": "start",
}
"""What a preset decides, by the name of the option's value."""
