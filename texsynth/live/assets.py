"""The files of the page, which other pages of the package take parts of."""

from collections.abc import Iterable
from html import escape
from importlib import resources
from string import Template

_FOLDER = resources.files("texsynth.live") / "page"


def text_of(name: str) -> str:
    """Returns the text of a file.

    Args:
        name (str): The file's.
    """
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")


def bytes_of(name: str) -> bytes:
    """Returns a file as it is.

    Args:
        name (str): The file's.
    """
    return _FOLDER.joinpath(name).read_bytes()


def names(endings: Iterable[str]) -> list[str]:
    """Returns the names of the files with certain endings.

    Args:
        endings: Endings with their dots.
    """
    endings = tuple(endings)
    return sorted(each.name for each in _FOLDER.iterdir() if each.name.endswith(endings))


def game(source: str) -> str:
    """Returns the game "which one is odd?" as HTML.

    Its script plays it with each ``article`` of the page, which has an image of the class
    ``exemplar`` and one of the class ``texture``.

    Args:
        source (str): What the exemplar is called.
    """
    return Template(text_of("game.html")).substitute(source=escape(source))
