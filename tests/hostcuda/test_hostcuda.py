"""What hostcuda promises, by CuPy's own interface and by CUDA's."""

import ctypes
import math

import numpy as np
import pytest

from tests import hostcuda

if not hostcuda.is_installed():
    pytest.skip("runs on hostcuda: scripts/test_gpu_on_host", allow_module_level=True)

import cupy

TF32_MATH, TF32_COMPUTE, FLOAT_COMPUTE, FLOAT, DEFAULT_ALGORITHM = 3, 77, 68, 0, -1


@pytest.fixture
def stream():
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        yield stream


@pytest.fixture(autouse=True)
def counted_anew():
    hostcuda.reset()


def module(source):
    return cupy.RawModule(code=source, options=("-std=c++17",))


def pinned(count, dtype="f"):
    memory = cupy.cuda.alloc_pinned_memory(count * np.dtype(dtype).itemsize)
    return np.frombuffer(memory, dtype, count)


def captured(stream, record):
    """Returns the graph of what a function does, with CUDA's errors raised."""
    stream.begin_capture()
    try:
        record()
    finally:
        graph = stream.end_capture()
    return graph


DOUBLE = cupy.ElementwiseKernel("float32 x", "float32 y", "y = 2 * x", "hostcuda_test_double")


# ---------------------------------------------------------------- memory and transfers


def test_fresh_memory_is_nan():
    pool = cupy.cuda.MemoryPool()
    with cupy.cuda.using_allocator(pool.malloc):
        for shape, dtype in (((7, 5), "f"), (9, "d")):
            pool.free_all_blocks()  # what results before had is not fresh
            assert cupy.isnan(cupy.empty(shape, dtype)).all()


def test_memory_ends_and_is_counted():
    runtime = cupy.cuda.runtime
    before, total = runtime.memGetInfo()
    pointer = runtime.malloc(1 << 20)
    assert runtime.memGetInfo() == (before - (1 << 20), total)
    runtime.free(pointer)
    assert runtime.memGetInfo() == (before, total)
    assert hostcuda.counters()["peak_bytes"] >= 1 << 20
    with pytest.raises(runtime.CUDARuntimeError, match="cudaErrorMemoryAllocation"):
        runtime.malloc(total + 1)
    with pytest.raises(runtime.CUDARuntimeError, match="cudaErrorInvalidValue"):
        runtime.free(pointer)


def test_transfers_and_waits_are_counted():
    x = cupy.asarray(np.arange(100, dtype="f"))
    hostcuda.reset()
    with hostcuda.trace() as traced:
        DOUBLE(x).get()
    counted = hostcuda.counters()
    assert (counted["launches"], counted["d2h"], counted["d2h_bytes"]) == (1, 1, 400)
    assert counted["syncs"] == 1
    assert traced[-3].startswith("hostcuda_test_double <")
    assert traced[-2:] == ["memcpy D2H 400", "SYNC stream"]


def test_copy_to_pinned_memory_waits_for_nothing(stream):
    x, out = cupy.arange(100, dtype="f"), pinned(100)
    hostcuda.reset()
    x.data.copy_to_host_async(ctypes.c_void_p(out.ctypes.data), x.nbytes, stream)
    assert hostcuda.counters()["syncs"] == 0
    np.testing.assert_array_equal(out, np.arange(100))


def test_host_memory_is_no_device_memory():
    x, host = cupy.zeros(4, "f"), np.zeros(4, "f")
    runtime = cupy.cuda.runtime
    with pytest.raises(runtime.CUDARuntimeError, match="cudaErrorInvalidValue"):
        runtime.memcpy(x.data.ptr, host.ctypes.data, 16, runtime.memcpyDeviceToDevice)
    with pytest.raises(runtime.CUDARuntimeError, match="cudaErrorInvalidValue"):
        runtime.memset(host.ctypes.data, 0, 16)


def test_nothing_computed():
    x = cupy.ones(3, "f")
    with hostcuda.nothing_computed():
        x += 1
    assert x.get().tolist() == [1, 1, 1]


# ---------------------------------------------------------------- kernels


def test_barriers_and_shared_memory():
    kernel = module(r"""
        extern "C" __global__ void turn(const float* x, float* y, int n) {
          __shared__ float tile[16][17];
          int i = threadIdx.y, j = threadIdx.x, top = blockIdx.y * 16, left = blockIdx.x * 16;
          tile[i][j] = x[(top + i) * n + left + j];
          __syncthreads();
          y[(left + i) * n + top + j] = tile[j][i];
        }""").get_function("turn")
    x = cupy.arange(48 * 48, dtype="f").reshape(48, 48)
    y = cupy.empty_like(x)
    kernel((3, 3), (16, 16), (x, y, np.int32(48)))
    assert (y == x.T).all()


@pytest.mark.parametrize("barrier", ["__syncthreads();", ""])
def test_missing_barrier_is_seen(barrier):
    kernel = module(
        r"""
        extern "C" __global__ void reverse(float* x) {
          __shared__ float line[128];
          line[threadIdx.x] = threadIdx.x; /* __syncthreads() in a comment is none */
          BARRIER
          x[blockIdx.x * 128 + threadIdx.x] = line[127 - threadIdx.x];
        }""".replace("BARRIER", barrier)
    ).get_function("reverse")
    x = cupy.empty(256, "f")
    kernel((2,), (128,), (x,))
    is_right = (x.reshape(2, 128) == cupy.arange(127, -1, -1)).all(axis=1).get().tolist()
    assert is_right == ([True, True] if barrier else [False, False])


def test_shared_memory_is_nan_before_each_block():
    kernel = module(r"""
        template <int N> __device__ float peek(float value) {
          __shared__ float seen[N];
          float old = seen[threadIdx.x];
          seen[threadIdx.x] = value;
          return old;
        }
        extern "C" __global__ void look(float* x) { x[blockIdx.x] = peek<4>(1.0f); }
        """).get_function("look")
    x = cupy.zeros(3, "f")
    kernel((3,), (1,), (x,))
    assert cupy.isnan(x).all()


def test_dynamic_shared_memory():
    kernel = module(r"""
        extern "C" __global__ void shift(const float* x, float* y) {
          extern __shared__ __align__(16) float line[];
          line[threadIdx.x] = x[threadIdx.x];
          __syncthreads();
          y[threadIdx.x] = line[(threadIdx.x + 1) % blockDim.x];
        }""").get_function("shift")
    x = cupy.arange(64, dtype="f")
    y = cupy.empty_like(x)
    kernel((1,), (64,), (x, y), shared_mem=256)
    assert (y == cupy.roll(x, -1)).all()


def test_shuffles_in_a_warp():
    kernel = module(r"""
        __device__ float warp_sum(float v) {
          for (int d = 16; d > 0; d >>= 1) v += __shfl_down_sync(0xffffffffu, v, d);
          return v;
        }
        extern "C" __global__ void speak(
            const float* x, float* sums, int* others, unsigned* ballots) {
          int i = threadIdx.x, warp = i / 32;
          float sum = warp_sum(x[i]);
          if (i % 32 == 0) sums[warp] = sum;
          others[i] = __shfl_xor_sync(~0u, i, 1) + 1000 * __shfl_sync(~0u, i, 5)
                    + 1000000 * (__shfl_up_sync(~0u, i, 1, 8) == i);
          ballots[i] = __ballot_sync(~0u, i % 3 == 0);
        }""").get_function("speak")
    x = cupy.arange(64, dtype="f")
    sums, others, ballots = cupy.empty(2, "f"), cupy.empty(64, "i"), cupy.empty(64, "u4")
    kernel((1,), (64,), (x, sums, others, ballots))
    assert sums.get().tolist() == [sum(range(32)), sum(range(32, 64))]
    i = np.arange(64)
    expected = (i ^ 1) + 1000 * (i // 32 * 32 + 5) + 1000000 * (i % 8 == 0)
    np.testing.assert_array_equal(others.get(), expected)
    votes = [sum(1 << k for k in range(32) if (32 * w + k) % 3 == 0) for w in range(2)]
    np.testing.assert_array_equal(ballots.get(), np.repeat(votes, 32))


def test_vector_types_and_atomics():
    kernel = module(r"""
        extern "C" __global__ void __launch_bounds__(64) gather(
            const float4* __restrict__ x, ushort2* halves, float* sum, int* most, unsigned* count) {
          int i = blockIdx.x * blockDim.x + threadIdx.x;
          float4 v = __ldg(x + i);
          halves[i] = make_ushort2((unsigned short)v.x, (unsigned short)v.w);
          atomicAdd(sum, v.x + v.y + v.z + v.w);
          atomicMax(most, (int)v.w);
          if (atomicAdd(count, 1u) == gridDim.x * blockDim.x - 1) *most = -*most;
        }""").get_function("gather")
    x = cupy.arange(512, dtype="f")
    halves, total = cupy.empty((128, 2), "u2"), cupy.zeros(1, "f")
    most, count = cupy.zeros(1, "i"), cupy.zeros(1, "u4")
    kernel((2,), (64,), (x, halves, total, most, count))
    assert (halves == x.reshape(128, 4)[:, ::3].astype("u2")).all()
    assert (float(total[0]), int(most[0]), int(count[0])) == (512 * 511 / 2, -511, 128)


def test_only_kernels_that_reach_a_barrier_are_fibers(tmp_path):
    """A kernel beside one that waits runs thread after thread, which is faster."""
    found = module(
        r"""
        #define MEET() \
          __syncthreads()
        struct Meeting { __device__ void come() { MEET(); } };
        template <int N> __device__ void meet() { Meeting().come(); }
        extern "C" {
        __global__ void waits() { meet<3>(); }
        __global__ void passes(int* way) { way[threadIdx.x] = HOSTCUDA_FIBER; }
        __global__ void meets(int* way) { way[threadIdx.x] = HOSTCUDA_FIBER; MEET(); }
        }
        """.replace("HOSTCUDA_FIBER", "hc::running")
    )
    found.get_function("waits")((1,), (32,), ())
    ways = cupy.empty((2, 32), "i")
    found.get_function("passes")((1,), (32,), (ways[0],))
    found.get_function("meets")((1,), (32,), (ways[1],))
    assert ways.get().tolist() == [[-1] * 32, list(range(32))]


def test_templates_and_constants():
    found = cupy.RawModule(
        code=r"""
        __constant__ float weights[3];
        template <int N> __global__ void scale(float* x) { x[threadIdx.x] *= weights[N]; }
        """,
        options=("-std=c++17",),
        name_expressions=("scale<2>",),
    )
    cupy.ndarray(3, "f", found.get_global("weights"))[...] = cupy.asarray([5, 6, 7], "f")
    x = cupy.ones(4, "f")
    found.get_function("scale<2>")((1,), (4,), (x,))
    assert x.get().tolist() == [7] * 4


def test_what_a_compiler_refuses():
    with pytest.raises(cupy.cuda.compiler.CompileException, match="nowhere"):
        module('extern "C" __global__ void wrong(float* x) { x[0] = nowhere; }').compile()


def test_grids_that_no_gpu_takes():
    kernel = module('extern "C" __global__ void empty() {}').get_function("empty")
    for grid, block in (((1, 65536), (1,)), ((1,), (1, 1, 65)), ((1,), (64, 17))):
        with pytest.raises(cupy.cuda.driver.CUDADriverError, match="cudaErrorInvalidValue"):
            kernel(grid, block, ())


# ---------------------------------------------------------------- libraries


@pytest.fixture
def cublas(stream):
    """A handle of one's own, by ctypes, with a workspace, on the current stream."""
    library = ctypes.CDLL("libcublas.so.13")
    handle, workspace = ctypes.c_void_p(), cupy.empty(1 << 16, "u1")
    assert library.cublasCreate_v2(ctypes.byref(handle)) == 0
    assert library.cublasSetStream_v2(handle, ctypes.c_void_p(stream.ptr)) == 0
    place = ctypes.c_void_p(workspace.data.ptr)
    assert library.cublasSetWorkspace_v2(handle, place, ctypes.c_size_t(workspace.nbytes)) == 0
    yield library, handle
    assert library.cublasDestroy_v2(handle) == 0


def sgemm(cublas, a, b, out, beta=0.0):
    """``out = a @ b + beta * out`` of row-major matrices: cuBLAS sees all of them turned."""
    library, handle = cublas
    (m, k), n = a.shape, b.shape[1]
    scalars = [ctypes.byref(ctypes.c_float(value)) for value in (1.0, beta)]
    pointer = [ctypes.c_void_p(each.data.ptr) for each in (b, a, out)]
    return library.cublasSgemm_v2(
        handle, 0, 0, n, m, k, scalars[0], pointer[0], n, pointer[1], k, scalars[1], pointer[2], n
    )


def matrices(*shapes):
    generator = np.random.default_rng(0)
    return [cupy.asarray(generator.standard_normal(shape, dtype="f")) for shape in shapes]


def test_cublas_by_ctypes(cublas):
    a, b = matrices((5, 7), (7, 3))
    out = cupy.empty((5, 3), "f")  # not a number, which a beta of 0 must not let through
    assert sgemm(cublas, a, b, out) == 0
    np.testing.assert_allclose(out.get(), a.get() @ b.get(), rtol=1e-5, atol=1e-6)
    assert sgemm(cublas, a, b, out, beta=1.0) == 0
    np.testing.assert_allclose(out.get(), 2 * (a.get() @ b.get()), rtol=1e-5, atol=1e-6)
    assert hostcuda.counters()["library_calls"] == 2


def test_cublas_refuses_host_memory(cublas, capfd):
    a, b = matrices((5, 7), (7, 3))
    library, handle = cublas
    host = np.zeros(15, "f")
    one = ctypes.byref(ctypes.c_float(1))
    pointers = [ctypes.c_void_p(p) for p in (b.data.ptr, a.data.ptr, host.ctypes.data)]
    status = library.cublasSgemm_v2(
        handle, 0, 0, 3, 5, 7, one, pointers[0], 3, pointers[1], 7, one, pointers[2], 3
    )
    assert status == 7
    assert "host memory" in capfd.readouterr().err


@pytest.mark.parametrize("compute", [FLOAT_COMPUTE, TF32_COMPUTE])
def test_cublas_batched_and_tf32(cublas, compute):
    a, b = matrices((4, 5, 70), (4, 70, 3))
    out = cupy.empty((4, 5, 3), "f")
    library, handle = cublas
    one, zero = ctypes.byref(ctypes.c_float(1)), ctypes.byref(ctypes.c_float(0))

    def operand(array):
        place = ctypes.c_void_p(array.data.ptr)
        return place, FLOAT, array.shape[2], ctypes.c_longlong(array[0].size)

    call = library.cublasGemmStridedBatchedEx
    status = call(
        *(handle, 0, 0, 3, 5, 70, one, *operand(b), *operand(a), zero),
        *(*operand(out), 4, compute, DEFAULT_ALGORITHM),
    )
    assert status == 0
    error = abs(out.get() - a.get().astype("d") @ b.get()).max()
    assert (error > 1e-4) == (compute == TF32_COMPUTE)
    assert error < 2e-2


def test_cublas_math_mode(cublas):
    a, b = matrices((5, 70), (70, 3))
    out = cupy.empty((5, 3), "f")
    assert cublas[0].cublasSetMathMode(cublas[1], TF32_MATH) == 0
    with hostcuda.trace() as traced:
        assert sgemm(cublas, a, b, out) == 0
    assert traced == ["cublas Sgemm 3x5x70 tf32"]


def test_cupy_s_own_products_and_transforms():
    a, b = matrices((5, 7), (7, 3))
    np.testing.assert_allclose((a @ b).get(), a.get() @ b.get(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose((a @ b[:, 0]).get(), a.get() @ b.get()[:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(float(cupy.vdot(a, a)), np.vdot(a.get(), a.get()), rtol=1e-6)
    for shape in ((6, 10), (7, 9)):
        (x,) = matrices(shape)
        spectrum = cupy.fft.rfft2(x)
        np.testing.assert_allclose(spectrum.get(), np.fft.rfft2(x.get()), rtol=1e-5, atol=1e-5)
        back = cupy.fft.irfft2(spectrum, s=shape)
        np.testing.assert_allclose(back.get(), x.get(), rtol=1e-5, atol=1e-5)


def test_sorts():
    (x,) = matrices((4, 50))
    np.testing.assert_array_equal(cupy.sort(x, axis=1).get(), np.sort(x.get(), axis=1))
    np.testing.assert_array_equal(cupy.argsort(x, axis=1).get(), np.argsort(x.get(), axis=1))


# ---------------------------------------------------------------- captures


def test_graph_is_replayed(stream):
    x, y = cupy.arange(4, dtype="f"), cupy.empty(4, "f")
    DOUBLE(x, y)
    y.fill(0)
    hostcuda.reset()
    graph = captured(stream, lambda: DOUBLE(x, y))
    assert y.get().tolist() == [0] * 4  # kept, not run
    graph.launch(stream)
    x += 1
    assert y.get().tolist() == [0, 2, 4, 6]
    graph.launch(stream)
    assert y.get().tolist() == [2, 4, 6, 8]
    counted = hostcuda.counters()
    assert (counted["graph_launches"], counted["graph_nodes"], counted["launches"]) == (2, 2, 1)


def test_graph_is_launched_into_another_stream(stream):
    x, y = cupy.arange(4, dtype="f"), cupy.empty(4, "f")
    DOUBLE(x, y)
    graph = captured(stream, lambda: DOUBLE(x, y))
    x += 1
    graph.launch(cupy.cuda.Stream(non_blocking=True))
    graph.launch(cupy.cuda.Stream.null)
    assert y.get().tolist() == [2, 4, 6, 8]
    assert hostcuda.counters()["graph_launches"] == 2


def test_capture_of_a_product_and_of_a_read(stream, cublas):
    a, b = matrices((5, 7), (7, 3))
    c, out = cupy.empty((5, 3), "f"), pinned(15)
    out.fill(np.nan)

    def record():
        assert sgemm(cublas, a, b, c) == 0
        # CuPy's own copy_to_host_async refuses in a capture.
        runtime = cupy.cuda.runtime
        runtime.memcpyAsync(
            out.ctypes.data, c.data.ptr, c.nbytes, runtime.memcpyDeviceToHost, stream.ptr
        )

    graph = captured(stream, record)
    hostcuda.reset()
    assert np.isnan(out).all()
    a *= 2
    with hostcuda.trace() as traced:
        graph.launch(stream)
    np.testing.assert_allclose(out.reshape(5, 3), a.get() @ b.get(), rtol=1e-5, atol=1e-6)
    assert hostcuda.counters()["d2h_bytes"] == c.nbytes + a.nbytes + b.nbytes
    assert hostcuda.counters()["d2h"] == 2  # of a and b: that in the graph is a node
    assert traced == ["GRAPH of 2"]


def test_fork_and_join_in_a_capture(stream):
    x, y, z = (cupy.ones(4, "f") for _ in range(3))
    side, forked, joined = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Event(), cupy.cuda.Event()
    DOUBLE(x, y)

    def record():
        DOUBLE(x, y)
        forked.record(stream)
        side.wait_event(forked)
        with side:
            DOUBLE(y, z)
        joined.record(side)
        DOUBLE(x, x)
        stream.wait_event(joined)
        DOUBLE(z, z)

    graph = captured(stream, record)
    graph.launch(stream)
    assert (x.get()[0], y.get()[0], z.get()[0]) == (2, 2, 8)


def test_missing_event_in_a_capture_is_seen(stream):
    """The side stream reads what the other writes, without having waited for it."""
    x, y, z = (cupy.ones(4, "f") for _ in range(3))
    side, forked, joined = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Event(), cupy.cuda.Event()
    DOUBLE(x, y)
    y.fill(1)

    def record():
        forked.record(stream)
        side.wait_event(forked)
        DOUBLE(x, y)
        with side:
            DOUBLE(y, z)
        joined.record(side)
        stream.wait_event(joined)

    captured(stream, record).launch(stream)
    assert z.get()[0] == 2  # of the old y: 4 had the order been that of the calls


def refused(stream, code, record):
    """Asserts that an act in a capture fails with a code of CUDA's, and the capture with it."""
    error = cupy.cuda.runtime.CUDARuntimeError
    stream.begin_capture(cupy.cuda.runtime.streamCaptureModeGlobal)
    try:
        with pytest.raises(error, match=code):
            record()
    finally:
        with pytest.raises(error, match="cudaErrorStreamCaptureInvalidated"):
            stream.end_capture()


def test_what_a_capture_refuses(stream):
    x, host = cupy.ones(4, "f"), np.ones(4, "f")
    runtime = cupy.cuda.runtime
    unsupported, implicit = "StreamCaptureUnsupported", "StreamCaptureImplicit"
    refused(stream, unsupported, lambda: runtime.malloc(512))
    refused(stream, unsupported, lambda: runtime.free(x.data.ptr))
    refused(stream, unsupported, stream.synchronize)
    refused(stream, unsupported, runtime.deviceSynchronize)
    refused(stream, implicit, lambda: runtime.memcpy(x.data.ptr, host.ctypes.data, 16, 1))
    refused(
        stream,
        unsupported,
        lambda: runtime.memcpyAsync(x.data.ptr, host.ctypes.data, 16, 1, stream.ptr),
    )
    x += 1  # all goes on after it
    assert x.get().tolist() == [2] * 4


def test_what_a_capture_refuses_of_events(stream):
    x = cupy.ones(4, "f")
    before, inside = cupy.cuda.Event(), cupy.cuda.Event()
    stream.begin_capture()
    inside.record(stream)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CapturedEvent"):
        inside.synchronize()
    stream.end_capture()
    before.record(cupy.cuda.Stream(non_blocking=True))
    del x

    refused(stream, "StreamCaptureIsolation", lambda: stream.wait_event(before))


def test_what_was_forked_must_be_joined(stream):
    x, y = cupy.ones(4, "f"), cupy.ones(4, "f")
    side, forked = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Event()
    DOUBLE(x, y)
    stream.begin_capture()
    forked.record(stream)
    side.wait_event(forked)
    with side:
        DOUBLE(x, y)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="StreamCaptureUnjoined"):
        stream.end_capture()


def test_capture_refuses_the_legacy_stream_beside_a_blocking_one():
    x, y = cupy.ones(4, "f"), cupy.empty(4, "f")
    DOUBLE(x, y)
    blocking = cupy.cuda.Stream()
    blocking.begin_capture()
    with pytest.raises(cupy.cuda.driver.CUDADriverError, match="CaptureImplicit"):
        DOUBLE(x, y)  # on the stream in use, which is the legacy one
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CaptureInvalidated"):
        blocking.end_capture()


def test_cupy_itself_refuses_its_products_in_a_capture(stream):
    a, b = matrices((5, 7), (7, 3))
    a @ b
    stream.begin_capture()
    try:
        with pytest.raises(RuntimeError, match="cuBLAS"):
            a @ b
    finally:
        stream.end_capture()


def test_a_device_that_is_not_there():
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="cudaErrorInvalidDevice"):
        cupy.cuda.Device(7).use()
    assert math.isfinite(float(cupy.ones(2).sum()))
