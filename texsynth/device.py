"""Chooses the device: the CPU through NumPy, or a GPU through CuPy."""

from texsynth.compat import chainer
from texsynth.errors import DeviceError

_HOW_TO = "install CuPy with: pip install 'texsynth[cuda12]' (or cuda13), or run with --gpu -1"


def select(gpu):
    """Returns the Chainer device for a GPU number.

    Args:
        gpu (int): CUDA device number; -1 means the CPU.

    Returns:
        chainer.backend.Device: The device, not yet in use.

    Raises:
        texsynth.errors.DeviceError: There is no such GPU, or CuPy is missing or broken.
    """
    if gpu < 0:
        return chainer.get_device("@numpy")
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(f"--gpu {gpu}: CuPy cannot be imported ({error}); {_HOW_TO}") from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise DeviceError(f"--gpu {gpu}: no usable CUDA GPU or driver ({error})") from error
    if gpu >= count:
        raise DeviceError(f"--gpu {gpu}: this machine has {count} GPU(s), numbered from 0")
    return chainer.get_device(f"@cupy:{gpu}")
