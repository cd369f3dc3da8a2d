"""What decoders change in the whole process: by one thread at a time, and put back."""

import contextlib
import io
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

# Of all below: warnings' filters, Pillow's limit of pixels, where standard error and output go.
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A child would inherit them as they are just then, and a lock that nobody opens.
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """A context manager that one thread at a time is in, and in which nothing warns.

    Pillow's warnings are of odd metadata and of many pixels: nothing that its user could mend.
    """
    with _lock, warnings.catch_warnings(action="ignore"):
        yield


@contextlib.contextmanager
def bounded(most_pixels: int | None) -> Iterator[None]:
    """A context manager in which Pillow refuses large images at any place.

    An icon may hold a whole PNG, which is opened by the icon's decoder: only the limit that all
    share reaches there.

    Args:
        most_pixels (int): The most that an image may have; ``None`` sets no limit.
    """
    with _lock:
        before = Image.MAX_IMAGE_PIXELS
        # Beyond it Pillow warns, beyond twice it refuses.
        Image.MAX_IMAGE_PIXELS = None if most_pixels is None else (most_pixels + 1) // 2
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """A context manager that sends to nowhere what a C library tells on standard error.

    libtiff does, of damage.
    """
    with _lock, contextlib.ExitStack() as undo:
        # Without standard error its number may be any file's.
        if sys.stderr is not None:
            kept = os.dup(2)
            undo.callback(os.close, kept)
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            undo.callback(os.dup2, kept, 2)
        yield


@contextlib.contextmanager
def overheard() -> Iterator[io.StringIO]:
    """A context manager that gives what Python code tells on standard output to its caller alone.

    OpenEXR's package does, of damage, and goes on without what is damaged. What C libraries tell on
    standard error goes to nowhere.

    Yields:
        io.StringIO: What was told.
    """
    with silenced(), contextlib.redirect_stdout(io.StringIO()) as told:
        yield told
