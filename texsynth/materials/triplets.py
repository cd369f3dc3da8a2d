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
    all in all at most as many as there are maps, so that they take no longer than the maps would
    one by one.

    Args:
        planes: The planes of the stack.
    """
    signals = [row for rows in planes.signals().values() for row in rows]
    own = list(planes.colours().values())
    most = len(planes.places) - len(own)
    return own + [np.stack([signals[n] for n in each]) for each in covering(len(signals), most)]


def covering(number: int, most: int) -> list[Sequence[int]]:
    """Returns triplets of numbers, in which as many pairs of them as possible are together.

    Each triplet is one with most pairs that are in none before it, and of those, most numbers. Each
    number is in one at least, if there may be a third as many triplets.

    Args:
        number (int): How many numbers there are, at least 1; fewer than three are repeated.
        most (int): How many triplets there may be.
    """
    if number < 3:
        few: list[Sequence[int]] = [(0, number - 1, 0)]
        return few[:most]
    missing, unseen = set(combinations(range(number), 2)), set(range(number))
    found: list[Sequence[int]] = []
    while missing and len(found) < most:
        best = max(
            combinations(range(number), 3),
            key=lambda each: (len(missing & {*combinations(each, 2)}), len(unseen & {*each})),
        )
        missing -= {*combinations(best, 2)}
        unseen -= {*best}
        found.append(best)
    return found
