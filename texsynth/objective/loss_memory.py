"""How much of a GPU's memory losses take in :class:`texsynth.objective.whole.Objective`.

Beside the buffers of the network: what a loss keeps from its forward to its backward pass, what it
has for a moment while it computes, and the gradients for activations, which wait until all losses
have given theirs. The counts are of arrays that are alive at the same time, by the source of each
loss; a test compares them with what CuPy's pool gives. What cuFFT works in is not among them.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from texsynth.losses import IMAGE, Loss
from texsynth.losses.autocorrelation import AutocorrelationLoss
from texsynth.losses.band_power import BandPowerLoss
from texsynth.losses.correspondence import MOST_PATCHES, CorrespondenceLoss
from texsynth.losses.gram import GramLoss, ShiftedGramLoss
from texsynth.losses.pixels import RangePenalty, SpectrumLoss
from texsynth.losses.wasserstein import HistogramLoss, WassersteinLoss
from texsynth.network import architecture
from texsynth.objective import blocks
from texsynth.statistics import correspondence
from texsynth.statistics.autocorrelation import fast_length
from texsynth.typing import Size

_FLOAT, _COMPLEX = 4, 8  # bytes
_COPIES_OF_IMAGE = 1  # what the range penalty keeps
_SORTING = 10  # places and values: two arrays of int64 and three of float32 for each value, twice
_SPECTRUM = 6


class _Layer(NamedTuple):
    """What is read of a layer: channels, rows and columns, and whether the columns are a part."""

    channels: int
    height: int
    width: int
    is_cut: bool

    @property
    def bytes(self) -> int:
        return _FLOAT * self.channels * self.height * self.width


class _Taken(NamedTuple):
    """What a loss takes.

    Attributes:
        kept (float): From its forward to its backward pass, and of the exemplar, in bytes.
        passing (float): Beside it at most, in bytes, before the gradients are all there.
        adds (bool): Whether more than one gradient comes to each layer.
    """

    kept: float
    passing: float
    adds: bool


def losses_bytes(
    losses: Iterable[Loss], size: Size, exemplar: Size | None = None, margin: Size = (0, 0)
) -> int:
    """Returns what losses take at most beside activations and the engine's buffers, in bytes.

    Args:
        losses: Losses to sum, as those of :mod:`texsynth.losses`.
        size: ``(height, width)`` of the image in pixels.
        exemplar: ``(height, width)`` of the exemplar; the image's if not given.
        margin: ``(rows, columns)`` in pixels at each edge that no loss reads.
    """
    losses = list(losses)
    numbers = Counter(name for loss in losses for name in loss.layers if name != IMAGE)
    names = (*numbers, IMAGE)
    read, whole = _layers(names, size, margin), _layers(names, size, (0, 0))
    taken = [_taken(loss, read, _layers(names, exemplar or size, (0, 0))) for loss in losses]
    waiting = sum(number * read[name].bytes for name, number in numbers.items())
    if any(read[name] != whole[name] for name in numbers):
        # Each layer's gradient is set into one of the whole layer.
        largest = max(read[name].bytes for name in numbers)
        waiting = max(waiting, largest + sum(whole[name].bytes for name in numbers))
    else:
        adding = (
            name
            for loss, each in zip(losses, taken, strict=True)
            if each.adds
            for name in loss.layers
        )
        several = (name for name, number in numbers.items() if number > 1)
        waiting += max((read[name].bytes for name in (*adding, *several)), default=0)
    passing = max(waiting, *(each.passing for each in taken))
    kept = sum(each.kept for each in taken)
    return int(kept + passing + _COPIES_OF_IMAGE * whole[IMAGE].bytes)


def _layers(names: Iterable[str], size: Size, edge: Size) -> dict[str, _Layer]:
    found = {}
    for name in names:
        channels = 3 if name == IMAGE else architecture.channels(name)
        stride = architecture.stride(name)
        places = [blocks.kept(side, stride, cut) for side, cut in zip(size, edge, strict=True)]
        height, width = (each.stop - each.start for each in places)
        found[name] = _Layer(channels, height, width, places[1].start > 0)
    return found


def _taken(loss: Loss, read: Mapping[str, _Layer], exemplar: Mapping[str, _Layer]) -> _Taken:
    layers = [read[name] for name in loss.layers]
    targets = [exemplar[name] for name in loss.layers]
    if isinstance(loss, ShiftedGramLoss):
        return _shifted(layers)
    if isinstance(loss, AutocorrelationLoss):
        return _correlated(layers, targets)
    if isinstance(loss, CorrespondenceLoss):
        return _corresponding(layers, targets)
    largest = max((each.bytes for each in layers), default=0)
    if isinstance(loss, WassersteinLoss | HistogramLoss):
        # As many directions as channels.
        kept = sum(each.bytes for each in [*layers, *targets])
        return _Taken(kept, _SORTING * largest, False)
    if isinstance(loss, SpectrumLoss):
        return _Taken(0, _SPECTRUM * largest, False)
    if isinstance(loss, BandPowerLoss):
        # A transform and a window; going back, powers, slopes, planes, and these under the window.
        return _Taken(4 / 3 * largest, (1 / 2 + 3 + 1 / 3) * largest, False)
    # A caller's own is counted as the Gram loss about the mean.
    return _Taken(0, 0, not isinstance(loss, GramLoss | RangePenalty))


def _shifted(layers: Iterable[_Layer]) -> _Taken:
    """Two parts for each shift: as they are kept, if they are copies, and their gradients."""
    kept = gradients = largest = 0.0
    for layer in layers:
        for side, is_copied in ((layer.height, layer.is_cut), (layer.width, True)):
            shares = [1 - shift / side for shift in ShiftedGramLoss.SHIFTS if 2 * shift <= side]
            gradients += 2 * layer.bytes * sum(shares)
            kept += 2 * layer.bytes * sum(shares) * is_copied
        largest = max(largest, layer.bytes)
    return _Taken(kept, gradients + 3 * largest, True)


def _corresponding(layers: Iterable[_Layer], targets: Iterable[_Layer]) -> _Taken:
    """Gradients are kept; before them, distances are there, or four times what is compared."""
    kept = passing = 0.0
    side, components = correspondence.SIDE, correspondence.COMPONENTS
    for layer, target in zip(layers, targets, strict=True):
        patches = math.prod(max(0, length - side + 1) for length in target[1:3])
        if not 0 < patches <= MOST_PATCHES:
            continue
        places = math.prod(max(0, length - side + 1) for length in layer[1:3])
        basis = side**2 * layer.channels * components
        kept += layer.bytes + target.bytes + _FLOAT * (basis + patches * (components + 1))
        distances = min(places * patches, correspondence.CHUNK) + places * components
        passing = max(passing, layer.bytes + _FLOAT * max(distances, 4 * layer.channels * places))
    return _Taken(kept, passing, False)


def _correlated(layers: Iterable[_Layer], targets: Iterable[_Layer]) -> _Taken:
    """The spectra are kept; going back, two more and two planes of values are there."""
    kept = passing = others = 0.0
    for layer, target in zip(layers, targets, strict=True):
        # The exemplar's lags are as many as it has.
        sides, target_sides = layer[1:3], target[1:3]
        lags = [min(pair) // 2 for pair in zip(sides, target_sides, strict=True)]
        rows, columns = (fast_length(s + lag) for s, lag in zip(sides, lags, strict=True))
        spectrum = _COMPLEX * layer.channels * rows * (columns // 2 + 1)
        plane = _FLOAT * layer.channels * rows * columns
        result = _FLOAT * layer.channels * (2 * lags[0] + 1) * (lags[1] + 1)
        kept += spectrum + _FLOAT * layer.channels * math.prod(target_sides) / 2
        passing = max(passing, 2 * spectrum + 2 * plane + 3 * result)
        others += layer.bytes
    return _Taken(kept, passing + others, True)
