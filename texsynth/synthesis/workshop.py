"""What textures with the same settings share, made once: device, engine, weights, network."""

import dataclasses
import functools
import logging
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from texsynth import images, weights
from texsynth.compat import chainer
from texsynth.config import Config
from texsynth.errors import ConfigError
from texsynth.losses import Loss, RangePenalty, make_losses
from texsynth.network import architecture, device, engine
from texsynth.objective import block_choice
from texsynth.objective.team import ALONE, Alone, Team
from texsynth.synthesis.study import Study
from texsynth.targets import Statistics

_log = logging.getLogger(__name__)

_TRIAL_SIDE = 256  # pixels


class Workshop:
    """Device, engine, weights and network for textures with the same settings.

    Args:
        config (texsynth.Config): The settings; the seed has no part in it.
        losses: Losses to sum in place of the preset's, as :func:`texsynth.synthesize` takes them.
        team (texsynth.objective.team.Team): The processes that make a texture together.

    Attributes:
        config (texsynth.Config): The settings.
        team (texsynth.objective.team.Team): The same.
        device (chainer.backend.Device): Where to compute.
        engine (str): ``"plain"``, ``"winograd"`` or ``"cuda"``.
        precision (str): ``"fp32"``, ``"bf16"`` or ``"tf32"``.

    Raises:
        texsynth.errors.TexsynthError: The device or the engine cannot be used.
    """

    def __init__(
        self, config: Config, losses: Sequence[Loss] | None = None, team: Team | Alone = ALONE
    ) -> None:
        self.config, self.team = config, team
        self.device = device.select(config.gpu)
        self.engine = engine.choose(config.engine, self.device, config.precision)
        self.precision = engine.precision_of(self.engine, config.precision)
        engine.share_processor(self.engine, team.neighbours)
        if losses is not None and config.components is not None:
            raise ConfigError("components are of the settings' losses, not of losses of one's own")
        self._losses = losses
        self._features = {}

    @functools.cached_property
    def weights(self):
        """The network's :class:`texsynth.weights.VGGWeights`, read when first asked for."""
        network = self.config.network
        path = self.config.weights or weights.find_or_fetch(network)
        told = self.device, self.engine, self.precision, network, path
        _log.debug("device %s, engine %s in %s, network %s, weights %s", *told)
        return weights.load(path, network)

    @property
    def table(self):
        """The network's layers by name."""
        return architecture.NETWORKS[self.config.network]

    def features(self, layers):
        """Returns the callable from image to activations, the same one for the same layers.

        Args:
            layers: Names of the layers whose activations are wanted.

        Raises:
            texsynth.errors.WeightsError: The weights cannot be had.
        """
        layers = tuple(layers)
        if layers not in self._features:
            self._features[layers] = engine.make_features(
                self.engine,
                self.weights,
                layers,
                self.config.pooling,
                self.device,
                self.precision,
            )
        return self._features[layers]

    def rest(self):
        """Lets go of activations; the next evaluation makes room for them again."""
        for features in self._features.values():
            features.rest()

    def pace(self, layers):
        """Measures how long an evaluation takes, in seconds for a pixel of an image in one piece.

        Args:
            layers: Names of the layers that the losses read, at least one.

        Raises:
            texsynth.errors.WeightsError: The weights cannot be had.
        """
        self.device.use()
        features = self.features(layers)
        side = max(_TRIAL_SIDE, architecture.smallest_side(layers))
        trial = self.device.send(images.noise((side, side), 0, np.full(3, 128.0)))
        with chainer.no_backprop_mode(), engine.threads(self.engine):
            for _ in range(2):  # the first one makes buffers, and compiles
                began = time.perf_counter()
                activations = features(chainer.Variable(trial))
                float(sum(x.array.sum() for x in activations.values()))  # a GPU is waited for
                seconds = time.perf_counter() - began
        return seconds / block_choice.FORWARD / side**2

    def adapted(self, scheme):
        """Returns a scheme as it is with the caller's losses, whose layers are taken as they are.

        Args:
            scheme (texsynth.synthesis.presets.Scheme): What the preset and the settings come to.
        """
        if self._losses is None:
            return scheme
        return dataclasses.replace(scheme, least_positions=0)

    def losses(self, scheme):
        """Returns the losses to sum, the range penalty among them.

        Args:
            scheme (texsynth.synthesis.presets.Scheme): Names the terms, if the caller gave no
                losses.
        """
        losses = self._losses
        if losses is None:
            losses = make_losses(scheme.losses, self.config.layers, self.config.components)
        return [*losses, RangePenalty(self.config.range_weight)]

    def study(self, exemplar: npt.ArrayLike | Statistics) -> Study:
        """Returns the :class:`Study` of an exemplar.

        Args:
            exemplar: ``(H, W, 3)`` array, RGB, 0..255; or statistics in its place.

        Raises:
            texsynth.errors.TexsynthError: The exemplar is unusable or too small.
        """
        return Study(self, exemplar)
