"""Text of unknown origin as a terminal, a page or a table may be given it."""

import unicodedata


def printable(text: str) -> str:
    """Returns a text without control characters and without bytes that are no UTF-8.

    Args:
        text (str): Any text, such as a file's name.
    """
    return "".join(_shown(character) for character in text)


def one_line(text: str, longest: int | None = None) -> str:
    """Returns a text as one line, with single spaces.

    Args:
        text (str): Any text.
        longest (int): Characters of it that are taken; ``None`` takes all.
    """
    return printable(" ".join(text[:longest].split()))


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    return " " if unicodedata.category(character) == "Zs" else "\ufffd"
