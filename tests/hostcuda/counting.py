"""What was asked of the device: how often, how many bytes, and in which order."""

import contextlib
import itertools

from tests.hostcuda import core


def counters():
    """Returns what was counted since the last :func:`reset`.

    Returns:
        dict: Numbers by name. ``launches``, ``library_calls``, ``memsets`` and the copies ``h2d``,
        ``d2h`` and ``d2d`` are what the host asked for one by one; ``graph_nodes`` is what graphs
        ran, in ``graph_launches``. The ``..._bytes`` of copies are counted in both. ``syncs`` are
        waits of the host. ``bytes`` are allocated now, ``peak_bytes`` were at most. ``compiles``
        are runs of the compiler.
    """
    library = core.get()
    names = itertools.takewhile(bool, map(library.hc_counter_name, itertools.count()))
    return {name.decode(): library.hc_counter(i) for i, name in enumerate(names)}


def reset():
    """Begins to count anew; what is allocated stays counted."""
    core.get().hc_reset()


@contextlib.contextmanager
def trace():
    """Yields a list that has, after the block, a line for all that ran in it, in order."""
    library = core.get()
    found = []
    library.hc_trace(1)
    try:
        yield found
    finally:
        library.hc_trace(0)
        found += [library.hc_trace_entry(i).decode() for i in range(library.hc_trace_length())]


@contextlib.contextmanager
def nothing_computed():
    """Within it kernels and products do nothing: what remains is the time that the host takes."""
    core.get().hc_skip(1)
    try:
        yield
    finally:
        core.get().hc_skip(0)
