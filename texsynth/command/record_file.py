"""The file of a record: JSON of a known kind and format, or one line that says why it is none."""

import json

from texsynth.errors import ConfigError, RecordError
from texsynth.files.printable import one_line

KIND = "texsynth record"

FORMAT = 1
"""Version of the format; a reader refuses what is newer than itself."""

# A JSON text of a thousand brackets is a RecursionError, a number of 400 digits an OverflowError
# where a float is wanted.
ODD = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
"""What a file that is no record raises where it is taken for one."""

_MOST_BYTES = 2**26  # of a million steps
_LONGEST_LINE = 400  # characters of what a file says


def read(path, parse):
    """Returns what is made of the fields of a record.

    Args:
        path (pathlib.Path): The file.
        parse: Takes the path and the fields, a dict, and may raise what is :data:`ODD`.

    Raises:
        texsynth.errors.RecordError: The file cannot be read, or is no record.
    """
    try:
        return parse(path, json.loads(content(path)))
    except OSError as error:
        raise RecordError(f"cannot read {path}: {error.strerror or error}") from error
    except ConfigError as error:
        raise RecordError(f"{path}: {told(str(error))}") from error
    except ODD as error:
        why = told(f"{type(error).__name__} {error}")
        raise RecordError(f"{path} is not a record ({why})") from error


def content(path):
    """Returns the bytes of a file that may be a record.

    Args:
        path (pathlib.Path): The file.

    Raises:
        texsynth.errors.RecordError: It is not there, or too long.
        OSError: It cannot be read.
    """
    if not path.is_file():
        raise RecordError(f"no such record: {path}")
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise RecordError(f"{path} is not a record: it is too long")
    return data


def check_format(path, fields):
    """Makes sure that it is a record that can be read.

    Args:
        path (pathlib.Path): The file.
        fields (dict): What it holds.

    Raises:
        texsynth.errors.RecordError: It is none, or of another format.
        KeyError: It says of neither.
    """
    if fields["kind"] != KIND:
        raise RecordError(f"{path} is not a record")
    if fields["format"] != FORMAT:
        found = fields["format"]
        of = told(f"has format {found}, not {FORMAT}")
        is_newer = type(found) is int and found > FORMAT
        raise RecordError(f"{path} {of}" + (": a newer texsynth wrote it" if is_newer else ""))


def told(text):
    """Returns what a file says, short and in one line.

    Args:
        text (str): What it says.
    """
    return one_line(text, _LONGEST_LINE)
