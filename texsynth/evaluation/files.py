"""Writes text files whole or not at all."""

import contextlib
import os
import tempfile

from texsynth.errors import ConfigError, TexsynthError
from texsynth.evaluation.report import is_same_file


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
    part = path.with_name(f".texsynth-{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise TexsynthError(f"cannot write {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
