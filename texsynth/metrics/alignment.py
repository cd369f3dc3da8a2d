"""Alignment: whether the maps of a stack have to do with one another what the exemplar's have.

Each map is described, at each pixel, by its derivatives up to the second order at two scales. For
two maps of the exemplar, canonical correlation (Hotelling 1936) finds the sums of each that go
together most: edges of a colour with edges of a height, slopes of a normal with those of a height.
The same sums are then taken of the synthesised maps. Their correlation is the exemplar's if the
maps lie on one another as there, and about 0 if they were made apart, whatever each looks like.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from texsynth.errors import ImageError
from texsynth.typing import Array

_SCALES = (1.0, 2.0)  # deviation of the Gaussian, in pixels
_RIM = 6  # pixels at each edge that are left out: three deviations
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
    seen = {name: _described(values) for name, values in exemplar.items()}
    made = {name: _described(values) for name, values in output.items()}
    found = {}
    for pair in combinations([name for name in seen if seen[name].std() > 0], 2):
        first, second = pair
        sums = _canonical(seen[first], seen[second])
        its_own = _correlations(seen[first] @ sums[0], seen[second] @ sums[1])
        others = _correlations(made[first] @ sums[0], made[second] @ sums[1])
        size = float((its_own**2).sum() / np.abs(its_own).sum())
        if size >= _LEAST:
            found[pair] = Alignment(size, float((its_own * others).sum() / np.abs(its_own).sum()))
    return found


def alignment_kept(pairs: Mapping[tuple[str, str], Alignment]) -> float | None:
    """Returns the share of the exemplar's alignment that the output has, over all pairs.

    Args:
        pairs: What :func:`alignment` returned; of none it is ``None``.
    """
    whole = sum(each.exemplar for each in pairs.values())
    return sum(each.output for each in pairs.values()) / whole if whole else None


def _described(values: Array) -> Array:
    """Derivatives of a map at each inner pixel, ``(pixels, features)``, of mean 0."""
    planes = np.moveaxis(np.asarray(values, np.float64), 2, 0)
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
    inner = [x[_RIM:-_RIM, _RIM:-_RIM].ravel() for x in features]
    described = np.stack(inner, axis=1)
    found: Array = described - described.mean(axis=0)
    return found


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


def _canonical(x: Array, y: Array) -> tuple[Array, Array]:
    """The sums of features that correlate most, ``(features, number)`` each."""
    white_x, white_y = _whitening(x), _whitening(y)
    left, _, right = np.linalg.svd((x @ white_x).T @ (y @ white_y), full_matrices=False)
    return white_x @ left, white_y @ right.T


def _whitening(x: Array) -> Array:
    """What makes features of the same variance that do not correlate."""
    scale = np.maximum(x.std(axis=0), np.finfo(float).tiny)
    variances, axes = np.linalg.eigh((x / scale).T @ (x / scale) / len(x))
    counts = variances > _RIDGE * variances[-1]
    found: Array = axes[:, counts] / np.sqrt(variances[counts]) / scale[:, None]
    return found


def _correlations(x: Array, y: Array) -> Array:
    """The correlation of each column of one with that of the other."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    product = (x * y).mean(axis=0)
    found: Array = product / np.maximum(x.std(axis=0) * y.std(axis=0), np.finfo(float).tiny)
    return found
