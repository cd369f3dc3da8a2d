"""Chooses how the network is evaluated: plainly, or by Winograd convolutions on the CPU."""

import contextlib
import logging
import threading

import numpy as np

from texsynth.errors import EngineError
from texsynth.network.vgg import VGG16Features

_log = logging.getLogger(__name__)


def choose(name, device):
    """Returns the engine to use.

    Args:
        name (str): One of :data:`texsynth.config.ENGINES`; ``"auto"`` takes the fastest that works
            and logs why a faster one was passed over.
        device (chainer.backend.Device): Where to compute.

    Returns:
        str: ``"plain"`` or ``"winograd"``.

    Raises:
        texsynth.errors.EngineError: The engine that was asked for cannot be used.
    """
    if name == "plain":
        return name
    obstacle = _obstacle_to_winograd(device)
    if obstacle is None:
        return "winograd"
    if name == "winograd":
        raise EngineError(f"engine winograd cannot be used: {obstacle}")
    _log.debug("engine winograd is passed over: %s", obstacle)
    return "plain"


def _obstacle_to_winograd(device):
    if device.xp is not np:
        return "it runs on the CPU alone"
    try:
        import numba

        if numba.config.DISABLE_JIT:
            return "NUMBA_DISABLE_JIT is set"
        import threadpoolctl  # noqa: F401 (see threads)

        from texsynth.network.winograd import features

        features.try_out()
    # A damaged Numba, or one that does not fit this NumPy, fails in ways of its own.
    except Exception as error:
        return f"Numba cannot be used ({error})"
    return None


def make_features(engine, weights, layers, pooling, device):
    """Makes the callable from image to activations.

    Args:
        engine (str): ``"plain"`` or ``"winograd"``.
        weights (texsynth.weights.VGGWeights): Kernels, biases and mean colour.
        layers: Names of the layers whose activations are wanted.
        pooling (str): ``"average"`` or ``"max"``.
        device (chainer.backend.Device): Where to compute.
    """
    if not layers:  # a loss on the pixels alone
        return lambda image, wrap: {}
    if engine == "winograd":
        from texsynth.network.winograd.features import WinogradFeatures

        return WinogradFeatures(weights, layers, pooling)
    features = VGG16Features(weights, layers, pooling)
    features.to_device(device)
    return features


def share_processor(engine, processes):
    """Leaves each of several processes on one machine its part of the processor.

    Args:
        engine (str): ``"plain"`` or ``"winograd"``.
        processes (int): How many there are.
    """
    if engine == "winograd" and processes > 1:
        import numba

        numba.set_num_threads(max(1, numba.config.NUMBA_NUM_THREADS // processes))


def threads(engine):
    """Returns a context manager under which an engine has the processor to itself.

    The threads of NumPy's BLAS wait for their next call by spinning, which takes the processor
    from the threads of the Winograd engine: beside that, BLAS gets one thread.
    """
    return _one_blas_thread if engine == "winograd" else contextlib.nullcontext()


class _OneBlasThread:
    """The limit is the process's: the first who enters sets it, the last who leaves lifts it."""

    def __init__(self):
        self._lock = threading.Lock()
        self._users = 0
        self._limit = None

    def __enter__(self):
        from threadpoolctl import threadpool_limits

        with self._lock:
            if self._users == 0:
                self._limit = threadpool_limits(limits=1, user_api="blas")
            self._users += 1

    def __exit__(self, *error):
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limit.restore_original_limits()


_one_blas_thread = _OneBlasThread()
