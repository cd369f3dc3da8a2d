"""Time as runs are foretold and timed by: without compiling, which only a first one does."""

import sys
import time


def compiling() -> float:
    """Returns how many seconds kernels were compiled in this process."""
    # Not imported for this: Numba takes a second, and not every engine needs it.
    kernels = sys.modules.get("texsynth.kernels.compiling")
    return 0.0 if kernels is None else float(kernels.seconds())


def now() -> float:
    """Returns the seconds of a clock that stands still while kernels are compiled."""
    return time.perf_counter() - compiling()
