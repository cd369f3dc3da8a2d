"""What a texture is made from: an exemplar, or statistics alone."""

from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth import images, metrics
from texsynth.config import Config
from texsynth.errors import ConfigError
from texsynth.losses import recalled
from texsynth.statistics import colours
from texsynth.synthesis import presets
from texsynth.targets import Moments, Statistics
from texsynth.typing import Array, Batch, Pixels


def prepared(exemplar: npt.ArrayLike, config: Config) -> Batch:
    """Returns an exemplar as the settings ask for it, ``(1, 3, H, W)`` float32.

    Args:
        exemplar: ``(H, W, 3)`` array, RGB, 0..255.
        config (texsynth.Config): Its ``size`` and ``flatten`` hold.

    Raises:
        texsynth.errors.ImageError: The exemplar is unusable.
    """
    batch = images.to_batch(exemplar)
    batch = images.fit(batch, images.fitted_size(batch.shape[:1:-1], config.size))
    return batch if config.flatten is None else images.without_drift(batch, config.flatten)


class Photograph:
    """An exemplar as the settings ask for it.

    Args:
        exemplar: ``(H, W, 3)`` array, RGB, 0..255.
        config (texsynth.Config): As for :func:`prepared`.

    Attributes:
        batch (numpy.ndarray): ``(1, 3, H, W)`` float32.
        given_size (tuple): ``(width, height)`` as it was given.
        size (tuple): ``(width, height)`` as it is used.
        is_grey (bool): Whether it has no colours.

    Raises:
        texsynth.errors.ImageError: The exemplar is unusable.
    """

    def __init__(self, exemplar: npt.ArrayLike, config: Config) -> None:
        batch = images.to_batch(exemplar)
        self.given_size = batch.shape[:1:-1]
        self.batch: Batch = prepared(exemplar, config)
        self.size = self.batch.shape[:1:-1]
        self.is_grey = images.is_grey(self.batch)

    @property
    def checksum(self) -> str:
        """SHA-256 of what decides on a texture, 64 hex digits."""
        return images.checksum(self.batch)

    @property
    def mean_colour(self) -> Array:
        """``(3,)``, red, green, blue."""
        mean: Array = self.batch.mean(axis=(0, 2, 3))
        return mean

    @property
    def pixels(self) -> Pixels:
        """``(H, W, 3)`` uint8."""
        return images.to_pixels(self.batch)

    def check(self, workshop: Any) -> None:
        """Does nothing: any network can measure it."""

    def scheme(self, config: Config) -> presets.Scheme:
        """Returns what preset and settings come to."""
        return presets.choose(config, self.batch)

    def own_colours(self) -> Array:
        """Returns its own colours, see :func:`texsynth.statistics.colours.own`."""
        return colours.own(self.batch)

    def gram_errors(self, pixels: Pixels, *settings: Any, **others: Any) -> dict[str, float]:
        """Returns the errors of a texture, see :func:`texsynth.metrics.gram_errors`."""
        return metrics.gram_errors(pixels, self.batch, *settings, **others)


class Remembered:
    """Statistics in the place of an exemplar.

    Args:
        statistics (texsynth.Statistics): The statistics.

    Attributes:
        batch: ``None``: there is no exemplar.
        given_size: ``None``.
        size (tuple): ``(width, height)`` of the first exemplar that was measured.
        is_grey (bool): Whether none had colours.
        pixels: ``None``.
    """

    batch = given_size = pixels = None

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self.size, self.is_grey = statistics.sizes[0], statistics.is_grey

    @property
    def checksum(self) -> str:
        """SHA-256 of what decides on a texture, 64 hex digits."""
        return self._statistics.checksum()

    @property
    def mean_colour(self) -> Array:
        """``(3,)``, red, green, blue."""
        return self._statistics.image.mean

    def check(self, workshop: Any) -> None:
        """Makes sure that the network is the one that measured them.

        Args:
            workshop (texsynth.synthesis.workshop.Workshop): Where textures will be made.

        Raises:
            texsynth.errors.ConfigError: It is another one.
        """
        known = self._statistics
        for name in ("network", "pooling"):
            was, asked = getattr(known, name), getattr(workshop.config, name)
            if was != asked:
                raise ConfigError(
                    f"the statistics are of {name} {was}, not {asked}; use --{name} {was}"
                )
        if workshop.weights.checksum() != known.weights_sha256:
            raise ConfigError("the statistics were measured with other weights of the network")

    def scheme(self, config: Config) -> presets.Scheme:
        """Returns what preset and settings come to.

        Args:
            config (texsynth.Config): The settings.

        Raises:
            texsynth.errors.ConfigError: They need the exemplar itself.
        """
        return presets.choose_for_statistics(config)

    def own_colours(self) -> Array:
        """Raises a NotImplementedError: no scheme for statistics asks for them."""
        raise NotImplementedError

    def recalled(self, losses: Any, device: Any) -> list[Any]:
        """Returns the losses' targets, see :func:`texsynth.losses.recalled`."""
        moments = {
            name: Moments(*(device.send(np.ascontiguousarray(array)) for array in each))
            for name, each in self._statistics.layers.items()
        }
        return recalled(losses, moments)

    def gram_errors(self, pixels: Pixels, *settings: Any) -> dict[str, float]:
        """Returns the errors of a texture, see :func:`texsynth.metrics.gram_errors_of_target`."""
        grams = {name: each.gram for name, each in self._statistics.layers.items()}
        return metrics.gram_errors_of_target(pixels, grams, *settings)


def of(exemplar: npt.ArrayLike | Statistics, config: Config) -> Photograph | Remembered:
    """Returns what a texture is made from.

    Args:
        exemplar: An ``(H, W, 3)`` array, RGB, 0..255, or statistics.
        config (texsynth.Config): The settings.

    Raises:
        texsynth.errors.ImageError: The exemplar is unusable.
    """
    if isinstance(exemplar, Statistics):
        return Remembered(exemplar)
    return Photograph(exemplar, config)
