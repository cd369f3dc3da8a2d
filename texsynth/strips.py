"""An image in horizontal strips, one for each process, and the rows that neighbours lend."""

import numpy as np

from texsynth.compat import chainer


class Strips:
    """Who owns which rows of an image, and who needs which to compute on its own.

    Args:
        team (texsynth.team.Team): The processes.
        height (int): Rows of the image.
        bounds: First rows of the strips, and ``height``: one more than there are processes.
        windows: ``(first, last + 1)`` rows that each process needs; beyond 0 or ``height`` they
            are those of the opposite edge.
    """

    def __init__(self, team, height, bounds, windows):
        self._team, self._height = team, height
        self._bounds = bounds
        rows = np.arange(*windows[team.rank]) % height
        self._lenders = self._places(rows)
        self._borrowers = {
            rank: np.arange(*window) % height
            for rank, window in enumerate(windows)
            if rank != team.rank
        }

    @property
    def own(self):
        """The rows of this process, a slice."""
        rank = self._team.rank
        return slice(self._bounds[rank], self._bounds[rank + 1])

    def _places(self, rows):
        """Where in a window the rows of each process lie, ``{rank: (places, their own rows)}``."""
        owners = np.searchsorted(self._bounds, rows, side="right") - 1
        return {
            int(rank): (np.flatnonzero(owners == rank), rows[owners == rank] - self._bounds[rank])
            for rank in np.unique(owners)
        }

    def _lent(self):
        """Which of this process's own rows others need, ``{rank: own rows}``."""
        lent = {}
        for rank, rows in self._borrowers.items():
            mine = self._places(rows).get(self._team.rank)
            if mine is not None:
                lent[rank] = mine[1]
        return lent

    def window(self, strip):
        """Returns the rows that this process needs.

        Args:
            strip (array): ``(N, 3, own rows, W)``.

        Returns:
            array: ``(N, 3, window rows, W)`` on the same device.
        """
        xp = chainer.backend.get_array_module(strip)
        host = _on_host(strip)
        shape = (*strip.shape[:2], sum(len(p) for p, _ in self._lenders.values()), strip.shape[3])
        window = np.empty(shape, strip.dtype)
        incoming = {
            rank: np.empty((*shape[:2], len(places), shape[3]), strip.dtype)
            for rank, (places, _) in self._lenders.items()
            if rank != self._team.rank
        }
        outgoing = {
            rank: np.ascontiguousarray(host[:, :, rows]) for rank, rows in self._lent().items()
        }
        self._team.exchange(outgoing, incoming)
        for rank, (places, rows) in self._lenders.items():
            window[:, :, places] = incoming[rank] if rank in incoming else host[:, :, rows]
        return xp.asarray(window)

    def collect(self, gradient):
        """Adds up what all windows say of this process's own rows: the adjoint of ``window``.

        Args:
            gradient (array): ``(N, 3, window rows, W)``.

        Returns:
            array: ``(N, 3, own rows, W)`` on the same device.
        """
        xp = chainer.backend.get_array_module(gradient)
        host = _on_host(gradient)
        own = self.own
        total = np.zeros((*host.shape[:2], own.stop - own.start, host.shape[3]), host.dtype)
        lent = self._lent()
        incoming = {
            rank: np.empty((*host.shape[:2], len(rows), host.shape[3]), host.dtype)
            for rank, rows in lent.items()
        }
        outgoing = {
            rank: np.ascontiguousarray(host[:, :, places])
            for rank, (places, _) in self._lenders.items()
            if rank != self._team.rank
        }
        self._team.exchange(outgoing, incoming)
        if self._team.rank in self._lenders:
            places, rows = self._lenders[self._team.rank]
            _add_rows(total, rows, host[:, :, places])
        for rank in sorted(incoming):
            _add_rows(total, lent[rank], incoming[rank])
        return xp.asarray(total)

    def gather(self, strip):
        """Returns the whole image, in all processes.

        Args:
            strip (array): ``(N, 3, own rows, W)``.

        Returns:
            numpy.ndarray: ``(N, 3, H, W)``.
        """
        host = np.ascontiguousarray(_on_host(strip))
        sides = list(zip(self._bounds, self._bounds[1:], strict=False))
        others = [rank for rank in range(self._team.size) if rank != self._team.rank]
        incoming = {
            rank: np.empty((*host.shape[:2], end - begin, host.shape[3]), host.dtype)
            for rank, (begin, end) in enumerate(sides)
            if rank in others
        }
        self._team.exchange(dict.fromkeys(others, host), incoming)
        parts = [incoming.get(rank, host) for rank in range(len(sides))]
        return np.concatenate(parts, axis=2)


def _add_rows(total, rows, values):
    if len(np.unique(rows)) == len(rows):
        total[:, :, rows] += values
    else:  # a window that goes round holds a row twice
        np.add.at(total, (slice(None), slice(None), rows), values)


def _on_host(array):
    return chainer.get_device("@numpy").send(array)
