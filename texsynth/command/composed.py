"""Textures of more than an exemplar: mixtures of several, and what is painted by a map."""

import dataclasses
import functools
import hashlib
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

import click

from texsynth.command.interruption import Interruption
from texsynth.command.job import Job
from texsynth.command.order import Order
from texsynth.command.outputs import outputs_for
from texsynth.command.provenance import Recipe
from texsynth.command.row import Row
from texsynth.command.shared import NO_MEMORY, failure
from texsynth.command.watch import Telling
from texsynth.errors import TexsynthError

_log = logging.getLogger("texsynth")


class Pictures:
    """The images of a texture, in place of one.

    Args:
        pictures: Each a :class:`texsynth.command.provenance.Picture`.
        name (str): What the texture's file calls them.
        maps: Pictures that say what goes where.
        decided: What else decides on the texture, plain values.

    Attributes:
        pictures (tuple): The same.
        name (str): The same.
        is_target (bool): ``False``: they are no statistics.
    """

    is_target = False

    def __init__(self, pictures, name, maps=(), decided=()):
        self.pictures, self.name = tuple(pictures), name
        self._maps, self._decided = tuple(maps), decided

    @functools.cached_property
    def checksum(self):
        """SHA-256 of all pixels, and of what else decides, 64 hex digits."""
        sums = [each.checksum for each in (*self.pictures, *self._maps)]
        return hashlib.sha256(repr((sums, self._decided)).encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Composed:
    """A texture that is to be made.

    Attributes:
        order (texsynth.command.order.Order): The settings, the images, and where it is written.
        recipe (texsynth.command.provenance.Recipe): What it is made from, :class:`Pictures`.
        study: Makes what the library makes it of, from a :class:`texsynth.Workshop`.
    """

    order: Order
    recipe: Recipe
    study: Callable[[Any], Any]


def make(several, audience, row_path=None):
    """Makes textures, but for those of a row that are there already.

    Args:
        several: Each a :class:`Composed`, with the same settings.
        audience (texsynth.command.audience.Audience): Who is told of it.
        row_path (pathlib.Path): Where to show all of them in a row; ``None`` is for one alone.

    Returns:
        int: The exit code.

    Raises:
        click.ClickException: It failed when something may have been written, or was interrupted.
        texsynth.errors.TexsynthError: They cannot be made as they were asked for.
    """
    work = _Work(several, row_path, audience)
    try:
        with work.interruption:
            work.make_all()
    except KeyboardInterrupt as error:
        ended = failure("interrupted", error, work.written or ["nothing"])
        ended.exit_code = 128 + getattr(error, "number", signal.SIGINT)
        raise ended from error
    except MemoryError as error:
        raise failure(NO_MEMORY, error, work.written) from error
    except TexsynthError as error:
        raise failure(error, error, work.written) from error
    number = work.interruption.number
    return 0 if number is None else 128 + number


class _Work:
    """The textures of a command, and the row that they make, if they do."""

    def __init__(self, several, row_path, audience):
        self.interruption, self._audience, self._several = Interruption(), audience, several
        outputs = tuple(outputs_for(each.order) for each in several)
        telling = Telling(audience.quiet, self.interruption, page=audience.page)
        self._jobs = tuple(
            Job(each.recipe, where, telling) for each, where in zip(several, outputs, strict=True)
        )
        self._row = None if row_path is None else Row(row_path, self._jobs, outputs)

    @property
    def written(self):
        """Paths of the files that are there, whole."""
        return [path for job in self._jobs for path in job.written]

    def make_all(self):
        """Makes what is not there, and the row at the end, unless a signal comes."""
        page = self._audience.page
        for job in self._jobs if page else ():
            page.expect(job.outputs)
        wanted = [True] * len(self._jobs)
        if self._row is not None:
            self._row.check()
            wanted = [not job.is_done() for job in self._jobs]
        for job, is_wanted in zip(self._jobs, wanted, strict=True):
            if is_wanted:
                job.check_overwriting()
        for number, (job, is_wanted) in enumerate(zip(self._jobs, wanted, strict=True)):
            if not is_wanted:
                _log.info("%s already exists", job.outputs.texture)
                if page:
                    page.kept(job.outputs)
                continue
            if self._row is not None:
                _log.info("step %d of %d", number + 1, len(self._jobs))
            self._make(self._several[number], job)
            if self.interruption.number is not None:
                return
            self.interruption.in_order = False  # nothing to save until the next is under way
        if self._row is not None:
            self._row.save()
            if not self._audience.quiet:
                click.echo(os.fsencode(self._row.path))

    def _make(self, composed, job):
        from texsynth.synthesis.loop import make_variation  # imports Chainer, which takes a second

        seed = composed.order.config.seed
        study = composed.study(self._workshop)
        result = job.synthesize(functools.partial(make_variation, study, seed))
        job.save(result)
        job.report(result)

    @functools.cached_property
    def _workshop(self):
        from texsynth.synthesis.workshop import Workshop

        return Workshop(self._several[0].order.config)
