// The part of cuBLAS that CuPy's products and texsynth's own use, by the OpenBLAS that NumPy
// brings.
#include "hostcuda.h"

#include <dlfcn.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace hc {

enum Status {
  SUCCESS = 0,
  NOT_INITIALIZED = 1,
  INVALID_VALUE = 7,
  EXECUTION_FAILED = 13,
  NOT_SUPPORTED = 15
};
enum PointerMode { ON_HOST = 0, ON_DEVICE = 1 };
enum Type { R_32F = 0, R_64F = 1 };
enum Math { TF32_TENSOR_OP = 3 };             // of CUBLAS_*_MATH
enum Compute { COMPUTE_32F_FAST_TF32 = 77 };  // of CUBLAS_COMPUTE_*

struct Handle {
  void* stream = nullptr;
  int mode = ON_HOST;
  int math = 0;
  bool has_workspace = false;
};

template <class T>
using CblasGemm = void (*)(int, int, int, long, long, long, T, const T*, long, const T*, long, T,
                           T*, long);

static void* openblas(const char* name) {
  static void* library = dlopen(getenv("HOSTCUDA_OPENBLAS"), RTLD_NOW | RTLD_LOCAL);
  void* found = library ? dlsym(library, name) : nullptr;
  if (!found) {
    fprintf(stderr, "hostcuda: no %s in NumPy's OpenBLAS\n", name);
    abort();
  }
  return found;
}

static CblasGemm<float> cblas_gemm(float) {
  static auto found = (CblasGemm<float>)openblas("scipy_cblas_sgemm64_");
  return found;
}
static CblasGemm<double> cblas_gemm(double) {
  static auto found = (CblasGemm<double>)openblas("scipy_cblas_dgemm64_");
  return found;
}

template <class T>
struct Matrix {
  T* data;
  long leading;
  long stride = 0;  // from one of a batch to the next

  T* at(int i) const { return data + i * stride; }
};

struct Shape {
  int transposed_a, transposed_b, m, n, k, batch = 1;
};

// A number that is read when the call is made if it lies on the host, and when it runs otherwise.
template <class T>
struct Scalar {
  const T* place;
  T value;
  Scalar(const Handle* handle, const void* pointer)
      : place(handle->mode == ON_DEVICE ? (const T*)pointer : nullptr),
        value(place ? T(0) : *(const T*)pointer) {}
  T read() const { return place ? *place : value; }
};

static int run(Handle* handle, const std::string& name, std::function<void()> work) {
  std::string told = "cublas " + name;
  // cuBLAS may then ask for memory in the graph, or refuse.
  if (is_capturing(handle->stream) && !handle->has_workspace) told += " without a workspace";
  return enqueue(handle->stream, {told, Counter::library_calls, work}) ? EXECUTION_FAILED : SUCCESS;
}

static std::string sizes(int m, int n, int k, int batch = 1) {
  return " " + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) +
         (batch > 1 ? " x" + std::to_string(batch) : "");
}

static bool are_device(const char* name, std::initializer_list<const void*> pointers) {
  for (const void* pointer : pointers) {
    if (is_device(pointer)) continue;
    fprintf(stderr, "hostcuda: %s of host memory\n", name);
    return false;
  }
  return true;
}

// Rounded to the 10 bits of TF32, to nearest, as tensor cores may take a float.
static std::vector<float> in_tf32(const float* from, long rows, long columns, long leading) {
  std::vector<float> out(columns * leading, 0.0f);
  for (long j = 0; j < columns; ++j)
    for (long i = 0; i < rows; ++i) {
      uint32_t bits;
      memcpy(&bits, from + j * leading + i, 4);
      if (std::isfinite(from[j * leading + i])) bits = (bits + 0x1000) & ~0x1fffu;
      memcpy(&out[j * leading + i], &bits, 4);
    }
  return out;
}

template <class T>
static void gemm(const Shape& s, T alpha, Matrix<const T> a, Matrix<const T> b, T beta, Matrix<T> c,
                 bool by_tf32) {
  static const int COLUMN_MAJOR = 102, NOT_TRANSPOSED = 111, TRANSPOSED = 112;
  auto operation = [&](int transposed) { return transposed ? TRANSPOSED : NOT_TRANSPOSED; };
  std::vector<float> rounded_a, rounded_b;
  for (int i = 0; i < s.batch; ++i) {
    const T *left = a.at(i), *right = b.at(i);
    if constexpr (std::is_same_v<T, float>)
      if (by_tf32) {
        rounded_a =
            in_tf32(left, s.transposed_a ? s.k : s.m, s.transposed_a ? s.m : s.k, a.leading);
        rounded_b =
            in_tf32(right, s.transposed_b ? s.n : s.k, s.transposed_b ? s.k : s.n, b.leading);
        left = rounded_a.data();
        right = rounded_b.data();
      }
    cblas_gemm(T())(COLUMN_MAJOR, operation(s.transposed_a), operation(s.transposed_b), s.m, s.n,
                    s.k, alpha, left, a.leading, right, b.leading, beta, c.at(i), c.leading);
  }
}

template <class T>
static int enqueue_gemm(Handle* handle, std::string name, const Shape& shape, const void* alpha,
                        Matrix<const T> a, Matrix<const T> b, const void* beta, Matrix<T> c,
                        int compute = 0) {
  if (shape.m < 0 || shape.n < 0 || shape.k < 0 || c.leading < std::max(1, shape.m) ||
      a.leading < std::max(1, shape.transposed_a ? shape.k : shape.m) ||
      b.leading < std::max(1, shape.transposed_b ? shape.n : shape.k))
    return INVALID_VALUE;
  if (!are_device(name.c_str(), {a.data, b.data, c.data})) return INVALID_VALUE;
  Scalar<T> x(handle, alpha), y(handle, beta);
  bool by_tf32 = std::is_same_v<T, float> &&
                 (handle->math == TF32_TENSOR_OP || compute == COMPUTE_32F_FAST_TF32);
  name += sizes(shape.m, shape.n, shape.k, shape.batch) + (by_tf32 ? " tf32" : "");
  return run(handle, name, [=] { gemm<T>(shape, x.read(), a, b, y.read(), c, by_tf32); });
}

template <class T>
static int enqueue_gemm_of_pointers(Handle* handle, const char* name, const Shape& shape,
                                    const T* alpha, const T** a, int lda, const T** b, int ldb,
                                    const T* beta, T** c, int ldc) {
  Scalar<T> x(handle, alpha), y(handle, beta);
  Shape one = shape;
  one.batch = 1;
  return run(handle, name + sizes(shape.m, shape.n, shape.k, shape.batch), [=] {
    for (int i = 0; i < shape.batch; ++i)
      gemm<T>(one, x.read(), {a[i], lda}, {b[i], ldb}, y.read(), {c[i], ldc}, false);
  });
}

// beta of 0 overwrites even what is not a number.
template <class T>
static void blend(T& out, T alpha, double sum, T beta) {
  out = alpha * (T)sum + (beta == 0 ? T(0) : beta * out);
}

template <class T>
static int gemv(Handle* handle, const char* name, int transposed, int m, int n, const T* alpha,
                const T* a, long lda, const T* x, long step_x, const T* beta, T* y, long step_y) {
  Scalar<T> p(handle, alpha), q(handle, beta);
  return run(handle, name + sizes(m, n, 1), [=] {
    for (long i = 0; i < (transposed ? n : m); ++i) {
      double sum = 0;
      for (long j = 0; j < (transposed ? m : n); ++j)
        sum += (double)(transposed ? a[i * lda + j] : a[j * lda + i]) * x[j * step_x];
      blend(y[i * step_y], p.read(), sum, q.read());
    }
  });
}

// Where the result lies on the host, the host waits for it.
static int check_result(Handle* handle, const char* name, const void* out) {
  if (is_device(out) != (handle->mode == ON_DEVICE)) {
    fprintf(stderr, "hostcuda: the result of %s is not where its pointer mode says\n", name);
    return INVALID_VALUE;
  }
  if (handle->mode == ON_DEVICE) return SUCCESS;
  if (is_capturing(handle->stream)) {
    spoil_capture(std::string(name) + " into host memory", 900);
    return EXECUTION_FAILED;
  }
  counter(Counter::syncs)++;
  return SUCCESS;
}

template <class T>
static double inner_product(long n, const T* x, long step_x, const T* y, long step_y) {
  double sum = 0;
  for (long i = 0; i < n; ++i) sum += (double)x[i * step_x] * y[i * step_y];
  return sum;
}

template <class T>
static int dot(Handle* handle, const char* name, int n, const T* x, int step_x, const T* y,
               int step_y, T* out) {
  if (int error = check_result(handle, name, out)) return error;
  return run(handle, name + sizes(n, 1, 1),
             [=] { *out = (T)inner_product<T>(n, x, step_x, y, step_y); });
}

template <class T>
static int nrm2(Handle* handle, const char* name, int n, const T* x, int step, T* out) {
  if (int error = check_result(handle, name, out)) return error;
  return run(handle, name + sizes(n, 1, 1),
             [=] { *out = (T)std::sqrt(inner_product<T>(n, x, step, x, step)); });
}

template <class T>
static int axpy(Handle* handle, const char* name, long n, const T* alpha, const T* x, long step_x,
                T* y, long step_y) {
  Scalar<T> p(handle, alpha);
  return run(handle, name + sizes(n, 1, 1), [=] {
    for (long i = 0; i < n; ++i) y[i * step_y] += p.read() * x[i * step_x];
  });
}

template <class T>
static int scal(Handle* handle, const char* name, long n, const T* alpha, T* x, long step) {
  Scalar<T> p(handle, alpha);
  return run(handle, name + sizes(n, 1, 1), [=] {
    for (long i = 0; i < n; ++i) x[i * step] *= p.read();
  });
}

template <class T>
static int ger(Handle* handle, const char* name, long m, long n, const T* alpha, const T* x,
               long step_x, const T* y, long step_y, T* a, long lda) {
  Scalar<T> p(handle, alpha);
  return run(handle, name + sizes(m, n, 1), [=] {
    for (long j = 0; j < n; ++j)
      for (long i = 0; i < m; ++i) a[j * lda + i] += p.read() * x[i * step_x] * y[j * step_y];
  });
}

template <class T>
static int syrk(Handle* handle, const char* name, int upper, int transposed, long n, long k,
                const T* alpha, const T* a, long lda, const T* beta, T* c, long ldc) {
  Scalar<T> p(handle, alpha), q(handle, beta);
  long along = transposed ? 1 : lda, across = transposed ? lda : 1;
  return run(handle, name + sizes(n, n, k), [=] {
    for (long j = 0; j < n; ++j)
      for (long i = upper ? 0 : j; i < (upper ? j + 1 : n); ++i)
        blend(c[j * ldc + i], p.read(),
              inner_product<T>(k, a + i * across, along, a + j * across, along), q.read());
  });
}

}  // namespace hc

using namespace hc;

HC_API int cublasCreate_v2(Handle** handle) {
  if (is_anything_capturing()) spoil_capture("cublasCreate", 900);
  *handle = new Handle{};
  return SUCCESS;
}
HC_API int cublasDestroy_v2(Handle* handle) {
  delete handle;
  return SUCCESS;
}
HC_API int cublasGetVersion_v2(Handle*, int* version) {
  *version = 130000;
  return SUCCESS;
}
HC_API int cublasSetStream_v2(Handle* handle, void* stream) {
  if (!handle) return NOT_INITIALIZED;
  handle->stream = stream;
  handle->has_workspace = false;  // as cuBLAS does: the workspace is set after the stream
  return SUCCESS;
}
HC_API int cublasGetStream_v2(Handle* handle, void** stream) {
  *stream = handle->stream;
  return SUCCESS;
}
HC_API int cublasSetWorkspace_v2(Handle* handle, void* workspace, size_t bytes) {
  if (bytes && (!is_device(workspace) || (uintptr_t)workspace % 256)) return INVALID_VALUE;
  handle->has_workspace = bytes > 0;
  return SUCCESS;
}
HC_API int cublasSetPointerMode_v2(Handle* handle, int mode) {
  handle->mode = mode;
  return SUCCESS;
}
HC_API int cublasGetPointerMode_v2(Handle* handle, int* mode) {
  *mode = handle->mode;
  return SUCCESS;
}
HC_API int cublasSetMathMode(Handle* handle, int math) {
  handle->math = math;
  return SUCCESS;
}
HC_API int cublasGetMathMode(Handle* handle, int* math) {
  *math = handle->math;
  return SUCCESS;
}

// Each function once for float (S) and once for double (D).
#define HC_BLAS(T, L)                                                                              \
  HC_API int cublas##L##gemm_v2(Handle* h, int ta, int tb, int m, int n, int k, const T* alpha,    \
                                const T* a, int lda, const T* b, int ldb, const T* beta, T* c,     \
                                int ldc) {                                                         \
    return enqueue_gemm<T>(h, #L "gemm", {ta, tb, m, n, k}, alpha, {a, lda}, {b, ldb}, beta,       \
                           {c, ldc});                                                              \
  }                                                                                                \
  HC_API int cublas##L##gemmStridedBatched(Handle* h, int ta, int tb, int m, int n, int k,         \
                                           const T* alpha, const T* a, int lda, long long sa,      \
                                           const T* b, int ldb, long long sb, const T* beta, T* c, \
                                           int ldc, long long sc, int batch) {                     \
    return enqueue_gemm<T>(h, #L "gemmStridedBatched", {ta, tb, m, n, k, batch}, alpha,            \
                           {a, lda, sa}, {b, ldb, sb}, beta, {c, ldc, sc});                        \
  }                                                                                                \
  HC_API int cublas##L##gemmBatched(Handle* h, int ta, int tb, int m, int n, int k,                \
                                    const T* alpha, const T** a, int lda, const T** b, int ldb,    \
                                    const T* beta, T** c, int ldc, int batch) {                    \
    return enqueue_gemm_of_pointers<T>(h, #L "gemmBatched", {ta, tb, m, n, k, batch}, alpha, a,    \
                                       lda, b, ldb, beta, c, ldc);                                 \
  }                                                                                                \
  HC_API int cublas##L##gemv_v2(Handle* h, int op, int m, int n, const T* alpha, const T* a,       \
                                int lda, const T* x, int step_x, const T* beta, T* y,              \
                                int step_y) {                                                      \
    return gemv<T>(h, #L "gemv", op, m, n, alpha, a, lda, x, step_x, beta, y, step_y);             \
  }                                                                                                \
  HC_API int cublas##L##dot_v2(Handle* h, int n, const T* x, int step_x, const T* y, int step_y,   \
                               T* out) {                                                           \
    return dot<T>(h, #L "dot", n, x, step_x, y, step_y, out);                                      \
  }                                                                                                \
  HC_API int cublas##L##nrm2_v2(Handle* h, int n, const T* x, int step, T* out) {                  \
    return nrm2<T>(h, #L "nrm2", n, x, step, out);                                                 \
  }                                                                                                \
  HC_API int cublas##L##axpy_v2(Handle* h, int n, const T* alpha, const T* x, int step_x, T* y,    \
                                int step_y) {                                                      \
    return axpy<T>(h, #L "axpy", n, alpha, x, step_x, y, step_y);                                  \
  }                                                                                                \
  HC_API int cublas##L##scal_v2(Handle* h, int n, const T* alpha, T* x, int step) {                \
    return scal<T>(h, #L "scal", n, alpha, x, step);                                               \
  }                                                                                                \
  HC_API int cublas##L##ger_v2(Handle* h, int m, int n, const T* alpha, const T* x, int step_x,    \
                               const T* y, int step_y, T* a, int lda) {                            \
    return ger<T>(h, #L "ger", m, n, alpha, x, step_x, y, step_y, a, lda);                         \
  }                                                                                                \
  HC_API int cublas##L##syrk_v2(Handle* h, int uplo, int op, int n, int k, const T* alpha,         \
                                const T* a, int lda, const T* beta, T* c, int ldc) {               \
    return syrk<T>(h, #L "syrk", uplo, op, n, k, alpha, a, lda, beta, c, ldc);                     \
  }
HC_BLAS(float, S)
HC_BLAS(double, D)

HC_API int cublasGemmStridedBatchedEx(Handle* h, int ta, int tb, int m, int n, int k,
                                      const void* alpha, const void* a, int type_a, int lda,
                                      long long sa, const void* b, int type_b, int ldb,
                                      long long sb, const void* beta, void* c, int type_c, int ldc,
                                      long long sc, int batch, int compute, int) {
  Shape shape{ta, tb, m, n, k, batch};
  const char* name = "GemmStridedBatchedEx";
  if (type_a == R_32F && type_b == R_32F && type_c == R_32F)
    return enqueue_gemm<float>(h, name, shape, alpha, {(const float*)a, lda, sa},
                               {(const float*)b, ldb, sb}, beta, {(float*)c, ldc, sc}, compute);
  if (type_a == R_64F && type_b == R_64F && type_c == R_64F)
    return enqueue_gemm<double>(h, name, shape, alpha, {(const double*)a, lda, sa},
                                {(const double*)b, ldb, sb}, beta, {(double*)c, ldc, sc});
  fprintf(stderr, "hostcuda: a product of types %d, %d and %d\n", type_a, type_b, type_c);
  return NOT_SUPPORTED;
}
HC_API int cublasGemmEx(Handle* h, int ta, int tb, int m, int n, int k, const void* alpha,
                        const void* a, int type_a, int lda, const void* b, int type_b, int ldb,
                        const void* beta, void* c, int type_c, int ldc, int compute,
                        int algorithm) {
  return cublasGemmStridedBatchedEx(h, ta, tb, m, n, k, alpha, a, type_a, lda, 0, b, type_b, ldb, 0,
                                    beta, c, type_c, ldc, 0, 1, compute, algorithm);
}
