"""Chooses how the network is evaluated: plainly, or by Winograd convolutions on CPU or GPU."""

import contextlib
import logging
import os
import threading
import types

import numpy as np

from texsynth import machine
from texsynth.compat import chainer
from texsynth.errors import EngineChoiceError, EngineError
from texsynth.network.vgg import VGGFeatures

_log = logging.getLogger(__name__)


def choose(name, device, precision="auto"):
    """Returns the engine to use.

    Args:
        name (str): One of :data:`texsynth.config.ENGINES`; ``"auto"`` takes the fastest that works
            and warns why a faster one was passed over.
        device (chainer.backend.Device): Where to compute.
        precision (str): One of :data:`texsynth.config.PRECISIONS`.

    Returns:
        str: ``"plain"``, ``"winograd"`` or ``"cuda"``.

    Raises:
        texsynth.errors.EngineError: The engine that was asked for cannot be used, or none with
            that precision; an EngineChoiceError if it could not on any machine.
    """
    chosen, is_on_gpu = "plain", device.xp is not np
    if name != "plain":
        fastest = "winograd" if device.xp is np else "cuda"
        wanted = fastest if name == "auto" else name
        obstacle = _OBSTACLES[wanted](device, precision)
        if obstacle is None:
            chosen = wanted
        elif name == wanted:
            kind = EngineError if is_on_gpu is (name == "cuda") else EngineChoiceError
            raise kind(f"engine {name} cannot be used: {obstacle}")
        else:
            _log.warning("engine %s is passed over for the slower %s: %s", wanted, chosen, obstacle)
    needed = _ENGINES_OF_PRECISION.get(precision)
    if needed is not None and chosen != needed:
        where = {"cuda": "a GPU", "winograd": "the CPU"}[needed]
        is_possible = name in ("auto", needed) and is_on_gpu is (needed == "cuda")
        raise (EngineError if is_possible else EngineChoiceError)(
            f"precision {precision} needs engine {needed} on {where}, not engine {chosen}"
        )
    return chosen


_ENGINES_OF_PRECISION = {"tf32": "cuda", "bf16": "winograd"}


def precision_of(name, precision):
    """Returns the precision that an engine computes with.

    Args:
        name (str): ``"plain"``, ``"winograd"`` or ``"cuda"``, as :func:`choose` returned it.
        precision (str): What was asked for then, one of :data:`texsynth.config.PRECISIONS`.

    Returns:
        str: ``"fp32"``, ``"bf16"`` or ``"tf32"``.
    """
    if precision != "auto":
        return precision
    if name == "winograd":
        from texsynth.network.winograd import features

        return features.fastest_precision()
    return "fp32"


def _obstacle_to_winograd(device, precision):
    if device.xp is not np:
        return "it runs only on the CPU"
    try:
        import numba

        if numba.config.DISABLE_JIT:
            return "NUMBA_DISABLE_JIT is set"
        import threadpoolctl  # noqa: F401 (see threads)

        from texsynth.network.winograd import features

        features.try_out()
        if precision == "bf16" and features.fastest_precision() != "bf16":
            return "this processor has no products of bfloat16 (AVX512_BF16)"
    # A damaged Numba, or one that does not fit this NumPy, fails in ways of its own.
    except Exception as error:
        return f"Numba cannot be used ({error})"
    return None


def _obstacle_to_cuda(device, precision):
    if device.xp is np:
        return "it needs a GPU (--gpu 0)"
    precision = "tf32" if precision == "tf32" else "fp32"
    if (device.name, precision) not in _tried:
        try:
            from texsynth.network.cuda import trial

            trial.run(device, precision)
            _tried[device.name, precision] = None
        # Drivers, compilers and CUDA's libraries each fail with exceptions of their own.
        except Exception as error:
            _tried[device.name, precision] = f"its trial failed ({error})"
    return _tried[device.name, precision]


_tried = {}  # what came of it, once in a process
_OBSTACLES = {"winograd": _obstacle_to_winograd, "cuda": _obstacle_to_cuda}


class _NoFeatures:
    """What losses on the pixels alone read of the network."""

    table = types.MappingProxyType({})

    def __call__(self, image, wrap):
        return {}

    def rest(self):
        pass


def make_features(engine, weights, layers, pooling, device, precision="fp32"):
    """Makes the callable from image to activations.

    Its method ``rest`` lets go of activations; the next call makes room for them again. Its
    attribute ``table`` has the network's layers by name.

    Args:
        engine (str): ``"plain"``, ``"winograd"`` or ``"cuda"``.
        weights (texsynth.weights.VGGWeights): Table of layers, kernels, biases and mean colour.
        layers: Names of the layers whose activations are wanted.
        pooling (str): ``"average"`` or ``"max"``.
        device (chainer.backend.Device): Where to compute.
        precision (str): ``"fp32"``, ``"bf16"`` or ``"tf32"``, as :func:`precision_of` returned it.
    """
    if not layers:
        return _NoFeatures()
    if engine == "cuda":
        from texsynth.network.cuda.features import CudaFeatures

        with chainer.using_device(device):
            return CudaFeatures(weights, layers, pooling, precision)
    if engine == "winograd":
        from texsynth.network.winograd.features import WinogradFeatures

        return WinogradFeatures(weights, layers, pooling, precision)
    features = VGGFeatures(weights, layers, pooling)
    features.to_device(device)
    return features


def share_processor(engine, processes):
    """Leaves each of several processes on one machine its part of the processor.

    Args:
        engine (str): ``"plain"``, ``"winograd"`` or ``"cuda"``.
        processes (int): How many there are.
    """
    if engine == "winograd" and processes > 1:
        import numba

        there = min(numba.config.NUMBA_NUM_THREADS, machine.processors())
        numba.set_num_threads(max(1, there // processes))


def threads(engine):
    """Returns a context manager under which an engine has the processor to itself.

    The threads of NumPy's BLAS wait for their next call by spinning, which takes the processor
    from the threads of the Winograd engine: beside that, BLAS gets one thread. On its own it starts
    one for each processor, whether a control group allows for so many or not.
    """
    if engine == "winograd":
        return _one_blas_thread
    return _allowed_blas_threads if engine == "plain" else contextlib.nullcontext()


class _BlasThreads:
    """The limit is the process's: the first who enters sets it, the last who leaves lifts it.

    Args:
        most: Function that returns how many threads there may be.
    """

    def __init__(self, most):
        self._most = most
        self._lock = threading.Lock()
        self._users = 0
        self._limit = None
        if hasattr(os, "register_at_fork"):  # a child would wait for ever for who is not there
            lock = self._lock
            os.register_at_fork(
                before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
            )

    def __enter__(self):
        from threadpoolctl import ThreadpoolController

        with self._lock:
            if self._users == 0:
                pools = ThreadpoolController().select(user_api="blas")
                now = max((pool["num_threads"] for pool in pools.info()), default=1)
                self._limit = pools.limit(limits=min(now, self._most()))
            self._users += 1

    def __exit__(self, *error):
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limit.restore_original_limits()


_one_blas_thread = _BlasThreads(lambda: 1)
_allowed_blas_threads = _BlasThreads(machine.processors)
