"""``--dry-run``: what would be made, how, and what it would take; nothing is written."""

import functools
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from texsynth.command import batch, overwriting
from texsynth.command.composed import exemplar_of
from texsynth.command.composition import Composition, Gallery
from texsynth.command.outputs import Outputs, planned_outputs
from texsynth.command.recipe import Picture, Recipe
from texsynth.command.row import rows_of
from texsynth.command.shared import EXIT_FAILURE, downloads_forbidden
from texsynth.command.stack_job import job_for
from texsynth.command.tasks import planned
from texsynth.errors import ConfigError, TexsynthError, WeightsError
from texsynth.files.printable import printable
from texsynth.network import clock
from texsynth.values import format_memory, format_time

_log = logging.getLogger("texsynth")

dry_run_option = click.option(
    "--dry-run",
    "is_dry_run",
    is_flag=True,
    help="Print what would be made: preset, levels, engine, memory, time (by a short trial) and"
    " files; and make nothing.",
)


@dataclass(frozen=True)
class Part:
    """Textures that differ in no more than their seeds.

    Attributes:
        name (str): What they are made from.
        outputs: Where each is written, but for those that are there already.
        study: Makes what the library makes them of, from a :class:`texsynth.Workshop`.
        there (int): Textures that are there already.
        about (tuple): What else is told of what they are made from, labels and texts.
    """

    name: str
    outputs: list[Outputs]
    study: Callable[[Any], Any]
    there: int = 0
    about: tuple[tuple[str, str], ...] = ()


def of_order(order):
    """Prints the plan of an order, in the place of :func:`texsynth.command.work.carry_out`.

    Args:
        order (texsynth.command.order.Order): What would be made.

    Returns:
        int: The exit code.

    Raises:
        texsynth.errors.TexsynthError: It could not be made as it was asked for.
    """
    if order.is_shared:
        raise ConfigError("--dry-run cannot be combined with --distributed")
    if order.keeping.resumed is not None:
        raise ConfigError("--dry-run cannot be combined with --resume")
    plan = _Plan(order.config, "texture" if order.keeping.written is None else "stack")
    if order.is_one:
        plan.tell(_single(order))
        return plan.end()
    tasks, failed = planned(order), 0
    gallery = Gallery(order.config.input_range) if order.sources.row_stem else None
    rows = [] if gallery is None else rows_of(order, tasks, gallery)
    for subject, its_tasks in itertools.groupby(tasks, key=lambda task: task.subject):
        its_tasks = list(its_tasks)
        try:
            plan.tell(_several(order, subject, its_tasks, gallery))
        except batch.ENDS_ALL:
            raise
        except TexsynthError as error:
            failed += len(its_tasks)
            told = "" if str(subject) in str(error) else f"{subject}: "
            _log.error("error: %s%s", told, error)
    plan.end([row.path for row in rows])
    return EXIT_FAILURE if failed else 0


def _single(order):
    outputs, sources = planned_outputs(order), order.sources
    recipe = _recipe(order, *sources.subjects, order.config)
    if sources.record is not None:
        sources.record.check(recipe)
    overwriting.check(outputs, recipe, order.is_again)
    exemplar = recipe.exemplar

    def study(workshop):
        if recipe.mending is not None:
            return recipe.mending.study(exemplar, order.config, recipe.init is None)
        exemplar.check()
        return exemplar.study(workshop)

    return Part(str(*sources.subjects), [outputs], study, about=_about(*sources.subjects))


def _several(order, subject, tasks, gallery):
    """The textures of one of several images, or of one of several compositions."""
    wanted = []
    for task in tasks:
        recipe = _recipe(order, subject, task.config, gallery)
        if not job_for(recipe, task.outputs, None).is_done():
            overwriting.check(task.outputs, recipe, False)
            wanted.append(task.outputs)
    recipe.exemplar.check()
    there = len(tasks) - len(wanted)
    return Part(str(subject), wanted, recipe.exemplar.study, there, _about(subject))


def _about(subject):
    """What is told of a composition beside how its textures are made."""
    return subject.about() if isinstance(subject, Composition) else ()


def _recipe(order, subject, config, gallery=None):
    sources = order.sources
    init = None if sources.init_path is None else Picture(sources.init_path, config.input_range)
    exemplar = exemplar_of(sources, subject, config.input_range, gallery)
    return Recipe(config, exemplar, init, sources.mending)


class _Plan:
    """What would be made with the same settings, told part by part."""

    def __init__(self, config, what):
        self._config, self._what, self._began = config, what, clock.now()
        self._tried = 0.0  # seconds that a run does not take
        self._seconds = 0.0  # of all textures; None if nobody knows
        self._known = {}  # estimates
        self._made = self._there = 0

    def tell(self, part):
        """Prints a part, if anything of it is to be made."""
        self._there += part.there
        number = len(part.outputs)
        if not number:
            return
        study = part.study(self._workshop)
        time_row = "time", self._time(study, number)
        paths = ", ".join(path for outputs in part.outputs for path in _paths(outputs))
        click.echo(printable(part.name))
        for label, text in [*part.about, *_described(study), time_row, ("writes", paths)]:
            click.echo(f"  {label:10}{printable(text)}")
        self._made += number

    def end(self, also=()):
        """Prints what all of it comes to; ``also`` are files that are written at the end."""
        for path in also:
            click.echo(f"writes {printable(str(path))}")
        told = [f"{self._made} {self._what}" + ("" if self._made == 1 else "s")]
        if self._there:
            told.append(f"{self._there} already there")
        if self._seconds is not None:
            # Reading and making the network, too, and whatever else was done once.
            once = clock.now() - self._began - self._tried
            told.append(f"about {format_time(once + self._seconds)}")
        click.echo(f"in all: {', '.join(told)}; nothing was written")

    @functools.cached_property
    def _workshop(self):
        from texsynth.synthesis.workshop import Workshop

        return Workshop(self._config)

    def _time(self, study, number):
        try:
            with downloads_forbidden(True):
                estimate = self._estimate(study)
        except WeightsError:
            if self._config.weights is not None:  # they will not be there later either
                raise
            self._seconds = None
            return "not known: the network's weights are not here yet"
        each = f"about {format_time(estimate.seconds)}"
        if self._seconds is not None:
            self._seconds += number * estimate.seconds
        return each if number == 1 else f"{each} for each of {number}"

    def _estimate(self, study):
        from texsynth.synthesis.estimate import estimate

        losses = [(type(loss).__name__, *loss.layers) for loss in study.losses]
        key = repr((study.plan, losses, study.colours.number, study.is_in_blocks))
        if key not in self._known:
            study.workshop.device.use()
            study.make_network()  # which a run does once too
            began = clock.now()
            self._known[key] = estimate(study)
            self._tried += clock.now() - began
            _log.debug("%s", self._known[key])
        return self._known[key]


def _described(study):
    """Lines about how textures of a study are made, ``(label, text)``."""
    scheme, workshop = study.scheme, study.workshop
    levels = [f"{'x'.join(map(str, each.output_size))} in {each.steps}" for each in study.plan]
    networks = [workshop.config.network]
    if study.networks > 1:
        networks.append(f"{study.networks} times for {study.channels} planes")
    fits = "whole" if study.block is None else f"in blocks of {study.block} px"
    return [
        ("preset", scheme.name + (f": {scheme.why}" if scheme.why else "")),
        ("levels", f"{', '.join(levels)} steps{_edges(study.plan[-1])}"),
        ("network", ", ".join([*networks, f"engine {workshop.engine}", workshop.precision])),
        ("memory", f"{format_memory(study.bytes)}, {fits}"),
    ]


_NEIGHBOURS = {
    (True, True): "opposite edges are neighbours",
    (True, False): "top and bottom are neighbours",
    (False, True): "left and right are neighbours",
}


def _edges(level):
    """What is made of the edges of a level, from a semicolon on; empty if nothing is."""
    told, margin = "", max(level.margin)
    if any(level.wrap):
        told = f"; {_NEIGHBOURS[level.wrap]}"
    if margin:
        where = "each edge" if level.wrap[0] == level.wrap[1] else "the others"
        told += f"; {margin} px more at {where}"
    return told


def _paths(outputs):
    keeping = outputs.keeping
    yield from map(str, outputs.paths)
    if keeping.checkpoint is not None:
        yield f"{keeping.checkpoint} (every {keeping.every} steps)"
    if keeping.snapshots:
        yield f"{outputs.snapshot(1, keeping.snapshots)} and so on"
