"""How long kernels were compiled in this process, which only a first run does."""

import time

from numba.core import event


class _Clock(event.Listener):
    """Adds up what Numba compiles; what is compiled for the sake of another one counts once."""

    def __init__(self):
        self.seconds = 0.0
        self._began, self._depth = 0.0, 0

    def on_start(self, event):
        if not self._depth:
            self._began = time.perf_counter()
        self._depth += 1

    def on_end(self, event):
        self._depth -= 1
        if not self._depth:
            self.seconds += time.perf_counter() - self._began


_CLOCK = _Clock()
event.register("numba:compile", _CLOCK)


def seconds():
    """Returns how long it took so far; loading what was compiled before is no part of it."""
    return _CLOCK.seconds
