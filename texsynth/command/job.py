"""One texture of the command: synthesized, told of, written to its files."""

import contextlib
import logging
import os
import sys

import click

from texsynth.command import overwriting, provenance, record
from texsynth.command.filming import Camera
from texsynth.command.outputs import is_below_here
from texsynth.command.progress import Display
from texsynth.command.recipe import Picture
from texsynth.command.snapshots import Snapshots
from texsynth.command.watch import Watch
from texsynth.errors import TexsynthError
from texsynth.files.depths import QUALITY

_log = logging.getLogger("texsynth")


class Job:
    """One texture of the command.

    Args:
        recipe (texsynth.command.recipe.Recipe): What it is made from.
        outputs (texsynth.command.outputs.Outputs): The files to write.
        telling (texsynth.command.watch.Telling): How the user is told of it, and heard.
        checkpoints (texsynth.Checkpoints): Where the state is saved, and what is gone on from.
        is_again (bool): Whether it goes on from a checkpoint, or is made again from a record.

    Attributes:
        recipe (texsynth.command.recipe.Recipe): The same.
        outputs (texsynth.command.outputs.Outputs): The files; others once a texture is saved that
            was stopped where a finished one is.
        written (list): Paths of the files that are there, whole.
    """

    def __init__(self, recipe, outputs, telling, checkpoints=None, is_again=False):
        self.recipe, self.outputs, self._telling = recipe, outputs, telling
        self._asked_for = outputs
        self._checkpoints, self._is_again = checkpoints, is_again
        self._camera = Camera(outputs.keeping.film)
        self.written = []

    def is_done(self):
        """Returns whether all files are there as they would be made, and finished."""
        expected = provenance.origin(self.recipe)
        texture, *others = [*self.outputs.pictures, *self.outputs.films]
        if not all(provenance.is_finished(path, expected) for path in others):
            return False
        if not provenance.is_finished(texture, {**expected, **self._written}):
            return False
        return not self.outputs.keeping.record or record.is_of(
            self.outputs.record, Picture(self.outputs.texture)
        )

    def check_overwriting(self):
        """Makes sure that nothing is there that would be lost.

        Raises:
            texsynth.errors.TexsynthError: As :func:`texsynth.command.overwriting.check`.
        """
        overwriting.check(self.outputs, self.recipe, self._is_again)

    def synthesize(self, synthesize, check=None):
        """Returns the :class:`texsynth.Result`.

        Args:
            synthesize: :func:`texsynth.synthesize` or the like, which lacks but ``init``,
                ``callback`` and ``stop``.
            check: A function that is called when all else was found to be right, and may raise.
        """

        def begin():
            if check is not None:
                check()
            self._tell_of_size()

        observers = [
            Display(self._telling.quiet),
            Snapshots(self.outputs, self._save, self._is_replaceable),
            self._camera,
        ]
        if self._telling.page:
            observers.append(self._telling.page.observer(self._asked_for, self.recipe))
        with Watch(self._telling, begin, observers) as watch:
            init = None if self.recipe.init is None else self.recipe.init.deep
            result = synthesize(init=init, callback=watch.after_step, stop=watch.is_to_stop)
            watch.begin()
            return result

    def save(self, result):
        """Writes the files.

        Args:
            result (texsynth.Result): The texture.
        """
        from texsynth import images

        if not result.is_finished:
            self.outputs = overwriting.for_a_stopped_one(self.outputs, self.recipe)
        made = result.account()
        pictures = []
        if self.outputs.keeping.comparison:
            pictures.append(images.side_by_side(result.image, result.exemplar))
        if self.recipe.config.tile:
            pictures.append(images.tiled(result.image))
        self._save_texture(result.values, made)
        for path, pixels in zip(self.outputs.pictures[1:], pictures, strict=True):
            self._save(path, pixels, made)
        for path in self.outputs.films:
            self._camera.save(path, result.image, {**provenance.origin(self.recipe), **made})
            self.written.append(path)
        if self.outputs.keeping.record:
            made = record.compose(sys.argv, self.recipe, result, self._is_lengthened)
            record.save(self.outputs.record, made)
            self.written.append(self.outputs.record)
        if self._telling.page:
            self._telling.page.saved(self._asked_for, result, self.outputs.paths)

    def report(self, result):
        """Tells how it went, and lists the files that were written.

        Args:
            result (texsynth.Result): The texture.

        Raises:
            texsynth.errors.TexsynthError: Standard output cannot be written.
        """
        if self._telling.quiet:
            return
        told = self._description(result)
        with contextlib.suppress(OSError):
            for line in told:
                click.echo(line, err=True)
        try:
            for path in self.outputs.paths:
                click.echo(os.fsencode(path))  # whatever its name: the bytes that others can open
        except OSError as error:
            raise TexsynthError(f"cannot write to standard output: {error.strerror}") from error

    @property
    def _is_lengthened(self):
        """Whether it was resumed with more steps than it began with."""
        return self._checkpoints is not None and self._checkpoints.lengthened

    def _is_replaceable(self, path):
        """Whether a snapshot may take the place of what is there."""
        return self.outputs.keeping.overwrites or overwriting.is_replaceable(
            path, self.recipe, self._is_again
        )

    def _tell_of_size(self):
        """Says to which size the exemplar is brought, if to another one."""
        if self.recipe.exemplar.is_target:  # the size was chosen when it was measured
            return
        from texsynth import images

        for picture in self.recipe.exemplar.pictures:
            given = picture.deep.shape[1::-1]
            used = images.fitted_size(given, self.recipe.config.size)
            if used != given and not self._telling.quiet:
                sizes = ["x".join(map(str, size)) for size in (given, used)]
                _log.info("%s: %s brought to %s; --size 0 keeps it", picture.path, *sizes)

    def _save_texture(self, values, made):
        from texsynth import images

        text = {**provenance.origin(self.recipe), **self._written, **made}
        path, depth, quality = self.outputs.texture, self._depth, self.outputs.quality
        images.save(path, values, text, depth, quality or QUALITY)
        self.written.append(path)

    @property
    def _depth(self):
        return self.outputs.depth(self.recipe)

    @property
    def _written(self):
        """How the texture's file is written, as its text."""
        return provenance.written(self._depth, self.outputs.quality)

    def _save(self, path, pixels, made=None):
        from texsynth import images

        images.save_png(path, pixels, {**provenance.origin(self.recipe), **(made or {})})
        self.written.append(path)

    def _description(self, result):
        """Lines about how it went."""
        is_interrupted = self._telling.interruption.number is not None
        is_on_page = self._telling.page is not None and not result.is_finished
        reason = "stopped on the page" if is_on_page else result.reason
        reason = "interrupted" if is_interrupted else reason
        told = [f"{result.seconds:.1f} s, {result.evaluations} evaluations; {reason}"]
        told += self._account_of(result)
        checkpoints = self._checkpoints
        is_short = is_interrupted or not result.is_finished
        if is_short and checkpoints and checkpoints.is_there:
            whence = "" if checkpoints.is_saved else ", from an earlier step"
            # A checkpoint alone decides on no other place than the current folder.
            told.append(f"to continue{whence}: --resume {checkpoints.path}{self._whither}")
        return told

    @property
    def _whither(self):
        """The option that says where a resumed run is to write to, if one must."""
        texture = self._asked_for.texture
        return "" if is_below_here(texture) else f" -o {texture}"

    def _account_of(self, result):
        """Lines about how good it is."""
        errors = "  ".join(f"{name} {error:.3f}" for name, error in result.errors.items())
        told = [f"relative Gram errors: {errors}"]
        if self.recipe.config.tile:
            told.append(_seam(result.image, self.recipe.config.tile))
        if self.recipe.mending is not None:
            told += self._description_of_repair(result)
        return told

    def _description_of_repair(self, result):
        """Lines about how well it fits in."""
        exemplar, config = self.recipe.exemplar, self.recipe.config
        told = [f"before: {_seam(exemplar.pixels, config.tile)}"] if config.tile else []
        score = self.recipe.mending.edge_score(exemplar, config, result.image)
        if score is not None:
            told.append(
                "step across the edge of what was made anew, in standard deviations "
                f"(-2 to 2 is an ordinary step): {score:+.1f}"
            )
        return told


def _seam(pixels, tile):
    """A line about the seam of a texture that tiles."""
    from texsynth import metrics

    scores = metrics.seam_scores(pixels)
    told = ", ".join(f"{axis} {scores[axis]:+.1f}" for axis in tile)
    return f"seam score, in standard deviations (-2 to 2 means no seam): {told}"
