"""Measures of a part of an image against a part of an exemplar, each as a mask says.

What is a sum over positions or pixels counts those of the part: Gram matrices, distributions of
activations, colours. What is of a rectangle by its nature (spectra, patches, classifiers) is taken
from the largest rectangle that lies within the part.
"""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from texsynth import images
from texsynth.compat import chainer
from texsynth.config import DEFAULT_LAYERS
from texsynth.errors import ImageError
from texsynth.metrics.activations import Network
from texsynth.metrics.colour import colour_distance, histograms
from texsynth.metrics.evaluator import SMALLEST_SIDE, Evaluator, Measures
from texsynth.metrics.gram_error import HELD_OUT, relative_errors
from texsynth.metrics.sliced_distance import SlicedDistribution
from texsynth.objective import masks
from texsynth.statistics import gram
from texsynth.typing import Array, Pixels
from texsynth.weights import VGGWeights

_MOSTLY = 0.5  # of what a position sees, that must be of the part, for it to be in a distribution
_SHARPNESS = 4  # power of the share of a part that a position of an exemplar sees, as in synthesis


class Part(NamedTuple):
    """A part of an image.

    Attributes:
        pixels: ``(H, W, 3)`` uint8, the whole image.
        mask: ``(H, W)`` float32, 0..1: which part of it.
    """

    pixels: Pixels
    mask: Array


class Rectangle(NamedTuple):
    """A rectangle of an image, in pixels.

    Attributes:
        left: From the left edge.
        top: From the upper edge.
        width: Across.
        height: Down.
    """

    left: int
    top: int
    width: int
    height: int

    def of(self, pixels: Pixels) -> Pixels:
        """Returns the rectangle of an image, ``(height, width, 3)``.

        Args:
            pixels: ``(H, W, 3)``.
        """
        found = pixels[self.top : self.top + self.height, self.left : self.left + self.width]
        return np.ascontiguousarray(found)


def largest_rectangle(inside: Array) -> Rectangle:
    """Returns the largest rectangle of which all pixels are inside; of no size if none are.

    Row by row, a rectangle that ends there is as wide as no pixel above is outside (the largest
    rectangle under a histogram, by a stack).

    Args:
        inside: ``(H, W)`` of booleans.
    """
    best = Rectangle(0, 0, 0, 0)
    heights = np.zeros(inside.shape[1], int)
    for row, here in enumerate(np.asarray(inside, bool)):
        heights = np.where(here, heights + 1, 0)
        stack: list[tuple[int, int]] = []  # where a height begins, and the height; they increase
        for column, height in enumerate([*heights.tolist(), 0]):
            start = column
            while stack and stack[-1][1] >= height:
                start, high = stack.pop()
                if high * (column - start) > best.width * best.height:
                    best = Rectangle(start, row - high + 1, column - start, high)
            stack.append((start, height))
    return best


class PartMeasures(NamedTuple):
    """What was measured of a part.

    Attributes:
        measures: All measures; those of spectra, patches and classifiers are of the rectangles.
        rectangle: The largest within the part of the image.
        exemplar_rectangle: The largest within the part of the exemplar.
    """

    measures: Measures
    rectangle: Rectangle
    exemplar_rectangle: Rectangle


def measure_part(
    output: Part,
    exemplar: Part,
    vgg_weights: VGGWeights,
    pooling: str,
    device: chainer.backend.Device,
    layers: Iterable[str] = (),
) -> PartMeasures:
    """Measures a part of an image against a part of an exemplar.

    Args:
        output: The part of the image.
        exemplar: That of the exemplar.
        vgg_weights (texsynth.weights.VGGWeights): The network's weights.
        pooling: ``"average"`` or ``"max"``; to be that of the synthesis.
        device (chainer.backend.Device): Where the network runs.
        layers: Names of further layers, see :class:`Evaluator`.

    Raises:
        texsynth.errors.ImageError: The largest rectangle within a part has a side below 16 pixels.
    """
    layers = tuple(layers)
    rectangles = [largest_rectangle(each.mask > 0.99) for each in (output, exemplar)]
    for rectangle, what in zip(rectangles, ("the output", "the exemplar"), strict=True):
        if min(rectangle.width, rectangle.height) < SMALLEST_SIDE:
            raise ImageError(
                f"the largest rectangle within it has {rectangle.width}x{rectangle.height} px in"
                f" {what}; to be measured it needs {SMALLEST_SIDE} px each way"
            )
    own, its = (
        rectangle.of(each.pixels)
        for rectangle, each in zip(rectangles, (output, exemplar), strict=True)
    )
    measures = Evaluator(its, vgg_weights, pooling, device, layers).measure(own)
    network = Network(vgg_weights, {*DEFAULT_LAYERS, HELD_OUT, *layers}, pooling, device)
    names = network.layers(min(*output.mask.shape, *exemplar.mask.shape))
    grams, found = _statistics(network, output, names, 1)
    targets, wanted = _statistics(network, exemplar, names, _SHARPNESS)
    with chainer.using_device(device):
        both = [name for name in names if name in grams and name in targets]
        measures = dataclasses.replace(
            measures,
            gram_errors=relative_errors({name: grams[name] for name in both}, targets),
            sliced_wasserstein={
                name: found[name].relative_distance(wanted[name])
                for name in names
                if name in found and name in wanted
            },
            colour_distance=colour_distance(*(_histograms(each) for each in (output, exemplar))),
        )
    return PartMeasures(measures, *rectangles)


def _statistics(
    network: Network, part: Part, names: tuple[str, ...], power: int
) -> tuple[dict[str, Array], dict[str, SlicedDistribution]]:
    """Gram matrices and distributions of a part, without layers of which it has no position."""
    activations = network.activations(images.to_batch(part.pixels), names)
    shares = masks.shares(part.mask[None, None], names)
    grams, distributions = {}, {}
    for name, array in activations.items():
        device = chainer.backend.get_device_from_array(array)
        weights = device.send(shares[name] ** power)
        if float(weights.sum()) >= masks.LEAST:
            grams[name] = gram.finalise(*gram.gram_sum(array, weights)).array
        inside = shares[name][0, 0] > _MOSTLY
        if inside.any():
            distributions[name] = SlicedDistribution(array[:, :, device.send(inside)][..., None])
    return grams, distributions


def _histograms(part: Part) -> Array:
    return histograms(part.pixels[part.mask > _MOSTLY][None])
