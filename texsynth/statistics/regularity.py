"""Tells regular textures (bricks, tiles, cloth) from irregular ones by how well they repeat."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from texsynth.images import resizing
from texsynth.images.grey import LUMA
from texsynth.statistics.autocorrelation import autocorrelation
from texsynth.typing import Array, Batch

_SIDE = 192  # pixels to which the longer side is brought: repeats are no matter of fine grain
_LOCAL = 6  # a patch is this part of the shorter side when light and contrast are evened out
_SHORTEST_LAG = 4  # pixels; below it, what correlates is the grain of the image
_LEAST_VARIANCE = 1e-4  # of the evened luminance; below it, nothing but rounding varies
_AS_GOOD = 0.9  # of the best repeat: what is as good, and nearer, is the period


class Regularity(NamedTuple):
    """How well a texture repeats.

    Attributes:
        strength: Correlation of the texture with itself at ``lag``, 0..1; 0 if nothing repeats.
        lag: ``(x, y)`` in pixels of the exemplar: the shift at which it repeats best.
    """

    strength: float
    lag: tuple[int, int]


def measure(exemplar: Batch) -> Regularity:
    """Looks for the shift, other than none, at which a texture agrees best with itself.

    The luminance is evened out in light and contrast, and its unbiased autocorrelation searched
    for local maxima. One counts by its height above 0, or above the lowest point on the way to it
    from the middle if that is less: grain that runs along (wood, scratches) correlates far out, but
    never falls and rises again, which is what repeating means.

    Args:
        exemplar: ``(1, 3, H, W)`` float32, RGB, 0..255, NumPy.

    Returns:
        Regularity: The best repeat.
    """
    full_size = exemplar.shape[:1:-1]
    size = resizing.fitted_size(full_size, min(_SIDE, max(full_size)))
    luma = np.tensordot(LUMA, resizing.fit(exemplar, size)[0], 1)
    even = _evened_out(luma)
    half = luma.shape[0] // 2, luma.shape[1] // 2
    window = autocorrelation(even[None, None], half).array[0, 0]
    if window[half[0], 0] < _LEAST_VARIANCE:
        return Regularity(0.0, (0, 0))
    window = window / window[half[0], 0]
    repeats = list(_repeats(window))
    best = max((strength for strength, _ in repeats), default=0.0)
    if best <= 0:
        return Regularity(0.0, (0, 0))
    lags = [lag for strength, lag in repeats if strength >= _AS_GOOD * best]
    lag = min(lags, key=lambda lag: np.hypot(*lag))
    scale = full_size[0] / size[0]
    best = min(1.0, float(best))  # the window's edges may make a repeat look better than perfect
    x, y = (round(float(each * scale)) for each in lag)
    return Regularity(best, (x, y))


def _repeats(window: Array) -> Iterator[tuple[float, tuple[int, int]]]:
    """Yields strength and ``(x, y)`` of the local maxima that are no grain of the image."""
    middle = window.shape[0] // 2
    for y, x in _local_maxima(window):
        dy = y - middle
        if np.hypot(dy, x) >= _SHORTEST_LAG:
            rise = window[y, x] - _lowest_on_the_way(window, middle, dy, x)
            yield min(window[y, x], rise), (x, dy)


def _evened_out(luma: Array) -> Array:
    """Takes the local mean out and divides by the local deviation."""
    sigma = max(1.0, min(luma.shape) / _LOCAL)
    deviation = luma - _blurred(luma, sigma)
    contrast = np.sqrt(np.maximum(_blurred(deviation**2, sigma), 0)) + 1.0  # a grey level of noise
    evened = deviation / contrast
    centred: Array = evened - evened.mean()
    return centred


def _blurred(plane: Array, sigma: float) -> Array:
    """Gaussian mean of what lies within the image, by FFT on twice the size."""
    double = [2 * side for side in plane.shape]
    frequencies = np.fft.fftfreq(double[0])[:, None] ** 2 + np.fft.rfftfreq(double[1]) ** 2
    gaussian = np.exp(-2 * (np.pi * sigma) ** 2 * frequencies)

    def blur(values: Array) -> Array:
        blurred = np.fft.irfft2(np.fft.rfft2(values, double) * gaussian, double)
        return blurred[: plane.shape[0], : plane.shape[1]]

    return blur(plane) / blur(np.ones_like(plane))


def _local_maxima(window: Array) -> Iterator[tuple[int, int]]:
    """Yields row and column of the places, not at the rim, that no neighbour exceeds."""
    # Lag 0 is the first column, whose left neighbours are its right ones turned by 180 degrees.
    whole = np.concatenate([window[::-1, :0:-1], window], axis=1)
    middle = whole[1:-1, 1:-1]
    is_highest = np.ones(middle.shape, bool)
    for dy in (0, 1, 2):
        for dx in (0, 1, 2):
            other = whole[dy : dy + middle.shape[0], dx : dx + middle.shape[1]]
            is_highest &= middle >= other
    across = window.shape[1] - 1
    for y, x in zip(*np.nonzero(is_highest), strict=True):
        if x + 1 >= across:
            yield int(y) + 1, int(x) + 1 - across


def _lowest_on_the_way(window: Array, middle: int, dy: int, x: int) -> float:
    steps = np.linspace(0, 1, int(np.hypot(dy, x)) + 1)
    rows, columns = np.rint(middle + steps * dy).astype(int), np.rint(steps * x).astype(int)
    lowest: float = window[rows, columns].min()
    return lowest
