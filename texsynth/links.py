"""The networks, and a texture, as Chainer's own links: for programs of one's own.

``VGG16Features`` and ``VGG19Features`` are used as ``chainer.links.VGG16Layers`` is; ``Texture`` is
an image to optimise, whose loss any of Chainer's optimizers and trainers takes.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth import weights
from texsynth.compat import chainer
from texsynth.errors import ConfigError, ImageError, WeightsError
from texsynth.images import noise, resize, to_batch, to_pixels
from texsynth.losses import IMAGE, Loss, parted, report
from texsynth.network import architecture
from texsynth.network.vgg import VGGFeatures
from texsynth.statistics.contrast import even_contrast
from texsynth.typing import Array, Batch, StrPath
from texsynth.weights import CAFFE_MEAN, VGGWeights

__all__ = ["Texture", "VGG16Features", "VGG19Features"]


class _Features(VGGFeatures):
    """A network with all its layers, of which each call evaluates those that it needs."""

    def __init__(self, vgg_weights: VGGWeights, pooling: str) -> None:
        if pooling not in ("average", "max"):
            raise ConfigError(f"pooling must be average or max, not {pooling!r}")
        super().__init__(vgg_weights, vgg_weights.table, pooling)
        self.network = vgg_weights.network

    @property
    def available_layers(self) -> list[str]:
        """Names of all layers, from the image on; convolutions are taken after their ReLU."""
        return list(self.table)

    def forward(  # type: ignore[override]  # the layers are asked for, as in Chainer's links
        self, x: chainer.Variable | Array, layers: Sequence[str] = ("pool5",), wrap: Any = None
    ) -> dict[str, chainer.Variable]:
        """Returns the activations of a batch, with the way back to its pixels.

        Args:
            x (chainer.Variable): ``(N, 3, H, W)`` float32, RGB, 0..255, on the link's device.
            layers: Names of the layers.
            wrap: ``(rows, columns)``: whether opposite edges are neighbours; ``None`` pads with
                zeros.

        Returns:
            dict: ``{layer: chainer.Variable}``, each ``(N, C, H // stride, W // stride)``.

        Raises:
            texsynth.errors.ConfigError: A layer is unknown, or the images are too small for one.
        """
        layers = (layers,) if isinstance(layers, str) else tuple(layers)
        for name in layers:
            if name not in self.table:
                raise ConfigError(f"layer {name!r} is unknown; there are {', '.join(self.table)}")
        if not layers:
            return {}
        x = chainer.as_variable(x)
        if len(x.shape) != 4 or x.shape[1] != 3:
            raise ImageError(f"a batch must be (N, 3, height, width), not {x.shape}")
        least = architecture.smallest_side(layers)
        if min(x.shape[2:]) < least:
            raise ConfigError(
                f"images of {x.shape[3]}x{x.shape[2]} px are too small: layer "
                f"{architecture.deepest(layers)} needs sides of at least {least} px"
            )
        return self.activations(x, layers, wrap or (False, False))

    def extract(
        self, images: Any, layers: Sequence[str] = ("pool5",), size: tuple[int, int] | None = None
    ) -> dict[str, chainer.Variable]:
        """Returns the activations of images.

        As ``chainer.links.VGG16Layers.extract``, but images keep their sizes and are not rounded to
        8 bits, and arrays are as everywhere in texsynth: ``(H, W, 3)``.

        Args:
            images: A sequence of ``PIL.Image`` or ``(H, W, 3)`` arrays, RGB, 0..255, all of one
                size. Or a batch, ``(N, 3, H, W)``, RGB, 0..255; a ``chainer.Variable`` of one keeps
                its way back.
            layers: Names of the layers.
            size: ``(width, height)`` that images of a sequence are resized to; ``None`` keeps them.

        Returns:
            dict: As :meth:`forward`.

        Raises:
            texsynth.errors.ConfigError: As :meth:`forward`.
            texsynth.errors.ImageError: What is given is no image, or of several sizes.
        """
        if not isinstance(images, chainer.Variable) and not _is_batch(images):
            images = _batch(images, size)
        elif size is not None:
            raise ConfigError("size is for a sequence of images, not for a batch")
        if not isinstance(images, chainer.Variable):
            images = self.device.send(images.astype(np.float32, copy=False))
        return self.forward(images, layers)


class VGG16Features(_Features):
    """VGG16's convolutional part (Simonyan and Zisserman 2015), frozen.

    Args:
        pretrained_model: ``"auto"`` finds or downloads the weights; a path reads them, see
            :func:`texsynth.weights.load`; ``None`` draws random ones (He et al. 2015).
        pooling (str): ``"average"``, as :class:`texsynth.Config` has it, or ``"max"``, as trained.

    Attributes:
        available_layers (list): Names of all layers, from the image on.
        network (str): ``"vgg16"``.

    Raises:
        texsynth.errors.WeightsError: The weights cannot be had.
    """

    def __init__(self, pretrained_model: StrPath | None = "auto", pooling: str = "average") -> None:
        super().__init__(_weights(pretrained_model, "vgg16", "vgg16"), pooling)


class VGG19Features(_Features):
    """VGG19's convolutional part, frozen.

    Args:
        pretrained_model: ``"auto"`` finds or downloads the normalised weights of Gatys et al.
            (2015, section 2); a path reads a file of these or of those as trained, whichever it
            has; ``None`` draws random ones.
        pooling (str): ``"average"`` or ``"max"``.

    Attributes:
        available_layers (list): Names of all layers, from the image on.
        network (str): ``"vgg19-normalised"`` or ``"vgg19"``.

    Raises:
        texsynth.errors.WeightsError: The weights cannot be had.
    """

    def __init__(self, pretrained_model: StrPath | None = "auto", pooling: str = "average") -> None:
        super().__init__(_weights(pretrained_model, "vgg19-normalised", "vgg19"), pooling)


class Texture(chainer.Chain):
    """An image to optimise: one parameter, and a loss that any of Chainer's optimizers takes.

    The loss and each of its terms are reported, so that ``LogReport`` and ``PrintReport`` show
    them.

    Args:
        features: A link from a batch and ``layers`` to activations, as :class:`VGG19Features`;
            the texture is made on its device, where it must stay.
        losses: Losses to sum, as those of :mod:`texsynth.losses`, or of one's own.
        exemplar: ``(H, W, 3)`` array, RGB, 0..255.
        start: ``(H, W, 3)`` array to start from; ``None`` is noise about the exemplar's mean
            colour.
        seed (int): Of the noise.

    Attributes:
        image (chainer.Parameter): ``(1, 3, H, W)`` float32, RGB, 0..255.
        pixels (numpy.ndarray): The same as ``(H, W, 3)`` uint8.

    Raises:
        texsynth.errors.TexsynthError: An image is unusable or too small.
    """

    def __init__(
        self,
        features: Any,
        losses: Iterable[Loss],
        exemplar: npt.ArrayLike,
        start: npt.ArrayLike | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._features = features  # no child: an optimizer and a snapshot of this are of the image
        self._losses = parted(losses)
        example = to_batch(exemplar)
        if start is None:
            begun = noise(example.shape[:1:-1], seed, example.mean(axis=(0, 2, 3)))
        else:
            begun = to_batch(start)
        with self.init_scope():
            self.image = chainer.Parameter(begun)
        self.to_device(features.device)
        with chainer.no_backprop_mode():
            seen = self._seen(chainer.Variable(features.device.send(example)))
            self._targets = [loss.target(activations) for loss, activations in seen]

    def forward(self, *batch: Any) -> chainer.Variable:
        """Returns the loss, a scalar, and reports it.

        Args:
            batch: Whatever an updater's iterator has; not looked at.
        """
        pairs = zip(self._seen(self.image), self._targets, strict=True)
        values = [loss.measure(activations, target) for (loss, activations), target in pairs]
        total: Any = sum(values)
        report(total, [loss for part in self._losses for loss in part], values, self)
        return chainer.as_variable(total)

    @property
    def pixels(self) -> npt.NDArray[np.uint8]:
        """The image as it is now, ``(H, W, 3)`` uint8."""
        return to_pixels(chainer.get_device("@numpy").send(self.image.array))

    def _seen(self, image: chainer.Variable) -> list[tuple[Any, dict[str, chainer.Variable]]]:
        """Each loss, with the activations of what it is shown."""
        found = []
        for losses, shown in zip(self._losses, (None, even_contrast, None), strict=True):
            if losses:
                layers = sorted({name for loss in losses for name in loss.layers} - {IMAGE})
                given = image if shown is None else shown(image)
                activations = {IMAGE: given, **self._features(given, layers=layers)}
                found += [(loss, activations) for loss in losses]
        return found


def _weights(pretrained_model: StrPath | None, network: str, second: str) -> VGGWeights:
    """The weights of a network; of a file, those that it has."""
    if pretrained_model is None:
        return _random(network)
    if os.fspath(pretrained_model) == "auto":
        return weights.load(weights.find_or_fetch(network), network)
    try:
        return weights.load(pretrained_model, second)
    except WeightsError as error:
        try:
            return weights.load(pretrained_model, network)
        except WeightsError:
            raise error from None


def _random(network: str) -> VGGWeights:
    """Random weights, by which activations keep their scale (He et al. 2015, equation 10)."""
    draw = np.random.standard_normal  # of NumPy's own generator, as Chainer's initializers
    tensors = {}
    for layer in architecture.convolutions(architecture.NETWORKS[network]):
        shape = (layer.out_channels, layer.in_channels, 3, 3)
        W = (draw(shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
        tensors[layer.name] = W, np.zeros(layer.out_channels, np.float32)
    return VGGWeights(tensors, np.array(CAFFE_MEAN, np.float32), network)


def _is_batch(images: Any) -> bool:
    return getattr(images, "ndim", None) == 4


def _batch(images: Any, size: tuple[int, int] | None) -> Batch:
    """A sequence of images as ``(N, 3, H, W)`` float32."""
    if hasattr(images, "convert") or getattr(images, "ndim", None) == 3:
        raise ImageError("images must be a sequence of images, or a batch: put the one in a list")
    batches = []
    for each in images:
        array = np.asarray(each.convert("RGB")) if hasattr(each, "convert") else each
        batch = to_batch(array)
        batches.append(batch if size is None else resize(batch, size))
    if not batches:
        raise ImageError("there are no images")
    if len({batch.shape for batch in batches}) > 1:
        sizes = ", ".join(sorted({f"{b.shape[3]}x{b.shape[2]}" for b in batches}))
        raise ImageError(f"images must be of one size, not {sizes}; size=(width, height) resizes")
    return np.concatenate(batches)
