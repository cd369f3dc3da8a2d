"""A texture that is another one in each of its parts: mixed along a way, or region by region.

The statistics of each part are those of its exemplars, or of what lies between them, and count by a
weight for each position, which goes through the network's own geometry as activations do
(:func:`texsynth.objective.masks.shares`).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth import images
from texsynth.config import DEFAULT_LAYERS
from texsynth.errors import ConfigError
from texsynth.losses import IMAGE, GramLoss, Loss, RangePenalty, check_takes_masks, mixing
from texsynth.losses.parts import InParts, in_parts
from texsynth.metrics.activations import Network
from texsynth.objective import composing, masks
from texsynth.objective.block_objective import BlockObjective
from texsynth.objective.held_memory import Held
from texsynth.statistics import colours, gram, spectrum
from texsynth.synthesis import level_losses, octave, presets
from texsynth.synthesis.masked import Source, filled, mask_of
from texsynth.synthesis.mixture import Mixture
from texsynth.synthesis.planning import without_edge
from texsynth.synthesis.pyramid import Level
from texsynth.synthesis.sources import prepared
from texsynth.synthesis.workshop import Workshop
from texsynth.typing import Array, Batch, Wrap
from texsynth.values import check_shares

_SHARPNESS = 4  # power of the share of a label that a position of an exemplar sees


class Varied(Mixture):
    """Several textures, and where each of them, or what lies between them, is to be.

    Args:
        workshop (texsynth.synthesis.workshop.Workshop): Where the textures will be made.
        sources: The textures, each a :class:`Source`.
        parts: The share of each source in each part of the image, ``(K, len(sources))``.
        weights: ``(K, H, W)`` array of at least 0: how much each part counts at each pixel. They
            are brought to the size of the output and to a sum of 1.
        way: As for :func:`texsynth.mix`.

    Raises:
        texsynth.errors.TexsynthError: An exemplar is unusable, or has too little of its texture; or
            a loss cannot be had of parts.
    """

    def __init__(
        self,
        workshop: Workshop,
        sources: Sequence[Source],
        parts: Sequence[Sequence[float]],
        weights: npt.ArrayLike,
        way: str = "transport",
    ) -> None:
        if workshop.team.size > 1:
            raise ConfigError("several processes cannot share a texture that varies over the image")
        exemplars = self._fitted(workshop, sources)
        self._weights = np.asarray(weights, np.float32)[None]
        self._is_gradient = any(0 < share < 1 for shares in parts for share in shares)
        self._begin(workshop, exemplars, way, self._is_gradient)
        if self.scheme.match_colours:
            raise ConfigError("colours cannot be matched where the texture varies over the image")
        check_takes_masks(self.losses)
        mixing.measured(self.losses)  # raises if one cannot be mixed
        self._masks = [
            mask_of(source, exemplar) for source, exemplar in zip(sources, exemplars, strict=True)
        ]
        self._check_sources(sources)
        at_full_size = self._weights_at(self.plan[-1])
        areas = at_full_size.mean(axis=(0, 2, 3))
        # A part that is nowhere is none.
        there = [number for number, area in enumerate(areas) if area > 0]
        self._weights = self._weights[:, there]
        self._parts = [check_shares(parts[number], len(sources)) for number in there]
        self._areas = tuple(float(areas[number]) for number in there)
        self._filled = [
            filled(exemplar, mask)
            for exemplar, mask in zip(self._exemplars, self._masks, strict=True)
        ]
        shares = np.average(self._parts, axis=0, weights=self._areas)
        self.shares = tuple(float(share) for share in shares)
        self._end()

    def _fitted(self, workshop: Workshop, sources: Sequence[Source]) -> list[Batch]:
        """The exemplars at the size that the settings ask for, ``(1, 3, H, W)`` float32 each."""
        return [prepared(each.pixels, workshop.config) for each in sources]

    @property
    def _held(self) -> Held:
        """Weights and masks of parts, masks of exemplars, statistics of all of them."""
        parts, masked = len(self._parts), sum(mask is not None for mask in self._masks)
        # Its weights as they are, and at the size of the level that is made.
        return Held(2 * parts, parts, masked, len(self._exemplars) + parts, parts)

    def _suits(self, loss: Loss, blends: bool) -> bool:
        # At a border, local contrast is what neither texture has.
        return super()._suits(loss, blends) and not level_losses.is_fine(loss)

    def _chosen_scheme(self) -> presets.Scheme:
        if self.workshop.config.preset != "auto" or not self._is_gradient:
            return presets.unwrapped(super()._chosen_scheme())
        return presets.choose_for_change(self.workshop.config, self._exemplars[0])

    def _check_sources(self, sources: Sequence[Source]) -> None:
        """Makes sure that each has enough of its texture, in each layer that full size has."""
        finest = level_losses.at_level(self.losses, self.plan, len(self.plan))
        layers = level_losses.layers_of(finest)
        for source, mask, levels in zip(sources, self._masks, self._levels, strict=True):
            if mask is None:
                continue
            found = self._of_exemplar(mask, levels[-1]).exemplar or {}
            counting = {name: found[name] for name in layers}
            rows, columns = (levels[-1].pad + cut for cut in levels[-1].trim)
            masks.check(counting, levels[-1].padded_size[::-1], (rows, columns), source.name)

    def _weights_at(self, level: Level) -> Batch:
        """How much each part counts at each pixel of a level, ``(1, K, H, W)``; they sum to 1."""
        resized = images.resize(self._weights, level.output_size, level.wrap)
        resized = np.maximum(resized, 0)
        total = resized.sum(axis=1, keepdims=True)
        if not (total > 0).all():
            raise ConfigError("some pixel of the output is in no part")
        found: Batch = resized / total
        return found

    def _of_exemplar(self, mask: Batch | None, level: Level) -> masks.Masks:
        """How much each position of an exemplar counts at a level."""
        if mask is not None:
            scaled = np.clip(images.resize(mask, level.exemplar_size), 0, 1)
            mask = images.mirrored(scaled, level.padded_size)
        return self._counting(mask, self.layers)

    def _counting(self, mask: Batch | None, layers: Iterable[str]) -> masks.Masks:
        """How much each position counts of an exemplar that has the texture under a mask.

        By a power of the share of the texture in what it sees: those count most that see nothing
        else, and where there are none, those that see the least of it.
        """
        if mask is None:
            return masks.NO_MASKS
        shares = masks.shares(mask, layers, self.workshop.table)
        return masks.Masks(exemplar=self._sent({n: x**_SHARPNESS for n, x in shares.items()}))

    def _of_parts(self, weights: Batch, layers: Iterable[str], wrap: Wrap) -> dict[str, Array]:
        """How much each position of an image counts in each part, ``{layer: (K, 1, h, w)}``.

        Args:
            weights: ``(1, K, H, W)``.
            layers: Which layers.
            wrap: ``(rows, columns)``: whether opposite edges are neighbours.
        """
        parts = [
            masks.shares(weights[:, number : number + 1], layers, self.workshop.table, wrap)
            for number in range(weights.shape[1])
        ]
        found = {name: np.concatenate([part[name] for part in parts]) for name in layers}
        return self._sent({**found, IMAGE: np.ones_like(weights[:, :1])})

    def _sent(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        return {name: self.workshop.device.send(array) for name, array in arrays.items()}

    def _mixed_objective(self, number: int, losses: Sequence[Loss], shown: composing.Shown) -> Any:
        level = self.plan[number - 1]
        layers = level_losses.layers_of(losses)
        kind, settings = self._kind_of_objective(level.canvas_size[::-1], losses, layers)
        features, measured = self.workshop.features(layers), mixing.measured(losses)
        targets = []
        for exemplar, mask, levels in zip(self._exemplars, self._masks, self._levels, strict=True):
            seen, edges = self._measured(exemplar, levels[number - 1])
            told = self._of_exemplar(mask, levels[number - 1])
            its = kind(features, measured, shown(seen), edges, masks=told, **settings)
            targets.append(its.targets)
        varied = [
            loss if isinstance(loss, RangePenalty) else in_parts(loss, self._areas)
            for loss in losses
        ]
        canvas = images.mirrored(self._weights_at(level), level.canvas_size)
        return kind(
            features,
            varied,
            None,
            margin=level.margin,
            wrap=level.wrap,
            masks=masks.Masks(image=self._of_parts(canvas, layers, level.wrap)),
            targets=[
                self._target(loss, theirs) for loss, *theirs in zip(losses, *targets, strict=True)
            ],
            **settings,
        )

    def _target(self, loss: Any, theirs: Sequence[Any]) -> Any:
        """What a loss wants: in each part, what lies between the sources it has a share of."""
        if isinstance(loss, RangePenalty):
            return None
        wanted = []
        for shares in self._parts:
            present = [number for number, share in enumerate(shares) if share > 0]
            targets = [theirs[number] for number in present]
            its_shares = [shares[number] for number in present]
            wanted.append(mixing.mixed(loss, targets, its_shares, self._transports))
        return wanted

    def _own_colours(self) -> Array:
        return colours.own_of(self._filled, self.shares)

    def start(self, seed: int) -> Batch:
        """Returns the image that the coarsest level starts from, ``(1, 3, H, W)`` float32.

        Args:
            seed (int): The same seed gives the same image, and the same phases in all parts.
        """
        level = self.plan[0]
        size, weights = level.output_size, self._weights_at(level)
        scaled = [
            images.fit(filled, levels[0].exemplar_size)
            for filled, levels in zip(self._filled, self._levels, strict=True)
        ]
        total = np.zeros((1, 3, size[1], size[0]), np.float32)
        for number, shares in enumerate(self._parts):
            if self.scheme.start == "phase":
                present = [n for n, share in enumerate(shares) if share > 0]
                those, their_shares = zip(*((scaled[n], shares[n]) for n in present), strict=True)
                part = spectrum.random_phase_of(those, their_shares, size, seed)
            else:
                means = [each.mean(axis=(0, 2, 3)) for each in scaled]
                part = images.noise(size, seed, np.average(means, axis=0, weights=shares))
            total += weights[:, number : number + 1] * part
        return total

    def _with_detail(self, number: int, texture: Batch) -> Batch:
        level = self.plan[number - 1]
        pairs = list(zip(self._exemplars, self._masks, self._levels, strict=True))
        sources = [without_edge(each, levels[number - 1]) for each, _, levels in pairs]
        inner = [
            None if mask is None else np.clip(without_edge(mask, levels[number - 1]), 0, 1)
            for _, mask, levels in pairs
        ]
        sets = [tuple(n for n, share in enumerate(shares) if share > 0) for shares in self._parts]
        choice = octave.Choice(self._weights_at(level), sets, inner)
        xp, team = self.workshop.device.xp, self.workshop.team
        return octave.transfer(texture, sources, level.output_size, level.wrap, xp, team, choice)

    def errors(self, pixels: Any, by: str, block: int) -> dict[str, float]:
        """Returns the relative errors of an image from what its parts are to have, on the average.

        Args:
            pixels (numpy.ndarray): ``(H, W, 3)`` uint8.
            by (str): As for :func:`texsynth.metrics.gram_errors`.
            block (int): As there.
        """
        workshop, config = self.workshop, self.workshop.config
        wanted = {*(config.layers or {}), *DEFAULT_LAYERS}
        network = Network(workshop.weights, wanted, config.pooling, workshop.device, by)
        sides = [side for each in self._exemplars for side in each.shape[2:]]
        names = network.layers(min(*pixels.shape[:2], *sides))
        features, loss = network.features(names), GramLoss(dict.fromkeys(names, 1.0))

        def measured(measure: Any, batch: Batch, told: masks.Masks) -> Any:
            sent = workshop.device.send(batch)
            return BlockObjective(features, [measure], sent, block=block, masks=told).targets[0]

        weights = self._of_parts(self._weights_at(self.plan[-1]), names, (False, False))
        parts = InParts(loss, self._areas)
        found = measured(parts, images.to_batch(pixels), masks.Masks(exemplar=weights))
        moments = [
            measured(mixing.measured([loss])[0], exemplar, self._counting(mask, names))
            for exemplar, mask in zip(self._exemplars, self._masks, strict=True)
        ]
        triples = list(zip(self._areas, found, self._target(loss, moments), strict=True))
        return {
            name: sum(
                area * gram.relative_error(own[name].array, goal[name].array)
                for area, own, goal in triples
            )
            for name in names
        }

    def checksum(self) -> str:
        """Returns the SHA-256 of exemplars, masks, parts and weights, 64 hex digits."""
        arrays = [*self._exemplars, *(m for m in self._masks if m is not None), self._weights]
        sums = [images.checksum(each) for each in arrays]
        return hashlib.sha256(repr((sums, self._parts, self._transports)).encode()).hexdigest()
