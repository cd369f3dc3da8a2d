"""What the page shows: written by the thread that works, read by the one that serves.

Whoever writes holds the lock for a few assignments, and never waits for anything that takes longer.
"""

import enum
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from texsynth.typing import Pixels

_BETWEEN_FRAMES = 0.5  # seconds, at least
_SHARE = 0.02  # of the time of the run that its frames may take


class Status(enum.StrEnum):
    """How far a texture is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"
    KEPT = "kept"  # it was there already


class Step(NamedTuple):
    """How far a run is, as :class:`texsynth.Progress` says it.

    Attributes:
        level: Pyramid level, from 1.
        levels: Number of levels.
        step: Step within the level, from 1.
        steps: Steps that the level will take at most.
        loss: Loss after the step.
        fraction: Share of the whole work, 0..1.
        seconds_left: What the rest will take.
        size: ``(width, height)`` of the image now.
    """

    level: int
    levels: int
    step: int
    steps: int
    loss: float
    fraction: float
    seconds_left: float
    size: tuple[int, int]


@dataclass(frozen=True)
class Exemplar:
    """An image that a texture is made from, read again when somebody looks.

    Attributes:
        path: The file.
        input_range: Which values are black and white in it, or ``None``.
        size: Its longer side as it is used, in pixels; 0 is its own.
    """

    path: Path
    input_range: tuple[float, float] | None = None
    size: int = 0


class Frame(NamedTuple):
    """A picture to be shown: pixels, or a file that has them.

    Attributes:
        version: Another number for another picture.
        pixels: ``(H, W, 3)`` uint8, or ``None``.
        path: A PNG, or ``None``.
    """

    version: int
    pixels: Pixels | None = None
    path: Path | None = None


class Entry:
    """One texture on the board.

    Args:
        board (Board): Where it stands.
        number (int): Which of all, from 0.
        name (str): What it is called on the page.
        details (dict): What else the page is told of it, plain values.

    Attributes:
        number (int): The same.
        name (str): The same.
        is_to_end (bool): Whether somebody asked for the end of it, and what is there to be kept.
        exemplars: What it is made from, each an :class:`Exemplar`.
        frame (Frame): Its image as it is; ``None`` before the first.
        files: Paths of the files that may be downloaded.
        status (Status): How far it is.
        version (int): Another number after each change.
    """

    def __init__(self, board: "Board", number: int, name: str, details: Mapping[str, Any]) -> None:
        self._board, self.number, self.name = board, number, name
        self.is_to_end = False
        self.exemplars: tuple[Exemplar, ...] = ()
        self.frame: Frame | None = None
        self.files: tuple[Path, ...] = ()
        self.status = Status.WAITING
        self.version = 0
        self._message, self._details = "", dict(details)
        self._step: Step | None = None
        self._points: list[Mapping[str, Any]] = []
        self._next_frame = 0.0

    def begin(self, exemplars: Iterable[Exemplar]) -> None:
        """Says that the work on it begins.

        Args:
            exemplars: What it is made from.
        """
        with self._board.changing(self):
            self.exemplars, self.status = tuple(exemplars), Status.RUNNING

    def step(self, step: Step, terms: Mapping[str, float], pixels: Callable[[], Pixels]) -> None:
        """Says how far it is, and takes a frame now and then if anybody looks.

        Args:
            step (Step): How far it is.
            terms: The value of each loss term, by name.
            pixels: Returns the image as it is, ``(H, W, 3)`` uint8.
        """
        point = {"level": step.level, "loss": _finite(step.loss), "terms": dict(terms)}
        taken = self._taken(pixels)
        with self._board.changing(self):
            self._step = step
            self._points.append(point)
            if taken is not None:
                self.frame = Frame(self.version, taken)

    def end(
        self, status: Status, files: Sequence[Path] = (), message: str = "", size: Any = None
    ) -> None:
        """Says that the work on it is over.

        Args:
            status (Status): How it ended.
            files: What it left; the first is the texture.
            message: What there is to say of it.
            size: ``(width, height)`` of the texture, if it is known.
        """
        with self._board.changing(self):
            self.status, self.files, self._message = status, tuple(files), message
            if self.files:
                self.frame = Frame(self.version, path=self.files[0])
            if size is not None and self._step is not None:
                self._step = self._step._replace(size=size)

    def told(self, points_from: int) -> dict[str, Any]:
        """Returns what the page is told, plain values; the lock is held.

        Args:
            points_from (int): How many points of the loss are known already.
        """
        step = self._step
        return {
            "number": self.number,
            "name": self.name,
            "status": self.status,
            "message": self._message,
            "step": None if step is None else _told(step),
            "frame": None if self.frame is None else self.frame.version,
            "exemplars": len(self.exemplars),
            "files": [path.name for path in self.files],
            "points": self._points[points_from:],
            "points_from": points_from,
            **self._details,
        }

    @property
    def points(self) -> int:
        """Number of points of the loss curve."""
        return len(self._points)

    def _taken(self, pixels: Callable[[], Pixels]) -> Pixels | None:
        """The image, if somebody looks and the last one was long enough ago."""
        began = time.monotonic()
        if not self._board.is_watched or began < self._next_frame:
            return None
        taken = pixels()
        now = time.monotonic()
        cost = now - began + self._board.seconds_of_frame
        self._next_frame = now + max(_BETWEEN_FRAMES, cost / _SHARE)
        return taken


class Board:
    """All that the page shows.

    Args:
        title (str): What the page is called.

    Attributes:
        title (str): The same.
        is_over (bool): Whether the program ends, and nothing more will change.
        seconds_of_frame (float): What it took to encode a frame for the page, the last time.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.is_over = False
        self.seconds_of_frame = 0.0
        self._lock = threading.RLock()
        self._version = 0
        self._entries: list[Entry] = []
        self._by_key: dict[Any, Entry] = {}
        self._watchers = 0

    def entry(self, key: Any, name: str, **details: Any) -> Entry:
        """Returns the texture of a key, which gets a place if it has none.

        Args:
            key: Any value that is the same for the same texture.
            name (str): What it is called on the page.
            details: What else the page is told of it, plain values.
        """
        with self._lock:
            if key not in self._by_key:
                made = Entry(self, len(self._entries), name, details)
                self._entries.append(made)
                self._by_key[key] = made
                with self.changing(made):
                    pass
            return self._by_key[key]

    def __getitem__(self, number: int) -> Entry:
        """Returns a texture by its number; raises ``KeyError`` if there is none."""
        if not 0 <= number < len(self._entries):
            raise KeyError(number)
        return self._entries[number]

    def changing(self, entry: Entry) -> "_Changing":
        """A context manager for changes of an entry.

        Args:
            entry (Entry): What is changed.
        """
        return _Changing(self, entry)

    def changes(self, seen: dict[int, tuple[int, int]]) -> list[dict[str, Any]]:
        """Returns what a page is told that does not know it yet.

        Args:
            seen: ``{number: (version, points)}`` of what the page knows; it is brought up to date.
        """
        with self._lock:
            if seen.get(-1, (-1, 0))[0] == self._version:
                return []
            seen[-1] = (self._version, 0)
            told = []
            for entry in self._entries:
                version, points = seen.get(entry.number, (-1, 0))
                if version != entry.version:
                    told.append(entry.told(points))
                    seen[entry.number] = (entry.version, entry.points)
            return told

    @property
    def is_watched(self) -> bool:
        """Whether a page is open."""
        return self._watchers > 0

    def watch(self, by: int) -> None:
        """Notes that a page was opened, or closed.

        Args:
            by (int): 1 or -1.
        """
        with self._lock:
            self._watchers += by

    def _changed(self, entry: Entry) -> None:
        self._version += 1
        entry.version = self._version


class _Changing:
    """Holds the board's lock; the entry has its new version from the start."""

    def __init__(self, board: Board, entry: Entry) -> None:
        self._board, self._entry = board, entry

    def __enter__(self) -> None:
        self._board._lock.acquire()
        self._board._changed(self._entry)

    def __exit__(self, *exception: object) -> None:
        self._board._lock.release()


def _told(step: Step) -> dict[str, Any]:
    values = step._asdict()
    values["loss"] = _finite(step.loss)
    values["seconds_left"] = _finite(step.seconds_left)
    return values


def _finite(value: float) -> float | None:
    """The value, or what JSON has for one that is no number."""
    return value if math.isfinite(value) else None
