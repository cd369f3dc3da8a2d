"""The loss on the autocorrelation of activations: what repeats, and how far apart."""

import functools
from typing import TypeAlias

import numpy as np

from texsynth.compat import chainer
from texsynth.losses.loss import LayerLoss, relative_distance
from texsynth.statistics import gram
from texsynth.statistics.autocorrelation import autocorrelation
from texsynth.typing import Array, Size

_Correlations: TypeAlias = tuple[chainer.Variable, Array | None]
_FEW = 0.01  # of the pairs that lie so far apart, that must count
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
    takes_masks = True

    def statistic(self, activations: chainer.Variable | Array, *mask: Array) -> _Correlations:
        """Returns the autocorrelation, ``(N, C, 2 (H // 2) + 1, W // 2 + 1)``.

        With a mask ``m``, the pair of ``p`` and ``p + d`` counts by ``m(p) m(p + d)``; beside it,
        where there are such pairs.
        """
        lags = activations.shape[2] // 2, activations.shape[3] // 2
        return _correlations(activations, lags, *mask)

    def compare(
        self, activations: chainer.Variable | Array, target: _Correlations, *mask: Array
    ) -> chainer.Variable:
        """Compares at the lags that both have."""
        wanted = chainer.as_array(target[0])
        middle, across = wanted.shape[2] // 2, wanted.shape[3] - 1
        down = min(activations.shape[2] // 2, middle)
        across = min(activations.shape[3] // 2, across)
        common = np.s_[:, :, middle - down : middle + down + 1, : across + 1]
        found, pairs = _correlations(activations, (down, across), *mask)
        wanted = wanted[common]
        for there in (pairs, target[1] if target[1] is None else target[1][common]):
            if there is not None:
                found = found * chainer.functions.broadcast_to(there, found.shape)
                wanted = wanted * there
        return relative_distance(found, wanted, _FLAT)


def _correlations(
    x: chainer.Variable | Array, lags: Size, mask: Array | None = None
) -> _Correlations:
    if mask is None:
        mean = chainer.functions.mean(x, axis=(2, 3), keepdims=True)
        return autocorrelation(x - chainer.functions.broadcast_to(mean, x.shape), lags), None
    spread = functools.partial(chainer.functions.broadcast_to, shape=x.shape)
    total = gram.channel_sum(x, mask)
    # By an index of None, Chainer would go back by a function that CuPy warns of.
    mean = chainer.functions.reshape(total, (*total.shape, 1, 1)) / float(mask.sum())
    products = autocorrelation((x - spread(mean)) * spread(mask), lags)
    pairs = autocorrelation(mask, lags).array
    there = (pairs > _FEW).astype(mask.dtype)
    counted = there / pairs.clip(_FEW, None)
    return products * chainer.functions.broadcast_to(counted, products.shape), there
