"""Alignment: whether the maps of a stack have to do with one another what the exemplar's have.

Each map is described, at each pixel, by its derivatives up to the second order at two scales. For
two maps of the exemplar, canonical correlation (Hotelling 1936) finds the sums of each that go
together most: edges of a colour with edges of a height, slopes of a normal with those of a height.
The same sums are then taken of the synthesised maps. Their correlation is the exemplar's if the
maps lie on one another as there, and about 0 if they were made apart, whatever each looks like.

All of it follows from the covariances of what describes the maps, which are summed up over bands of
rows: memory does not grow with the maps.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from texsynth.errors import ImageError
from texsynth.typing import Array

_SCALES = (1.0, 2.0)  # deviation of the Gaussian, in pixels
_FEATURES = 7 * len(_SCALES)  # of a plane
_RIM = 6  # pixels at each edge that are left out: three deviations
_REACH = _RIM + 2  # pixels that a description is made of to each side: a Gaussian's and two slopes'
_BAND = 1 << 22  # numbers that describe a band of rows
_RIDGE = 1e-4  # of the variance, added to it: sums that hardly vary are noise
_LEAST = 0.2  # correlation in the exemplar below which two maps have nothing to do with each other


class Alignment(NamedTuple):
    """How two maps go together.

    Attributes:
        exemplar: Canonical correlation of the exemplar's maps, 0..1: the root of the mean square,
            weighted by themselves.
        output: That of the output's along the same sums, -1..1.
    """

    exemplar: float
    output: float

    @property
    def kept(self) -> float:
        """The output's as a share of the exemplar's."""
        return self.output / self.exemplar


def alignment(
    exemplar: Mapping[str, Array], output: Mapping[str, Array]
) -> dict[tuple[str, str], Alignment]:
    """Returns how every two maps go together that do so in the exemplar.

    Args:
        exemplar: Maps by name, ``(H, W, C)``, all of one size.
        output: The same maps of any other size.

    Raises:
        texsynth.errors.ImageError: The maps are too small.
    """
    smallest = min(
        side for maps in (exemplar, output) for x in maps.values() for side in x.shape[:2]
    )
    if smallest <= 4 * _RIM:
        raise ImageError(f"to measure alignment, maps need sides above {4 * _RIM} px")
    varying = [name for name, values in exemplar.items() if _varies(values)]
    seen = _Covariances({name: exemplar[name] for name in varying})
    made = _Covariances({name: output[name] for name in varying})
    found = {}
    for pair in combinations(varying, 2):
        sums = _canonical(*seen.of(*pair))
        its_own = _correlations(sums, *seen.of(*pair))
        size = float((its_own**2).sum() / np.abs(its_own).sum())
        if size >= _LEAST:
            others = 0 * its_own
            if all(_varies(output[name]) for name in pair):
                others = _correlations(sums, *made.of(*pair))
            found[pair] = Alignment(size, float((its_own * others).sum() / np.abs(its_own).sum()))
    return found


def alignment_kept(pairs: Mapping[tuple[str, str], Alignment]) -> float | None:
    """Returns the share of the exemplar's alignment that the output has, over all pairs.

    Args:
        pairs: What :func:`alignment` returned; of none it is ``None``.
    """
    whole = sum(each.exemplar for each in pairs.values())
    return sum(each.output for each in pairs.values()) / whole if whole else None


def _varies(values: Array) -> bool:
    return bool((values != values[:1, :1]).any())


class _Covariances:
    """Covariances of what describes maps of one size, at their inner pixels.

    Args:
        maps: Maps by name.
    """

    def __init__(self, maps: Mapping[str, Array]) -> None:
        self._places: dict[str, slice] = {}
        number = 0
        for name, values in maps.items():
            begin, number = number, number + _FEATURES * values.shape[2]
            self._places[name] = slice(begin, number)
        self._all = _covariance(list(maps.values()), number) if maps else np.zeros((0, 0))

    def of(self, first: str, second: str) -> tuple[Array, Array, Array]:
        """Returns the covariances within one map, within another, and of one with the other."""
        x, y = self._places[first], self._places[second]
        return self._all[x, x], self._all[y, y], self._all[x, y]


def _covariance(maps: Sequence[Array], number: int) -> Array:
    """Of all ``number`` features of maps, ``(number, number)``."""
    height, width = maps[0].shape[:2]
    rows = max(1, _BAND // (number * width))
    products, total, count = np.zeros((number, number)), np.zeros(number), 0
    near: Array | None = None  # what is subtracted, that differences of large sums are none
    for top in range(_RIM, height - _RIM, rows):
        bottom = min(top + rows, height - _RIM)
        band = np.concatenate([_described(each, top, bottom) for each in maps], axis=1)
        near = band[0].copy() if near is None else near
        band -= near
        products += band.T @ band
        total += band.sum(axis=0)
        count += len(band)
    mean = total / count
    found: Array = products / count - np.outer(mean, mean)
    return found


def _described(values: Array, top: int, bottom: int) -> Array:
    """Derivatives of a map at the inner pixels of rows, ``(pixels, features)``."""
    begin = max(0, top - _REACH)
    planes = np.moveaxis(np.asarray(values[begin : bottom + _REACH], np.float64), 2, 0)
    features = []
    for plane in planes:
        for scale in _SCALES:
            smooth = _blurred(plane, scale)
            down, across = np.gradient(smooth)
            features += [
                smooth,
                down,
                across,
                np.hypot(down, across),
                np.gradient(down, axis=0),
                np.gradient(across, axis=1),
                np.gradient(down, axis=1),
            ]
    rows = slice(top - begin, bottom - begin)
    return np.stack([x[rows, _RIM:-_RIM].ravel() for x in features], axis=1)


def _blurred(plane: Array, sigma: float) -> Array:
    """A Gaussian mean, mirrored at the edges."""
    reach = int(3 * sigma)
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in range(2):
        pads = [(reach, reach) if axis == each else (0, 0) for each in range(2)]
        padded = np.pad(plane, pads, mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis)
        plane = windows @ weights
    return plane


def _canonical(within_x: Array, within_y: Array, across: Array) -> tuple[Array, Array]:
    """The sums of features that correlate most, ``(features, number)`` each."""
    white_x, white_y = _whitening(within_x), _whitening(within_y)
    left, _, right = np.linalg.svd(white_x.T @ across @ white_y, full_matrices=False)
    return white_x @ left, white_y @ right.T


def _whitening(within: Array) -> Array:
    """What makes features of the same variance that do not correlate."""
    scale = np.maximum(np.sqrt(within.diagonal().clip(0)), np.finfo(float).tiny)
    variances, axes = np.linalg.eigh(within / scale / scale[:, None])
    counts = variances > _RIDGE * variances[-1]
    found: Array = axes[:, counts] / np.sqrt(variances[counts]) / scale[:, None]
    return found


def _correlations(
    sums: tuple[Array, Array], within_x: Array, within_y: Array, across: Array
) -> Array:
    """The correlation of each sum of one with that of the other."""
    x, y = sums
    product = (x * (across @ y)).sum(axis=0)
    variances = [(z * (within @ z)).sum(axis=0) for z, within in ((x, within_x), (y, within_y))]
    deviations = np.sqrt(np.maximum(variances, 0))
    found: Array = product / np.maximum(deviations.prod(axis=0), np.finfo(float).tiny)
    return found
