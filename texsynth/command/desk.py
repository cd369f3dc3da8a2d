"""The desk of a studio: what a form asks for, as a command line, and the queue of them.

What is made is what the command makes of that line, which the page shows.
"""

import os
import queue
import re
import shlex
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from texsynth.command import cli, words
from texsynth.command.audience import Audience
from texsynth.errors import ConfigError, TexsynthError
from texsynth.live import Entry, Exemplar, Status

_MOST_VARIATIONS = 100
_OPTIONS = {  # what the form has beside the photograph, and what its texts may be
    "preset": "[a-z]{1,20}",
    "size": "[0-9]{1,5}",
    "output-size": "[0-9]{1,5}(x[0-9]{1,5})?",
    "tile": "x|y|xy",
    "iterations": "[0-9]{1,6}",
    "levels": "[0-9]{1,2}",
    "seed": "[0-9]{1,9}",
    "variations": "[0-9]{1,3}",
}


@dataclass
class Job:
    """One command line of the queue.

    Attributes:
        arguments: What stands after ``python -m texsynth``.
        entries: The textures that it makes.
        is_waiting (bool): Whether its turn is still to come.
    """

    arguments: list[str]
    entries: list[Entry]
    is_waiting: bool = True


class Desk:
    """Takes orders, and carries them out one after another.

    Args:
        board (texsynth.live.Board): Where textures are shown.
        photographs (texsynth.command.photographs.Photographs): What there is to choose from.
        folder (pathlib.Path): Where results go, each to a folder of its own within.
        options: Options for all, as they stand on a command line.

    Attributes:
        inbox (pathlib.Path): The folder of uploads.
    """

    def __init__(self, board, photographs, folder, options=()):
        self._board, self._photographs = board, photographs
        self._folder, self._options = folder, list(options)
        self.inbox = photographs.inbox
        self._queue: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._jobs: dict[int, Job] = {}  # by the numbers of their textures
        self._lock = threading.Lock()
        self._folders = _numbers(folder)

    def photographs(self):
        """Returns what can be chosen."""
        return self._photographs.listed()

    def photograph(self, number):
        """Returns the path of a photograph; raises ``KeyError`` if there is none.

        Args:
            number (int): Which.
        """
        return self._photographs.path(number)

    def keep(self, path, name):
        """Takes an upload among the photographs, and returns its number.

        Args:
            path (pathlib.Path): Where it is.
            name (str): What it was called.
        """
        return self._photographs.keep(path, name)

    def order(self, wanted):
        """Puts a run at the end of the queue, and returns the numbers of its textures.

        Args:
            wanted: What the form has: ``photograph``, a number, and texts.

        Raises:
            texsynth.errors.ConfigError: It is not what the form has, or cannot be made.
        """
        path, name, told = self._checked(wanted)
        with self._lock:
            folder = self._folder / f"{next(self._folders):04d}"
        is_word = str(path).startswith("-") or str(path) in words.MODULES
        place = os.path.join(".", path) if is_word else str(path)  # noqa: PTH118 (keeps the dot)
        chosen = [part for key, text in told.items() for part in (f"--{key}", text)]
        arguments = [place, *chosen, "--out", f"{folder}{os.sep}", *self._options]
        parameters = self._parsed(arguments)
        job = Job(arguments, self._entries(path, name, folder, parameters, arguments))
        self._jobs |= {entry.number: job for entry in job.entries}
        self._queue.put(job)
        return [entry.number for entry in job.entries]

    def remove(self, number):
        """Takes the run of a texture out of the queue; returns whether it was there.

        Args:
            number (int): The texture's.
        """
        with self._lock:
            job = self._jobs.get(number)
            if job is None or not job.is_waiting:
                return False
            job.is_waiting = False
        for entry in job.entries:
            entry.end(Status.FAILED, message="removed from the queue")
        return True

    def work(self, quiet, page):
        """Waits for the next order, and carries it out.

        Args:
            quiet (bool): Say nothing but errors.
            page (texsynth.command.on_page.OnPage): Where it is shown.

        Returns:
            int: The exit code of the command.
        """
        job = self._queue.get()
        with self._lock:
            if not job.is_waiting:
                return 0
            job.is_waiting = False
        code, why = _run(job.arguments, Audience(quiet, page))
        for entry in job.entries:
            if entry.status in (Status.WAITING, Status.RUNNING):
                entry.end(Status.FAILED, message=why or "it was not made")
        return code

    def _checked(self, wanted):
        """The photograph's path and name, and the options that were given, as texts."""
        if not isinstance(wanted, dict) or not isinstance(wanted.get("photograph"), int):
            raise ConfigError("choose a photograph first")
        try:
            path = self._photographs.path(wanted["photograph"])
        except KeyError:
            raise ConfigError("there is no such photograph any more") from None
        unknown = wanted.keys() - _OPTIONS.keys() - {"photograph"}
        if unknown:
            raise ConfigError(f"the form has no {', '.join(map(str, sorted(unknown)))}")
        told = {}
        for name, pattern in _OPTIONS.items():
            text = wanted.get(name, "")
            if text == "":
                continue
            if not isinstance(text, str) or not re.fullmatch(pattern, text, re.ASCII):
                raise ConfigError(f"{name} cannot be {str(text)[:40]!r}")
            told[name] = text
        if int(told.get("variations", 1)) > _MOST_VARIATIONS:
            raise ConfigError(f"at most {_MOST_VARIATIONS} variations at once")
        return path, self._photographs.name(wanted["photograph"]), told

    def _parsed(self, arguments):
        try:
            with cli.main.make_context("texsynth", list(arguments)) as context:
                return context.params
        except click.ClickException as error:
            raise ConfigError(error.format_message()) from error

    def _entries(self, path, name, folder, parameters, arguments):
        """Places on the board for what will be made, under the names that it will have."""
        seed, variations = parameters["seed"], parameters["variations"]
        line = shlex.join(["python", "-m", "texsynth", *arguments])
        endings = [""] if variations is None else [f"_seed{seed + n}" for n in range(variations)]
        entries = []
        for number, ending in enumerate(endings):
            label = name if variations is None else f"{name}, seed {seed + number}"
            target = folder / f"{path.stem}{ending}_texture.png"
            entry = self._board.entry(target, f"{folder.name}: {label}", command=line)
            entry.exemplars = (Exemplar(path, None, parameters["size"]),)
            entries.append(entry)
        return entries


def _run(arguments: list[str], audience: Any) -> tuple[int, str]:
    """Runs the command; returns its exit code, and why it failed."""
    try:
        with cli.main.make_context("texsynth", list(arguments), obj=audience) as context:
            return cli.main.invoke(context) or 0, ""
    except click.ClickException as error:
        return error.exit_code, error.format_message()
    except TexsynthError as error:
        return 1, str(error)
    except Exception as error:  # a defect of ours, or a GPU that failed: the next may be made
        return 1, f"{type(error).__name__}: {error}"


def _numbers(folder: Path):
    """Yields numbers for folders, each beyond those that are there."""
    taken = [int(path.name) for path in folder.iterdir() if re.fullmatch("[0-9]{4}", path.name)]
    number = max(taken, default=0)
    while True:
        number += 1
        yield number
