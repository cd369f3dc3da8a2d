"""An exemplar and its settings: all that is known of its textures before a seed is chosen."""

import logging
import math
from typing import Any

from texsynth import images
from texsynth.losses import parted
from texsynth.objective.colours import MOST_PIXELS, Colours
from texsynth.objective.held_memory import NOTHING
from texsynth.statistics import colours, spectrum, wasserstein
from texsynth.synthesis import fitting, level_losses, octave, planning, sources
from texsynth.synthesis.errors_of import errors_of
from texsynth.synthesis.objectives import Objectives

_log = logging.getLogger(__name__)


class Study(Objectives):
    """An exemplar, and all that is known of its textures before a seed is chosen.

    Args:
        workshop (Workshop): Where the textures will be made.
        exemplar: ``(H, W, 3)`` array, RGB, 0..255, or a :class:`texsynth.Statistics`.

    Attributes:
        workshop (Workshop): The same.
        source: What textures are made from, one of :mod:`texsynth.synthesis.sources`.
        exemplar (numpy.ndarray): ``(1, 3, H, W)`` float32, at the size that the settings ask for;
            ``None`` if only statistics are known.
        is_grey (bool): Whether it has no colours; then its textures have none either.
        scheme (texsynth.synthesis.presets.Scheme): What the preset and the settings come to.
        colours (texsynth.objective.colours.Colours): Those in which textures are optimised.
        losses (list): Losses to sum, the range penalty among them.
        layers (list): Names of the layers that the losses read.
        plan (list): The levels, each a :class:`texsynth.synthesis.pyramid.Level`, the coarsest
            first.
        pairs (int): Curvature pairs that L-BFGS may keep.
        channels (int): Those of an exemplar and a texture, here 3.
        networks (int): How often an evaluation goes through the network, here once.
        bytes (int): Memory that is needed at most, estimated.

    Raises:
        texsynth.errors.TexsynthError: The exemplar is unusable or too small.
    """

    channels = 3
    networks = 1

    def __init__(self, workshop, exemplar):
        config = workshop.config
        self.workshop = workshop
        self.source = sources.of(exemplar, config)
        self.exemplar: Any = self.source.batch
        self.is_grey = self._is_grey()
        self.scheme = workshop.adapted(self._chosen_scheme())
        self.source.check(workshop)
        self.losses = self._chosen_losses()
        if self.exemplar is None:
            self.source.recalled(self.losses, workshop.device)  # or it ends here
        self.layers = level_losses.layers_of(self.losses)
        self.plan = self._planned()
        if config.losses is not None:
            level_losses.check(self.losses, self.plan)
        if self.exemplar is not None:
            planning.warn_of_little(self.source.given_size, self.plan[-1])
        sizes = ", ".join("x".join(map(str, level.canvas_size)) for level in self.plan)
        _log.debug("levels %s", sizes)
        self.pairs, self._blocks, self.bytes = fitting.fit(
            workshop, self.losses, self.plan, self._may_record, held=self._held
        )
        self.colours = self._chosen_colours()
        self._objectives = {}

    def _chosen_scheme(self):
        return self.source.scheme(self.workshop.config)

    def _chosen_losses(self):
        return self.workshop.losses(self.scheme)

    def _is_grey(self):
        return self.source.is_grey

    def _planned(self):
        config, has_exemplar = self.workshop.config, self.exemplar is not None
        return planning.plan_of_size(
            self.source.size, has_exemplar, config, self.scheme, self.layers
        )

    @property
    def _held(self):
        """What textures hold in memory beside what all do."""
        return NOTHING

    def _chosen_colours(self) -> Colours:
        if self.is_grey:
            return Colours(colours.GREY)
        if self.scheme.own_colours and math.prod(self.plan[-1].canvas_size) <= MOST_PIXELS:
            return Colours(self.workshop.team.agreed(self._own_colours()))
        return Colours(None)

    def _own_colours(self):
        return self.source.own_colours()

    def start(self, seed):
        """Returns the image that the coarsest level starts from, ``(1, 3, H, W)`` float32.

        Args:
            seed (int): The same seed gives the same image.
        """
        level = self.plan[0]
        if self.scheme.start == "phase":
            coarsest = images.fit(self.exemplar, level.exemplar_size)
            return spectrum.random_phase(coarsest, level.framed_size, seed)
        return images.noise(level.framed_size, seed, self.source.mean_colour)

    def begun_from(self, image):
        """Returns what the coarsest level starts from where an image is given, as :meth:`start`.

        Args:
            image (numpy.ndarray): ``(1, C, H, W)`` float32, of any size; what is beyond its edges
                is its mirror image.
        """
        level, wrap = self.plan[0], self.workshop.config.wrap
        return images.mirrored(images.resize(image, level.output_size, wrap), level.framed_size)

    def make_network(self):
        """Makes the network for all levels, so that it is there before a clock starts."""
        for number in range(1, len(self.plan) + 1):
            losses = level_losses.at_level(self.losses, self.plan, number)
            for part in parted(losses):
                if layers := level_losses.layers_of(part):
                    self.workshop.features(layers)

    def begun(self, number, texture):
        """Returns what a level begins from, ``(1, 3, H, W)`` float32 of its whole size.

        At the first level it has the frame, too.

        Args:
            number (int): Which level, from 1, the coarsest.
            texture (numpy.ndarray): What the first level is to begin from, of any size; else the
                texture of the level before.
        """
        level = self.plan[number - 1]
        if number == 1:
            return images.resize(texture, level.framed_size, level.wrap)
        if not self.scheme.detail:
            return images.resize(texture, level.whole_size, level.wrap)
        return self._with_detail(number, texture)

    def _with_detail(self, number, texture):
        """A coarser level's texture at the size of the next, with the exemplar's detail."""
        level = self.plan[number - 1]
        sources = self._sources_of_detail(number)
        xp, team = self.workshop.device.xp, self.workshop.team
        choice = self._choice_of_detail(number)
        return octave.transfer(texture, sources, level.whole_size, level.wrap, xp, team, choice)

    def _choice_of_detail(self, number):
        """Which of the exemplars' detail may lie where, `octave.Choice`; ``None`` takes any."""
        return None

    def _sources_of_detail(self, number):
        """Exemplars whose detail a level may start with, ``(1, 3, H, W)`` each."""
        return [planning.without_edge(self.exemplar, self.plan[number - 1])]

    def with_colours(self, texture):
        """Returns a texture with the exemplar's colour histogram.

        Args:
            texture (numpy.ndarray): ``(1, 3, H, W)`` float32.
        """
        return wasserstein.match_colours(texture, self.exemplar)

    def errors(self, pixels, by, block):
        """Returns the relative Gram errors of an image, see :func:`texsynth.metrics.gram_errors`.

        Args:
            pixels (numpy.ndarray): ``(H, W, 3)`` uint8.
            by (str): As there.
            block (int): As there.
        """
        workshop = self.workshop
        made = workshop.weights, workshop.config, workshop.device
        return self.source.gram_errors(pixels, *made, by, block, **self._measuring)

    @property
    def _measuring(self):
        """What else :func:`texsynth.metrics.gram_errors` is to be told."""
        return {}

    def shown(self, texture):
        """Returns a texture that may not be done as a picture of it, ``(H, W, 3)`` uint8.

        Args:
            texture (numpy.ndarray): ``(1, 3, H, W)`` float32, of any size.
        """
        return images.to_pixels(texture)

    def enlarged(self, texture):
        """Returns a texture at full size, ``(1, 3, H, W)`` float32; itself if it has that.

        Args:
            texture (numpy.ndarray): ``(1, 3, H, W)`` float32, what any level hands on.
        """
        level = self.plan[-1]
        if texture.shape[:1:-1] == level.output_size:
            return texture
        return images.centre(
            images.resize(texture, level.whole_size, level.wrap), level.output_size
        )

    def finished(self, texture):
        """Returns a texture that is done, ``(1, 3, H, W)`` floating-point numbers.

        Args:
            texture (numpy.ndarray): ``(1, 3, H, W)`` float32, of full size.
        """
        if self.scheme.match_colours:
            texture = self.with_colours(texture)
        return images.without_colours(texture) if self.is_grey else texture

    def measured(self, texture):
        """Returns the errors of a texture, with all that comes after its last step.

        Args:
            texture (numpy.ndarray): ``(1, 3, H, W)`` float32, of full size.
        """
        return errors_of(self, images.rounded(images.to_values(self.finished(texture))))

    @property
    def pictured(self):
        """What is shown as the exemplar, ``(H, W, 3)`` uint8; ``None`` if nothing can be."""
        return self.source.pixels

    def checksums(self):
        """Checksums of what a texture depends on beside the exemplar, by name; here none."""
        return {}

    def checksum(self):
        """Returns the SHA-256 of what textures are made from, 64 hex digits."""
        return self.source.checksum

    def keep(self, number):
        """Returns what stays of a level's canvas; here ``None``, for nothing does.

        Args:
            number (int): Which level, from 1, the coarsest.

        Returns:
            texsynth.objective.kept.Keep: On the host, of the size of the canvas.
        """
        return None

    def has_units(self, number):
        """Returns whether a level measures changes of each pixel in a unit of its own.

        The first begins from noise, which knows of none. Adam's steps are of one length whatever
        the gradient, and L-BFGS is what they help; in large levels, memory counts more.

        Args:
            number (int): Which level, from 1, the coarsest.
        """
        is_small = math.prod(self.plan[number - 1].canvas_size) <= MOST_PIXELS
        is_lbfgs = self.workshop.config.optimizer == "lbfgs"
        return number > 1 and self.scheme.own_units and is_lbfgs and is_small

    @property
    def memory_plan(self):
        """What was chosen for the memory there is: curvature pairs, and settings of blocks."""
        return {"pairs": self.pairs, **self._blocks}

    def adopt(self, memory_plan):
        """Takes over the choice that was made elsewhere, for the same bits come of it.

        Args:
            memory_plan (dict): What :attr:`memory_plan` was there.
        """
        self._blocks = dict(memory_plan)
        self.pairs = self._blocks.pop("pairs")
        self._objectives.clear()

    @property
    def block(self):
        """Side of the cores of blocks in pixels; ``None`` if no canvas is made in blocks."""
        return self._blocks.get("block")

    @property
    def is_in_blocks(self):
        """Whether the largest canvas does not fit in memory whole."""
        return bool(self._blocks)

    def rest(self):
        """Lets go of what only an evaluation under way needs, if memory is short."""
        if self.is_in_blocks:
            for objective in self._objectives.values():
                objective.rest()
            self.workshop.rest()
