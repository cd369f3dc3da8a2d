"""Follows a synthesis step by step: tells those who look on, ends it when it is to end."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from texsynth.command.interruption import Interruption
from texsynth.values import format_time

_log = logging.getLogger("texsynth")


@dataclass(frozen=True)
class Telling:
    """How the user is told of the work, and heard meanwhile.

    Attributes:
        quiet (bool): Say nothing but errors.
        interruption (texsynth.command.interruption.Interruption): Where signals come.
        in_company (bool): Whether other processes make the same texture.
        page (texsynth.command.on_page.OnPage): Where it is shown; ``None`` shows it nowhere.
    """

    quiet: bool
    interruption: Interruption
    in_company: bool = False
    page: Any = None


class Observer:
    """Somebody who looks on during one synthesis: a context manager, entered before its start.

    None of them raises anything for what is its own trouble: the texture is still wanted.
    """

    def show(self, progress):
        """Is told of a step.

        Args:
            progress (texsynth.Progress): How far it is.
        """

    def is_to_end(self):
        """Returns whether the work is to end here, and what is there to be kept."""
        return False

    def __enter__(self):
        """Begins to look on."""
        return self

    def __exit__(self, *exception):
        """Looks on no longer."""


class Watch:
    """A context manager: who is asked during one synthesis, and told of its steps.

    Args:
        telling (Telling): How the user is told, and heard.
        begin (Callable): Tells of it, once all is there to begin; a function without arguments.
        observers (tuple[Observer, ...]): Who looks on, in the order in which they are told.
    """

    def __init__(self, telling: Telling, begin: Callable[[], None], observers=()):
        self._telling, self._begin, self._observers = telling, begin, tuple(observers)
        self._is_told_of = False
        self._has_begun = False
        self._entered = contextlib.ExitStack()

    def after_step(self, progress):
        """Tells of a step; returns whether the work is to end.

        Args:
            progress (texsynth.Progress): How far it is.
        """
        self.begin()
        if not self._has_begun:
            self._has_begun = True
            self._telling.interruption.in_order = True  # from here on there is something to save
            self._tell_of_plan(progress)
        for observer in self._observers:
            observer.show(progress)
        return self._is_to_end()

    def _tell_of_plan(self, progress):
        if progress.scheme.why:
            _log.info("preset %s: %s", progress.scheme.name, progress.scheme.why)
        if not self._telling.quiet:
            levels = f"{progress.levels} level" + ("s" if progress.levels > 1 else "")
            _log.info("about %s for %s", format_time(progress.seconds_left), levels)

    def is_to_stop(self):
        """Returns whether the work is to end, between steps; asked before the first one too."""
        self.begin()
        if self._telling.in_company:
            # A signal comes to each process, but not at the same time: once one may have taken the
            # first step, none ends on its own, for that would end all with nothing saved.
            self._telling.interruption.in_order = True
        return self._has_begun and self._is_to_end()

    def begin(self):
        """Tells of the work once; also if there was none, for a checkpoint held the last step."""
        if not self._is_told_of:
            self._is_told_of = True
            self._begin()

    def __enter__(self):
        """Begins to follow it."""
        with contextlib.ExitStack() as entered:
            for observer in self._observers:
                entered.enter_context(observer)
            self._entered = entered.pop_all()
        return self

    def __exit__(self, *exception):
        """Follows it no longer."""
        return self._entered.__exit__(*exception)

    def _is_to_end(self):
        is_asked_for = any(observer.is_to_end() for observer in self._observers)
        return is_asked_for or self._telling.interruption.number is not None
