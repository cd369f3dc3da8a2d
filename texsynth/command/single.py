"""One texture: what stands in its way ends the command."""

import contextlib
import functools
import logging
import signal

from texsynth.command import notes
from texsynth.command.composed import Composed, exemplar_of
from texsynth.command.interruption import Interruption
from texsynth.command.outputs import outputs_for
from texsynth.command.recipe import Picture, Recipe
from texsynth.command.shared import NO_MEMORY, failure
from texsynth.command.stack_job import job_for
from texsynth.command.watch import Telling
from texsynth.errors import ConfigError, TexsynthError

_log = logging.getLogger("texsynth")


def make(order, audience, team=None):
    """Makes one texture.

    Args:
        order (texsynth.command.order.Order): What is to be made.
        audience (texsynth.command.audience.Audience): Who is told of it.
        team (texsynth.objective.team.Team): The processes that make it together, of which the first
            writes; ``None`` is this one alone.

    Returns:
        int: The exit code.

    Raises:
        click.ClickException: It failed after something may have been written, or was interrupted.
        texsynth.errors.TexsynthError: It cannot be made as it was asked for.
    """
    outputs, record = outputs_for(order), order.sources.record
    sources, input_range = order.sources, order.config.input_range
    init = None if sources.init_path is None else Picture(sources.init_path, input_range)
    exemplar = exemplar_of(sources, *sources.subjects, input_range)
    recipe = Recipe(order.config, exemplar, init, sources.mending)
    if record is not None:
        record.check(recipe)
    checkpoints = order.keeping.checkpoints(notes.compose(order))
    is_first = team is None or team.rank == 0
    quiet, is_shared = audience.quiet or not is_first, team is not None
    telling = Telling(quiet, Interruption(), is_shared, audience.page)
    job = job_for(recipe, outputs, telling, checkpoints, order.is_again)
    check = functools.partial(_check_together, job.check_overwriting, team)
    if checkpoints is None or order.keeping.resumed is None:
        check()
        check = None  # else a checkpoint of another job is told of before that
    with _telling_what_is_written(job):
        with telling.interruption:
            result = job.synthesize(_maker(recipe, team, checkpoints), check)
            if is_first:
                job.save(result)
                job.report(result)
        if telling.interruption.number is not None:
            return 128 + telling.interruption.number
        if record is not None:
            record.check_result(result)
            _log.info("the same as %s", record.path)
    return 0


def _maker(recipe, team, checkpoints):
    """What makes the texture, and lacks but ``init``, ``callback`` and ``stop``."""
    exemplar, config = recipe.exemplar, recipe.config
    optional = {"team": team, "checkpoints": checkpoints}
    given = {name: value for name, value in optional.items() if value is not None}
    if recipe.mending is not None:
        return functools.partial(recipe.mending.carried_out, exemplar, config, **given)
    exemplar.check()
    # Each imports Chainer, which takes a second.
    if isinstance(exemplar, Composed):
        return functools.partial(exemplar.made, config, **given)
    from texsynth.synthesis.loop import synthesize

    return functools.partial(synthesize, exemplar.deep, config, **given)


def _check_together(check, team):
    """Makes sure of it in the first process, which alone writes: the others may have other disks.

    All raise what it finds, for the one that goes on would wait for the others.
    """
    error = None
    if team is None or team.rank == 0:
        try:
            check()
        except ConfigError as raised:
            error = raised
    if team is not None and team.any(error is not None):
        error = error or ConfigError("the first process would overwrite what is there")
    if error is not None:
        raise error


@contextlib.contextmanager
def _telling_what_is_written(job):
    """A context manager in which a failure, and an interruption, tells of files that are there."""
    try:
        yield
    except KeyboardInterrupt as error:
        ended = failure("interrupted", error, job.written or ["nothing"])
        ended.exit_code = 128 + getattr(error, "number", signal.SIGINT)
        raise ended from error
    except ConfigError:
        raise
    except TexsynthError as error:
        raise failure(error, error, job.written) from error
    except MemoryError as error:
        raise failure(NO_MEMORY, error, job.written) from error
