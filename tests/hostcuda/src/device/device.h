// Included before each kernel's source: what CUDA C++ has and C++ has not.
#pragma once
#include <algorithm>
#include <atomic>
#include <cassert>
#include <cfloat>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <tuple>
#include <type_traits>
#include <utility>

#include <vector_types.h>
#include <vector_functions.h>
// After all else: the headers above bring qualifiers of their own.
#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __forceinline__
#undef __noinline__
#undef __launch_bounds__
#undef __restrict__
#undef __managed__
#undef __grid_constant__
#define __global__
#define __device__
#define __host__
#define __constant__ __attribute__((visibility("default")))  // found by cuModuleGetGlobal
#define __managed__
#define __grid_constant__
// One block runs at a time, on one thread of the host. All that a module shares lies in the
// thread's storage of that module, whose bounds are known: so it can be filled with NaN before each
// block.
#define __shared__ static thread_local
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0
#define HOSTCUDA 1

#include <math.h>  // libstdc++'s: the overloads of <cmath>, abs among them, in the global namespace
#include <stdlib.h>
using std::abs;
using std::isfinite;
using std::isinf;
using std::isnan;
using std::signbit;
// NVRTC knows these only of headers; CuPy 13 has constants of these names.
#undef FLT_MIN
#undef FLT_MAX
#undef FLT_EPSILON
#undef FLT_MAX_EXP
#undef FLT_MANT_DIG
#undef DBL_MIN
#undef DBL_MAX
#undef DBL_EPSILON
#undef DBL_MAX_EXP
#undef DBL_MANT_DIG

#include "fibers.h"
#include "threads.h"
#include "intrinsics.h"
