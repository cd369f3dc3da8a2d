"""Kernels in several threads and after a fork, with each of Numba's layers of threads."""

import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor

import numba
import pytest

from texsynth import machine
from texsynth.kernels import parallel

START = """
    import logging, multiprocessing, os, sys, threading
    import numpy as np
    logging.basicConfig(format="%(message)s")
    from tests.conftest import make_random_weights, make_texture
    from texsynth.kernels.gram import gram_sum

    def config(**settings):
        from texsynth import Config
        own = {"size": 24, "iterations": 2, "layers": {"conv1_1": 1}, "preset": "gatys"}
        return Config(weights=sys.argv[1], **own, **settings)

    def make(seed, **settings):
        from texsynth import synthesize
        return synthesize(make_texture(24, 24), config(seed=seed, **settings)).image
"""


def run(code, weights, layer):
    """What a program prints and tells; it must end, and in good order."""
    environment = {**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "2"}
    arguments = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(START + code), str(weights)]
    done = subprocess.run(
        arguments, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


THREADS = """
    wanted = [make(seed) for seed in range(4)]
    made = [None] * 4

    def work(seed):
        made[seed] = make(seed)
        ones = np.ones((1, 20, 20, 64), np.float32)
        for _ in range(200):
            assert (gram_sum(ones) == 400).all()

    threads = [threading.Thread(target=work, args=[seed]) for seed in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    import numba
    print(numba.threading_layer(), all((a == b).all() for a, b in zip(made, wanted)))
"""


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_threads_synthesize_at_once(random_weights_file, layer):
    """Under "workqueue", two kernels at once would end the process."""
    assert run(THREADS, random_weights_file, layer) == (f"{layer} True\n", "")


POOL = """
    if __name__ == "__main__":
        wanted = [make(seed) for seed in range(3)]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            made = pool.map_async(make, range(3)).get(60)
        far = max(abs(a.astype(int) - b).max() for a, b in zip(made, wanted))
        print("nearly" if far <= 2 else far)
"""


def test_children_of_a_workqueue_work(random_weights_file):
    assert run(POOL, random_weights_file, "workqueue") == ("nearly\n", "")


def test_children_of_openmp_work_with_the_slower_engine_and_say_why(random_weights_file):
    output, told = run(POOL, random_weights_file, "omp")
    assert output == "nearly\n"
    lines = set(told.splitlines())
    assert lines == {
        "engine winograd is passed over for the slower plain: Numba cannot be used (this process "
        "was forked from one that had threads of OpenMP, which it cannot use; start it by "
        'multiprocessing\'s method "spawn")'
    }


ERROR = """
    if __name__ == "__main__":
        make(0)
        from texsynth.errors import EngineError
        def child(seed):
            try:
                make(seed, engine="winograd")
            except EngineError as error:
                return str(error)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map_async(child, [1]).get(60)[0])
"""


def test_what_was_asked_for_and_cannot_be_had_names_spawn(random_weights_file):
    output, _ = run(ERROR, random_weights_file, "omp")
    assert output.startswith("engine winograd cannot be used: ") and '"spawn"' in output


FORK_AMIDST = """
    ones = np.ones((1, 64, 64, 64), np.float32)
    done = False

    def work():
        while not done:
            gram_sum(ones)

    gram_sum(ones)
    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(10):
        child = os.fork()
        if not child:
            assert (gram_sum(ones) == 4096).all()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    done = True
    thread.join()
    print("well")
"""


def test_a_fork_while_another_thread_computes(random_weights_file):
    """The child must not wait for a thread that it does not have."""
    assert run(FORK_AMIDST, random_weights_file, "workqueue") == ("well\n", "")


def test_no_more_threads_than_a_control_group_allows(monkeypatch):
    seen, before = [], numba.get_num_threads()
    monkeypatch.setattr(parallel, "get_num_threads", lambda: 8)
    monkeypatch.setattr(parallel, "set_num_threads", seen.append)
    for allowed, few in ((1, 1), (3, 3), (64, 8)):
        monkeypatch.setattr(machine, "processors", lambda allowed=allowed: allowed)
        assert parallel.thread_count() == few
        with parallel._threads():
            assert seen[-1] == few
        assert seen[-1] == 8
    assert numba.get_num_threads() == before


@pytest.mark.parametrize(
    ("variables", "seen"),
    [
        ({}, ("10000", None)),
        ({"OMP_WAIT_POLICY": "active"}, (None, "active")),
        ({"GOMP_SPINCOUNT": "7"}, ("7", None)),
    ],
)
def test_threads_spin_for_a_moment_before_they_sleep(monkeypatch, variables, seen):
    """What OpenMP reads when the threads are started; afterwards the variables are as they were."""
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before, found = dict(os.environ), []
    note = lambda: found.append(tuple(map(os.environ.get, names)))  # noqa: E731
    monkeypatch.setattr(parallel, "get_num_threads", note)
    parallel._launch.__wrapped__()
    assert found == [seen]
    assert dict(os.environ) == before


def test_threads_that_launch_at_once_leave_all_as_it_was(monkeypatch):
    """The later one must not take what the earlier one has set for the user's own."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ), list(numba.config.THREADING_LAYER_PRIORITY)
    monkeypatch.setattr(parallel, "get_num_threads", lambda: time.sleep(0.05))
    with ThreadPoolExecutor(4) as pool:
        launched = [pool.submit(parallel._launch.__wrapped__) for _ in range(4)]
    assert [each.result() for each in launched] == [None] * 4
    assert (dict(os.environ), numba.config.THREADING_LAYER_PRIORITY) == before


LAYER = """
    import numba
    before = list(numba.config.THREADING_LAYER_PRIORITY)
    ones = np.ones((1, 20, 20, 64), np.float32)
    assert (gram_sum(ones) == 400).all()
    assert numba.config.THREADING_LAYER_PRIORITY == before
    print(numba.threading_layer())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="where Numba brings what OpenMP needs")
@pytest.mark.parametrize(
    ("variables", "layer"),
    [({}, "omp"), ({"NUMBA_THREADING_LAYER_PRIORITY": "workqueue omp tbb"}, "workqueue")],
)
def test_openmp_comes_before_other_layers_unless_told_otherwise(
    monkeypatch, random_weights_file, variables, layer
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run(LAYER, random_weights_file, "default") == (f"{layer}\n", "")
