"""Kernels that several threads compute, called as the threads beneath them allow."""

import contextlib
import functools
import os
import threading

import numba
from numba import get_num_threads, njit, set_num_threads, threading_layer

from texsynth import machine

# How the threads of GNU's OpenMP wait for one another. By spinning, as they do by themselves, they
# are there at once; but beside other programs they then lose the processor when they are to go on.
_WAITING = "OMP_WAIT_POLICY"
_BUSY = 0.3  # processors that others take beyond those that are free

# Of Numba's layers of threads, "workqueue" ends the process if two threads call kernels at once.
_one_at_a_time = threading.Lock()
_is_cut_off = False


def _after_fork():
    """Of all threads a child has only the one that forked; GNU's OpenMP would end it."""
    global _one_at_a_time, _is_cut_off
    _one_at_a_time = threading.Lock()  # who held it is not here to let go
    with contextlib.suppress(ValueError):  # no threads were started
        _is_cut_off = threading_layer() == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _launch():
    """Starts the threads, once; they wait asleep if other programs want the processors too."""
    wanted = numba.config.NUMBA_NUM_THREADS
    is_crowded = machine.taken_by_others() + wanted > machine.processors() + _BUSY
    is_set = is_crowded and _WAITING not in os.environ and "GOMP_SPINCOUNT" not in os.environ
    if is_set:
        os.environ[_WAITING] = "passive"  # which is read when the threads are started
    try:
        get_num_threads()
    finally:
        if is_set:
            del os.environ[_WAITING]


@functools.cache
def _can_meet():
    """Returns whether two threads may call kernels at once; asked once, for that is slow."""
    return threading_layer() != "workqueue"


def thread_count():
    """Returns how many threads a kernel called by this thread is shared out to."""
    _launch()
    return min(get_num_threads(), machine.processors())


def parallel(function):
    """``njit(parallel=True, cache=True)``, whose function can be called at any time.

    Args:
        function: What Numba compiles; called from Python alone.
    """
    compiled = njit(parallel=True, cache=True)(function)

    @functools.wraps(function)
    def call(*arguments):
        with _threads():
            return compiled(*arguments)

    return call


_AS_IT_IS = contextlib.nullcontext()


def _threads():
    """Returns a context manager for a call of a kernel, which is short: there are many calls."""
    if _is_cut_off:
        raise RuntimeError(
            "this process was forked from one that had threads of OpenMP, which it cannot use; "
            'start it by multiprocessing\'s method "spawn"'
        )
    _launch()
    every = get_num_threads()  # this thread's own number
    if _can_meet() and every <= machine.processors():
        return _AS_IT_IS
    return _few_threads(every)


@contextlib.contextmanager
def _few_threads(every):
    with contextlib.nullcontext() if _can_meet() else _one_at_a_time:
        set_num_threads(min(every, machine.processors()))
        try:
            yield
        finally:
            set_num_threads(every)
