"""A mixture of textures: what lies between those of several exemplars."""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth import images, metrics
from texsynth.config import Config
from texsynth.errors import ConfigError
from texsynth.losses import Loss, mixing
from texsynth.objective import composing
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.held_memory import Held
from texsynth.objective.whole import Objective
from texsynth.statistics import colours, spectrum, wasserstein
from texsynth.synthesis import fitting, level_losses, presets
from texsynth.synthesis.loop import make_variation
from texsynth.synthesis.planning import plan_for, without_edge
from texsynth.synthesis.progress import Callback
from texsynth.synthesis.pyramid import Level
from texsynth.synthesis.result import Result
from texsynth.synthesis.resuming import Checkpoints
from texsynth.synthesis.sources import prepared
from texsynth.synthesis.study import Study
from texsynth.synthesis.workshop import Workshop
from texsynth.terms import MIXINGS
from texsynth.typing import Array, Batch, Pixels
from texsynth.values import check_shares


def mix(
    exemplars: Sequence[npt.ArrayLike],
    shares: Sequence[float] | None = None,
    config: Config | None = None,
    *,
    way: str = "transport",
    init: npt.ArrayLike | None = None,
    callback: Callback | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoints: Checkpoints | None = None,
) -> Result:
    """Makes a texture between those of several exemplars.

    Args:
        exemplars: ``(H, W, 3)`` arrays, RGB, 0..255, at least two.
        shares: How much of each, at least 0; in proportion to their sum. ``None`` takes all alike.
        config (Config): The settings; ``None`` takes the defaults. The size of the output is by
            default that of the first exemplar.
        way: ``"transport"`` takes means and covariances of activations along the way of the least
            transport between Gaussians (Vacher et al. 2020), ``"average"`` averages Gram matrices.
        init: As for :func:`texsynth.synthesize`.
        callback: As there.
        stop: As there.
        checkpoints: As there.

    Returns:
        Result: The texture; its ``exemplar`` shows all exemplars beside one another, and its
        ``errors`` are those from the mixed Gram matrices.

    Raises:
        texsynth.errors.TexsynthError: As :func:`texsynth.synthesize`; or a loss cannot be mixed.
    """
    config = Config() if config is None else config
    study = Mixture(Workshop(config), exemplars, shares, way)
    return make_variation(
        study, config.seed, init=init, callback=callback, stop=stop, checkpoints=checkpoints
    )


class Mixture(Study):
    """Several exemplars, and what is known of the textures between theirs.

    The preset is chosen, and levels are planned, by all of them, so that mixtures that differ in
    their shares alone are made alike; all else is of those with a share. Between exemplars the
    preset's correspondence is left out: it would have each patch be one of theirs.

    Args:
        workshop (texsynth.synthesis.workshop.Workshop): Where the textures will be made.
        exemplars: ``(H, W, 3)`` arrays, RGB, 0..255, at least two.
        shares: As for :func:`mix`.
        way: As there.

    Attributes:
        exemplar (numpy.ndarray): ``(1, 3, H, W)`` float32: all exemplars beside one another.
        shares (tuple): Those above 0; they sum to 1.

    Raises:
        texsynth.errors.TexsynthError: An exemplar is unusable or too small, or a loss cannot be
            mixed.
    """

    def __init__(
        self,
        workshop: Workshop,
        exemplars: Sequence[npt.ArrayLike],
        shares: Sequence[float] | None = None,
        way: str = "transport",
    ) -> None:
        check_number(len(exemplars))
        given = check_shares([1.0] * len(exemplars) if shares is None else shares, len(exemplars))
        blends = sum(share > 0 for share in given) > 1
        batches = [prepared(each, workshop.config) for each in exemplars]
        self._begin(workshop, batches, way, blends)
        mixing.measured(self.losses)  # raises if one cannot be mixed
        self._take_part([number for number, share in enumerate(given) if share > 0])
        self.shares = tuple(share for share in given if share > 0)
        self._end()

    def _begin(
        self, workshop: Workshop, exemplars: Sequence[Batch], way: str, blends: bool
    ) -> None:
        """What all exemplars decide on: what is shown, the scheme, losses, levels.

        Args:
            workshop: As for the class.
            exemplars: ``(1, 3, H, W)`` float32 each.
            way: As for the class.
            blends: Whether anything is to lie between two of them.
        """
        if way not in MIXINGS:
            raise ConfigError(f"way must be one of {', '.join(MIXINGS)}, not {way!r}")
        self.workshop, self._transports = workshop, way == "transport"
        self._exemplars: list[Batch] = list(exemplars)
        self.exemplar = _beside(self._exemplars)
        self.scheme = workshop.adapted(self._chosen_scheme())
        self.losses = workshop.losses(self.scheme)
        if workshop.config.losses is None:
            self.losses = [loss for loss in self.losses if self._suits(loss, blends)]
        self.layers = level_losses.layers_of(self.losses)
        self._levels: list[list[Level]] = self._plans()
        self.plan = _plan_of_all(self._levels)

    def _suits(self, loss: Loss, blends: bool) -> bool:
        """Whether a loss of the preset can be had of what lies between exemplars."""
        # By the patches of each exemplar, islands of one would lie in the other.
        return not (blends and level_losses.is_coarse(loss))

    def _chosen_scheme(self) -> presets.Scheme:
        return _scheme(self.workshop.config, self._exemplars)

    def _take_part(self, numbers: Sequence[int]) -> None:
        """Leaves those exemplars alone that have a share."""
        self._exemplars = [self._exemplars[number] for number in numbers]
        self._levels = [self._levels[number] for number in numbers]
        self.plan = _plan_of_all(self._levels)

    def _end(self) -> None:
        """What those decide on that take part: colours, and what fits in memory."""
        self.is_grey = all(images.is_grey(each) for each in self._exemplars)
        if self.workshop.config.losses is not None:
            level_losses.check(self.losses, self.plan)
        told = self.losses, self.plan, self._may_record
        fitted = fitting.fit(self.workshop, *told, held=self._held)
        self.pairs, self._blocks, self.bytes = fitted
        self.colours = self._chosen_colours()
        self._objectives: dict[int, Any] = {}

    @property
    def _held(self) -> Held:
        """Statistics of all exemplars; they are measured one after another, and then mixed."""
        return Held(targets=len(self._exemplars))

    def _plans(self) -> list[list[Level]]:
        """The levels of each exemplar; they differ in its size alone."""
        config, scheme, exemplars = self.workshop.config, self.scheme, self._exemplars
        first = plan_for(exemplars[0], config, scheme, self.layers)
        config = dataclasses.replace(config, output_size=first[-1].output_size)
        plans = [plan_for(each, config, scheme, self.layers) for each in exemplars]
        scheme = dataclasses.replace(scheme, levels=min(map(len, plans)))
        return [plan_for(each, config, scheme, self.layers) for each in exemplars]

    def _made_objective(self, number: int) -> Any:
        losses = level_losses.at_level(self.losses, self.plan, number)
        make = functools.partial(self._mixed_objective, number)
        return composing.composed(losses, self.plan[number - 1].wrap, make)

    def _mixed_objective(self, number: int, losses: Sequence[Loss], shown: composing.Shown) -> Any:
        level = self.plan[number - 1]
        layers = level_losses.layers_of(losses)
        kind, settings = self._kind_of_objective(level.canvas_size[::-1], losses, layers)
        features, measured = self.workshop.features(layers), mixing.measured(losses)
        is_whole = not issubclass(kind, BlockObjective)
        its_kind = Objective if is_whole else BlockObjective
        its_settings = {} if is_whole else self._blocks_of(layers)
        targets = []
        for exemplar, levels in zip(self._exemplars, self._levels, strict=True):
            seen, edges = self._measured(exemplar, levels[number - 1])
            its = its_kind(features, measured, shown(seen), edges, **its_settings)
            targets.append(its.targets)
        targets = [
            mixing.mixed(loss, theirs, self.shares, self._transports)
            for loss, *theirs in zip(losses, *targets, strict=True)
        ]
        named = {"margin": level.margin, "wrap": level.wrap, "targets": targets}
        return kind(features, losses, None, **named, **settings)

    def _own_colours(self) -> Array:
        return colours.own_of(self._exemplars, self.shares)

    def start(self, seed: int) -> Batch:
        """Returns the image that the coarsest level starts from, ``(1, 3, H, W)`` float32.

        Args:
            seed (int): The same seed gives the same image.
        """
        size = self.plan[0].framed_size
        if self.scheme.start != "phase":
            means = [each.mean(axis=(0, 2, 3)) for each in self._exemplars]
            return images.noise(size, seed, np.average(means, axis=0, weights=self.shares))
        coarsest = [
            images.fit(exemplar, levels[0].exemplar_size)
            for exemplar, levels in zip(self._exemplars, self._levels, strict=True)
        ]
        return spectrum.random_phase_of(coarsest, self.shares, size, seed)

    def _sources_of_detail(self, number: int) -> list[Batch]:
        pairs = zip(self._exemplars, self._levels, strict=True)
        return [without_edge(exemplar, levels[number - 1]) for exemplar, levels in pairs]

    def with_colours(self, texture: Batch) -> Batch:
        """Returns a texture with the colour histogram between those of the exemplars.

        Args:
            texture (numpy.ndarray): ``(1, 3, H, W)`` float32.
        """
        matched = [wasserstein.match_colours(texture, each) for each in self._exemplars]
        mean: Batch = np.tensordot(np.array(self.shares, np.float32), np.stack(matched), 1)
        return mean

    def errors(self, pixels: Any, by: str, block: int) -> dict[str, float]:
        """Returns the relative errors of an image from the mixed Gram matrices.

        Args:
            pixels (numpy.ndarray): ``(H, W, 3)`` uint8.
            by (str): As for :func:`texsynth.metrics.gram_errors`.
            block (int): As there.
        """
        workshop, mixture = self.workshop, (self._exemplars, self.shares, self._transports)
        made = workshop.weights, workshop.config, workshop.device
        errors: dict[str, float] = metrics.mixed_gram_errors(pixels, *mixture, *made, by, block)
        return errors

    @property
    def pictured(self) -> Pixels:
        """What is shown as the exemplar, ``(H, W, 3)`` uint8: all of them side by side."""
        return images.to_pixels(self.exemplar)

    def checksum(self) -> str:
        """Returns the SHA-256 of exemplars, shares and the way of mixing, 64 hex digits."""
        sums = [images.checksum(each) for each in self._exemplars]
        return hashlib.sha256(repr((sums, self.shares, self._transports)).encode()).hexdigest()


def check_number(number: int) -> None:
    """Raises a ConfigError unless so many exemplars can be mixed.

    Args:
        number (int): How many there are.
    """
    if number < 2:
        raise ConfigError(f"a mixture needs at least two exemplars, not {number}")


def _plan_of_all(levels: Sequence[Sequence[Level]]) -> list[Level]:
    """That of the largest exemplar, for the memory that it takes, with layers that all have."""
    largest = max(levels, key=lambda plan: math.prod(plan[-1].padded_size))
    return [
        level._replace(deepest=min(each.deepest for each in theirs))
        for level, *theirs in zip(largest, *levels, strict=True)
    ]


def _beside(exemplars: Sequence[Batch]) -> Batch:
    sheet = functools.reduce(images.side_by_side, map(images.to_pixels, exemplars))
    return images.to_batch(sheet)


def _scheme(config: Config, exemplars: Sequence[Batch]) -> presets.Scheme:
    """That of all exemplars; where they differ, the one for textures that do not repeat."""
    schemes = [presets.choose(config, exemplar) for exemplar in exemplars]
    if len({scheme.name for scheme in schemes}) == 1:
        return schemes[0]
    scheme = presets.choose(dataclasses.replace(config, preset="natural"), exemplars[0])
    return dataclasses.replace(scheme, why="some of the exemplars repeat, and some do not")
