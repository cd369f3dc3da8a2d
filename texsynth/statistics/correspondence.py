"""Correspondence: for each patch of activations, the one of an exemplar that is nearest to it.

Patches are 3x3 positions of one layer with all channels, compared by squared differences (Li and
Wand 2016, *Combining Markov random fields and convolutional neural networks for image synthesis*,
equation 2, who normalise each patch).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from texsynth.compat import chainer
from texsynth.statistics import nearest as search
from texsynth.typing import Array

SIDE = 3  # positions
COMPONENTS = 48  # principal ones, by which patches are compared
CHUNK = 1 << 22  # distances at once, which bounds their memory
_LEAST = 1e-3  # of the largest deviation, that a component has


class Patches(NamedTuple):
    """The patches of an exemplar's layer, as :func:`distance` compares with them.

    Attributes:
        activations: ``(H, W, C)``.
        places: ``(P,)`` integers: where in ``H W`` the upper left corner of each patch is.
        basis: ``(3, 3, C, K)``: K principal components of the patches.
        keys: Components of the P patches, as :func:`texsynth.statistics.nearest.prepared` lays them
            out.
        middle: ``(K,)``: components of the patches' mean, from which all are taken: far from it,
            rounding would decide between patches that are much alike.
        variance: Mean squared distance of patches from their mean.
    """

    activations: Array
    places: Array
    basis: Array
    keys: Array
    middle: Array
    variance: float


def patches(activations: Array) -> Patches:
    """Takes the patches of an exemplar's layer.

    Args:
        activations: ``(1, C, H, W)``, H and W at least 3; a copy is kept.
    """
    device = chainer.backend.get_device_from_array(activations)
    host = chainer.get_device("@numpy").send(activations)  # principal components are the same there
    return _of_several([np.array(host[0].transpose(1, 2, 0), order="C")], device)


def merged(several: Sequence[Patches]) -> Patches:
    """Returns the patches of several exemplars as if they were one's.

    Args:
        several: At least one, of as many channels.
    """
    device = chainer.backend.get_device_from_array(several[0].activations)
    host = chainer.get_device("@numpy")
    return _of_several([host.send(each.activations) for each in several], device)


def _of_several(exemplars: Sequence[Array], device: chainer.backend.Device) -> Patches:
    """The patches of activations, each ``(H, W, C)``, NumPy: one laid below another."""
    width = max(each.shape[1] for each in exemplars)
    sheet = [np.pad(x, ((0, 0), (0, width - x.shape[1]), (0, 0))) for x in exemplars]
    flat = np.concatenate([_flat(each) for each in exemplars])
    mean = flat.mean(axis=0)
    centred = flat - mean
    basis = _principal(centred)
    return Patches(
        device.send(np.concatenate(sheet)),
        device.send(_places(exemplars, width)),
        device.send(basis.reshape(SIDE, SIDE, sheet[0].shape[2], -1)),
        device.send(search.prepared(centred @ basis)),
        device.send(mean @ basis),
        float((centred**2).sum() / len(flat)),
    )


def _flat(ordered: Array) -> Array:
    """All patches of ``(H, W, C)``, one a row."""
    windows = np.lib.stride_tricks.sliding_window_view(ordered, (SIDE, SIDE), axis=(0, 1))
    flat: Array = windows.transpose(0, 1, 3, 4, 2).reshape(windows.shape[0] * windows.shape[1], -1)
    return flat


def _places(exemplars: Sequence[Array], width: int) -> Array:
    """Where in the sheet the patches begin, which is as wide as said."""
    found, top = [], 0
    for rows, columns, _ in (each.shape for each in exemplars):
        down = (top + np.arange(rows - SIDE + 1))[:, None]
        found.append((down * width + np.arange(columns - SIDE + 1)).ravel())
        top += rows
    return np.concatenate(found)


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


def nearest(ordered: Array, exemplar: Patches) -> Array:
    """Finds the exemplar's patch for each of a candidate's.

    Args:
        ordered: ``(H, W, C)``, contiguous.
        exemplar (Patches): What to compare with.

    Returns:
        array: ``((H - 2) (W - 2),)`` integers: which patch, row by row.
    """
    xp = chainer.backend.get_array_module(ordered)
    height, width, channels = ordered.shape
    down, across = height - SIDE + 1, width - SIDE + 1
    components = xp.zeros((down * across, len(exemplar.middle)), ordered.dtype)
    for dy in range(SIDE):
        for dx in range(SIDE):
            part = ordered[dy : dy + down, dx : dx + across].reshape(-1, channels)
            components += part @ exemplar.basis[dy, dx]
    return search.nearest(components - exemplar.middle, exemplar.keys, CHUNK)


class Distance(chainer.FunctionNode):
    """``(1, C, H, W)`` to the mean squared distance of patches from their nearest.

    Over the exemplar's variance, so that unrelated patches have about 2. The choice of the nearest
    is taken as given in the gradient.

    Args:
        exemplar (Patches): What to compare with.
    """

    def __init__(self, exemplar: Patches) -> None:
        super().__init__()
        self._exemplar = exemplar

    def forward(self, inputs: tuple[Array, ...]) -> tuple[Array]:
        """Takes ``(x,)``; returns ``(distance,)``."""
        (x,) = inputs
        xp = chainer.backend.get_array_module(x)
        exemplar = self._exemplar
        ordered = xp.ascontiguousarray(x[0].transpose(1, 2, 0))
        height, width, channels = ordered.shape
        down, across = height - SIDE + 1, width - SIDE + 1
        found = nearest(ordered, exemplar)
        rows, columns = xp.divmod(exemplar.places[found], exemplar.activations.shape[1])
        scale = 1 / (exemplar.variance * len(found)) if exemplar.variance else 0.0
        total, gradient = 0, xp.zeros_like(ordered)
        for dy in range(SIDE):
            for dx in range(SIDE):
                place = slice(dy, dy + down), slice(dx, dx + across)
                wanted = exemplar.activations[rows + dy, columns + dx]
                missing = ordered[place] - wanted.reshape(down, across, channels)
                gradient[place] += missing
                total += (missing**2).sum()
        gradient *= x.dtype.type(2 * scale)
        self._gradient = gradient.transpose(2, 0, 1)[None]
        return (xp.asarray(total * x.dtype.type(scale), x.dtype),)

    def backward(
        self, indexes: tuple[int, ...], grad_outputs: tuple[chainer.Variable, ...]
    ) -> tuple[chainer.Variable]:
        """Returns the gradient for ``x``."""
        return (chainer.as_variable(self._gradient * grad_outputs[0].array),)


def distance(activations: chainer.Variable | Array, exemplar: Patches) -> chainer.Variable:
    """Returns the mean squared distance of patches from the exemplar's nearest, over its variance.

    Args:
        activations (chainer.Variable or array): ``(1, C, H, W)``, H and W at least 3.
        exemplar (Patches): What to compare with.
    """
    (value,) = Distance(exemplar).apply((chainer.as_variable(activations),))
    return value
