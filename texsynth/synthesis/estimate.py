"""What a synthesis will take, found by a short trial of all its parts, before it is made."""

from dataclasses import dataclass
from typing import Any

from texsynth import images
from texsynth.network import clock, engine
from texsynth.synthesis.forecast import Forecast

# What else the machine does may double an evaluation; but who asks does not want to wait.
_TRIAL = 1.0  # seconds of a level
_SHARE = 0.05  # of what its steps take


@dataclass(frozen=True)
class Estimate:
    """Seconds of one texture, without compiling.

    Attributes:
        trial (float): What it takes to try each level, which a synthesis does too.
        levels (tuple): What the steps of each level take, the coarsest first.
        rest (float): What begins each level, and what is measured at the end.
    """

    trial: float
    levels: tuple[float, ...]
    rest: float

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.trial + sum(self.levels) + self.rest


def estimate(study: Any) -> Estimate:
    """Goes through a synthesis without its steps, of which it tries a few at each level.

    Args:
        study (texsynth.synthesis.study.Study): The exemplar and the plan, with its network made.

    Raises:
        texsynth.errors.TexsynthError: The weights cannot be had, or the loss cannot be computed.
    """
    forecast, began = Forecast(study.plan), clock.now()
    numbers = range(1, len(study.plan) + 1)
    with engine.threads(study.workshop.engine):
        for number in numbers:
            forecast.try_level(study, number)
        trial = clock.now() - began
        for number, seconds in enumerate(forecast.seconds(), 1):
            most = min(_TRIAL, _SHARE * seconds)
            if forecast.pace(number) < most:
                forecast.try_level(study, number, most)
        tried = clock.now()
        texture = study.start(0)
        for number, level in enumerate(study.plan, 1):
            texture = images.centre(study.begun(number, texture), level.whole_size)
        texture = study.enlarged(texture)
    study.measured(texture)
    rest = clock.now() - tried
    return Estimate(trial, tuple(forecast.seconds()), rest)
