"""Follows a synthesis step by step: shows how it goes on, saves snapshots, ends it on a signal."""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from texsynth.command import progress as progress_display
from texsynth.command.interruption import Interruption
from texsynth.errors import TexsynthError

_log = logging.getLogger("texsynth")


@dataclass(frozen=True)
class Telling:
    """How the user is told of the work, and heard meanwhile.

    Attributes:
        quiet (bool): Say nothing but errors.
        interruption (texsynth.command.interruption.Interruption): Where signals come.
        in_company (bool): Whether other processes make the same texture.
    """

    quiet: bool
    interruption: Interruption
    in_company: bool = False


class Acts(NamedTuple):
    """What is done with the one texture that is watched.

    Attributes:
        begin: Tells of it, once all is there to begin; a function without arguments.
        save: Writes pixels to a path.
        is_replaceable: Says whether a snapshot may take the place of what is at a path.
    """

    begin: Callable
    save: Callable
    is_replaceable: Callable


class Watch:
    """A context manager: who is asked during one synthesis, and told of its steps.

    Args:
        telling (Telling): How the user is told, and heard.
        outputs (texsynth.command.outputs.Outputs): Where snapshots go, and how often.
        acts (Acts): What is done meanwhile.
    """

    def __init__(self, telling, outputs, acts):
        self._telling, self._outputs, self._acts = telling, outputs, acts
        self._is_told_of = False
        self._snapshots = outputs.keeping.snapshots
        self._has_begun = False
        self._display = progress_display.make(telling.quiet)

    def after_step(self, progress):
        """Shows a step, and saves what is due; returns whether a signal ends the work.

        Args:
            progress (texsynth.Progress): How far it is.
        """
        self.begin()
        if not self._has_begun:
            self._has_begun = True
            self._telling.interruption.in_order = True  # from here on there is something to save
            self._tell_of_plan(progress)
        try:
            self._display.show(progress)
        except OSError:  # nobody is there to read it any more; the picture is still wanted
            self._display = progress_display.NoProgress()
        if self._snapshots and progress.step % self._snapshots == 0:
            self._save_snapshot(progress)
        return self._telling.interruption.number is not None

    def _tell_of_plan(self, progress):
        if progress.scheme.why:
            _log.info("preset %s: %s", progress.scheme.name, progress.scheme.why)
        if not self._telling.quiet:
            from texsynth.objective.memory import format_time  # imports Chainer

            levels = f"{progress.levels} level" + ("s" if progress.levels > 1 else "")
            _log.info("about %s for %s", format_time(progress.seconds_left), levels)

    def is_to_stop(self):
        """Returns whether a signal ends the work, between steps; asked before the first one too."""
        self.begin()
        if self._telling.in_company:
            # A signal comes to each process, but not at the same time: once one may have taken the
            # first step, none ends on its own, for that would end all with nothing saved.
            self._telling.interruption.in_order = True
        return self._has_begun and self._telling.interruption.number is not None

    def begin(self):
        """Tells of the work once; also if there was none, for a checkpoint held the last step."""
        if not self._is_told_of:
            self._is_told_of = True
            self._acts.begin()

    def __enter__(self):
        """Begins to follow it."""
        return self

    def __exit__(self, *exception):
        """Shows nothing any more."""
        with contextlib.suppress(OSError):
            self._display.close()
        self._display = progress_display.NoProgress()

    def _save_snapshot(self, progress):
        path = self._outputs.snapshot(progress.level, progress.step)
        try:
            for source in self._outputs.sources if path.exists() else ():
                if source.exists() and path.samefile(source):
                    raise TexsynthError(f"the snapshot {path} would overwrite an input")
            if not self._acts.is_replaceable(path):
                raise TexsynthError(
                    f"the snapshot {path} already exists and is of another texture, which only"
                    " --overwrite replaces"
                )
            self._acts.save(path, progress.pixels())
        except TexsynthError as error:
            _log.warning("%s; no more snapshots will be saved", error)
            self._snapshots = None
