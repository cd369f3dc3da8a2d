"""Snapshots: the image as it is after every so many steps, each in a file of its own."""

import logging

from texsynth.command.watch import Observer
from texsynth.errors import TexsynthError

_log = logging.getLogger("texsynth")


class Snapshots(Observer):
    """Saves what is due; once it cannot, it says so and saves no more.

    Args:
        outputs (texsynth.command.outputs.Outputs): Where they go, and how often.
        save: Writes pixels to a path.
        is_replaceable: Says whether one may take the place of what is at a path.
    """

    def __init__(self, outputs, save, is_replaceable):
        self._outputs, self._save, self._is_replaceable = outputs, save, is_replaceable
        self._every = outputs.keeping.snapshots

    def show(self, progress):
        """Saves the image, if it is due.

        Args:
            progress (texsynth.Progress): How far it is.
        """
        if not self._every or progress.step % self._every:
            return
        path = self._outputs.snapshot(progress.level, progress.step)
        try:
            self._check(path)
            self._save(path, progress.pixels())
        except TexsynthError as error:
            _log.warning("%s; no more snapshots will be saved", error)
            self._every = None

    def _check(self, path):
        for source in self._outputs.sources if path.exists() else ():
            if source.exists() and path.samefile(source):
                raise TexsynthError(f"the snapshot {path} would overwrite an input")
        if not self._is_replaceable(path):
            raise TexsynthError(
                f"the snapshot {path} already exists and is of another texture, which only"
                " --overwrite replaces"
            )
