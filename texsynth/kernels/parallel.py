"""Kernels that several threads compute, called as the threads beneath them allow."""

import contextlib
import functools
import os
import threading

import numba
from numba import get_num_threads, njit, set_num_threads, threading_layer

from texsynth import machine

# How often GNU's OpenMP looks whether others are done before it sleeps: for some tenths of a
# millisecond, in which they mostly are. By itself it looks for longer than a turn at the
# processor lasts, and so has none left beside other programs when it is to go on.
_SPINS = "GOMP_SPINCOUNT", "10000"
_WAITING = "OMP_WAIT_POLICY"  # by which whoever starts the program may say otherwise

# Numba's layers of threads, the best first. Threads of TBB that wait give way without sleeping,
# for which Linux, since version 6.18, lets them starve beside other programs.
_LAYERS = ["omp", "tbb", "workqueue"]
_LAYERS_OF_NUMBA = ["tbb", "omp", "workqueue"]  # where nobody says otherwise

# Of Numba's layers of threads, "workqueue" ends the process if two threads call kernels at once.
_one_at_a_time = threading.Lock()
_launching = threading.Lock()
_is_cut_off = False


def _after_fork():
    """Of all threads a child has only the one that forked; GNU's OpenMP would end it."""
    global _one_at_a_time, _launching, _is_cut_off
    _one_at_a_time, _launching = threading.Lock(), threading.Lock()  # who held them is not here
    with contextlib.suppress(ValueError):  # no threads were started
        _is_cut_off = threading_layer() == "omp"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@functools.cache
def _launch():
    """Starts the threads, once, unless something else has, as their users' settings have it."""
    with _launching, _preferred():
        get_num_threads()


@contextlib.contextmanager
def _preferred():
    """What is read when threads are started; what is set already stays."""
    name, spins = _SPINS
    is_set = name not in os.environ and _WAITING not in os.environ
    layers = numba.config.THREADING_LAYER_PRIORITY
    if is_set:
        os.environ[name] = spins
    if layers == _LAYERS_OF_NUMBA:
        numba.config.THREADING_LAYER_PRIORITY = _LAYERS
    try:
        yield
    finally:
        numba.config.THREADING_LAYER_PRIORITY = layers
        if is_set:
            del os.environ[name]


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
