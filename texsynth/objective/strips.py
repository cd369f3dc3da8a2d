"""An image in horizontal strips, one for each process, and the rows that neighbours lend."""

import numpy as np

from texsynth.compat import chainer


class Strips:
    """Who owns which rows of an image, and who needs which to compute on its own.

    Args:
        team (texsynth.objective.team.Team): The processes.
        height (int): Rows of the image.
        bounds: First rows of the strips, and ``height``: one more than there are processes.
        windows: ``(first, last + 1)`` rows that each process needs; beyond 0 or ``height`` they
            are those of the opposite edge.
    """

    def __init__(self, team, height, bounds, windows):
        self._team, self._bounds = team, bounds
        self._lenders = self._places(np.arange(*windows[team.rank]) % height)
        self._rows_needed = windows[team.rank][1] - windows[team.rank][0]
        self._lent = {}  # {rank: own rows}: what others need of this process
        for rank, window in enumerate(windows):
            mine = self._places(np.arange(*window) % height).get(team.rank)
            if rank != team.rank and mine is not None:
                self._lent[rank] = mine[1]
        self._borrowed = {  # {rank: places in the window}: what this process needs of others
            rank: places for rank, (places, _) in self._lenders.items() if rank != team.rank
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

    def _exchange(self, host, outgoing, incoming):
        """Sends rows of an array to each process; returns what they send, ``{rank: array}``."""
        arrays = {rank: _rows_like(host, len(rows)) for rank, rows in incoming.items()}
        sent = {rank: np.ascontiguousarray(host[:, :, rows]) for rank, rows in outgoing.items()}
        self._team.exchange(sent, arrays)
        return arrays

    def window(self, strip):
        """Returns the rows that this process needs.

        Args:
            strip (array): ``(N, 3, own rows, W)``.

        Returns:
            array: ``(N, 3, window rows, W)`` on the same device.
        """
        host = _on_host(strip)
        window = _rows_like(host, self._rows_needed)
        arrived = self._exchange(host, self._lent, self._borrowed)
        for rank, (places, rows) in self._lenders.items():
            window[:, :, places] = arrived[rank] if rank in arrived else host[:, :, rows]
        return chainer.backend.get_array_module(strip).asarray(window)

    def collect(self, gradient):
        """Adds up what all windows say of this process's own rows: the adjoint of ``window``.

        Args:
            gradient (array): ``(N, 3, window rows, W)``.

        Returns:
            array: ``(N, 3, own rows, W)`` on the same device.
        """
        host = _on_host(gradient)
        total = _rows_like(host, self.own.stop - self.own.start)
        total[...] = 0
        arrived = self._exchange(host, self._borrowed, self._lent)
        if self._team.rank in self._lenders:
            places, rows = self._lenders[self._team.rank]
            _add_rows(total, rows, host[:, :, places])
        for rank in sorted(arrived):
            _add_rows(total, self._lent[rank], arrived[rank])
        return chainer.backend.get_array_module(gradient).asarray(total)

    def gather(self, strip):
        """Returns the whole image, in all processes.

        Args:
            strip (array): ``(N, 3, own rows, W)``.

        Returns:
            numpy.ndarray: ``(N, 3, H, W)``.
        """
        host = np.ascontiguousarray(_on_host(strip))
        ranks = range(self._team.size)
        others = [rank for rank in ranks if rank != self._team.rank]
        bounds = self._bounds
        incoming = {rank: _rows_like(host, bounds[rank + 1] - bounds[rank]) for rank in others}
        self._team.exchange(dict.fromkeys(others, host), incoming)
        return np.concatenate([incoming.get(rank, host) for rank in ranks], axis=2)


def _rows_like(host, count):
    """An array for so many rows of the same images."""
    return np.empty((*host.shape[:2], count, host.shape[3]), host.dtype)


def _add_rows(total, rows, values):
    if len(np.unique(rows)) == len(rows):
        total[:, :, rows] += values
    else:  # a window that goes round holds a row twice
        np.add.at(total, (slice(None), slice(None), rows), values)


def _on_host(array):
    return chainer.get_device("@numpy").send(array)
