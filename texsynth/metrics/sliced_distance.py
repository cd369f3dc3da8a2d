"""Sliced Wasserstein distance of activations: all of their distribution, not its second moments.

Sources: Bonneel et al., *Sliced and Radon Wasserstein Barycenters of Measures* (JMIV 2015); as a
texture statistic Heitz et al., *A Sliced Wasserstein Loss for Neural Texture Synthesis* (CVPR
2021), equations 3 to 5. Their loss is the squared distance; here it is the root, over the
exemplar's own standard deviation, so that layers and textures can be compared.
"""

from texsynth.compat import chainer
from texsynth.statistics.wasserstein import directions, resample, sorted_projections
from texsynth.typing import Array

DIRECTIONS = 64
_KEY = "metrics"  # other directions than any loss takes: nothing is optimised along these
_MOST_QUANTILES = 8192


class SlicedDistribution:
    """The distribution of one layer's activations, seen along fixed random directions.

    Args:
        activations: ``(1, C, H, W)`` array on any device.

    Attributes:
        quantiles: ``(64, K)`` array on the same device, sorted projections of the positions; more
            than 8192 positions are brought to 8192 quantiles.
        variance (float): Variance of the projections, averaged over the directions.
    """

    def __init__(self, activations: Array) -> None:
        device = chainer.backend.get_device_from_array(activations)
        vectors = device.send(directions(activations.shape[1], DIRECTIONS, _KEY))
        (ordered,) = sorted_projections(activations, vectors)
        self.variance = float(ordered.var(axis=1).mean())
        self.quantiles = resample(ordered, min(ordered.shape[1], _MOST_QUANTILES))

    def relative_distance(self, exemplar: "SlicedDistribution") -> float:
        """Returns the sliced 2-Wasserstein distance over the exemplar's standard deviation.

        ``sqrt(mean over directions and quantiles of (a - b)^2 / mean over directions of var b)``;
        where the exemplar does not vary, 0 for an equal distribution and infinity for another.

        Args:
            exemplar (SlicedDistribution): Of the same layer.
        """
        count = min(self.quantiles.shape[1], exemplar.quantiles.shape[1])
        difference = resample(self.quantiles, count) - resample(exemplar.quantiles, count)
        squared = float((difference**2).mean())
        if exemplar.variance == 0.0:
            return 0.0 if squared == 0.0 else float("inf")
        relative: float = (squared / exemplar.variance) ** 0.5
        return relative
