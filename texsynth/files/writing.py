"""Files that are there whole or not at all, and nowhere else than where they may be."""

import contextlib
import errno
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from texsynth.errors import ConfigError, TexsynthError
from texsynth.files import parts

if TYPE_CHECKING:  # the command's help does without NumPy
    from texsynth.typing import StrPath

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def written_whole(path: "StrPath") -> Iterator[IO[bytes]]:
    """A context manager that writes a file beside its target and renames it in the end.

    Nobody ever sees it half-written: not after an exception, nor a kill, nor a loss of power. It is
    flushed to the disk before it takes its name, and the folder after. A symbolic link is replaced,
    not followed.

    Args:
        path: Path of the file; its folder must exist.

    Yields:
        file: Binary, to write to, and to seek in.

    Raises:
        OSError: It cannot be written; what was there before still is.
    """
    path = Path(path)
    part = None
    try:
        with parts.create(path.parent) as file:
            part = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name == "nt":  # where what is open cannot be renamed
                file.close()
            part.chmod(0o666 & ~_umask())  # temporary files are private; a result need not be
            part.replace(path)  # before another process may take it for left over
        sync_folder(path)
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def sync_folder(path: Path) -> None:
    """Has the name that a file was given last outlive a loss of power.

    Args:
        path (pathlib.Path): Path of the file.
    """
    if not hasattr(os, "O_DIRECTORY"):  # not there on Windows
        return
    try:
        number = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as error:
        # A folder that may not be read, and file systems that know of nothing to do, are no reason
        # to worry anybody.
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EINVAL, errno.ENOTSUP):
            reason = error.strerror or error
            _log.warning("%s is written, but a loss of power may undo it: %s", path, reason)


def write_text(path: Path, text: str) -> None:
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


def check_target(option: str, path: Path, sources: Iterable[Path]) -> None:
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
                raise ConfigError(f"{option}: {path} would overwrite {source}, which is an input")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise TexsynthError(f"cannot write {path}: {error.strerror}") from error


def is_same_file(path: Path, other: Path) -> bool:
    """Whether two paths are of one file that is there.

    Args:
        path (pathlib.Path): The one.
        other (pathlib.Path): The other.
    """
    try:
        return path.samefile(other)
    except OSError:  # one is not there, or cannot be looked at, which is told when it is read
        return False


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
