"""The words that stand before the images and ask for something other than a texture of each.

``python -m texsynth IMAGE`` has no such word. A file that is called as a word is reached as
``./mix``.
"""

import importlib
from collections.abc import Sequence

import click

MODULES = {"mix": "mixing", "repair": "repair_cli", "studio": "studio"}
"""Modules of this room by word; ``main`` in each is the command. One is imported when asked for."""


def command_of(arguments: Sequence[str]) -> click.Command | None:
    """Returns the command whose word is the first argument, or ``None``.

    Args:
        arguments: All arguments of the process.
    """
    module = MODULES.get(arguments[0]) if arguments else None
    if module is None:
        return None
    found: click.Command = importlib.import_module(f"texsynth.command.{module}").main
    return found
