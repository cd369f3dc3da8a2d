"""The live page: what a run makes, seen in a browser on the same machine while it makes it.

The run tells a :class:`Board` of each step, and waits for nobody. A server in a thread of its own
shows the board to whoever has the address.
"""

from texsynth.live.board import Board, Entry, Exemplar, Status, Step

__all__ = ["Board", "Entry", "Exemplar", "Status", "Step"]
