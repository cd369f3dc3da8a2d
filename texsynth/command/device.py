"""The device, as it is asked for: ``--gpu``, or ``--device`` as in Chainer's own examples."""

import functools
import re

import click
from click.core import ParameterSource

from texsynth.command.shared import from_text, together
from texsynth.errors import ConfigError

_OTHERS = {
    r"(@chainerx:)?(native|cuda)(:\d+)?": "ChainerX is not used here",
    "@intel64": "iDeep is not used here",
    "@cupy": "a GPU has a number",
}
"""What Chainer's users may write, and why it is not taken."""


def parse(text):
    """Reads a device as Chainer's examples take it: ``"@cupy:1"`` as 1, ``"@numpy"`` as -1.

    Args:
        text (str): ``@numpy``, ``@cupy:`` and a number, or a number alone; -1 is the CPU.

    Returns:
        int: CUDA device number; -1 is the CPU.

    Raises:
        texsynth.errors.ConfigError: It is none of these. ChainerX and iDeep, which Chainer knows
            too, are among the others.
    """
    match = re.fullmatch(r"@numpy|(?:@cupy:)?(\d{1,9})|-1", text, re.ASCII)
    if match is None:
        found = [why for pattern, why in _OTHERS.items() if re.fullmatch(pattern, text)]
        allowed = "@numpy, @cupy:0 (or another number) or a number (-1 is the CPU)"
        raise ConfigError("; ".join([f"device must be {allowed}, not {text!r}", *found]))
    return int(match[1] or -1)


def _checked(gpu):
    if gpu < -1:
        raise ConfigError(f"gpu must be at least -1, not {gpu}")
    return gpu


def device_options(command):
    """A decorator that gives a command ``--gpu`` and ``--device``, and its function ``gpu`` alone.

    Args:
        command: Function that takes ``gpu``, a CUDA device number, or -1 for the CPU.
    """
    return _OPTIONS(with_one_device(command))


_OPTIONS = together(
    click.option(
        "-g",
        "--gpu",
        envvar="TEXSYNTH_GPU",
        default=-1,
        show_default=True,
        callback=from_text(_checked),
        help="CUDA device number; -1 is the CPU.",
    ),
    click.option(
        "-d",
        "--device",
        envvar="TEXSYNTH_DEVICE",
        metavar="DEVICE",
        callback=from_text(parse),
        help="The device as Chainer names it: @numpy, @cupy:0, or a number as for --gpu.",
    ),
)


def with_one_device(command):
    """A decorator for the function of a command that has both options: it is given ``gpu`` alone.

    Args:
        command: As for :func:`device_options`.
    """

    @functools.wraps(command)
    def with_one(*arguments, gpu, device, **options):
        name = decisive(click.get_current_context())
        return command(*arguments, gpu=device if name == "device" else gpu, **options)

    return with_one


_STRENGTH = (
    ParameterSource.COMMANDLINE,
    ParameterSource.ENVIRONMENT,
    ParameterSource.DEFAULT_MAP,
    ParameterSource.DEFAULT,
)
"""Where options come from, what goes before others first."""


def decisive(context):
    """Returns ``"gpu"`` or ``"device"``, whichever option decides.

    Args:
        context (click.Context): The parsed command line of a command that has both.

    Raises:
        click.UsageError: Both stand in the same place, and are different devices.
    """
    gpu, device = (context.params[name] for name in ("gpu", "device"))
    if device is None:
        return "gpu"
    places = [_STRENGTH.index(context.get_parameter_source(name)) for name in ("gpu", "device")]
    if places[0] == places[1] and gpu != device:
        raise click.UsageError(
            f"--gpu {gpu} and --device {device} are different devices (-1 is the CPU);"
            " give one of them"
        )
    return "gpu" if places[0] < places[1] else "device"
