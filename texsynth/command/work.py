"""The work itself: one texture or several, by this process or by several."""

import contextlib
import dataclasses

from texsynth.command import batch, single
from texsynth.command.shared import EXIT_USAGE
from texsynth.errors import TexsynthError


def carry_out(order, audience):
    """Makes what is ordered.

    Args:
        order (texsynth.command.order.Order): What is to be made.
        audience (texsynth.command.audience.Audience): Who is told of it.

    Returns:
        int: The exit code.

    Raises:
        click.ClickException: It failed when something may have been written, or was interrupted.
        texsynth.errors.TexsynthError: It cannot be made as it was asked for.
    """
    make = single.make if order.is_one else batch.make
    return _together(make, order, audience) if order.is_shared else make(order, audience)


def _together(make, order, audience):
    """Makes what is ordered, or this process's part of it."""
    team, config = _assembled(order.config)
    order = dataclasses.replace(order, config=config)
    try:
        with team.ending_together() if order.is_one else contextlib.nullcontext():
            return make(order, audience, team)
    except TexsynthError:
        if team.rank > 0:  # all say the same
            return EXIT_USAGE
        raise


def _assembled(config):
    """The team, and the settings with this process's own GPU."""
    from texsynth.objective.team import assemble  # imports Chainer, which takes a second

    team = assemble()
    if config.gpu >= 0:
        config = dataclasses.replace(config, gpu=config.gpu + team.place)
    return team, config
