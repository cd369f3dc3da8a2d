"""The loss on the autocorrelation of activations: what repeats, and how far apart."""

from texsynth.autocorrelation import autocorrelation
from texsynth.compat import chainer
from texsynth.losses.loss import LayerLoss, relative_distance


class AutocorrelationLoss(LayerLoss):
    """Squared error of each channel's autocorrelation over the squared norm of its target.

    Sendik and Cohen-Or 2017, *Deep correlations for texture synthesis*, section 4.1. Differs from
    them: each channel is taken about its mean, which would hide in its square what varies about
    it; lags go to half of the shorter image (beyond it, few pairs make each value), and every lag
    counts alike.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    default_layers = ("pool1", "pool2")

    def statistic(self, activations):
        """Returns the autocorrelation, ``(N, C, 2 (H // 2) + 1, W // 2 + 1)``."""
        functions = chainer.functions
        mean = functions.mean(activations, axis=(2, 3), keepdims=True)
        lags = tuple(side // 2 for side in activations.shape[2:])
        return autocorrelation(activations - functions.broadcast_to(mean, activations.shape), lags)

    def distance(self, statistic, target):
        """Compares at the lags that both have."""
        down = min(statistic.shape[2], target.shape[2]) // 2
        across = min(statistic.shape[3], target.shape[3])
        statistic, target = (_within(x, down, across) for x in (statistic, target))
        return relative_distance(statistic, target)


def _within(x, down, across):
    middle = x.shape[2] // 2
    return x[:, :, middle - down : middle + down + 1, :across]
