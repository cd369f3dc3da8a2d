"""Files that are not whole yet, ``.texsynth-*.part``: held by who writes them, swept after a kill.

Who writes one has it locked, and a lock ends with its process however that ends; also with one of
another container that sees the same folder, of which process ids would say nothing.
"""

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # not there on Windows, where nothing is swept
    fcntl = None  # type: ignore[assignment]

_BUSY = (errno.EAGAIN, errno.EACCES)
_TRIES = 10
_swept: set[tuple[int, int]] = set()  # folders, which are looked through once by a process


def create(folder: Path) -> IO[bytes]:
    """Makes a new file of that kind in a folder, and sweeps the folder if it has not been.

    Args:
        folder (pathlib.Path): The folder.

    Returns:
        file: Binary, to write to; it is not removed when it is closed.

    Raises:
        OSError: It cannot be made.
    """
    _sweep_once(folder)
    for _ in range(_TRIES):
        file: IO[bytes] = tempfile.NamedTemporaryFile(  # noqa: SIM115 (who asked for it closes it)
            dir=folder, prefix=".texsynth-", suffix=".part", delete=False
        )
        # Between its making and its locking, another process may have swept it.
        if _lock(file.fileno()) is not False and os.fstat(file.fileno()).st_nlink:
            return file
        file.close()
        Path(file.name).unlink(missing_ok=True)
    raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """A context manager in which a file is not swept, whatever other names it is given.

    Args:
        path (pathlib.Path): The file.
    """
    with contextlib.ExitStack() as opened:
        with contextlib.suppress(OSError):  # what cannot be opened is not swept, either
            _lock(opened.enter_context(path.open("rb")).fileno())
        yield


def _sweep_once(folder: Path) -> None:
    status = folder.stat()
    if (status.st_dev, status.st_ino) in _swept:
        return
    _swept.add((status.st_dev, status.st_ino))
    for path in folder.glob(".texsynth-*.part"):
        with contextlib.suppress(OSError):  # another user's, or swept by another process
            _sweep(path)


def _sweep(path: Path) -> None:
    """Removes a file that nobody writes to."""
    number = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if stat.S_ISREG(os.fstat(number).st_mode) and _lock(number):
            path.unlink()
    finally:
        os.close(number)


def _lock(number: int) -> bool | None:
    """Locks a file; ``False`` if another process has it, ``None`` where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _BUSY else None
    return True
