"""Runs the real CuPy on a machine without a GPU: CUDA's libraries, made of the host's processor.

    from tests import hostcuda; hostcuda.install()      # before the first import of cupy or chainer
    import cupy                              # the wheel, unchanged

What stands in is the layer below CuPy: CUDA's runtime and driver, NVRTC, cuBLAS, cuFFT, Thrust.
So CuPy's own rules hold: what mixes with NumPy, what casts, what a kernel's source says. README.md
tells what this can show, and what not.
"""

from tests.hostcuda.counting import counters, nothing_computed, reset, trace
from tests.hostcuda.installing import install, is_installed, why_not

__all__ = ["counters", "install", "is_installed", "nothing_computed", "reset", "trace", "why_not"]
