"""Correspondence: for each patch of activations, the one of an exemplar that is nearest to it.

Patches are 3x3 positions of one layer with all channels, compared by squared differences (Li and
Wand 2016, *Combining Markov random fields and convolutional neural networks for image synthesis*,
equation 2, who normalise each patch).

What a patch may differ from the nearest by without counting is a share of what the exemplar's own
patches differ from one another by. A patch need be no nearer: else the texture would be made of
copies.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from texsynth.compat import chainer
from texsynth.statistics import nearest as search
from texsynth.statistics.gram import is_channels_last
from texsynth.typing import Array

SIDE = 3  # positions
COMPONENTS = 48  # principal ones, by which patches are compared
CHUNK = 1 << 22  # distances at once, which bounds their memory
_LEAST = 1e-3  # of the largest deviation, that a component has
_NEAR_ENOUGH = 0.3  # of the squared distance between the exemplar's own patches
_TINY = 1e-30  # what is nearer is there
_AT_ONCE = 256  # patches that are compared with all, which bounds memory


@dataclass(frozen=True, eq=False)
class Patches:
    """The patches of an exemplar's layer, as :func:`distance` compares with them.

    Attributes:
        activations: ``(H, W, C)``.
        basis: ``(3, 3, C, K)``: K principal components of the patches.
        keys: Components of the P patches, as :func:`texsynth.statistics.nearest.prepared` lays them
            out.
        middle: ``(K,)``: components of the patches' mean, from which all are taken: far from it,
            rounding would decide between patches that are much alike.
        variance: Mean squared distance of patches from their mean.
        tolerance: Distance up to which a patch is near enough, its square a share of the median of
            those between each patch and the nearest that has no position in common with it; 0 if
            there are none, and nearly so where the exemplar repeats itself.
        places: ``(P,)`` int64: which of all patches of the layer they are, row by row.
    """

    activations: Array
    basis: Array
    keys: Array
    middle: Array
    variance: float
    tolerance: float
    places: Array

    @cached_property
    def panels(self) -> Any:
        """Components and basis as the kernels of the Winograd engine take them, made once."""
        from texsynth.kernels import patches as kernels

        return kernels.panels_of(self.basis, self.keys)


def patches(activations: Array, mask: Array | None = None) -> Patches | None:
    """Takes the patches of an exemplar's layer.

    Args:
        activations: ``(1, C, H, W)``, H and W at least 3; a copy is kept.
        mask: ``(1, 1, H, W)``: patches are taken where it is at least a half at each of their
            positions; ``None`` takes all.

    Returns:
        Patches: ``None`` if there are none.
    """
    device = chainer.backend.get_device_from_array(activations)
    host = chainer.get_device("@numpy").send(activations)  # principal components are the same there
    ordered = np.array(host[0].transpose(1, 2, 0), order="C")
    places = np.arange(math.prod(side - SIDE + 1 for side in ordered.shape[:2]))
    if mask is not None:
        places = np.flatnonzero(
            _windows(chainer.get_device("@numpy").send(mask)).min(axis=1) >= 0.5
        )
        if not len(places):
            return None
    return _of_several([(ordered, places)], device)


def merged(several: Sequence[Patches]) -> Patches:
    """Returns the patches of several exemplars as if they were one's.

    Args:
        several: At least one, of as many channels.
    """
    device = chainer.backend.get_device_from_array(several[0].activations)
    host = chainer.get_device("@numpy")
    return _of_several([(host.send(x.activations), host.send(x.places)) for x in several], device)


def _of_several(
    exemplars: Sequence[tuple[Array, Array]], device: chainer.backend.Device
) -> Patches:
    """The patches at places of activations, each ``(H, W, C)``, NumPy: one laid below another."""
    width = max(ordered.shape[1] for ordered, _ in exemplars)
    sheet = [np.pad(x, ((0, 0), (0, width - x.shape[1]), (0, 0))) for x, _ in exemplars]
    flat = np.concatenate([_flat(ordered)[places] for ordered, places in exemplars])
    mean = flat.mean(axis=0)
    centred = flat - mean
    basis = _principal(centred)
    return Patches(
        device.send(np.concatenate(sheet)),
        device.send(basis.reshape(SIDE, SIDE, sheet[0].shape[2], -1)),
        device.send(search.prepared(centred @ basis)),
        device.send(mean @ basis),
        float((centred**2).sum() / len(flat)),
        _tolerance(exemplars),
        device.send(_in_sheet(exemplars, width)),
    )


def _flat(ordered: Array) -> Array:
    """All patches of ``(H, W, C)``, one a row."""
    windows = np.lib.stride_tricks.sliding_window_view(ordered, (SIDE, SIDE), axis=(0, 1))
    flat: Array = windows.transpose(0, 1, 3, 4, 2).reshape(windows.shape[0] * windows.shape[1], -1)
    return flat


def _in_sheet(exemplars: Sequence[tuple[Array, Array]], width: int) -> Array:
    """Places as those of one image, which is as wide as said."""
    found, top = [], 0
    for ordered, places in exemplars:
        rows, columns = np.divmod(places, ordered.shape[1] - SIDE + 1)
        found.append((top + rows) * (width - SIDE + 1) + columns)
        top += ordered.shape[0]
    return np.concatenate(found)


def _windows(mask: Array) -> Array:
    """What of a mask each patch covers, ``((H - 2) (W - 2), 9)``."""
    xp = chainer.backend.get_array_module(mask)
    windows = xp.lib.stride_tricks.sliding_window_view(mask[0, 0], (SIDE, SIDE))
    flat: Array = windows.reshape(-1, SIDE * SIDE)
    return flat


def _tolerance(exemplars: Sequence[tuple[Array, Array]]) -> float:
    """How far from another a patch is near enough, by the exemplars' own."""
    squares = np.concatenate([_to_others(ordered, places) for ordered, places in exemplars])
    found = squares[np.isfinite(squares)]
    return math.sqrt(_NEAR_ENOUGH * max(0.0, float(np.median(found)))) if len(found) else 0.0


def _to_others(ordered: Array, places: Array) -> Array:
    """Squared distances of patches from the nearest that has no position in common with them."""
    rows, columns = np.divmod(places, ordered.shape[1] - SIDE + 1)
    flat = _flat(ordered)[places]
    flat -= flat.mean(axis=0)  # far from it, rounding would be of its size
    squares = (flat**2).sum(axis=1)
    least: Array = np.empty_like(squares)
    for start in range(0, len(flat), _AT_ONCE):
        some = slice(start, start + _AT_ONCE)
        distances = squares[some, None] + squares - 2 * (flat[some] @ flat.T)
        down = abs(rows[some, None] - rows) < SIDE
        across = abs(columns[some, None] - columns) < SIDE
        least[some] = np.where(down & across, np.inf, distances).min(axis=1)
    return least


def _principal(centred: Array) -> Array:
    """Principal components as columns; of the smaller of the two products that have them."""
    if len(centred) >= centred.shape[1]:
        basis: Array = np.linalg.eigh(centred.T @ centred)[1][:, -COMPONENTS:]
    else:
        vectors = np.linalg.eigh(centred @ centred.T)[1][:, -COMPONENTS:]
        basis = centred.T @ vectors
        lengths = np.sqrt((basis**2).sum(axis=0))
        # What there is no variance along is rounding, which must not be made as long as the others.
        is_there = lengths > _LEAST * lengths.max()
        basis = np.where(is_there, basis / np.where(is_there, lengths, 1), 0).astype(basis.dtype)
    return np.ascontiguousarray(basis)


def nearest(ordered: Array, exemplar: Patches, chosen: Array | None = None) -> Array:
    """Finds the exemplar's patch for each of a candidate's.

    Args:
        ordered: ``(H, W, C)``, contiguous.
        exemplar (Patches): What to compare with.
        chosen: ``(Q,)`` integers: which of the candidate's, row by row; ``None`` are all.

    Returns:
        array: ``((H - 2) (W - 2),)`` or ``(Q,)`` integers: which patch of the exemplar's layer,
        row by row.
    """
    xp = chainer.backend.get_array_module(ordered)
    height, width, channels = ordered.shape
    down, across = height - SIDE + 1, width - SIDE + 1
    count = down * across if chosen is None else len(chosen)
    components = xp.zeros((count, len(exemplar.middle)), ordered.dtype)
    for dy in range(SIDE):
        for dx in range(SIDE):
            part = ordered[dy : dy + down, dx : dx + across].reshape(-1, channels)
            components += (part if chosen is None else part[chosen]) @ exemplar.basis[dy, dx]
    found = search.nearest(components - exemplar.middle, exemplar.keys, CHUNK)
    places: Array = exemplar.places[found]
    return places


class Distance(chainer.FunctionNode):
    """``(1, C, H, W)`` to the mean square of how much too far patches are from their nearest.

    That is what their distance is above the exemplar's tolerance. Over the exemplar's variance. The
    choice of the nearest is taken as given in the gradient.

    Args:
        exemplar (Patches): What to compare with.
        mask: ``(1, 1, H, W)``: a patch counts by its mean there; ``None`` counts all alike.
    """

    def __init__(self, exemplar: Patches, mask: Array | None = None) -> None:
        super().__init__()
        self._exemplar, self._mask = exemplar, mask

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes ``(x,)``; returns ``(distance,)``."""
        (x,) = inputs
        xp = chainer.backend.get_array_module(x)
        exemplar = self._exemplar
        if self._mask is None and is_channels_last(x):
            total, self._gradient = _compiled(x, exemplar)
            return (xp.asarray(total, x.dtype),)
        ordered = xp.ascontiguousarray(x[0].transpose(1, 2, 0))
        down, across = (side - SIDE + 1 for side in ordered.shape[:2])
        if self._mask is None:
            chosen, shares, count = xp.arange(down * across), 1, float(down * across)
        else:
            every = _windows(self._mask).mean(axis=1)
            chosen = xp.flatnonzero(every)
            shares, count = every[chosen].astype(x.dtype), float(every.sum())
        here = xp.divmod(chosen, across)
        found = nearest(ordered, exemplar, None if self._mask is None else chosen)
        there = xp.divmod(found, exemplar.activations.shape[1] - SIDE + 1)
        far = xp.sqrt(
            sum((each**2).sum(axis=1) for _, each in _missing(ordered, here, exemplar, there))
        )
        excess = xp.maximum(far - x.dtype.type(exemplar.tolerance), 0)
        factors = (shares * excess / xp.maximum(far, x.dtype.type(_TINY)))[:, None]
        gradient = xp.zeros_like(ordered)
        for place, each in _missing(ordered, here, exemplar, there):
            gradient[place] += factors * each
        scale = 1 / (exemplar.variance * count) if exemplar.variance and count else 0.0
        gradient *= x.dtype.type(2 * scale)
        self._gradient = gradient.transpose(2, 0, 1)[None]
        return (xp.asarray((shares * excess**2).sum() * x.dtype.type(scale), x.dtype),)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Returns the gradient for ``x``."""
        return (chainer.as_variable(self._gradient * grad_outputs[0].array),)


def _missing(
    ordered: Array, here: tuple[Array, Array], exemplar: Patches, there: tuple[Array, Array]
) -> Iterator[tuple[tuple[Array, Array], Array]]:
    """Compares patches of ``(H, W, C)`` that begin here with those that begin there.

    Yields for each position of a patch where it is, of which no two are the same, and what
    is to be taken away there.
    """
    for dy in range(SIDE):
        for dx in range(SIDE):
            place = here[0] + dy, here[1] + dx
            yield place, ordered[place] - exemplar.activations[there[0] + dy, there[1] + dx]


def _compiled(x: Array, exemplar: Patches) -> tuple[float, Array]:
    """The distance and its gradient by the kernels of the Winograd engine, and in its threads."""
    from texsynth.kernels import patches as kernels

    rows = x.transpose(0, 2, 3, 1)
    found = kernels.nearest(rows, exemplar.panels, exemplar.middle)
    scale = 1 / (exemplar.variance * found.size) if exemplar.variance else 0.0
    places = exemplar.places[found]
    compared = rows, exemplar.activations, places, exemplar.tolerance, scale
    total, gradient = kernels.compare(*compared)
    return total * scale, gradient.transpose(0, 3, 1, 2)


def distance(
    activations: chainer.Variable | Array, exemplar: Patches, mask: Array | None = None
) -> chainer.Variable:
    """Returns the mean square of how much too far patches are from the exemplar's nearest.

    That is what their distance is above the exemplar's tolerance; over its variance.

    Args:
        activations (chainer.Variable or array): ``(1, C, H, W)``, H and W at least 3.
        exemplar (Patches): What to compare with.
        mask: ``(1, 1, H, W)``: a patch counts by its mean there; ``None`` counts all alike.
    """
    (value,) = Distance(exemplar, mask).apply((chainer.as_variable(activations),))
    return value
