"""Where the compiled kernels are kept from run to run.

Numba's own choice looks at the file of the outermost function alone: after an update that changes
an inner file, yesterday's kernels would run. Here the folder's name is a checksum of all files:
those of this room and, for kernels elsewhere that are built on them, those beside these.
"""

import contextlib
import functools
import hashlib
import os
import tempfile
from pathlib import Path

import numba

_SOURCES = Path(__file__).parent


@contextlib.contextmanager
def kernels_kept_here(*sources):
    """Functions that are decorated with ``njit(cache=True)`` within it are kept in our folder.

    Args:
        sources (pathlib.Path): Folders of their files, other than this room.
    """
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_folder(*sources))
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


def is_empty(*sources):
    """Returns whether the kernels have still to be compiled.

    Args:
        sources (pathlib.Path): As for :func:`kernels_kept_here`.
    """
    return not any(_folder(*sources).rglob("*.nbi"))


def is_kept():
    """Returns whether the kernels outlive this process."""
    return _for_this_process.cache_info().currsize == 0


def _checksum(*sources):
    digest = hashlib.sha256()
    for folder in (_SOURCES, *sources):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def _folder(*sources):
    """The first writable one of Numba's setting, beside the sources, and the user's cache."""
    places = [
        _SOURCES / "__pycache__",
        Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "texsynth"),
    ]
    if numba.config.CACHE_DIR:
        places.insert(0, Path(numba.config.CACHE_DIR))
    for place in places:
        # RuntimeError: a user without a home.
        with contextlib.suppress(OSError, RuntimeError):
            folder = place.expanduser() / f"kernels-{_checksum(*sources)}"
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    # Kept for this process only: a shared temporary folder is no place to load code from.
    return Path(_for_this_process().name)


@functools.cache
def _for_this_process():
    return tempfile.TemporaryDirectory(prefix="texsynth-kernels-")
