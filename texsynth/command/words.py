"""The words that stand before the images and ask for something other than a texture of each.

``python -m texsynth IMAGE`` has no such word. A file that is called as a word is reached as
``./mix``.
"""

import importlib
from collections.abc import Sequence

import click
from click.shell_completion import CompletionItem

MODULES = {
    "film": "film",
    "material": "material",
    "mix": "mixing",
    "repair": "repair_cli",
    "studio": "studio",
}
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


def completed(
    context: click.Context, argument: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Returns what a shell may complete the images to: files, and before them the words.

    Args:
        context (click.Context): The line as far as it is there.
        argument (click.Parameter): The images.
        incomplete (str): What the word under way begins with.
    """
    found = [] if context.params.get(argument.name or "") else list(MODULES)
    items = [CompletionItem(word) for word in found if word.startswith(incomplete)]
    return [*items, CompletionItem(incomplete, type="file")]


def word_of(command: click.Command) -> str | None:
    """Returns the word that asks for a command, or ``None`` for one that no word does.

    Args:
        command (click.Command): The command.
    """
    word = (command.name or "").rpartition(" ")[2]
    return word if word in MODULES else None
