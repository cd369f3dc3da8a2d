"""A VGG's convolutional part as a Chainer chain that turns an image into named activations."""

from collections.abc import Collection, Iterable
from typing import Any

from texsynth.compat import chainer
from texsynth.errors import ConfigError
from texsynth.network import architecture
from texsynth.network.convolution import NO_WRAP, FrozenConvolutionReLU
from texsynth.typing import Wrap


def check_wrap(shape, wrap, layers):
    """Refuses a side that cannot wrap: the poolings must leave nothing of it out.

    Args:
        shape: ``(N, 3, H, W)`` of an image.
        wrap: ``(rows, columns)``: whether the top and bottom edges, and the left and right ones,
            are neighbours.
        layers: Names of the layers whose activations are wanted.

    Raises:
        texsynth.errors.ConfigError: A side that wraps is no multiple of the deepest layer's stride.
    """
    name = architecture.deepest(layers)
    stride = architecture.stride(name)
    for side, wraps, pixels in zip(("height", "width"), wrap, shape[2:], strict=True):
        if wraps and pixels % stride:
            raise ConfigError(
                f"to wrap around, the {side} must be a multiple of {stride} pixels "
                f"(the stride of {name}), not {pixels}"
            )


class VGGFeatures(chainer.Chain):
    """Image to activations; frozen, and no deeper than asked for.

    It owns the colour order and the mean: an image goes in as RGB, 0..255. The weights are
    Caffe's, for BGR; their first kernels are turned to RGB once, here, so that no image has to be.

    Differs from ``chainer.links.VGG16Layers``: no fully connected layers (500 MB), no weight
    gradients, no resize to 224x224, no rounding to 8 bits, and pooling leaves an odd last row or
    column out instead of pooling a half window.

    Args:
        weights (texsynth.weights.VGGWeights): Table of layers, kernels, biases and mean colour.
        layers: Names of the layers whose activations are wanted, each of ``weights.table``:
            convolutions are taken after their ReLU.
        pooling (str): ``"average"``, as Gatys et al. 2015 found better for synthesis (section 2),
            or ``"max"``, as trained.

    Attributes:
        table: The network's layers by name.
    """

    def __init__(self, weights: Any, layers: Iterable[str], pooling: str = "average") -> None:
        super().__init__()
        self.layer_names = tuple(layers)
        self.pooling = pooling
        self.table = weights.table
        with self.init_scope():
            for layer in architecture.to_deepest(self.layer_names, self.table):
                if isinstance(layer, architecture.Convolution):
                    setattr(self, layer.name, _link(layer, *weights.tensors[layer.name]))
        self.add_persistent("mean", weights.mean[::-1].reshape(1, 3, 1, 1).copy())

    def forward(self, image, wrap=NO_WRAP):
        """Returns ``{layer name: activations}``.

        Args:
            image (chainer.Variable): ``(N, 3, H, W)`` float32, RGB, 0..255; both sides at least
                :func:`texsynth.network.architecture.smallest_side` of the layers.
            wrap: ``(rows, columns)``: whether the top and bottom edges, and the left and right
                ones, are neighbours for every convolution; else it pads with zeros.

        Returns:
            dict: Each value a ``chainer.Variable`` of ``(N, C, H // stride, W // stride)``.

        Raises:
            texsynth.errors.ConfigError: See :func:`check_wrap`.
        """
        return self.activations(image, self.layer_names, wrap)

    def activations(
        self, image: chainer.Variable, layers: Collection[str], wrap: Wrap = NO_WRAP
    ) -> dict[str, chainer.Variable]:
        """Returns the activations of some layers, no deeper than the deepest of them.

        Args:
            image (chainer.Variable): As for :meth:`forward`.
            layers: Names of layers, at least one, none deeper than those it was made for.
            wrap: As there.

        Returns:
            dict: As there.

        Raises:
            texsynth.errors.ConfigError: See :func:`check_wrap`.
        """
        check_wrap(image.shape, wrap, layers)
        activations, h = {}, image - self.mean
        for layer in architecture.to_deepest(layers, self.table):
            if isinstance(layer, architecture.Convolution):
                h = self[layer.name](h, wrap)
            else:
                h = _POOL[self.pooling](h)
            if layer.name in layers:
                activations[layer.name] = h
        return activations

    def rest(self):
        """Does nothing: the activations belong to whom they were returned to."""


def _link(layer, W, b):
    if layer.in_channels == 3:
        W = W[:, ::-1]
    # Copies: a link's arrays must be contiguous, and may be moved to a GPU without the originals.
    return FrozenConvolutionReLU(W.copy(), b.copy())


def _average_pool(h):
    return chainer.functions.average_pooling_2d(h, 2)


def _max_pool(h):
    # Chainer's default would pool half a window at an odd edge, as its average pooling does not.
    return chainer.functions.max_pooling_2d(h, 2, cover_all=False)


_POOL = {"average": _average_pool, "max": _max_pool}
