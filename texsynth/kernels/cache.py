"""Where the compiled kernels are kept from run to run.

Numba's own choice looks at the file of the outermost function alone: after an update that changes
an inner file, yesterday's kernels would run. Here the folder's name is a checksum of all files:
those of this room and, for kernels elsewhere that are built on them, those beside these.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import numba

from texsynth.kernels import kept_whole

_SOURCES = Path(__file__).parent
_OWNER = "sources.txt"


@contextlib.contextmanager
def kernels_kept_here(*sources):
    """Functions that are decorated with ``njit(cache=True)`` within it are kept in our folder.

    Args:
        sources (pathlib.Path): Folders of their files, other than this room.
    """
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(_folder(*sources))
    try:
        with kept_whole.healing():
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
            if not folder.is_dir():
                _make(folder, sources)
                _sweep(folder, sources)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    # Kept for this process only: a shared temporary folder is no place to load code from.
    return Path(_for_this_process().name)


def _make(folder, sources):
    """Makes a folder that tells from the first moment whose it is."""
    new = folder.with_name(f".{folder.name}-{os.getpid()}")
    new.mkdir(parents=True, exist_ok=True)
    (new / _OWNER).write_text(_owner(sources), encoding="utf-8")
    try:
        new.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(new, ignore_errors=True)


def _sweep(folder, sources):
    """Removes what earlier states of the same files left beside a folder, and those of nobody.

    Other installations may keep theirs in the same place.
    """
    for other in folder.parent.glob("kernels-*"):
        try:
            owner = (other / _OWNER).read_text(encoding="utf-8")
        except (OSError, ValueError):
            owner = ""
        theirs = owner.splitlines()
        is_ours = theirs == _owner(sources).splitlines()
        is_nobodys = not theirs or not all(Path(line).is_dir() for line in theirs)
        if other != folder and (is_ours or is_nobodys):
            shutil.rmtree(other, ignore_errors=True)


def _owner(sources):
    """The folders of the files, a line each."""
    return "\n".join(map(str, (_SOURCES, *sources)))


@functools.cache
def _for_this_process():
    return tempfile.TemporaryDirectory(prefix="texsynth-kernels-")
