"""Commands of which ``--tile`` may stand without a value."""

import os

import click

from texsynth import config as settings
from texsynth.command.configured import Configured


def _is_tiling(following):
    """Whether what follows ``--tile`` is its value; it may be an option or an image instead.

    Raises:
        click.BadParameter: It is neither: then nobody means a texture of an image of that name.
    """
    if not following or following[0].startswith("-"):
        return False
    word = following[0]
    if word in settings.TILINGS:
        return True
    if os.path.lexists(word):
        return False
    choices = ", ".join(map(repr, settings.TILINGS))
    raise click.BadParameter(
        f"{word!r} is not one of {choices}, and there is no image of that name",
        param_hint="'--tile'",
    )


class TileAlone(Configured):
    """A command whose ``--tile`` may stand alone."""

    def parse_args(self, context, args):
        """Puts the value of ``--tile`` in where it stands alone.

        Args:
            context (click.Context): The command's.
            args: The arguments, a list of str.
        """
        args = list(args)
        for place, arg in enumerate(args):
            if arg == "--":
                break
            following = args[place + 1 : place + 2]
            # A shell that completes a line asks before all of it is there.
            if arg == "--tile" and not (context.resilient_parsing or _is_tiling(following)):
                args[place] = "--tile=xy"
        return super().parse_args(context, args)
