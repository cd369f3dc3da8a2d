"""Several textures one after another: what is there is left, what fails is told and passed over."""

import contextlib
import functools
import itertools
import logging
import os
import signal
import stat

import click

from texsynth.command.composed import exemplar_of
from texsynth.command.composition import Gallery
from texsynth.command.interruption import Interruption
from texsynth.command.recipe import Picture, Recipe
from texsynth.command.row import rows_of
from texsynth.command.shared import EXIT_FAILURE, EXIT_USAGE, NO_MEMORY
from texsynth.command.stack_job import job_for
from texsynth.command.tasks import plan
from texsynth.command.watch import Telling
from texsynth.errors import (
    ConfigError,
    DeviceError,
    EngineError,
    TexsynthError,
    WeightsError,
)

_log = logging.getLogger("texsynth")

ENDS_ALL = (DeviceError, EngineError, WeightsError)
"""Errors after which no other image would fare better."""


def make(order, audience, team=None):
    """Makes several textures; those that are there already are left.

    Args:
        order (texsynth.command.order.Order): What is to be made.
        audience (texsynth.command.audience.Audience): Who is told of it.
        team (texsynth.objective.team.Team): The processes that share them out among them; ``None``
            is this one alone.

    Returns:
        int: The exit code.

    Raises:
        texsynth.errors.TexsynthError: As :func:`texsynth.command.tasks.plan`.
    """
    tasks = plan(order)
    tasks = tasks if team is None else tasks[team.rank :: team.size]
    gallery = Gallery(order.config.input_range) if order.sources.row_stem else None
    rows = [] if gallery is None else rows_of(order, tasks, gallery)
    return Batch(tasks, order.sources, audience, rows, gallery).run() if tasks else 0


class Batch:
    """Several textures with one network.

    Args:
        tasks: What to make, each a :class:`texsynth.command.tasks.Task`.
        sources (texsynth.command.order.Sources): What they are made from.
        audience (texsynth.command.audience.Audience): Who is told of it.
        rows: Rows to show them in, each a :class:`texsynth.command.row.Row`. Without one of its
            textures a row is none, so that one that fails ends all.
        gallery (texsynth.command.composition.Gallery): Where their pictures are read; or ``None``.
    """

    def __init__(self, tasks, sources, audience, rows=(), gallery=None):
        self._tasks, self._rows, self._gallery = tasks, rows, gallery
        self._sources = sources
        self._interruption = Interruption()
        self._page = audience.page
        self._telling = Telling(audience.quiet, self._interruption, page=self._page)
        self._left = list(tasks)
        self._failed = []
        self._stopped = []

    def run(self):
        """Does the work and tells what failed; returns the exit code."""
        try:
            with self._interruption:
                for task in self._tasks if self._page else ():
                    self._page.expect(task.outputs)
                self._make_all()
        except KeyboardInterrupt as error:
            return self._end("interrupted", 128 + getattr(error, "number", signal.SIGINT))
        except TexsynthError as error:
            is_usage = isinstance(error, ConfigError)
            return self._end(error, EXIT_USAGE if is_usage else EXIT_FAILURE)
        except MemoryError:
            return self._end(NO_MEMORY, EXIT_FAILURE)
        if self._interruption.number is not None:
            return self._end("interrupted", 128 + self._interruption.number)
        return self._end(None, EXIT_FAILURE if self._failed else 0)

    @functools.cached_property
    def _workshop(self):
        from texsynth.synthesis.workshop import (
            Workshop,  # takes a second: not where all is there already
        )

        return Workshop(self._tasks[0].config)

    def _make_all(self):
        input_range = self._tasks[0].config.input_range  # of all
        init_path = self._sources.init_path
        init = None if init_path is None else Picture(init_path, input_range)
        if init is not None:
            init.deep  # noqa: B018 (read now, for without it nothing can be made)
        for subject, tasks in itertools.groupby(self._tasks, key=lambda task: task.subject):
            exemplar = exemplar_of(self._sources, subject, input_range, self._gallery)
            self._make_all_of(subject, exemplar, init, list(tasks))
            if self._interruption.number is not None:
                return
        for row in self._rows:
            row.save()
            if not self._telling.quiet:
                click.echo(os.fsencode(row.path))

    def _make_all_of(self, subject, exemplar, init, tasks):
        study, wanted = None, []
        with self._passing_over(subject, tasks):
            jobs = [
                (task, job_for(Recipe(task.config, exemplar, init), task.outputs, self._telling))
                for task in tasks
            ]
            wanted = [(task, job) for task, job in jobs if self._is_wanted(task, job)]
            if wanted:
                exemplar.check()
                study = exemplar.study(self._workshop)
        for task, job in wanted if study is not None else ():
            self._make(task, job, study)
            if self._interruption.number is not None:
                return

    def _is_wanted(self, task, job):
        """Whether it is to be made: it is not there, and nothing else is that is to be kept."""
        _check_target(task)
        if job.is_done():
            _log.info("%s already exists", task.outputs.texture)
            self._left.remove(task)
            if self._page:
                self._page.kept(task.outputs)
            return False
        with self._passing_over(task.name, [task]):
            job.check_overwriting()
        return task in self._left

    def _make(self, task, job, study):
        make = job.recipe.exemplar.make
        told = task.outputs.what, task.number, len(self._tasks), task.name
        _log.info("%s %d of %d: %s", *told)
        result = None
        with self._passing_over(task.name, [task]):
            result = job.synthesize(functools.partial(make, study, task.config.seed))
        if result is not None:
            job.save(result)  # if it cannot be written, what follows could not be either
            self._left.remove(task)
            if not result.is_finished:
                self._stopped.append(job.outputs.texture)
            job.report(result)
        self._interruption.in_order = False  # nothing to save until the next one is under way

    @contextlib.contextmanager
    def _passing_over(self, name, tasks):
        try:
            yield
            return
        except ENDS_ALL:
            raise
        except MemoryError:
            if self._rows:
                raise
            reason = NO_MEMORY
        except TexsynthError as error:
            if self._rows:
                raise
            reason = str(error)
        except Exception as error:  # a defect of ours, or a GPU that failed
            _log.debug("the traceback:", exc_info=True)
            reason = f"{type(error).__name__}: {error}"
        named = reason.startswith((f"{name} ", f"{name}:")) or reason.endswith(f": {name}")
        _tell(reason if named else f"{name}: {reason}")
        failed = [task for task in tasks if task in self._left]
        self._failed.append((str(name), len(failed)))
        self._left = [task for task in self._left if task not in failed]
        for task in failed if self._page else ():
            self._page.failed(task.outputs, reason)

    def _end(self, why, code):
        told = [] if why is None else [str(why)]
        told += [f"{path} is unfinished" for path in self._stopped]
        if self._failed:
            names = ", ".join(name for name, _ in self._failed)
            count = sum(count for _, count in self._failed)
            told.append(f"{count} of {len(self._tasks)} failed: {names}")
        if why is not None and self._left:
            told.append(f"not made: {', '.join(task.name for task in self._left)}")
        if told:
            _tell("; ".join(told))
        return code


def _check_target(task):
    for path in task.outputs.paths:
        try:
            if stat.S_ISDIR(path.stat().st_mode):
                raise TexsynthError(f"cannot write {path}: it is a folder")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise TexsynthError(f"cannot write {path}: {error.strerror}") from error


def _tell(message):
    _log.error("error: %s", message)
