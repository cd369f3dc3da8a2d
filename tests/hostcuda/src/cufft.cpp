// The part of cuFFT that CuPy's transforms use: plans over one axis or many, by plain recursion.
#include "hostcuda.h"

#include <cmath>
#include <complex>
#include <cstdio>
#include <functional>
#include <map>
#include <vector>

namespace hc {

enum Type { C2C = 0x29, R2C = 0x2a, C2R = 0x2c, Z2Z = 0x69, D2Z = 0x6a, Z2D = 0x6c };
enum Status { SUCCESS = 0, INVALID_VALUE = 4, EXEC_FAILED = 6 };
using Complex = std::complex<double>;
using Indices = std::vector<int>;

// Where the numbers of one side lie.
struct Layout {
  Indices embed;  // the extents that indices are counted in
  long step = 1, distance = 0;

  long place(const Indices& at) const {
    long place = 0;
    for (size_t i = 0; i < at.size(); ++i) place = place * embed[i] + at[i];
    return place * step;
  }
};

struct Plan {
  Indices size;
  int type = C2C, batch = 1;
  Layout in, out;
  void* stream = nullptr;

  bool from_real() const { return type == R2C || type == D2Z; }
  bool to_real() const { return type == C2R || type == Z2D; }
  bool is_double() const { return type == D2Z || type == Z2D || type == Z2Z; }
};

static std::map<int, Plan> plans;

static Complex root(long number, long n, int sign) {
  return std::polar(1.0, sign * 2 * M_PI * (number % n) / n);
}

static int smallest_factor(int n) {
  for (int p = 2; p * p <= n; ++p)
    if (n % p == 0) return p;
  return n;
}

// Mixed radix, out of place.
static void transform(const Complex* x, int n, long stride, Complex* out, int sign) {
  if (n == 1) {
    out[0] = x[0];
    return;
  }
  int p = smallest_factor(n), m = n / p;
  for (int r = 0; r < p; ++r) transform(x + r * stride, m, stride * p, out + (long)r * m, sign);
  std::vector<Complex> turned(p);
  for (int k = 0; k < m; ++k) {
    for (int r = 0; r < p; ++r) turned[r] = out[(long)r * m + k] * root((long)r * k, n, sign);
    for (int q = 0; q < p; ++q) {
      Complex sum = 0;
      for (int r = 0; r < p; ++r) sum += turned[r] * root((long)r * q, p, sign);
      out[(long)q * m + k] = sum;
    }
  }
}

static void transform_all_axes(std::vector<Complex>& x, const Indices& size, int sign) {
  long inner = 1;
  for (int axis = (int)size.size() - 1; axis >= 0; --axis) {
    int n = size[axis];
    std::vector<Complex> line(n);
    for (long start = 0; start < (long)x.size(); ++start) {
      if (start / inner % n) continue;  // not the first of its line
      transform(&x[start], n, inner, line.data(), sign);
      for (int k = 0; k < n; ++k) x[start + k * inner] = line[k];
    }
    inner *= n;
  }
}

static void for_each(const Indices& size, const std::function<void(const Indices&)>& f) {
  Indices at(size.size(), 0);
  for (int axis = 0; axis >= 0;) {
    f(at);
    for (axis = (int)size.size() - 1; axis >= 0 && ++at[axis] == size[axis];) at[axis--] = 0;
  }
}

static Indices half_of(Indices size) {
  size.back() = size.back() / 2 + 1;
  return size;
}

static Indices mirrored(Indices at, const Indices& size) {
  for (size_t i = 0; i < at.size(); ++i) at[i] = (size[i] - at[i]) % size[i];
  return at;
}

template <class T>
static void read(const Plan& plan, const void* in, int i, const Layout& dense,
                 std::vector<Complex>& x) {
  auto reals = (const T*)in + i * plan.in.distance;
  auto complexes = (const std::complex<T>*)in + i * plan.in.distance;
  for_each(plan.to_real() ? half_of(plan.size) : plan.size, [&](const Indices& at) {
    Complex value = plan.from_real() ? Complex(reals[plan.in.place(at)])
                                     : Complex(complexes[plan.in.place(at)]);
    Indices mirror = mirrored(at, plan.size);
    // The half that is not there is the conjugate of the one that is.
    if (plan.to_real() && mirror.back() > plan.size.back() / 2)
      x[dense.place(mirror)] = conj(value);
    x[dense.place(at)] = value;
  });
}

template <class T>
static void run(const Plan& plan, const void* in, void* out, int sign) {
  Layout dense{plan.size};
  long total = 1;
  for (int n : plan.size) total *= n;
  std::vector<Complex> x(total);
  for (int i = 0; i < plan.batch; ++i) {
    read<T>(plan, in, i, dense, x);
    transform_all_axes(x, plan.size, plan.from_real() ? -1 : plan.to_real() ? 1 : sign);
    auto reals = (T*)out + i * plan.out.distance;
    auto complexes = (std::complex<T>*)out + i * plan.out.distance;
    for_each(plan.from_real() ? half_of(plan.size) : plan.size, [&](const Indices& at) {
      Complex value = x[dense.place(at)];
      if (plan.to_real())
        reals[plan.out.place(at)] = value.real();
      else
        complexes[plan.out.place(at)] = std::complex<T>(value);
    });
  }
}

static Layout layout(const Indices& size, int rank, const int* embed, long step, long distance) {
  if (embed) return {Indices(embed, embed + rank), step, distance};
  long total = 1;
  for (int n : size) total *= n;
  return {size, 1, total};
}

static int execute(int number, const void* in, void* out, int sign) {
  Plan plan = plans[number];
  if (!is_device(in) || !is_device(out)) {
    fprintf(stderr, "hostcuda: a transform of host memory\n");
    return INVALID_VALUE;
  }
  std::string name =
      "cufft of rank " + std::to_string(plan.size.size()) + " x" + std::to_string(plan.batch);
  auto work = [=] {
    plan.is_double() ? run<double>(plan, in, out, sign) : run<float>(plan, in, out, sign);
  };
  return enqueue(plan.stream, {name, Counter::library_calls, work}) ? EXEC_FAILED : SUCCESS;
}

}  // namespace hc

using namespace hc;

HC_API int cufftCreate(int* number) {
  static int created = 0;
  *number = ++created;
  plans[*number] = {};
  return SUCCESS;
}
HC_API int cufftDestroy(int number) {
  plans.erase(number);
  return SUCCESS;
}
HC_API int cufftGetVersion(int* version) {
  *version = 12000;
  return SUCCESS;
}
HC_API int cufftSetAutoAllocation(int, int) {
  return SUCCESS;
}
HC_API int cufftSetWorkArea(int, void*) {
  return SUCCESS;
}
HC_API int cufftSetStream(int number, void* stream) {
  plans[number].stream = stream;
  return SUCCESS;
}
HC_API int cufftMakePlanMany(int number, int rank, int* size, int* embed_in, int step_in,
                             int distance_in, int* embed_out, int step_out, int distance_out,
                             int type, int batch, size_t* work_bytes) {
  Plan& plan = plans[number];
  plan.size.assign(size, size + rank);
  plan.type = type;
  plan.batch = batch;
  Indices half = half_of(plan.size);
  plan.in = layout(plan.to_real() ? half : plan.size, rank, embed_in, step_in, distance_in);
  plan.out = layout(plan.from_real() ? half : plan.size, rank, embed_out, step_out, distance_out);
  *work_bytes = 0;
  return SUCCESS;
}
HC_API int cufftMakePlan1d(int number, int size, int type, int batch, size_t* work_bytes) {
  return cufftMakePlanMany(number, 1, &size, nullptr, 1, 0, nullptr, 1, 0, type, batch, work_bytes);
}
HC_API int cufftExecR2C(int plan, void* in, void* out) {
  return execute(plan, in, out, -1);
}
HC_API int cufftExecD2Z(int plan, void* in, void* out) {
  return execute(plan, in, out, -1);
}
HC_API int cufftExecC2R(int plan, void* in, void* out) {
  return execute(plan, in, out, 1);
}
HC_API int cufftExecZ2D(int plan, void* in, void* out) {
  return execute(plan, in, out, 1);
}
HC_API int cufftExecC2C(int plan, void* in, void* out, int sign) {
  return execute(plan, in, out, sign);
}
HC_API int cufftExecZ2Z(int plan, void* in, void* out, int sign) {
  return execute(plan, in, out, sign);
}
