"""The loss on the autocorrelation of activations: what repeats, and how far apart."""

from texsynth.compat import chainer
from texsynth.losses.loss import LayerLoss, relative_distance
from texsynth.statistics.autocorrelation import autocorrelation
from texsynth.typing import Array, Size

_FLAT = 1e-7  # squared variance; what a flat exemplar has is rounding, and far less


class AutocorrelationLoss(LayerLoss):
    """Squared error of each channel's autocorrelation over the squared norm of its target.

    Sendik and Cohen-Or 2017, *Deep correlations for texture synthesis*, section 4.1. Differs from
    them: each channel is taken about its mean, which would hide in its square what varies about
    it; lags go to half of the shorter image (beyond it, few pairs make each value), and every lag
    counts alike.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    default_layers: tuple[str, ...] = ("pool1", "pool2")

    def statistic(self, activations: chainer.Variable | Array) -> chainer.Variable:
        """Returns the autocorrelation, ``(N, C, 2 (H // 2) + 1, W // 2 + 1)``."""
        return _correlations(activations, (activations.shape[2] // 2, activations.shape[3] // 2))

    def compare(
        self, activations: chainer.Variable | Array, target: chainer.Variable | Array
    ) -> chainer.Variable:
        """Compares at the lags that both have."""
        target = chainer.as_array(target)
        middle, across = target.shape[2] // 2, target.shape[3] - 1
        down = min(activations.shape[2] // 2, middle)
        across = min(activations.shape[3] // 2, across)
        common = target[:, :, middle - down : middle + down + 1, : across + 1]
        return relative_distance(_correlations(activations, (down, across)), common, _FLAT)


def _correlations(x: chainer.Variable | Array, lags: Size) -> chainer.Variable:
    mean = chainer.functions.mean(x, axis=(2, 3), keepdims=True)
    return autocorrelation(x - chainer.functions.broadcast_to(mean, x.shape), lags)
