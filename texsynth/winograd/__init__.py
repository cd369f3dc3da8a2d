"""The network on the CPU by Winograd convolutions: an engine on NumPy and Numba alone.

``transforms`` explains the mathematics; ``passes`` has the loops over an image; ``simd`` and
``product`` are the only files that speak LLVM's language; ``network`` puts all together;
``features`` makes it a Chainer function.
"""

from texsynth.winograd.cache import kernels_kept_here

with kernels_kept_here():
    from texsynth.winograd import gram, network  # noqa: F401 (import all that is compiled)
