"""Losses: each names the layers it reads, makes its target from the exemplar, measures a candidate.

The name ``image`` stands for the pixels themselves beside the layers of the network.
"""

from texsynth import gram
from texsynth.compat import chainer

IMAGE = "image"
_TINY = 1e-30  # keeps the relative error of an all-zero target finite


class GramLoss:
    """Squared Gram error per layer over the squared norm of its target, weighted and summed.

    ``sum over layers of w ||G - T||^2 / ||T||^2``. Differs from Gatys et al. 2015, equations 3 and
    4, who divide by ``4 N^2 M^2`` (channels, positions): over the target's norm every layer starts
    near the same size whatever its activations' scale, which needs no weights found by hand and
    converges in far fewer steps.

    Args:
        weights: Weight of each layer by name; a layer of weight 0 is left out.
    """

    def __init__(self, weights):
        self._weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.layers = tuple(self._weights)

    def target(self, activations):
        """Returns the exemplar's Gram matrices, ``{layer: (N, C, C) array}``."""
        return {name: gram.gram_matrix(activations[name]).array for name in self.layers}

    def measure(self, activations, target):
        """Returns the loss of a candidate's activations, a scalar ``chainer.Variable``."""
        total = 0
        for name in self.layers:
            difference = gram.gram_matrix(activations[name]) - target[name]
            # Kept on the device: a scalar read here would stop a GPU once a layer.
            scale = self._weights[name] / ((target[name] ** 2).sum() + _TINY)
            total += chainer.functions.sum(difference**2) * scale
        return total


class RangePenalty:
    """Mean squared distance of the pixels from 0..255, times a weight.

    Differs from Gatys et al., who clip once at the end: pixels that the optimizer placed outside
    carry texture that a clip then takes away.

    Args:
        weight: Loss per squared grey level.
    """

    layers = (IMAGE,)

    def __init__(self, weight):
        self._weight = weight

    def target(self, activations):
        """Returns ``None``: the range does not depend on the exemplar."""
        return None

    def measure(self, activations, target):
        """Returns the penalty of the image, a scalar ``chainer.Variable``."""
        x = activations[IMAGE]
        excess = x - chainer.functions.clip(x, 0.0, 255.0)
        return chainer.functions.mean(excess**2) * self._weight
