"""One texture whose direction, or whose scale, follows a map.

The exemplar is turned (or scaled) in steps, and each step is a texture of its own in the part of
the image where the map wants it: between two steps both count, the more the nearer they are.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from texsynth import images
from texsynth.config import Config
from texsynth.errors import ConfigError
from texsynth.images import turning
from texsynth.network import architecture
from texsynth.synthesis import presets
from texsynth.synthesis.loop import make_variation
from texsynth.synthesis.masked import Source
from texsynth.synthesis.planning import plan_for
from texsynth.synthesis.progress import Callback
from texsynth.synthesis.pyramid import Level
from texsynth.synthesis.regions import at_size_of
from texsynth.synthesis.result import Result
from texsynth.synthesis.resuming import Checkpoints
from texsynth.synthesis.varied import Varied
from texsynth.synthesis.workshop import Workshop
from texsynth.typing import Array, Batch

LEAST_SCALE, LARGEST_SCALE = 0.5, 2.0
"""The smallest and the largest scale that a map may ask for."""

_ANGLES = 24  # steps of a full turn
_SCALES = 5  # steps from the smallest to the largest, each by the root of 2


def steer(
    exemplar: npt.ArrayLike,
    config: Config | None = None,
    *,
    angles: npt.ArrayLike | None = None,
    scales: npt.ArrayLike | None = None,
    init: npt.ArrayLike | None = None,
    callback: Callback | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoints: Checkpoints | None = None,
) -> Result:
    """Makes a texture that is turned, or scaled, from place to place.

    Args:
        exemplar: ``(H, W, 3)`` array, RGB, 0..255.
        config (Config): The settings; ``None`` takes the defaults.
        angles: ``(H, W)`` array, degrees: by how much the exemplar is turned at each pixel,
            counter-clockwise. The output has its size unless the settings say another, to which it
            is brought then.
        scales: In place of angles, likewise: how many times as large the exemplar is at each pixel,
            0.5 to 2.
        init: As for :func:`texsynth.synthesize`.
        callback: As there.
        stop: As there.
        checkpoints: As there.

    Returns:
        Result: The texture; its ``errors`` are the mean over the steps, each against the exemplar
        as it is turned or scaled there.

    Raises:
        texsynth.errors.TexsynthError: As :func:`texsynth.synthesize`; or the map is none.
    """
    weights, _ = _wanted(angles, scales)
    config = at_size_of(Config() if config is None else config, weights[0])
    study = Steered(Workshop(config), exemplar, angles, scales)
    return make_variation(
        study, config.seed, init=init, callback=callback, stop=stop, checkpoints=checkpoints
    )


class Steered(Varied):
    """An exemplar, and how it is turned, or scaled, at each place of its texture.

    Args:
        workshop (texsynth.synthesis.workshop.Workshop): Where the textures will be made.
        exemplar: ``(H, W, 3)`` array, RGB, 0..255.
        angles: As for :func:`steer`, or ``None``.
        scales: As there; one of both is given.

    Attributes:
        exemplar (numpy.ndarray): ``(1, 3, H, W)`` float32: the exemplar as it is.

    Raises:
        texsynth.errors.TexsynthError: As :class:`texsynth.Varied`; or the map is none.
    """

    def __init__(
        self,
        workshop: Workshop,
        exemplar: npt.ArrayLike,
        angles: npt.ArrayLike | None = None,
        scales: npt.ArrayLike | None = None,
    ) -> None:
        weights, steps = _wanted(angles, scales)
        given = images.to_batch(exemplar)
        size = images.fitted_size(given.shape[:1:-1], workshop.config.size)
        if (scale := workshop.config.flatten) is not None:  # pixels of that size
            given = images.without_drift(given, max(scale * given.shape[3] / size[0], 1))
        self._upright = images.fit(given, size)
        there = [number for number, weight in enumerate(weights) if weight.any()]
        made = [_made(given, size, *steps[number]) for number in there]
        self._made = [each.batch for each in made]
        sources = [
            Source(each.batch[0], each.mask, _name(*steps[number]))
            for each, number in zip(made, there, strict=True)
        ]
        super().__init__(workshop, sources, np.eye(len(there)).tolist(), weights[there])
        self.exemplar = self._upright

    def _fitted(self, workshop: Workshop, sources: Sequence[Source]) -> list[Batch]:
        return self._made

    def _chosen_scheme(self) -> presets.Scheme:
        return presets.choose_for_change(self.workshop.config, self._upright)

    def _plans(self) -> list[list[Level]]:
        """As many levels as the exemplar as it is would have, if the smallest allows them."""
        config, scheme = self.workshop.config, self.scheme
        upright = plan_for(self._upright, config, scheme, self.layers)
        config = dataclasses.replace(config, output_size=upright[-1].output_size)
        levels = len(upright)
        if config.levels is None and self.layers:
            side = min(side for each in self._exemplars for side in each.shape[2:])
            smallest = architecture.smallest_side(self.layers)
            levels = min(levels, max(1, (side // smallest).bit_length()))
        scheme = dataclasses.replace(scheme, levels=levels)
        return [plan_for(each, config, scheme, self.layers) for each in self._exemplars]


def _wanted(
    angles: npt.ArrayLike | None, scales: npt.ArrayLike | None
) -> tuple[Array, list[tuple[float, float]]]:
    """The weights of all steps, ``(K, H, W)``, and the degrees and the scale of each."""
    if angles is not None and scales is None:
        return angle_weights(angles), [(n * 360 / _ANGLES, 1.0) for n in range(_ANGLES)]
    if scales is not None and angles is None:
        ratio = LARGEST_SCALE / LEAST_SCALE
        steps = [LEAST_SCALE * ratio ** (n / (_SCALES - 1)) for n in range(_SCALES)]
        return scale_weights(scales), [(0.0, scale) for scale in steps]
    raise ConfigError("either angles or scales must be given, not both")


def angle_weights(angles: npt.ArrayLike) -> Array:
    """Returns how much each of 24 steps of a full turn counts, ``(24, H, W)`` float32.

    At an angle between two steps both count, linearly, and the last lies beside the first: they sum
    to 1 everywhere.

    Args:
        angles: ``(H, W)`` array, degrees, of any size.

    Raises:
        texsynth.errors.ConfigError: It has another shape, or values that are not finite.
    """
    values = _field(angles, "angles")
    if not np.isfinite(values).all():
        raise ConfigError("angles must be a (height, width) array of finite degrees")
    places = np.mod(values, 360) * (_ANGLES / 360)
    apart = [
        np.mod(places - number + _ANGLES / 2, _ANGLES) - _ANGLES / 2 for number in range(_ANGLES)
    ]
    return np.maximum(0, 1 - abs(np.stack(apart))).astype(np.float32)


def scale_weights(scales: npt.ArrayLike) -> Array:
    """Returns how much each of 5 steps from 1/2 to 2 counts, ``(5, H, W)`` float32.

    Between two steps both count, linearly in the logarithm: they sum to 1 everywhere.

    Args:
        scales: ``(H, W)`` array, 0.5..2, of any size.

    Raises:
        texsynth.errors.ConfigError: It has another shape, or values out of range.
    """
    values = _field(scales, "scales")
    if not (values.min() >= LEAST_SCALE and values.max() <= LARGEST_SCALE):
        raise ConfigError(
            f"scales must be a (height, width) array within {LEAST_SCALE:g}..{LARGEST_SCALE:g}"
        )
    places = np.log(values / LEAST_SCALE) / math.log(LARGEST_SCALE / LEAST_SCALE) * (_SCALES - 1)
    apart = places - np.arange(_SCALES)[:, None, None]
    return np.maximum(0, 1 - abs(apart)).astype(np.float32)


def _field(values: npt.ArrayLike, name: str) -> Array:
    found = np.asarray(values, np.float64)
    if found.ndim != 2 or not found.size:
        raise ConfigError(f"{name} must be a (height, width) array, not {found.shape}")
    return found


def _made(exemplar: Batch, size: tuple[int, int], degrees: float, scale: float) -> turning.Turned:
    """The exemplar as it is at a step; what is enlarged comes of all the pixels that there are."""
    width, height = (max(1, round(scale * side)) for side in size)
    return turning.turned(exemplar, (width, height), degrees)


def _name(degrees: float, scale: float) -> str:
    told = f"turned by {degrees:g} degrees" if scale == 1 else f"{scale:.3g} times as large"
    return f"the exemplar {told}"


def angles_of(grey: npt.ArrayLike) -> Array:
    """Returns the angles that a grey map means, in degrees: 0..255 is once around, in 256 steps.

    Args:
        grey: ``(H, W)`` array, 0..255; 64 is a quarter turn.
    """
    return np.asarray(grey, np.float64) * (360 / 256)


def scales_of(grey: npt.ArrayLike) -> Array:
    """Returns the scales that a grey map means: black 1/2, middle grey 1, white 2; logarithmic.

    Args:
        grey: ``(H, W)`` array, 0..255.
    """
    share = np.asarray(grey, np.float64) / 255
    found: Array = LEAST_SCALE * (LARGEST_SCALE / LEAST_SCALE) ** share
    return found
