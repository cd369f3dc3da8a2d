"""A first filling of holes: pieces of what stays, moved to where they fit best."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from texsynth.synthesis import holes
from texsynth.typing import Array, Batch, Wrap

_RING = 8  # pixels around a hole, in which a piece is to fit
_MOST_PIECES = 16
_NEARLY = 0.98  # of the most that any piece covers
_APART = 8  # pixels between moves that count as different
_LARGER = 1.2  # times the least error, that another may have
_NEIGHBOURS = (-1, 0), (1, 0), (0, -1), (0, 1)  # each beside its opposite
_SWEEPS = 300  # of Jacobi's iteration: a tone spreads by some 25 pixels
_CHOICES = 4  # of the moves that fit best, for different seeds


def borrowed(
    image: Batch, mask: Array, wrap: Wrap = (False, False), which: int = 0
) -> tuple[Batch, Array, bool]:
    """Fills holes with what stays elsewhere.

    All holes are filled from one distance at a time: that of which the pixels around the holes are
    most like their own at the same places, among those that fill the most. What repeats goes on in
    step with it. Pieces are blended by their differences (Perez, Gangnet and Blake 2003, *Poisson
    image editing*): at a hole's edge they have the tone of what stays. What nothing fills is filled
    smoothly.

    Args:
        image: ``(1, 3, H, W)`` float32.
        mask: ``(1, 1, H, W)`` float32: above 0 where it is not known.
        wrap: ``(rows, columns)``: whether opposite edges are neighbours.
        which: Another number takes another of the distances that fit best.

    Returns:
        tuple: ``(1, 3, H, W)`` float32, the image itself where the mask is 0; ``(1, 1, H, W)``
        float32, 1 where anything was taken from; and whether pieces fill all of it.
    """
    unknown = mask[0, 0] > 0
    known, missing = ~unknown, unknown.copy()
    filled, origin = image.copy(), np.zeros_like(mask)
    # Of each pixel of a piece from the neighbours that it has there.
    differences = [np.zeros_like(image[0]) for _ in _NEIGHBOURS]
    for _ in range(_MOST_PIECES if known.any() else 0):
        if not missing.any():
            break
        move = _best_move(filled[0].mean(axis=0), known, missing, wrap, which)
        rows, columns = np.nonzero(missing)
        there = _moved(rows, columns, move, missing.shape, wrap)
        inside = _within(there, missing.shape)
        inside &= known[there[0] * inside, there[1] * inside]
        if not inside.any():
            break
        here, whence = (rows[inside], columns[inside]), (there[0][inside], there[1][inside])
        filled[0][:, *here] = image[0][:, *whence]
        for step, difference in zip(_NEIGHBOURS, differences, strict=True):
            beside = _moved(*whence, step, missing.shape, wrap)
            is_there = _within(beside, missing.shape)
            is_there &= known[beside[0] * is_there, beside[1] * is_there]
            values = image[0][:, beside[0] * is_there, beside[1] * is_there]
            difference[:, *here] = (image[0][:, *whence] - values) * is_there
        origin[0, 0][whence] = 1
        missing[here] = False
    blended = _blended(filled, differences, unknown & ~missing, wrap)
    smooth = holes.filled(blended, missing[None, None].astype(np.float32))
    return smooth, origin, not missing.any()


def _blended(filled: Batch, differences: Sequence[Array], pieces: Array, wrap: Wrap) -> Batch:
    """Pieces with their own differences, but the tone of what they meet.

    Args:
        filled: ``(1, 3, H, W)`` float32, with the pieces as they were.
        differences: ``(3, H, W)`` for each neighbour: what a pixel of a piece is more than it.
        pieces: ``(H, W)`` of bool: what is to be blended.
        wrap: ``(rows, columns)``: whether opposite edges are neighbours.
    """
    blended, (height, width) = filled.copy(), pieces.shape
    rows, columns = np.nonzero(pieces)
    now, place, around = blended.reshape(3, -1), rows * width + columns, []
    changes = np.zeros((3, len(place)), np.float32)
    for number, step in enumerate(_NEIGHBOURS):
        down, across = _moved(rows, columns, step, pieces.shape, wrap)
        is_there = _within((down, across), pieces.shape)
        # Beyond the border there is none: each stands for its own.
        beside = down.clip(0, height - 1) * width + across.clip(0, width - 1)
        own = differences[number].reshape(3, -1)[:, place]
        its = -differences[number ^ 1].reshape(3, -1)[:, beside]  # as the neighbour has it
        # Where two pieces meet, what lies between them is the mean of both.
        changes += np.where(pieces.ravel()[beside], (own + its) / 2, own) * is_there
        around.append(beside)
    for _ in range(_SWEEPS):
        now[:, place] = (sum(now[:, beside] for beside in around) + changes) / 4
    found: Batch = blended.clip(min(0, filled.min()), max(255, filled.max()))
    return found


def _moved(rows: Array, columns: Array, move: Any, size: Any, wrap: Wrap) -> tuple[Array, Array]:
    moved = rows + move[0], columns + move[1]
    down, across = (
        place % side if wraps else place
        for place, side, wraps in zip(moved, size, wrap, strict=True)
    )
    return down, across


def _within(places: tuple[Array, Array], size: Any) -> Array:
    rows, columns = places
    found: Array = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    return found


def _best_move(
    grey: Array, known: Array, missing: Array, wrap: Wrap, which: int
) -> tuple[int, int]:
    """How far away what fills most of what is missing lies, and fits best around it."""
    size = tuple(side if wraps else 2 * side for side, wraps in zip(grey.shape, wrap, strict=True))
    there, mean = known.astype(np.float64), grey[known].mean()
    values = (grey.astype(np.float64) - mean) * there
    ring = _ring(missing, wrap) & known
    filling = _correlated(missing, there, size)
    both = _correlated(ring, there, size)
    error = (
        _correlated(ring * values**2, there, size)
        - 2 * _correlated(ring * values, values, size)
        + _correlated(ring, values**2, size)
    ) / np.maximum(both, 0.5)
    enough = (filling >= _NEARLY * filling.max()) & (both >= min(both.max(), ring.sum()) / 2)
    error = np.where(enough if enough.any() else filling >= filling.max(), error, np.inf)
    down, across = _chosen(error, which)
    return tuple(  # type: ignore[return-value]
        place - side if place >= side // 2 else place
        for place, side in zip((down, across), size, strict=True)
    )


def _chosen(error: Array, which: int) -> tuple[int, int]:
    """The least error, or one of the next that lie apart, of those hardly larger."""
    found: list[tuple[int, int]] = []
    error, least = error.copy(), float(error.min())
    while len(found) <= which % _CHOICES and error.min() <= _LARGER * max(least, 0.0) + 1:
        row, column = divmod(int(error.argmin()), error.shape[1])
        found.append((row, column))
        rows, columns = (slice(max(0, at - _APART), at + _APART + 1) for at in (row, column))
        error[rows, columns] = np.inf
    return found[which % len(found)]


def _correlated(a: Array, b: Array, size: Any) -> Array:
    """``sum over p of a(p) b(p + d)`` for all moves ``d``, those back at the ends."""
    product = np.conj(np.fft.rfft2(a, size)) * np.fft.rfft2(b, size)
    found: Array = np.fft.irfft2(product, size)
    return found


def _ring(missing: Array, wrap: Wrap) -> Array:
    """What lies so near to what is missing."""
    widths = [(_RING, _RING)] * 2
    near = missing
    for axis, wraps in enumerate(wrap):
        padded = np.pad(
            near,
            [width if axis == each else (0, 0) for each, width in enumerate(widths)],
            mode="wrap" if wraps else "constant",
        )
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * _RING + 1, axis=axis)
        near = np.any(windows, axis=-1)
    found: Array = near & ~missing
    return found
