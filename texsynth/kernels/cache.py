"""Where the compiled kernels are kept from run to run: in the user's cache, for all environments.

Numba's own choice looks at the file of the outermost function alone: after an update that changes
an inner file, yesterday's kernels would run. Here the folder's name is a checksum of all files
(those of this room and, for kernels elsewhere that are built on them, those beside these), of the
versions of all that compiles, and of the processor: whoever made what is in it, it is right.
"""

import contextlib
import functools
import hashlib
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import llvmlite
import numba
import numpy as np
from llvmlite import binding

from texsynth.kernels import kept_whole

_SOURCES = Path(__file__).parent
_USERS = "users"


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
    digest = hashlib.sha256(f"{_versions()}\n{_processor()}\n".encode())
    for folder in (_SOURCES, *sources):
        for path in sorted(folder.glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _versions():
    compilers = f"numba {numba.__version__}, llvmlite {llvmlite.__version__}"
    return f"{sys.implementation.cache_tag}, {compilers}, numpy {np.__version__}"


def _processor():
    """Which processor the kernels are for: this one, or what Numba's variables say."""
    name = numba.config.CPU_NAME or binding.get_host_cpu_name()
    features = numba.config.CPU_FEATURES
    if features is None:
        features = binding.get_host_cpu_features().flatten()
    return f"{platform.system()}, {platform.machine()}, {name}, {features}"


@functools.cache
def _folder(*sources):
    """The first writable one of Numba's setting, the user's cache, and beside the sources."""
    places = [
        Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "texsynth"),
        _SOURCES / "__pycache__",
    ]
    if numba.config.CACHE_DIR:
        places.insert(0, Path(numba.config.CACHE_DIR))
    for place in places:
        # RuntimeError: a user without a home.
        with contextlib.suppress(OSError, RuntimeError):
            folder = place.expanduser() / f"kernels-{_checksum(*sources)}"
            user = folder / _USERS / _name_of_user(sources)
            if not user.is_file():
                _enter(folder, sources)
                _sweep(folder, sources)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    # Kept for this process only: a shared temporary folder is no place to load code from.
    return Path(_for_this_process().name)


def _enter(folder, sources):
    """Enters an installation as a user of a folder, which has a user from the first moment."""
    new = folder.with_name(f".{folder.name}-{os.getpid()}")
    name = _name_of_user(sources)
    (new / _USERS).mkdir(parents=True, exist_ok=True)
    (new / _USERS / name).write_text(_user(sources), encoding="utf-8")
    try:
        new.rename(folder)
    except OSError:  # another installation, or process, was first
        try:
            (folder / _USERS).mkdir(exist_ok=True)  # it may have been swept in part
            (new / _USERS / name).replace(folder / _USERS / name)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def _sweep(folder, sources):
    """Removes folders that nobody uses any more; an installation uses one in a place."""
    for other in folder.parent.glob("kernels-*"):
        if other == folder:
            continue
        with contextlib.suppress(OSError):
            (other / _USERS / _name_of_user(sources)).unlink()
        if not any(map(_is_there, (other / _USERS).glob("*.txt"))):
            shutil.rmtree(other, ignore_errors=True)


def _is_there(user):
    """Whether an installation that uses kernels has not been removed."""
    try:
        folders = user.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return False
    return bool(folders) and all(Path(folder).is_dir() for folder in folders)


def _user(sources):
    """What uses kernels: the folders of the files and of the environment, a line each."""
    return "\n".join(map(str, (_SOURCES, *sources, sys.prefix)))


def _name_of_user(sources):
    # With the processor: machines may share the user's home, and an installation in it.
    whose = f"{_user(sources)}\n{_processor()}"
    return f"{hashlib.sha256(whose.encode()).hexdigest()[:16]}.txt"


@functools.cache
def _for_this_process():
    return tempfile.TemporaryDirectory(prefix="texsynth-kernels-")
