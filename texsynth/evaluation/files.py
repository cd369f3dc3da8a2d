"""Writes text files whole or not at all."""

import tempfile

from texsynth.errors import ConfigError, TexsynthError
from texsynth.evaluation.report import is_same_file
from texsynth.files import written_whole


def check_target(option, path, sources):
    """Makes sure that a file can be written and is none of those that are read.

    Args:
        option (str): What the user calls it, ``--html``.
        path (pathlib.Path): The file to write.
        sources: Paths of files that must stay as they are.

    Raises:
        texsynth.errors.ConfigError: It is a folder, is in none, or is one of the sources.
        texsynth.errors.TexsynthError: Its folder cannot be written.
    """
    try:
        if path.is_dir():
            raise ConfigError(f"{option}: {path} is a folder")
        if not path.parent.is_dir():
            raise ConfigError(f"{option}: there is no folder {path.parent}")
        for source in sources:
            if path == source or is_same_file(path, source):
                raise ConfigError(f"{option}: {path} would overwrite {source}, which is read")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise TexsynthError(f"cannot write {path}: {error.strerror}") from error


def write(path, text):
    """Writes UTF-8 text beside its target and renames it.

    Args:
        path (pathlib.Path): Path of the file.
        text (str): What to write.

    Raises:
        texsynth.errors.TexsynthError: It cannot be written.
    """
    try:
        with written_whole(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise TexsynthError(f"cannot write {path}: {error.strerror}") from error
