"""The texture models of the paper's figures: which layers, how many parameters, which network.

Source: Gatys, Ecker and Bethge 2015, figures 2 and 3.
"""

from dataclasses import dataclass

import numpy as np

from texsynth import weights
from texsynth.compat import chainer
from texsynth.config import DEFAULT_LAYERS
from texsynth.losses.loss import relative_distance
from texsynth.network import architecture
from texsynth.statistics import gram

LAYERS = tuple(DEFAULT_LAYERS)


def all_layers(network):
    """Returns the names of all layers of a network as deep as :data:`LAYERS`."""
    path = architecture.to_deepest(LAYERS, architecture.NETWORKS[network])
    return tuple(layer.name for layer in path)


def parameters(layers, most=None):
    """Returns the number of different values in the Gram matrices of these layers.

    Args:
        layers: Names of layers.
        most: Channels or components kept of each layer, as far as it has them; ``None`` keeps all.
    """
    kept = [min(architecture.channels(name), most or np.inf) for name in layers]
    return int(sum(k * (k + 1) / 2 for k in kept))


def first_channels(matrix, count):
    """Returns the basis of the first channels, ``(N, C, count)``, whatever the Gram matrix is."""
    xp = chainer.backend.get_array_module(matrix)
    basis = xp.eye(matrix.shape[1], count, dtype=matrix.dtype)
    return xp.broadcast_to(basis, (len(matrix), *basis.shape))


def principal_components(matrix, count):
    """Returns the first principal components, ``(N, C, count)``, of a Gram matrix ``(N, C, C)``.

    They are those of the activations about zero, not about their mean: so the Gram matrix of the
    projected activations keeps the most that a matrix of its size can keep of the whole one.
    """
    xp = chainer.backend.get_array_module(matrix)
    _, vectors = xp.linalg.eigh(matrix.astype(np.float64))  # the smallest first
    return vectors[:, :, ::-1][:, :, :count].astype(matrix.dtype)


class ReducedGramLoss:
    """The Gram loss of activations that are projected on a few directions, layer by layer.

    Gatys et al. 2015, figure 3: fewer parameters can do. The Gram matrix of projected
    activations ``B^T F`` is ``B^T G B``, so only ``G`` has to be computed of the image.

    Args:
        layers: Names of the layers, each of weight 1.
        count: Directions kept of each layer, as far as it has so many channels.
        choose: :func:`first_channels` or :func:`principal_components`.

    Attributes:
        layers (tuple): Names of the layers that are read.
    """

    def __init__(self, layers, count, choose):
        self.layers = tuple(layers)
        self._count = count
        self._choose = choose

    def target(self, activations):
        """Returns ``{layer: (basis, projected Gram matrix)}`` of the exemplar.

        Args:
            activations: ``{layer: (N, C, H, W) array or chainer.Variable}``.
        """
        found = {}
        for name in self.layers:
            matrix = gram.gram_matrix(activations[name])
            basis = self._choose(matrix.array, min(self._count, matrix.shape[1]))
            found[name] = basis, _projected(matrix, basis).array
        return found

    def measure(self, activations, target):
        """Returns the loss of a candidate's activations, a scalar ``chainer.Variable``.

        Args:
            activations: As in :meth:`target`, of the candidate.
            target: What :meth:`target` returned for the exemplar.
        """
        total = 0
        for name in self.layers:
            basis, wanted = target[name]
            matrix = _projected(gram.gram_matrix(activations[name]), basis)
            total += relative_distance(matrix, wanted)
        return total


def _projected(matrix, basis):
    matmul = chainer.functions.matmul
    return matmul(matmul(basis, matrix, transa=True), basis)


@dataclass(frozen=True)
class Model:
    """A texture model: what of which network is matched.

    Attributes:
        layers: Names of the layers.
        count: Channels or components kept of each; ``None`` keeps all.
        choose: Which are kept, as :class:`ReducedGramLoss` takes it.
        pooling: ``"average"`` or ``"max"``.
        random: Whether the network's weights are random.
    """

    layers: tuple[str, ...] = LAYERS
    count: int | None = None
    choose: object = principal_components
    pooling: str = "average"
    random: bool = False

    @property
    def caption(self):
        """What stands above the texture: the number of parameters."""
        return f"{parameters(self.layers, self.count):,} parameters"


def figure_3(network):
    """Returns the rows of figure 3, a label and models each.

    Args:
        network: Name of the network, of :data:`texsynth.network.architecture.NETWORKS`.
    """
    whole = Model(all_layers(network))
    return {
        "principal\ncomponents": [Model(count=20), Model(count=64), Model(), whole],
        "first\nchannels": [Model(count=k, choose=first_channels) for k in (20, 64)],
        "pooling:\naverage, max": [Model(), Model(pooling="max")],
        "weights:\ntrained, random": [Model(), Model(random=True)],
    }


UNTRAINED = {"vgg16": "vgg16", "vgg19-normalised": "vgg19", "vgg19": "vgg19"}
"""What a network of random weights is called, which nobody normalised."""


def random_weights(seed, network="vgg16"):
    """Returns a network with normal random kernels after He et al. 2015, and biases of 0.

    Args:
        seed: Seed of the kernels.
        network: Name of the network, of :data:`UNTRAINED`.
    """
    network = UNTRAINED[network]
    rng, tensors = np.random.default_rng(seed), {}
    for layer in architecture.convolutions(architecture.NETWORKS[network]):
        shape = (layer.out_channels, layer.in_channels, 3, 3)
        W = rng.standard_normal(shape, dtype=np.float32) * np.sqrt(2 / np.prod(shape[1:]))
        tensors[layer.name] = W.astype(np.float32), np.zeros(shape[0], np.float32)
    return weights.VGGWeights(tensors, weights.CAFFE_MEAN, network)
