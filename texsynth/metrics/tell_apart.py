"""How well a classifier tells a texture's patches from its exemplar's: a game played by a machine.

A two-sample test by classification (Lopez-Paz and Oquab 2017, *Revisiting Classifier Two-Sample
Tests*): a classifier is trained on one half of both pictures and tried on the other half, whose
patches it has not seen. If it does no better there than by chance, nothing that it looks at
differs. It looks at the first two blocks of VGG16, which know edges, grain and colour, but nothing
of where a patch lies; and at patches brought to the same mean and contrast, since light and colour
cast vary within a photograph too.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from texsynth.compat import chainer
from texsynth.metrics.activations import Network
from texsynth.network import engine
from texsynth.typing import Array, Batch, Pixels
from texsynth.weights import VGGWeights

PATCH = 32
"""Side of the patches in pixels."""

SMALLEST_SIDE = 128
"""Pixels that a picture must have to each side: fewer leave too few patches in each half."""

_LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2")
# Positions at each side of a patch that are left out: those that see the neighbours in the mosaic.
_BORDER = {"conv1_1": 2, "conv1_2": 2, "conv2_1": 2, "conv2_2": 3}
_SMALLEST_STRIDE = 11
_MOST_POSITIONS_A_SIDE = 28
_MOSAIC = 8  # patches a side that the network sees at once
_LEAST_CONTRAST = 4.0  # grey levels: rounding and noise must not be blown up to a texture
_CONTRAST, _MEAN = 40.0, 128.0  # grey levels that each patch is brought to
_SILENCE = 1.0  # activations, which reach some hundred, are alike below it


@dataclass(frozen=True)
class Described:
    """The patches of a picture as the classifier sees them.

    Attributes:
        features: ``(N, 768)`` float64: log of mean and of standard deviation of each channel.
        places: ``(N, 2)`` int: upper row and left column of each patch, in pixels.
        size: Height and width of the picture in pixels.
    """

    features: npt.NDArray[np.float64]
    places: npt.NDArray[np.int_]
    size: tuple[int, int]

    def half(self, axis: int, second: bool) -> npt.NDArray[np.float64]:
        """Returns ``(n, 768)``: the features of the patches that lie in one half.

        Args:
            axis (int): 0 for the upper or lower half, 1 for the left or right one.
            second (bool): Whether it is the lower or right one.
        """
        start, middle = self.places[:, axis], self.size[axis] / 2
        return self.features[start >= middle if second else start + PATCH <= middle]


class Classifier:
    """Tells the patches of other pictures from those of an exemplar.

    Args:
        exemplar: ``(H, W, 3)`` uint8.
        vgg_weights (texsynth.weights.VGGWeights): The network's weights.
        device (chainer.backend.Device): Where the network runs.
    """

    def __init__(
        self, exemplar: Pixels, vgg_weights: VGGWeights, device: chainer.backend.Device
    ) -> None:
        self._exemplar, self._weights, self._device = exemplar, vgg_weights, device

    def accuracy(self, pixels: Pixels) -> float | None:
        """Returns the share of patches that are attributed rightly, 0..1; .5 is by chance.

        Args:
            pixels: ``(H, W, 3)`` uint8.

        Returns:
            float: ``None`` if a side of it or of the exemplar is below 128 pixels.
        """
        if min(*pixels.shape[:2], *self._exemplar.shape[:2]) < SMALLEST_SIDE:
            return None
        return tell_apart(self._describe(pixels), self._described_exemplar)

    # For small pictures none is ever needed, and the network takes a second to be ready.
    @cached_property
    def _described_exemplar(self) -> Described:
        return self._describe(self._exemplar)

    @cached_property
    def _engine(self) -> str:
        by: str = engine.choose("auto", self._device)
        return by

    @cached_property
    def _network(self) -> Network:
        return Network(self._weights, _LAYERS, "average", self._device, self._engine)

    def _describe(self, pixels: Pixels) -> Described:
        height, width = pixels.shape[:2]
        places = np.stack(
            np.meshgrid(_positions(height), _positions(width), indexing="ij"), axis=-1
        ).reshape(-1, 2)
        windows = np.lib.stride_tricks.sliding_window_view(pixels, (PATCH, PATCH), axis=(0, 1))
        features = []
        with engine.threads(self._engine):
            for start in range(0, len(places), _MOSAIC**2):
                rows, columns = places[start : start + _MOSAIC**2].T
                features.append(self._features(windows[rows, columns].astype(np.float32)))
        return Described(np.concatenate(features).astype(float), places, (height, width))

    def _features(self, patches: Batch) -> npt.NDArray[np.float32]:
        """``(N, 3, 32, 32)``, at most 64 of them, to ``(N, 768)``."""
        mosaic = np.zeros((_MOSAIC**2, *patches.shape[1:]), np.float32)
        mosaic[: len(patches)] = _normalised(patches)
        mosaic = mosaic.reshape(_MOSAIC, _MOSAIC, 3, PATCH, PATCH).transpose(2, 0, 3, 1, 4)
        batch = mosaic.reshape(1, 3, _MOSAIC * PATCH, _MOSAIC * PATCH)
        activations = self._network.activations(batch, _LAYERS)
        found = [_energies(activations[name][0], _BORDER[name]) for name in _LAYERS]
        return np.concatenate(found, axis=1)[: len(patches)]


def tell_apart(candidate: Described, exemplar: Described) -> float:
    """Returns the balanced accuracy of a classifier on patches that it has not seen.

    Ridge regression on which picture a patch is of, trained on the right, left, lower and upper
    half of both in turn and tried on the half opposite. The threshold lies midway between the
    medians of the answers for both in training. Balanced: the mean of the shares of both that are
    attributed rightly, a tie being half right.

    Args:
        candidate (Described): Of the texture.
        exemplar (Described): Of the exemplar.

    Returns:
        float: Mean of the four, 0..1.
    """
    rates = []
    for axis in (0, 1):
        for tried in (False, True):
            train = [each.half(axis, not tried) for each in (exemplar, candidate)]
            test = [each.half(axis, tried) for each in (exemplar, candidate)]
            rates.append(_balanced_accuracy(train, test))
    return float(np.mean(rates))


def _positions(side: int) -> npt.NDArray[np.int_]:
    # Odd: in step with hardly any texture that repeats, whose patches would all be alike.
    stride = max(_SMALLEST_STRIDE, -(-(side - PATCH) // _MOST_POSITIONS_A_SIDE) | 1)
    return np.arange(0, side - PATCH + 1, stride)


def _normalised(patches: Batch) -> Batch:
    """Each channel's mean to 128; the contrast of their mean to 40 grey levels, if it has any."""
    mean = patches.mean(axis=(2, 3), keepdims=True)
    contrast = patches.mean(axis=1, keepdims=True).std(axis=(2, 3), keepdims=True)
    scaled: Batch = (patches - mean) * (_CONTRAST / np.maximum(contrast, _LEAST_CONTRAST)) + _MEAN
    return scaled


def _energies(activations: Array, border: int) -> npt.NDArray[np.float32]:
    """Log of mean and standard deviation, ``(64, 2 C)``, of a mosaic's ``(C, 8 h, 8 w)``."""
    xp = chainer.backend.get_array_module(activations)
    channels, side = len(activations), activations.shape[1] // _MOSAIC
    tiles = activations.reshape(channels, _MOSAIC, side, _MOSAIC, side)
    inner = tiles[:, :, border:-border, :, border:-border]
    count = (side - 2 * border) ** 2
    # By einsum: in half the time of mean and std, with the channels last in memory.
    mean = xp.einsum("cyixj->cyx", inner) / count
    about = inner - mean[:, :, None, :, None]
    spread = xp.sqrt(xp.einsum("cyixj,cyixj->cyx", about, about) / count)
    logarithms = xp.log(xp.concatenate((mean, spread)).reshape(2 * channels, -1).T + _SILENCE)
    found: npt.NDArray[np.float32] = chainer.get_device("@numpy").send(logarithms)
    return found


def _balanced_accuracy(
    train: list[npt.NDArray[np.float64]], test: list[npt.NDArray[np.float64]]
) -> float:
    """Each ``[exemplar, candidate]``, ``(n, 768)``."""
    features = np.concatenate(train)
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    features = (features - mean) / spread
    asked = np.repeat((-1.0, 1.0), [len(each) for each in train])
    # The dual of the normal equations: fewer patches than features. As much ridge as variance.
    kernel = features @ features.T
    kernel[np.diag_indices_from(kernel)] += len(features)
    weights = features.T @ np.linalg.solve(kernel, asked - asked.mean())
    answers = np.split(features @ weights, [len(train[0])])
    threshold = np.mean([np.median(each) for each in answers])
    below, above = ((each - mean) / spread @ weights - threshold for each in test)
    return float(np.mean([_share_positive(-below), _share_positive(above)]))


def _share_positive(values: npt.NDArray[np.float64]) -> float:
    return float(np.mean(values > 0) + np.mean(values == 0) / 2)
