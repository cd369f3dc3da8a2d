"""The loss on the power of bands of frequencies."""

from collections.abc import Mapping
from typing import Any

from texsynth.compat import chainer
from texsynth.losses.loss import IMAGE, Activations
from texsynth.statistics.bands import Bands
from texsynth.typing import Array


class _Distance(chainer.FunctionNode):
    """Image to the mean squared logarithm of the ratios of powers."""

    def __init__(self, bands: Bands, target: Array) -> None:
        super().__init__()
        self._bands, self._target = bands, target

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        (image,) = inputs
        xp = chainer.backend.get_array_module(image)
        self._measured = self._bands.of(image)
        ratios = xp.log(self._measured.power / self._target)
        is_there = ~xp.isnan(ratios)
        self._logarithms = xp.where(is_there, ratios, 0)
        self._share = 1 / is_there.sum().astype(image.dtype)
        distance = (self._logarithms**2).sum() * self._share
        return (xp.asarray(distance, image.dtype),)  # NumPy makes a scalar of it

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        xp = chainer.backend.get_array_module(self._logarithms)
        power = self._measured.power
        slopes = xp.where(xp.isnan(power), 0, 2 * self._share * self._logarithms / power)
        gradient = self._bands.gradient(self._measured, slopes * grad_outputs[0].array)
        return (chainer.as_variable(gradient),)


class BandPowerLoss:
    """Mean squared logarithm of the power of bands of frequencies over the exemplar's.

    See :mod:`texsynth.statistics.bands`: fine detail as strong as the exemplar's at each fineness
    and in each direction, and no chequer. It sees full size alone. Differs from Liu, Gousseau and
    Xia 2016 (:class:`texsynth.losses.pixels.SpectrumLoss`), who compare amplitudes at each
    frequency: the strongest, which are the coarse ones, decide there.

    Args:
        weights: Weight of the image, ``{"image": weight}``.
    """

    layers: tuple[str, ...] = (IMAGE,)
    default_layers: tuple[str, ...] = (IMAGE,)
    is_fine = True

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weight = weights[IMAGE]
        self._bands: tuple[Any, Bands] | None = None  # for the kind of image that came last

    def target(self, activations: Activations) -> Array:
        """Returns the exemplar's power in each band, ``(3, 16, 9)``."""
        image = chainer.as_array(activations[IMAGE])
        return self._bands_of(image).of(image).power

    def measure(
        self, activations: Mapping[str, chainer.Variable], target: Array
    ) -> chainer.Variable:
        """Returns the distance of the image, a scalar ``chainer.Variable``."""
        image = chainer.as_variable(activations[IMAGE])
        bands = self._bands_of(image.array)
        distance: chainer.Variable = _Distance(bands, target).apply((image,))[0]
        return distance * self._weight

    def _bands_of(self, image: Array) -> Bands:
        xp = chainer.backend.get_array_module(image)
        kind = image.shape[2:], xp, image.dtype
        if self._bands is None or self._bands[0] != kind:
            self._bands = kind, Bands(*kind)
        return self._bands[1]
