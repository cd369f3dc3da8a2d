"""A stack of maps, and all that is known of its textures before a seed is chosen.

What is optimised are all planes of the maps (:mod:`texsynth.materials.planes`); what counts is the
sum of the losses of what the network sees of them, three at a time
(:mod:`texsynth.materials.triplets`). What each level makes is made of the exemplar's patches in the
end (:mod:`texsynth.synthesis.piecing`), the same ones in all maps.
"""

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from texsynth import images, metrics
from texsynth.materials import planes as materials
from texsynth.materials.flattening import flattened
from texsynth.materials.kinds import KINDS, Map, Stack
from texsynth.materials.triplets import triplets
from texsynth.network import engine
from texsynth.objective.colours import MOST_PIXELS, Colours
from texsynth.objective.summed import Summed
from texsynth.statistics import colours, regularity, spectrum, wasserstein
from texsynth.synthesis import fitting, level_losses, octave, piecing, presets
from texsynth.synthesis.planning import plan_for, without_edge
from texsynth.synthesis.pyramid import Level
from texsynth.synthesis.study import Study
from texsynth.synthesis.workshop import Workshop
from texsynth.typing import Batch, Pixels, Wrap

_BLOCK = 256  # pixels, in which a map is measured


class StackStudy(Study):
    """A stack of maps, and all that is known of its textures before a seed is chosen.

    Args:
        workshop (Workshop): Where the textures will be made.
        stack: As for :func:`synthesize_stack`.

    Attributes:
        planes (texsynth.materials.planes.Planes): From maps to planes and back.
        triplets (list): What the network sees of the planes, matrices ``(3, K)``.
        exemplar (numpy.ndarray): ``(1, K, H, W)`` float32, the planes of the stack at the size that
            the settings ask for.

    Raises:
        texsynth.errors.TexsynthError: The stack is unusable or too small.
    """

    is_grey = False
    _may_record = False  # of each triplet a GPU would keep all that an evaluation needs

    def __init__(self, workshop: Workshop, stack: Mapping[str, Map]) -> None:
        config = workshop.config
        stack = fitted(stack, config.size)
        if config.flatten is not None:
            stack = flattened(stack, config.flatten)
        self.workshop = workshop
        self.planes = materials.Planes(stack)
        self.triplets = triplets(self.planes)
        self.channels, self.networks = self.planes.number, len(self.triplets)
        self.exemplar = self.planes.batch(stack)
        self.scheme = workshop.adapted(self._chosen_scheme())
        self.losses = workshop.losses(self.scheme)
        if config.losses is None:  # what is faint comes of the exemplar's patches in the end
            self.losses = [loss for loss in self.losses if not level_losses.is_fine(loss)]
        self.layers = level_losses.layers_of(self.losses)
        self.plan = plan_for(self.exemplar, config, self.scheme, self.layers)
        if config.losses is not None:
            level_losses.check(self.losses, self.plan)
        self.pairs, self._blocks, self.bytes = fitting.fit(
            workshop,
            self.losses,
            self.plan,
            self._may_record,
            channels=self.channels,
            times=self.networks,
        )
        self.colours = self._chosen_colours()
        self._objectives: dict[int, Any] = {}

    def _chosen_scheme(self) -> presets.Scheme:
        """That of the map that repeats most: the height of a wall may where its colours do not."""
        pictures = [self._picture(name) for name in self.planes.places]
        strengths = [regularity.measure(picture).strength for picture in pictures]
        return presets.choose(self.workshop.config, pictures[int(np.argmax(strengths))])

    def _picture(self, name: str, batch: Batch | None = None) -> Batch:
        """A map as a picture, ``(1, 3, H, W)``; of the exemplar, if not of other planes."""
        return self.planes.picture(name, self.exemplar if batch is None else batch)

    def _made_objective(self, number: int) -> Summed:
        seen = [colours.applied(matrix, self.exemplar) for matrix in self.triplets]
        made: Any = [self._objective_for(number, each) for each in seen]  # type: ignore[no-untyped-call]
        return Summed(list(zip(self.triplets, made, strict=True)))

    def _chosen_colours(self) -> Colours:
        size = self.plan[-1].canvas_size
        if self.scheme.own_colours and size[0] * size[1] <= MOST_PIXELS:
            basis = self.workshop.team.agreed(colours.own(self.exemplar))
            return Colours(basis)
        return Colours(None, self.channels)

    def start(self, seed: int) -> Batch:
        """Returns the planes that the coarsest level starts from, ``(1, K, H, W)`` float32.

        Args:
            seed (int): The same seed gives the same planes; random phases are those of all planes.
        """
        level = self.plan[0]
        if self.scheme.start == "phase":
            coarsest = images.resize(self.exemplar, level.exemplar_size)
            return spectrum.random_phase(coarsest, level.framed_size, seed)
        return images.noise(level.framed_size, seed, self.exemplar.mean(axis=(0, 2, 3)))

    def _with_detail(self, number: int, texture: Batch) -> Batch:
        """The coarser level made of the exemplar's patches, and the exemplar's detail laid over it.

        Both are found by all maps, and laid in all of them.
        """
        level = self.plan[number - 1]
        is_wide = number == 2 and self.scheme.name == "regular"
        way = piecing.COARSEST if is_wide else piecing.COARSE
        coarser = self.plan[number - 2]
        texture = self._pieced(texture, coarser, way, coarser.wrap)
        source = without_edge(self.exemplar, level) * self._balance
        xp, team = self.workshop.device.xp, self.workshop.team
        found = octave.transfer(
            texture * self._balance,
            [source],
            level.whole_size,
            level.wrap,
            xp,
            team,
            groups=list(self.planes.places.values()),
        )
        return found / self._balance

    @functools.cached_property
    def _balance(self) -> Batch:
        """What scales planes so that all maps count alike where patches are compared."""
        found = np.empty((1, self.channels, 1, 1), np.float32)
        for place in self.planes.places.values():
            found[:, place] = 1 / np.sqrt(self.exemplar[:, place].var(axis=(2, 3)).sum())
        return found

    def _pieced(self, texture: Batch, level: Level, way: piecing.Piecing, wrap: Wrap) -> Batch:
        """A level's planes made of patches of the exemplar, see :mod:`piecing`."""
        source = without_edge(self.exemplar, level) * self._balance
        computing = wrap, self.workshop.device.xp, self.workshop.team
        return piecing.pieced(texture * self._balance, source, way, *computing) / self._balance

    def touched_up(self, texture: Batch) -> Batch:
        """Returns the planes of a texture that is done, with what comes after its last step.

        Args:
            texture: ``(1, K, H, W)`` float32, of full size.
        """
        if self.scheme.detail:
            wrap = self.workshop.config.wrap
            texture = self._pieced(texture, self.plan[-1], piecing.FINE, wrap)
            source, groups = without_edge(self.exemplar, self.plan[-1]), self.planes.places.values()
            texture = piecing.with_deviation(texture, source, list(groups), wrap)
        if self.scheme.match_colours:
            texture = wasserstein.match_colours(texture, self.exemplar)
        return texture

    def measured(self, texture: Batch) -> dict[str, dict[str, float]]:
        """Returns the errors of each map of a texture, with all that comes after its last step.

        Args:
            texture: ``(1, K, H, W)`` float32, of full size.
        """
        with engine.threads(self.workshop.engine):
            return self.errors_of_maps(self.touched_up(texture))

    def shown(self, texture: Batch) -> Pixels:
        """Returns a picture of the first map, ``(H, W, 3)`` uint8, see :meth:`Study.shown`."""
        return images.to_pixels(self._picture(next(iter(self.planes.places)), texture))

    def errors_of_maps(self, texture: Batch) -> dict[str, dict[str, float]]:
        """Returns the relative Gram errors of each map as a picture, by kind and layer.

        Args:
            texture: ``(1, K, H, W)`` float32.
        """
        workshop = self.workshop
        made = workshop.weights, workshop.config, workshop.device
        return {
            name: metrics.gram_errors(
                images.to_pixels(self._picture(name, texture)),
                self._picture(name),
                *made,
                workshop.engine,
                _BLOCK,
            )
            for name in self.planes.places
        }

    def checksum(self) -> str:
        """Returns the SHA-256 of the planes and what they are of, 64 hex digits."""
        told = images.checksum(self.exemplar), sorted(self.planes.places)
        return hashlib.sha256(repr(told).encode()).hexdigest()


def fitted(stack: Mapping[str, Map], longer_side: int) -> Stack:
    """Returns a stack at the size that the settings ask for.

    Args:
        stack: As for :func:`synthesize_stack`.
        longer_side (int): Of the size, in pixels; 0 keeps its own.

    Raises:
        texsynth.errors.ImageError: The stack is unusable.
    """
    materials.check(stack)
    return {name: _fitted(stack[name], longer_side) for name in KINDS if name in stack}


def _fitted(values: Map, longer_side: int) -> Map:
    size = images.fitted_size(values.shape[1::-1], longer_side)
    batch = values.astype(np.float32).transpose(2, 0, 1)[None]
    resized: Map = images.resize(batch, size)[0].transpose(1, 2, 0).clip(0, 1)
    return resized
