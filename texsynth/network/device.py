"""Chooses the device: the CPU through NumPy, or a GPU through CuPy."""

import warnings

import numpy as np

from texsynth.compat import chainer
from texsynth.errors import DeviceError

_HOW_TO = (
    "install CuPy with: pip install 'cupy-cuda12x[ctk]' (or cuda13x), or run on the CPU,"
    " which is --gpu -1 or --device @numpy"
)


def select(gpu: int) -> chainer.backend.Device:
    """Returns the Chainer device for a GPU number, after a trial of it.

    Args:
        gpu (int): CUDA device number; -1 means the CPU.

    Returns:
        chainer.backend.Device: The device, not yet in use.

    Raises:
        texsynth.errors.DeviceError: There is no such GPU, or CuPy is missing or does not work.
    """
    if gpu < 0:
        return chainer.get_device("@numpy")
    try:
        import cupy
    # A CuPy that does not fit the machine fails at import in its own ways.
    except Exception as error:
        raise DeviceError(f"GPU {gpu}: CuPy cannot be imported ({error}); {_HOW_TO}") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
        if gpu < count:
            return _tried(gpu)
    # Drivers, CUDA libraries and the kernel compiler each fail with exceptions of their own.
    except Exception as error:
        raise DeviceError(f"GPU {gpu}: no usable GPU ({error})") from error
    raise DeviceError(f"GPU {gpu}: this machine has {count} GPU(s), numbered from 0")


def free(device: chainer.backend.Device) -> None:
    """Hands memory that is held in reserve back to the device.

    Args:
        device (chainer.backend.Device): A GPU, on which CuPy keeps what arrays had; or the CPU,
            where nothing is kept.
    """
    if device.xp is not np:
        with chainer.using_device(device):
            device.xp.get_default_memory_pool().free_all_blocks()


def _tried(gpu: int) -> chainer.backend.Device:
    with warnings.catch_warnings():
        # Chainer's advice to install cuDNN, which CuPy 14 no longer supports.
        warnings.filterwarnings("ignore", message="cuDNN is not enabled")
        device = chainer.get_device(f"@cupy:{gpu}")
        with chainer.using_device(device):
            ones = device.xp.ones((2, 2), dtype="float32")
            float((ones @ ones + 1).sum())  # allocates, compiles a kernel, and loads cuBLAS
    return device
