"""Memory that is used again as soon as nobody holds it."""

import math

import numpy as np

from texsynth.kernels.aligned import aligned_zeros


class Rooms:
    """Room for arrays, made once for a size: the first touch of fresh memory is slow.

    An array that was taken is the taker's, with all views of it; when the last of them is gone, its
    memory is handed out again.
    """

    def __init__(self):
        self._free = {}  # by number of values

    def take(self, shape):
        """Returns an array with anything in it, float32, that begins on a cache line.

        Args:
            shape: Its shape.
        """
        free = self._free.setdefault(math.prod(shape), [])
        try:
            memory = free.pop()
        except IndexError:
            memory = aligned_zeros((math.prod(shape),))
        return np.asarray(_Lent(memory, free)).reshape(shape)

    def rest(self):
        """Lets go of all memory; what is taken is gone when its taker lets go of it."""
        self._free = {}


class _Lent:
    """What an array and all views of it hold, however they come about."""

    def __init__(self, memory, free):
        self._memory, self._free = memory, free
        self.__array_interface__ = memory.__array_interface__

    def __del__(self):
        self._free.append(self._memory)


def take_from(rooms):
    """Returns what to take memory by.

    Args:
        rooms: ``Rooms``; ``None`` where there is nobody to keep it: then it is made anew.
    """
    return aligned_zeros if rooms is None else rooms.take
