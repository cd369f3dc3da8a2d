"""The film of a texture as it is made, as it is asked for."""

from dataclasses import dataclass
from pathlib import Path

import click

FRAMES = 36
"""Frames of a film by default: of 256 pixels they come to less than 3 MB as a GIF."""


@dataclass(frozen=True)
class Filming:
    """A film.

    Attributes:
        path (pathlib.Path): The file, whose ending says the format.
        frames (int): How many there are at most.
        loops (bool): Whether it begins again at its end.
    """

    path: Path
    frames: int = FRAMES
    loops: bool = True


def film_options(command):
    """A decorator that gives a command ``--frames`` and ``--loop``.

    Args:
        command: Function that takes ``frames``, a number, and ``loops``, a truth value.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option(
        "--frames",
        metavar="N",
        default=FRAMES,
        show_default=True,
        type=click.IntRange(2, 1000),
        help="Frames of the film at most; they are spaced by how much changes.",
    ),
    click.option(
        "--loop/--no-loop",
        "loops",
        default=True,
        show_default=True,
        help="Whether the film begins again at its end (not .mp4).",
    ),
)
