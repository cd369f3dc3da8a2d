"""Finds, for many patches, the patch of an image that correlates best with each.

Exact correlations with all positions would take minutes. Normalised patches are unit vectors; with
an orthonormal basis ``B`` of few directions, ``a . b <= Ba . Bb + |a - B'Ba| |b - B'Bb|``, which is
a product of short vectors again. That bound is computed everywhere, by matrix products; the
patches where it is highest are then compared exactly. A verbatim copy has the highest bound there
is, so it is always found; the best of poor matches may be missed, and is then reported too low.
"""

import numpy as np
import numpy.typing as npt

from texsynth.typing import Array

_DIRECTIONS = 32
_BASIS_SAMPLES = 1024
_QUERIES_AT_ONCE = 512
_MOST_POSITIONS_AT_ONCE = 4096
_FEWEST_BLOCKS = 64
_CANDIDATES = 16
_EPSILON = 1e-6


class PatchIndex:
    """All square patches of an image, ready to be searched.

    Args:
        grey: ``(H, W)`` float32.
        patch (int): Side of the patches in pixels, at most that of the image.
    """

    def __init__(self, grey: npt.NDArray[np.float32], patch: int) -> None:
        self._patch = patch
        self._windows = np.lib.stride_tricks.sliding_window_view(grey, (patch, patch))
        self._width = self._windows.shape[1]
        self._basis = self._principal_directions()
        self._short = self._shortened_windows(grey)

    def best_correlations(
        self, patches: npt.NDArray[np.float32], apart: npt.NDArray[np.int_] | None = None
    ) -> npt.NDArray[np.float32]:
        """Returns the best correlation of each patch with any of the image, -1..1.

        Args:
            patches: ``(P, patch, patch)`` float32.
            apart: ``(P, 2)`` int, row and column of each patch in this same image: places less
                than half a patch from there are left out. ``None`` leaves out none.

        Returns:
            numpy.ndarray: ``(P,)`` float32; 0 for a patch without contrast.
        """
        found = np.empty(len(patches), np.float32)
        for start in range(0, len(patches), _QUERIES_AT_ONCE):
            part = slice(start, start + _QUERIES_AT_ONCE)
            queries = _normalised(patches[part])
            candidates = self._candidates(queries, None if apart is None else apart[part])
            found[part] = self._exact(queries, candidates)
        return found

    def _principal_directions(self) -> Array:
        """``(32 or fewer, patch^2)``: the directions in which a sample of the patches lies most."""
        count = self._windows.shape[0] * self._width
        generator = np.random.default_rng(0)
        chosen = generator.choice(count, min(count, _BASIS_SAMPLES), replace=False)
        sample = _normalised(self._windows[chosen // self._width, chosen % self._width])
        _, _, directions = np.linalg.svd(sample, full_matrices=False)
        return directions[:_DIRECTIONS]

    def _shortened_windows(self, grey: Array) -> Array:
        """``(33, positions)``: coordinates in the basis, and the length of what is left over."""
        shape = self._windows.shape[:2]
        spectrum = np.fft.rfft2(grey.astype(np.float64))
        ones = np.ones((self._patch, self._patch))
        total = _correlate(spectrum, grey.shape, ones)[: shape[0], : shape[1]]
        squares = np.fft.rfft2(grey.astype(np.float64) ** 2)
        total_of_squares = _correlate(squares, grey.shape, ones)[: shape[0], : shape[1]]
        variance = total_of_squares - total**2 / self._patch**2
        length = np.sqrt(np.maximum(variance, self._patch**2 * _EPSILON))
        short = np.empty((len(self._basis) + 1, shape[0] * shape[1]), np.float32)
        for row, direction in zip(short, self._basis, strict=False):
            kernel = direction.reshape(ones.shape).astype(np.float64)
            kernel -= kernel.mean()
            along = _correlate(spectrum, grey.shape, kernel)[: shape[0], : shape[1]]
            row[:] = (along / length).ravel()
        short[-1] = _left_over(short[:-1])
        return short

    def _candidates(self, queries: Array, apart: Array | None) -> Array:
        """``(P, up to 16)``: positions where the bound is highest, of those best in their block."""
        inside = queries @ self._basis.T
        short = np.column_stack((inside, _left_over(inside.T)))
        bounds, places = [], []
        count = self._short.shape[1]
        block = min(_MOST_POSITIONS_AT_ONCE, -(-count // _FEWEST_BLOCKS))
        for start in range(0, count, block):
            bound = short @ self._short[:, start : start + block]
            if apart is not None:
                self._leave_out(bound, start, apart)
            best = bound.argmax(axis=1)
            places.append(best + start)
            bounds.append(np.take_along_axis(bound, best[:, None], axis=1)[:, 0])
        highest = np.stack(bounds, axis=1)
        found = np.where(highest > -np.inf, np.stack(places, axis=1), -1)
        if highest.shape[1] <= _CANDIDATES:
            return found
        order = np.argpartition(-highest, _CANDIDATES, axis=1)[:, :_CANDIDATES]
        return np.take_along_axis(found, order, axis=1)

    def _leave_out(self, bound: Array, start: int, apart: Array) -> None:
        """Sets the bound to minus infinity near each patch's own place."""
        reach = -(-self._patch // 2)
        end = start + bound.shape[1]
        first, last = start // self._width, (end - 1) // self._width
        for number, (y, x) in enumerate(apart):
            for row in range(max(first, y - reach + 1), min(last, y + reach - 1) + 1):
                left = max(0, x - reach + 1) + row * self._width
                right = min(self._width, x + reach) + row * self._width
                bound[number, max(left, start) - start : max(right, start) - start] = -np.inf

    def _exact(self, queries: Array, candidates: Array) -> Array:
        best = np.full(len(queries), -1, np.float32)
        for places in candidates.T:
            windows = _normalised(self._windows[places // self._width, places % self._width])
            correlation = np.einsum("pi,pi->p", queries, windows)
            best = np.maximum(best, np.where(places >= 0, correlation, -1))
        return best


def _normalised(patches: Array) -> Array:
    """``(P, patch, patch)`` to ``(P, patch^2)`` float32: mean 0, length 1; 0 if flat."""
    flat = patches.reshape(len(patches), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(length > _EPSILON, flat / np.maximum(length, _EPSILON), 0).astype(np.float32)


def _left_over(coordinates: Array) -> Array:
    squared: Array = 1 - (coordinates**2).sum(axis=0)
    return np.sqrt(np.maximum(0, squared))


def _correlate(spectrum: Array, shape: tuple[int, ...], kernel: Array) -> Array:
    return np.fft.irfft2(spectrum * np.conj(np.fft.rfft2(kernel, shape)), shape)
