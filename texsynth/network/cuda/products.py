"""Matrix products by a cuBLAS handle of our own.

CuPy refuses its own in the capture of a graph, since its handle's workspace could be allocated
there. This one has a workspace of its own from the start, as cuBLAS's documentation asks for.
"""

import ctypes

from texsynth.network.cuda.stages import WORKSPACE

_TRANSPOSED, _AS_IS = 1, 0  # cublasOperation_t
_FLOAT = 0  # CUDA_R_32F
_COMPUTE = {"fp32": 68, "tf32": 77}  # cublasComputeType_t: 32F, 32F_FAST_TF32
_DEFAULT_ALGORITHM = -1


class Products:
    """Products of row-major float32 matrices on the current device and stream.

    Args:
        precision (str): ``"fp32"``, or ``"tf32"`` for tensor cores, which round factors to 10 bits.

    Raises:
        OSError: cuBLAS cannot be found where CuPy loaded it from.
        RuntimeError: cuBLAS cannot be used.

    Attributes:
        precision (str): The same.
    """

    def __init__(self, precision="fp32"):
        import cupy

        _ = cupy.cuda.Device().cublas_handle  # so that the library is loaded
        major = cupy.cuda.runtime.runtimeGetVersion() // 1000
        self._library = ctypes.CDLL(f"libcublas.so.{major}")
        self.precision, self._compute = precision, _COMPUTE[precision]
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._workspace = cupy.empty(WORKSPACE, "u1")
        self._one, self._zero = ctypes.c_float(1), ctypes.c_float(0)
        self._stream = None

    def __del__(self):
        if getattr(self, "_handle", None):
            self._library.cublasDestroy_v2(self._handle)

    def multiply(self, a, b, out, sizes, batch=1, turned=False):
        """Computes ``out = a b``, or ``a b^T``, for each matrix of a batch.

        Args:
            a: ``(batch, m, k)`` float32, C-contiguous, or what has its memory.
            b: ``(batch, k, n)``, or ``(batch, n, k)`` if it is turned; likewise.
            out: ``(batch, m, n)``, likewise; written.
            sizes: ``(m, n, k)``.
            batch (int): Number of products.
            turned (bool): Whether ``b`` is taken transposed.

        Raises:
            RuntimeError: cuBLAS refuses.
        """
        m, n, k = sizes
        self._follow_stream()
        # cuBLAS counts by columns: it is asked for out^T = b^T a^T.
        self._call(
            "cublasGemmStridedBatchedEx",
            self._handle,
            *(_TRANSPOSED if turned else _AS_IS, _AS_IS, n, m, k),
            ctypes.byref(self._one),
            *_operand(b, k if turned else n, k * n),
            *_operand(a, k, m * k),
            ctypes.byref(self._zero),
            *_operand(out, n, m * n),
            *(batch, self._compute, _DEFAULT_ALGORITHM),
        )

    def gram(self, a, out):
        """Computes the products of all pairs of rows, ``out = a a^T``.

        Args:
            a (cupy.ndarray): ``(C, ...)`` float32, C-contiguous.
            out (cupy.ndarray): ``(C, C)`` float32, written.
        """
        self.multiply(a, a, out, (len(a), len(a), a.size // len(a)), turned=True)

    def _follow_stream(self):
        import cupy

        stream = cupy.cuda.get_current_stream().ptr
        if stream != self._stream:
            self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream))
            # A change of the stream takes the workspace away.
            size = ctypes.c_size_t(self._workspace.nbytes)
            place = ctypes.c_void_p(self._workspace.data.ptr)
            self._call("cublasSetWorkspace_v2", self._handle, place, size)
            self._stream = stream

    def _call(self, name, *arguments):
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} failed with status {status}")


def _operand(array, leading, stride):
    return ctypes.c_void_p(array.data.ptr), _FLOAT, leading, ctypes.c_longlong(stride)
