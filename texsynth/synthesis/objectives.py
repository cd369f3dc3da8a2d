"""What makes the objectives of a study: for each level, of the losses that take part there."""

import functools
from collections.abc import Iterable
from typing import Any

from texsynth import images
from texsynth.losses import parted
from texsynth.network import architecture
from texsynth.objective import composing
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.strip_objective import StripObjective, can_share
from texsynth.objective.whole import Objective
from texsynth.synthesis import fitting, level_losses, pyramid
from texsynth.typing import Batch, Size


class Objectives:
    """The objectives of a study's levels: whole, in blocks, or shared by processes.

    :class:`texsynth.synthesis.study.Study` says what is known of the exemplar.
    """

    workshop: Any
    source: Any
    exemplar: Any
    losses: list[Any]
    plan: list[pyramid.Level]
    _blocks: dict[str, Any]
    _objectives: dict[int, Any]
    _may_record = True
    """Whether a GPU may record an evaluation, with its targets."""

    def objective(self, number):
        """Returns the objective of a level; its targets are made when it is first asked for.

        Args:
            number (int): Which level, from 1, the coarsest.
        """
        if number not in self._objectives:
            self._objectives[number] = self._made_objective(number)
        return self._objectives[number]

    def _made_objective(self, number):
        return self._objective_for(number, self.exemplar)

    def _objective_for(self, number, exemplar):
        """The objective of a level, with the targets of an exemplar of three channels."""
        losses = level_losses.at_level(self.losses, self.plan, number)
        make = functools.partial(self._objective_of, number, exemplar)
        return composing.composed(losses, self.plan[number - 1].wrap, make)

    def _objective_of(self, number, exemplar, losses, shown):
        """The objective of some losses, which are shown an exemplar in their own way."""
        level = self.plan[number - 1]
        layers = level_losses.layers_of(losses)
        kind, settings = self._kind_of_objective(level.canvas_size[::-1], losses, layers)
        if exemplar is None:
            targets = self.source.recalled(losses, self.workshop.device)
            seen, settings = (None,), settings | {"targets": targets}
        else:
            scaled, edges = self._measured(exemplar, level)
            seen = shown(scaled), edges
        if (masks := self._counted(number, layers)) is not None:
            settings = settings | {"masks": masks}
        features = self.workshop.features(layers)
        named = {"margin": level.margin, "wrap": level.wrap}
        return kind(features, losses, *seen, **named, **settings)

    def _measured(self, exemplar: Batch, level: pyramid.Level) -> tuple[Any, tuple[int, ...]]:
        """What the network sees of an exemplar at a level, and how much of its edges is left out.

        Args:
            exemplar (numpy.ndarray): ``(1, 3, H, W)`` float32, at full size.
            level (texsynth.synthesis.pyramid.Level): The level.
        """
        scaled = images.resize(exemplar, level.exemplar_size)
        padded = images.mirrored(scaled, level.padded_size)
        return self.workshop.device.send(padded), tuple(level.pad + cut for cut in level.trim)

    def _kind_of_objective(self, size: Size, losses: Any, layers: Any) -> tuple[Any, Any]:
        """What evaluates an image of that size, ``(height, width)``, and its own settings."""
        workshop = self.workshop
        if parted(losses).of_pixels or any(map(level_losses.is_coarse, losses)):
            return Objective, {}  # whole, by each process: these are no sums over positions
        if can_share(size, layers, workshop.team, workshop.table):
            settings = {"size": size, "team": workshop.team, "block": max(size)}
            return StripObjective, settings | self._blocks_of(layers)
        if self._blocks:
            return BlockObjective, self._blocks_of(layers)
        records = self._may_record and workshop.engine == "cuda"
        return (fitting.on_a_gpu(losses) if records else Objective), {}

    def _blocks_of(self, layers: Iterable[str]) -> dict[str, Any]:
        """Settings of blocks, of a network that may end before the one they were chosen for."""
        blocks = dict(self._blocks)
        path = [each.name for each in architecture.to_deepest(layers, self.workshop.table)]
        if blocks and blocks["keep"] not in path:
            blocks["keep"] = None
        return blocks

    def _counted(self, number, layers):
        """How much each position counts at a level, on the device; ``None`` if all alike.

        Args:
            number (int): Which level, from 1, the coarsest.
            layers: Names of the layers that its losses read.
        """
        return None
