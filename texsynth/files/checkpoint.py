"""A checkpoint on the disk: there whole or not at all, and beside it the one before.

What its file holds is for :mod:`texsynth.files.checkpoint_format` to say.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from texsynth.errors import CheckpointError
from texsynth.files import checkpoint_format, parts
from texsynth.files.writing import sync_folder, written_whole
from texsynth.typing import Array, StrPath


class Checkpoint(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        fields: Plain JSON values under their names.
        arrays: ``{name: numpy.ndarray}`` in the order in which they were saved; C-contiguous.
    """

    fields: dict[str, Any]
    arrays: dict[str, Array]


def previous_of(path: StrPath) -> Path:
    """Returns where the last checkpoint but one is kept: ``run.previous.ckpt`` for ``run.ckpt``.

    Args:
        path: Path of the last one.

    Returns:
        pathlib.Path: Path beside it.
    """
    path = Path(path)
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def save(path: StrPath, fields: Mapping[str, Any], arrays: Iterable[tuple[str, Array]]) -> None:
    """Writes a checkpoint, and keeps the one that was there as ``previous_of(path)``.

    Killed at any moment, it leaves both files whole: each is what it was, or what comes after. Only
    where there are no hard links, ``path`` is away for the moment between two renames, and what was
    there is the previous one; it goes back should the second of them fail.

    Args:
        path: Path of the file; its folder must exist.
        fields (dict): Plain JSON values: ``str``, ``int``, ``float``, ``bool``, ``None``, and
            lists and dicts of them. Floats come back bit for bit, infinities too; a NaN comes back
            as a NaN.
        arrays: Pairs of a name, of ``[a-z0-9_.-]``, and an array, float32, float64, int64 or uint8
            with any strides. They are taken one at a time, and each is let go before the next.

    Raises:
        texsynth.errors.CheckpointError: It cannot be written; both files are as they were.
        ValueError: A field or an array is not one that could come back.
    """
    path = Path(path)
    fields = checkpoint_format.plain(fields)
    try:
        if path.exists() and not path.is_file():
            raise CheckpointError(f"{path}: not a file")
        with _written_and_older_kept(path) as file:
            checkpoint_format.write(file, fields, arrays)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from error


def load(path: StrPath) -> Checkpoint:
    """Reads a checkpoint; whatever the bytes, it comes back whole and as it was saved, or not.

    Args:
        path: Path of the file.

    Returns:
        Checkpoint: Its fields and arrays.

    Raises:
        texsynth.errors.CheckpointError: The file is missing, unreadable, damaged, of a newer
            format, or no checkpoint.
    """
    path = Path(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CheckpointError("not a file")  # to open a pipe would be to wait for its writer
        with path.open("rb") as file:
            return Checkpoint(*checkpoint_format.read(file))
    except (FileNotFoundError, NotADirectoryError):
        raise CheckpointError(f"no such checkpoint: {path}") from None
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    except MemoryError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        # Damaged bytes make zipfile and json raise nearly anything, from struct.error and
        # NotImplementedError to RecursionError.
        reason = str(error) or type(error).__name__
        raise CheckpointError(f"{path}: damaged or cut off ({reason})") from error


@contextlib.contextmanager
def _written_and_older_kept(path: Path) -> Iterator[IO[bytes]]:
    """``written_whole``, but what was at ``path`` gets the name ``previous_of(path)``.

    Everything that may take long comes before the first of the names changes.
    """
    previous = previous_of(path)
    aside = path.with_name(f".texsynth-{path.name}.part")
    aside.unlink(missing_ok=True)  # of a process that was killed
    older = None  # the other name of what was at path; noted before it exists
    with contextlib.ExitStack() as holding:
        try:
            with written_whole(path) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if path.exists():
                    holding.enter_context(parts.held(path))  # by its other name it could be swept
                    older = aside
                    try:
                        aside.hardlink_to(path)
                    except (OSError, NotImplementedError):
                        older = previous  # at once: that is where somebody looks who misses it
                        path.replace(previous)
            if older == aside:
                aside.replace(previous)
                sync_folder(previous)
        except BaseException:
            if older == aside or (older == previous and not path.exists()):
                with contextlib.suppress(FileNotFoundError):
                    older.replace(path)
            raise
        finally:
            aside.unlink(missing_ok=True)
