"""The network on the CPU by Winograd convolutions: an engine on NumPy and Numba alone.

``transforms`` explains the mathematics; ``passes`` has the loops over an image; ``network`` puts
all together; ``features`` makes it a Chainer function.
"""

from pathlib import Path

from texsynth.kernels.cache import kernels_kept_here

SOURCES = Path(__file__).parent
"""The folder of the files that are compiled, beside those of :mod:`texsynth.kernels`."""

with kernels_kept_here(SOURCES):
    from texsynth.network.winograd import network  # noqa: F401 (import all that is compiled)
