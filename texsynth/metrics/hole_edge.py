"""How visible the edge of what was made anew is: the step across it against ordinary steps."""

import numpy as np
import numpy.typing as npt

from texsynth.typing import Array, Pixels

_PLACES = 12  # down and across, to which the outline is moved
_LEAST = 0.5  # of the outline, that must lie within what stayed


def edge_score(pixels: Pixels, mask: npt.ArrayLike) -> float | None:
    """Returns the z-score of the step across the edge of what was made anew.

    The step is the mean absolute difference of neighbouring pixels of which one was made anew and
    one stayed. It is compared with the same along the same outline moved elsewhere in what stayed:
    ``(step - mean) / std`` over up to 143 places. Within -2..2 it is one of them. The deviation is
    taken as no less than what rounding to 8 bits makes of equal steps, ``sqrt(1 / (18 n))`` of an
    outline of n steps.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        mask: ``(H, W)``, above 0 where it was made anew.

    Returns:
        float: ``None`` if there is no such edge, or too little stayed for fewer than 8 places.
    """
    made = np.asarray(mask) > 0
    exact = pixels.astype(np.float64)
    steps = [np.abs(np.diff(exact, axis=axis)).mean(axis=2) for axis in (0, 1)]
    edges = [np.diff(made.astype(np.int8), axis=axis) != 0 for axis in (0, 1)]
    stayed = [~(made[:-1] | made[1:]), ~(made[:, :-1] | made[:, 1:])]
    count = sum(int(edge.sum()) for edge in edges)
    if not count:
        return None
    total = sum(step[edge].sum() for step, edge in zip(steps, edges, strict=True))
    others = _elsewhere(steps, edges, stayed, count, made.shape)
    if len(others) < 8:
        return None
    rounding = (1 / (18 * count)) ** 0.5
    return float((total / count - np.mean(others)) / max(np.std(others), rounding))


def _elsewhere(
    steps: list[Array], edges: list[Array], stayed: list[Array], count: int, shape: tuple[int, ...]
) -> list[float]:
    """Mean steps along the outline moved to other places, as far as it lies in what stayed."""
    height, width = shape
    found = []
    for number in range(1, _PLACES**2):
        down, across = divmod(number, _PLACES)
        shift = down * height // _PLACES, across * width // _PLACES
        total, seen = 0.0, 0
        for step, edge, stays in zip(steps, edges, stayed, strict=True):
            there = np.roll(edge, shift, axis=(0, 1)) & stays
            total += step[there].sum()
            seen += int(there.sum())
        if seen >= _LEAST * count:
            found.append(total / seen)
    return found
