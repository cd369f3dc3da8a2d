"""The files of the page, which other pages of the package take parts of."""

from collections.abc import Iterable
from importlib import resources

_FOLDER = resources.files("texsynth.live") / "page"


def text_of(name: str) -> str:
    """Returns the text of a file.

    Args:
        name (str): The file's.
    """
    return _FOLDER.joinpath(name).read_text(encoding="utf-8")


def names(endings: Iterable[str]) -> list[str]:
    """Returns the names of the files with certain endings.

    Args:
        endings: Endings with their dots.
    """
    endings = tuple(endings)
    return sorted(each.name for each in _FOLDER.iterdir() if each.name.endswith(endings))
