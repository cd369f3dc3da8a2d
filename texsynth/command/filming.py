"""The film of a texture as it is made: how it is asked for, and who makes it."""

from dataclasses import dataclass, replace
from pathlib import Path

import click

from texsynth.command.shared import from_text, together
from texsynth.command.watch import Observer

FRAMES = 36
"""Frames of a film by default: of 256 pixels they come to less than 3 MB as a GIF."""


@dataclass(frozen=True)
class Filming:
    """A film that is asked for.

    Attributes:
        ending (str): The ending of the file's name, which says the format; such as ``".gif"``.
        path (pathlib.Path): The file; ``None`` is one beside the texture, named after it.
        frames (int): How many frames there are at most.
        loops (bool): Whether it begins again at its end.
    """

    ending: str
    path: Path | None = None
    frames: int = FRAMES
    loops: bool = True

    @classmethod
    def of(cls, text):
        """Returns the film that a text asks for.

        Args:
            text (str): A format, such as ``gif``, or the path of a file.

        Raises:
            texsynth.errors.ConfigError: There is no such format, or it cannot be written.
        """
        from texsynth import films  # imports NumPy, which takes a moment

        if text in films.FORMATS:
            films.format_of(f"film.{text}")
            return cls(f".{text}")
        return cls(f".{films.format_of(text)}", Path(text))

    def renamed(self, which):
        """Returns the same in another file, if it has one of its own.

        Args:
            which (str): What the file's name has more.
        """
        path = self.path
        return replace(self, path=path and path.with_name(f"{path.stem}_{which}{path.suffix}"))


_BOUNDS = (
    click.option(
        "--frames",
        metavar="N",
        type=click.IntRange(2, 1000),
        help="Frames of the film at most; they are spaced by how much changes.  [default:"
        f" {FRAMES}]",
    ),
    click.option(
        "--loop/--no-loop",
        "loops",
        default=None,
        help="Whether the film begins again at its end (not .mp4).  [default: loop]",
    ),
)

bounds_of_films = together(*_BOUNDS)
"""A decorator that gives a command ``--frames`` and ``--loop``; both are ``None`` if not given."""

film_options = together(
    click.option(
        "--film",
        metavar="FORMAT|FILE",
        callback=from_text(Filming.of),
        help="Also make a film of the texture as it comes to be: gif, webp, png (animated) or mp4,"
        " as <name>_film.<format>; or the path of one such file.",
    ),
    *_BOUNDS,
)
"""A decorator that gives a command ``--film`` too."""


class Camera(Observer):
    """Takes the frames of a film.

    Args:
        filming (Filming): The film that is asked for; ``None`` takes none.
    """

    def __init__(self, filming):
        self._filming, self._frames = filming, None
        if filming is not None:
            from texsynth import films

            self._frames = films.Frames(filming.frames)

    def show(self, progress):
        """Takes the image.

        Args:
            progress (texsynth.Progress): How far it is.
        """
        if self._frames is not None:
            self._frames.add(progress.pixels())

    def save(self, path, pixels, text):
        """Writes the film.

        Args:
            path (pathlib.Path): The file.
            pixels (numpy.ndarray): ``(H, W, 3)`` uint8, the texture, as its last frame.
            text (dict): Keywords and texts to keep in it.

        Raises:
            texsynth.errors.ImageError: It cannot be written.
        """
        from texsynth import films

        self._frames.add(pixels)
        films.write(path, self._frames.chosen(), self._filming.loops, text)
