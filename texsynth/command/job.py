"""One texture of the command: synthesized, told of, written to its files."""

import contextlib
import functools
import logging
import os
import sys

import click

from texsynth.command import progress as progress_display
from texsynth.command import provenance, record
from texsynth.command.interruption import Interruption
from texsynth.command.provenance import Picture
from texsynth.errors import TexsynthError

_log = logging.getLogger("texsynth")


class Job:
    """One texture of the command.

    Args:
        config (texsynth.Config): The settings.
        exemplar (texsynth.command.provenance.Picture): The exemplar.
        init (texsynth.command.provenance.Picture): The image to start from; ``None`` starts as the
            settings say.
        outputs (texsynth.command.outputs.Outputs): The files to write.
        snapshots (int): Save the image after every so many steps; ``None`` never does.
        quiet (bool): Say nothing.
        inputs: Paths of all that is read, which nothing may be written over.
        interruption (texsynth.command.interruption.Interruption): Where signals come; ``None``
            makes one.
        team (texsynth.objective.team.Team): The processes that make it together, of which the first
            writes; ``None`` is this one alone.
        checkpoints (texsynth.Checkpoints): Where the state is saved, and what is gone on from.

    Attributes:
        written (list): Paths of the files that are there, whole.
    """

    def __init__(
        self,
        config,
        exemplar,
        init,
        outputs,
        snapshots,
        quiet,
        inputs,
        interruption=None,
        team=None,
        checkpoints=None,
    ):
        self._config = config
        self._exemplar = exemplar
        self._init = init
        self._outputs = outputs
        self._snapshots = snapshots
        self._quiet = quiet
        self._inputs = inputs
        self._interruption = interruption or Interruption()
        self._team = team
        self._checkpoints = checkpoints
        self.written = []
        self._has_begun = False
        self._display = progress_display.make(quiet)

    def run(self):
        """Does all the work, until a signal ends it.

        Returns:
            tuple: The :class:`texsynth.Result`, and the number of the signal or ``None``.
        """
        with self._interruption:
            pixels = self._exemplar.pixels
            optional = {"team": self._team, "checkpoints": self._checkpoints}
            given = {name: value for name, value in optional.items() if value is not None}
            from texsynth.synthesis.loop import synthesize  # imports Chainer, which takes a second

            result = self.synthesize(functools.partial(synthesize, pixels, self._config, **given))
            if self._team is None or self._team.rank == 0:
                self.save(result)
                self.report(result)
        return result, self._interruption.number

    def is_done(self):
        """Returns whether all files are there as they would be made, and finished."""
        expected = self._origin()
        if not all(provenance.is_finished(path, expected) for path in self._outputs.pictures):
            return False
        return not self._outputs.keeps_record or record.is_of(
            self._outputs.record, Picture(self._outputs.texture)
        )

    def synthesize(self, synthesize):
        """Returns the :class:`texsynth.Result`.

        Args:
            synthesize: :func:`texsynth.synthesize` or the like, which lacks but ``init``,
                ``callback`` and ``stop``.
        """
        try:
            init = None if self._init is None else self._init.pixels
            return synthesize(
                init=init,
                callback=self._after_step,
                stop=self._is_to_stop,
            )
        finally:
            self._end_display()

    def save(self, result):
        """Writes the files.

        Args:
            result (texsynth.Result): The texture.
        """
        from texsynth import images

        made = provenance.account(result)
        pair = images.side_by_side(result.image, result.exemplar)
        pictures = [
            result.image,
            pair,
            *([images.tiled(result.image)] if self._config.tile else []),
        ]
        for path, pixels in zip(self._outputs.pictures, pictures, strict=True):
            self._save(path, pixels, made)
        if self._outputs.keeps_record:
            lengthened = self._checkpoints is not None and self._checkpoints.lengthened
            made = record.compose(
                sys.argv, self._config, self._exemplar, self._init, result, lengthened
            )
            record.save(self._outputs.record, made)
            self.written.append(self._outputs.record)

    def report(self, result):
        """Tells how it went, and lists the files that were written.

        Args:
            result (texsynth.Result): The texture.

        Raises:
            texsynth.errors.TexsynthError: Standard output cannot be written.
        """
        if self._quiet:
            return
        self._describe(result)
        try:
            for path in self._outputs.paths:
                click.echo(os.fsencode(path))  # whatever its name: the bytes that others can open
        except OSError as error:
            raise TexsynthError(f"cannot write to standard output: {error.strerror}") from error

    def _after_step(self, progress):
        if not self._has_begun:
            self._has_begun = True
            self._interruption.in_order = True  # from here on there is something to save
            if progress.scheme.why:
                _log.info("preset %s: %s", progress.scheme.name, progress.scheme.why)
        try:
            self._display.show(progress)
        except OSError:  # nobody is there to read it any more; the picture is still wanted
            self._display = progress_display.NoProgress()
        if self._snapshots and progress.step % self._snapshots == 0:
            self._save_snapshot(progress)
        return self._interruption.number is not None

    def _is_to_stop(self):
        if self._team is not None:
            # A signal comes to each process, but not at the same time: once one may have taken the
            # first step, none ends on its own, for that would end all with nothing saved.
            self._interruption.in_order = True
        return self._has_begun and self._interruption.number is not None

    def _end_display(self):
        with contextlib.suppress(OSError):
            self._display.close()
        self._display = progress_display.NoProgress()

    def _save_snapshot(self, progress):
        path = self._outputs.snapshot(progress.level, progress.step)
        try:
            for source in self._inputs if path.exists() else ():
                if source.exists() and path.samefile(source):
                    raise TexsynthError(f"the snapshot {path} would overwrite what is read")
            self._save(path, progress.pixels())
        except TexsynthError as error:
            _log.warning("%s; no more snapshots are saved", error)
            self._snapshots = None

    def _save(self, path, pixels, made=None):
        from texsynth import images

        images.save_png(path, pixels, {**self._origin(), **(made or {})})
        self.written.append(path)

    def _origin(self):
        return provenance.origin(self._config, self._exemplar, self._init)

    def _describe_seam(self, pixels):
        from texsynth import metrics

        scores = metrics.seam_scores(pixels)
        told = ", ".join(f"{axis} {scores[axis]:+.1f}" for axis in self._config.tile)
        return f"seam (step across it, in deviations of the steps inside; -2 to 2 is none): {told}"

    def _describe(self, result):
        errors = "  ".join(f"{name} {error:.3f}" for name, error in result.errors.items())
        reason = result.reason if self._interruption.number is None else "interrupted"
        told = [
            f"{result.seconds:.1f} s, {result.evaluations} evaluations; {reason}",
            f"relative Gram errors: {errors}",
            *([self._describe_seam(result.image)] if self._config.tile else []),
        ]
        checkpoints = self._checkpoints
        if self._interruption.number is not None and checkpoints and checkpoints.is_there:
            whence = "" if checkpoints.is_saved else ", from an earlier step"
            told.append(f"to go on{whence}: --resume {checkpoints.path}")
        with contextlib.suppress(OSError):
            for line in told:
                click.echo(line, err=True)
