"""All measures of a texture together, the exemplar's share of the work done once."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from texsynth import images
from texsynth.compat import chainer
from texsynth.config import DEFAULT_LAYERS
from texsynth.errors import ImageError
from texsynth.metrics.activations import Network
from texsynth.metrics.colour import colour_distance, histograms
from texsynth.metrics.copying import CopyDetector, CopyMap
from texsynth.metrics.detail import detail_ratio, fine_energy
from texsynth.metrics.gram_error import HELD_OUT, gram_matrices, relative_errors
from texsynth.metrics.grid import chequer, grid_ratio
from texsynth.metrics.portilla_simoncelli import PortillaSimoncelli
from texsynth.metrics.seam import seam_scores
from texsynth.metrics.sliced_distance import SlicedDistribution
from texsynth.metrics.spectrum import band_edges, radial_spectrum, spectrum_distance
from texsynth.metrics.tell_apart import Classifier
from texsynth.network import device as devices
from texsynth.typing import Array, Pixels
from texsynth.weights import VGGWeights

SMALLEST_SIDE = 16
"""Pixels that an image must have, to each side."""


@dataclass(frozen=True)
class Measures:
    """What was measured of one image, always against the exemplar; 0 is best unless said.

    Attributes:
        gram_errors: ``{layer: ||G - T|| / ||T||}``.
        sliced_wasserstein: ``{layer: distance}``, in standard deviations of the exemplar.
        spectrum_distance: Mean of ``|log10 P - log10 T|`` over radial bands.
        portilla_simoncelli: Root mean square difference of the statistics of Portilla and
            Simoncelli, in spreads between crops of the exemplar. ``None`` if a side of either is
            below 160 pixels.
        colour_distance: Grey levels between the colour histograms.
        detail: Energy of the finest octave over the exemplar's; 1 is as sharp.
        grid: Energy of a chequer over the exemplar's; 1 is as much.
        tell_apart: Share of patches that a classifier tells from the exemplar's, 0..1; 0.5 is by
            chance. ``None`` if a side of either is below 128 pixels.
        copied_share: Share of nearly verbatim patches, 0..1; ``None`` if all are flat.
        repetition_share: Share of the exemplar's own patches that are in it elsewhere too, 0..1:
            what ``copied_share`` has to be compared with. ``None`` if all are flat.
        seam: ``{"x": z, "y": z}``, z-scores of the steps across the wrap-around; within -2..2 there
            is no seam.
        spectra: ``(3, bands)`` float64: frequency in cycles per pixel, and power of the image and
            of the exemplar.
        copies: Where the copied patches are.
    """

    gram_errors: dict[str, float]
    sliced_wasserstein: dict[str, float]
    spectrum_distance: float
    portilla_simoncelli: float | None
    colour_distance: float
    detail: float
    grid: float
    tell_apart: float | None
    copied_share: float | None
    repetition_share: float | None
    seam: dict[str, float]
    spectra: npt.NDArray[np.float64]
    copies: CopyMap

    def as_dict(self) -> dict[str, Any]:
        """Returns the measures as plain values, ready for JSON: ``None`` for what is not finite."""
        return {
            "gram_errors": _plain(self.gram_errors),
            "sliced_wasserstein": _plain(self.sliced_wasserstein),
            "spectrum_distance": self.spectrum_distance,
            "portilla_simoncelli": self.portilla_simoncelli,
            "colour_distance": self.colour_distance,
            "detail": self.detail,
            "grid": self.grid,
            "tell_apart": self.tell_apart,
            "copied_share": self.copied_share,
            "repetition_share": self.repetition_share,
            "seam": _plain(self.seam),
        }


class Evaluator:
    """Measures images against one exemplar.

    Args:
        exemplar: ``(H, W, 3)`` uint8, at the size it was used at.
        vgg_weights (texsynth.weights.VGGWeights): The network's weights.
        pooling (str): ``"average"`` or ``"max"``; to be that of the synthesis.
        device (chainer.backend.Device): Where the network runs; ``None`` is the CPU.
        layers: Names of further layers than ``conv1_1`` and ``pool1`` to ``pool5``.

    Raises:
        texsynth.errors.ImageError: The exemplar is no such array, or a side is below 16 pixels.
    """

    def __init__(
        self,
        exemplar: npt.ArrayLike,
        vgg_weights: VGGWeights,
        pooling: str = "average",
        device: chainer.backend.Device | None = None,
        layers: Iterable[str] = (),
    ) -> None:
        self._exemplar = _checked(exemplar, "the exemplar")
        wanted = {*DEFAULT_LAYERS, HELD_OUT, *layers}
        self._device = devices.select(-1) if device is None else device
        self._network = Network(vgg_weights, wanted, pooling, self._device)
        names = self._network.layers(min(self._exemplar.shape[:2]))
        self._grams, self._distributions = self._statistics(self._exemplar, names)
        self._portilla_simoncelli = PortillaSimoncelli(self._exemplar)
        self._histograms = histograms(self._exemplar)
        self._fine_energy = fine_energy(self._exemplar)
        self._chequer = chequer(self._exemplar)
        self._classifier = Classifier(self._exemplar, vgg_weights, self._device)
        self._copies = CopyDetector(self._exemplar)

    def measure(self, pixels: npt.ArrayLike) -> Measures:
        """Measures one image.

        Args:
            pixels: ``(H, W, 3)`` uint8.

        Returns:
            Measures: Without the layers for which the image or the exemplar is too small.

        Raises:
            texsynth.errors.ImageError: It is no such array, or a side is below 16 pixels.
        """
        pixels = _checked(pixels, "the image")
        side = min(*pixels.shape[:2], *self._exemplar.shape[:2])
        gram_errors, distances = self._distances(pixels, self._network.layers(side))
        edges = band_edges(side)
        spectra = [radial_spectrum(each, edges) for each in (pixels, self._exemplar)]
        copies = self._copies.copies(pixels)
        return Measures(
            gram_errors=gram_errors,
            sliced_wasserstein=distances,
            spectrum_distance=spectrum_distance(*spectra),
            portilla_simoncelli=self._portilla_simoncelli.distance(pixels),
            colour_distance=colour_distance(histograms(pixels), self._histograms),
            detail=detail_ratio(fine_energy(pixels), self._fine_energy),
            grid=grid_ratio(chequer(pixels), self._chequer),
            tell_apart=self._classifier.accuracy(pixels),
            copied_share=copies.share,
            repetition_share=self._copies.repetition(pixels),
            seam=seam_scores(pixels),
            spectra=np.stack((np.sqrt(edges[:-1] * edges[1:]), *spectra)),
            copies=copies,
        )

    def _statistics(
        self, pixels: Pixels, names: tuple[str, ...]
    ) -> tuple[dict[str, Array], dict[str, SlicedDistribution]]:
        activations = self._network.activations(images.to_batch(pixels), names)
        with chainer.using_device(self._device):
            distributions = {name: SlicedDistribution(each) for name, each in activations.items()}
            return gram_matrices(activations), distributions

    def _distances(
        self, pixels: Pixels, names: tuple[str, ...]
    ) -> tuple[dict[str, float], dict[str, float]]:
        grams, distributions = self._statistics(pixels, names)
        with chainer.using_device(self._device):
            distances = {
                name: found.relative_distance(self._distributions[name])
                for name, found in distributions.items()
            }
            return relative_errors(grams, self._grams), distances


def _checked(pixels: npt.ArrayLike, what: str) -> Pixels:
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(
            f"{what} must be a (height, width, 3) array of uint8, "
            f"not {pixels.shape} of {pixels.dtype}"
        )
    height, width = pixels.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise ImageError(
            f"{what} is too small to measure: both sides must have at least "
            f"{SMALLEST_SIDE} pixels, not {width}x{height}"
        )
    return pixels


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {key: value if math.isfinite(value) else None for key, value in values.items()}
