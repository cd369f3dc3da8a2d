"""What is said of time leaves out what Numba compiles."""

import time

import pytest
from numba import njit

from texsynth.kernels import compiling
from texsynth.network import clock


@pytest.fixture
def kernel():
    """Compiled when it is first called, and with it a second one that it calls."""

    @njit
    def inner(x):
        return 2 * x

    @njit
    def outer(x):
        return inner(x) + 1

    return outer


def test_what_is_compiled_is_timed_once_with_all_that_it_calls(kernel):
    before, began = compiling.seconds(), time.perf_counter()
    assert kernel(1) == 3
    took, all_of_it = compiling.seconds() - before, time.perf_counter() - began
    assert 0.5 * all_of_it < took <= all_of_it
    assert kernel(2) == 5 and compiling.seconds() == before + took
    assert kernel(1.5) == 4.0 and compiling.seconds() > before + took  # of other types: anew


def test_the_clock_stands_still_meanwhile(kernel):
    began, by_the_wall = clock.now(), time.perf_counter()
    kernel(1)
    passed, all_of_it = clock.now() - began, time.perf_counter() - by_the_wall
    assert 0 <= passed < 0.5 * all_of_it
    began = clock.now()
    time.sleep(0.02)
    assert clock.now() - began >= 0.02


def test_what_fails_to_compile_ends_too():
    @njit
    def wrong(x):
        return x.nothing

    with pytest.raises(Exception, match="nothing"):
        wrong(1)
    took = compiling.seconds()
    time.sleep(0.02)
    assert compiling.seconds() == took and clock.compiling() == took
