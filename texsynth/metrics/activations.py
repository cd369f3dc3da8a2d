"""Activations of an image at those of the wanted layers that it is large enough for."""

from collections.abc import Callable, Container
from typing import Any

from texsynth.compat import chainer
from texsynth.network import engine
from texsynth.typing import Array, Batch
from texsynth.weights import VGGWeights


class Network:
    """A VGG on a device, as deep as each pair of images allows.

    Args:
        vgg_weights (texsynth.weights.VGGWeights): The network's weights.
        wanted: Layer names.
        pooling (str): ``"average"`` or ``"max"``.
        device (chainer.backend.Device): Where to compute.
        engine (str): ``"plain"``, which is ready at once, or ``"winograd"``, which is worth its
            preparation for images of some millions of pixels.
    """

    def __init__(
        self,
        vgg_weights: VGGWeights,
        wanted: Container[str],
        pooling: str,
        device: chainer.backend.Device,
        engine: str = "plain",
    ) -> None:
        self._weights = vgg_weights
        self._wanted = wanted
        self._pooling = pooling
        self._device = device
        self._engine = engine
        self._features: dict[tuple[str, ...], Callable[..., Any]] = {}

    def layers(self, side: int) -> tuple[str, ...]:
        """Returns the wanted layers that have a position, shallow ones first.

        Args:
            side (int): The shortest side of all images, in pixels.
        """
        return tuple(
            name
            for name, layer in self._weights.table.items()
            if name in self._wanted and layer.stride <= side
        )

    def features(self, names: tuple[str, ...]) -> Callable[..., Any]:
        """Returns the callable from image to activations of some layers, made once.

        Args:
            names: Layer names from :meth:`layers`.
        """
        if names not in self._features:
            self._features[names] = engine.make_features(
                self._engine, self._weights, names, self._pooling, self._device
            )
        return self._features[names]

    def activations(self, batch: Batch, names: tuple[str, ...]) -> dict[str, Array]:
        """Returns ``{layer name: (1, C, h, w) array on the device}``.

        Args:
            batch: ``(1, 3, H, W)`` float32, RGB, 0..255.
            names: Layer names from :meth:`layers`.
        """
        with chainer.using_device(self._device), chainer.no_backprop_mode():
            found = self.features(names)(chainer.Variable(self._device.send(batch)))
        return {name: found[name].array for name in names}
