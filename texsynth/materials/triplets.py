"""Which three planes of a stack the network sees at once.

It takes images of three channels. In a triplet of several maps an edge of one that lies on an edge
of another is one edge, with a colour of its own; where the two lie apart they are two. So the
statistics of the triplets hold what the maps have to do with one another, as those of a photograph
hold what its colours have.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from texsynth.materials.planes import Planes
from texsynth.typing import Array


def triplets(planes: Planes) -> list[Array]:
    """Returns what the network sees of a stack, matrices ``(3, K)`` from planes to channels.

    First come colours as they are; then triplets of the maps' signals (:meth:`Planes.signals`),
    by which every two signals are seen beside one another at least once: each triplet is one with
    most pairs that are in none before it.

    Args:
        planes: The planes of the stack.
    """
    signals = [row for rows in planes.signals().values() for row in rows]
    own = list(planes.colours().values())
    if len(signals) == 1 and own:
        return own
    return own + [np.stack([signals[n] for n in chosen]) for chosen in covering(len(signals))]


def covering(number: int) -> list[Sequence[int]]:
    """Returns triplets of numbers, in which every two of them are together at least once.

    Args:
        number (int): How many numbers there are, at least 1; fewer than three are repeated.
    """
    if number < 3:
        return [(0, number - 1, 0)]
    missing = set(combinations(range(number), 2))
    found: list[Sequence[int]] = []
    while missing:
        best = max(
            combinations(range(number), 3), key=lambda each: len(missing & {*combinations(each, 2)})
        )
        missing -= {*combinations(best, 2)}
        found.append(best)
    return found
