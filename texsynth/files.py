"""Files that are there whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path


@contextlib.contextmanager
def written_whole(path):
    """A context manager that writes a file beside its target and renames it in the end.

    Nobody ever sees it half-written: not after an exception, nor a kill, nor a loss of power. A
    symbolic link is replaced, not followed.

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
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=".texsynth-", suffix=".part", delete=False
        ) as file:
            part = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o666 & ~_umask())  # temporary files are private; a result need not be
        part.replace(path)
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _umask():
    current = os.umask(0)
    os.umask(current)
    return current
