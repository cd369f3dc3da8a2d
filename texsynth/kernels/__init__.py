"""Inner loops on arrays that Numba compiles: vectors, the matrix product, Gram matrices, patches.

``simd`` and ``product`` are the only files that speak LLVM's language; ``cache`` keeps what is
compiled, and ``compiling`` knows how long that took.
"""

from texsynth.kernels import compiling  # noqa: F401 (it listens from here on)
from texsynth.kernels.cache import kernels_kept_here

with kernels_kept_here():
    from texsynth.kernels import gram, patches  # noqa: F401 (import all that is compiled)
