"""Losses on the pixels themselves."""

from collections.abc import Mapping, Sequence

from texsynth.compat import chainer
from texsynth.losses.loss import IMAGE, TINY, Activations, Masks, Partial
from texsynth.statistics import spectrum
from texsynth.typing import Array


class _SquaredExcess(chainer.FunctionNode):
    """Pixels to the sum of their squared distances from 0..255, each as often as it counts."""

    def __init__(self, mask: Array | None) -> None:
        super().__init__()
        self._mask = mask

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        (x,) = inputs
        excess = x - x.clip(0.0, 255.0)
        self._excess = excess if self._mask is None else excess * self._mask
        xp = chainer.backend.get_array_module(x)
        # NumPy makes a scalar of it.
        return (xp.asarray((self._excess * excess).sum(), x.dtype),)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        return (chainer.as_variable(self._excess * (2 * grad_outputs[0].array)),)


class RangePenalty:
    """Mean squared distance of the pixels from 0..255, times a weight.

    Differs from Gatys et al., who clip once at the end: pixels that the optimizer placed outside
    carry texture that a clip then takes away.

    Args:
        weight: Loss per squared grey level.

    Attributes:
        weight: The same.
    """

    layers: tuple[str, ...] = (IMAGE,)
    takes_masks = True

    def __init__(self, weight: float) -> None:
        self.weight = weight

    def partial(
        self, activations: Mapping[str, chainer.Variable], masks: Masks | None = None
    ) -> dict[str, Partial]:
        """Returns the sum of squared distances over these pixels, ``{"image": Partial}``.

        Args:
            activations: The pixels, ``(N, 3, h, w)``, under ``"image"``; or none.
            masks: How much each of these pixels counts; ``None`` counts all alike.
        """
        if IMAGE not in activations:
            return {}
        x = activations[IMAGE]
        mask = None if masks is None else masks[IMAGE]
        count: float = x.size
        if mask is not None:
            count = float(mask.sum(dtype="f8")) * x.shape[0] * x.shape[1]
        (total,) = _SquaredExcess(mask).apply((chainer.as_variable(x),))
        return {IMAGE: Partial((total,), count)}

    def sums_gradient(
        self, pixels: Array, gradients: Sequence[Array], mask: Array | None = None
    ) -> Array:
        """Returns the gradient for the pixels, from that for their sum.

        Args:
            pixels (array): ``(N, 3, h, w)``.
            gradients: One array, a scalar.
            mask (array): ``(1, 1, h, w)``, how much each pixel counts; ``None`` counts all alike.
        """
        (gradient,) = gradients
        excess: Array = pixels - pixels.clip(0.0, 255.0)
        return 2 * gradient * (excess if mask is None else excess * mask)

    def summary(self, partials: Mapping[str, Partial]) -> None:
        """Returns ``None``: the range does not depend on the exemplar."""
        return None

    def finish(self, partials: Mapping[str, Partial], target: None) -> chainer.Variable:
        """Returns the penalty from the sum over all pixels, a scalar ``chainer.Variable``."""
        (total,), count = partials[IMAGE]
        return total * (self.weight / count)

    def target(self, activations: Activations, masks: Masks | None = None) -> None:
        """Returns ``None``: the range does not depend on the exemplar."""
        return None

    def recalled(self, moments: Mapping[str, object]) -> None:
        """Returns ``None``: the range does not depend on the exemplar."""
        return None

    def measure(
        self,
        activations: Mapping[str, chainer.Variable],
        target: None,
        masks: Masks | None = None,
    ) -> chainer.Variable:
        """Returns the penalty of the image, a scalar ``chainer.Variable``."""
        return self.finish(self.partial(activations, masks), target)


class SpectrumLoss:
    """Squared distance to the nearest image that has the exemplar's power spectrum and mean.

    Liu, Gousseau and Xia 2016, equation 6, over the exemplar's variance; colours keep their phase
    differences (Gonthier, Gousseau and Ladjal 2020 use it so). The nearest image counts as constant
    in the gradient, which is exact: the derivative of the distance to a set.

    Args:
        weights: Weight of the image, ``{"image": weight}``.
    """

    layers: tuple[str, ...] = (IMAGE,)
    default_layers: tuple[str, ...] = (IMAGE,)

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weight = weights[IMAGE]

    def target(self, activations: Activations) -> Array:
        """Returns the exemplar, for the spectrum wanted depends on the candidate's size."""
        return chainer.as_array(activations[IMAGE])

    def measure(
        self, activations: Mapping[str, chainer.Variable], target: Array
    ) -> chainer.Variable:
        """Returns the distance of the image, a scalar ``chainer.Variable``."""
        x = activations[IMAGE]
        nearest = spectrum.project(chainer.as_array(x), target)
        deviation = target - target.mean(axis=(2, 3), keepdims=True)
        scale = self._weight / ((deviation**2).mean() + TINY)
        distance: chainer.Variable = chainer.functions.mean((x - nearest) ** 2) * scale
        return distance
