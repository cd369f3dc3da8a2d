// The rest of CUDA's runtime: the device, copies, errors.
#include "hostcuda.h"

#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

namespace hc {

static int current_device = 0;

static int device_count() {
  const char* text = getenv("HOSTCUDA_DEVICES");
  return text ? atoi(text) : 1;
}

int missing(const char* name) {
  static std::set<std::string> told;
  if (told.insert(name).second) fprintf(stderr, "hostcuda: %s is not implemented\n", name);
  return fail(cudaErrorNotSupported);
}

static int direction(const void* to, const void* from, int asked) {
  bool from_device = is_device(from), to_device = is_device(to);
  int found = from_device ? (to_device ? cudaMemcpyDeviceToDevice : cudaMemcpyDeviceToHost)
                          : (to_device ? cudaMemcpyHostToDevice : cudaMemcpyHostToHost);
  if (asked == cudaMemcpyDefault || asked == found) return found;
  fprintf(stderr, "hostcuda: a copy said to be of kind %d is of kind %d\n", asked, found);
  return -1;
}

static int copy(void* to, const void* from, size_t bytes, int asked, void* stream, bool is_async) {
  if (!bytes) return 0;
  int kind = direction(to, from, asked);
  if (kind < 0) return fail(cudaErrorInvalidValue);
  if (!is_async)
    if (int error = refuse_in_capture("cudaMemcpy", cudaErrorStreamCaptureImplicit)) return error;
  const void* host = kind == cudaMemcpyHostToDevice   ? from
                     : kind == cudaMemcpyDeviceToHost ? to
                                                      : nullptr;
  bool is_pageable = host && !is_pinned(host);
  if (is_pageable && is_capturing(stream))
    return spoil_capture("a copy of pageable memory", cudaErrorStreamCaptureUnsupported);
  static const Counter calls[] = {Counter::h2d, Counter::h2d, Counter::d2h, Counter::d2d};
  static const Counter sizes[] = {Counter::h2d_bytes, Counter::h2d_bytes, Counter::d2h_bytes,
                                  Counter::d2d_bytes};
  static const char* names[] = {"memcpy H2H ", "memcpy H2D ", "memcpy D2H ", "memcpy D2D "};
  int error = enqueue(stream, {names[kind] + std::to_string(bytes), calls[kind],
                               [=] { memmove(to, from, bytes); }, sizes[kind], bytes});
  if (!error && kind == cudaMemcpyDeviceToHost && !is_async) {
    counter(Counter::syncs)++;
    note("SYNC copy to the host");
  }
  return error;
}

static int copy_rows(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width,
                     size_t height, int kind, void* stream, bool is_async) {
  for (size_t i = 0; i < height; ++i)
    if (int error = copy((char*)to + i * to_pitch, (const char*)from + i * from_pitch, width, kind,
                         stream, is_async))
      return error;
  return 0;
}

static int fill(void* pointer, int value, size_t bytes, void* stream) {
  if (!bytes) return 0;
  if (!is_device(pointer)) return fail(cudaErrorInvalidValue);
  return enqueue(stream, {"memset " + std::to_string(bytes), Counter::memsets,
                          [=] { memset(pointer, value, bytes); }});
}

static int attribute(cudaDeviceAttr which) {
  static const std::map<int, int> values = {
      // an H100's
      {cudaDevAttrComputeCapabilityMajor, 9},
      {cudaDevAttrComputeCapabilityMinor, 0},
      {cudaDevAttrMultiProcessorCount, 132},
      {cudaDevAttrMaxThreadsPerBlock, 1024},
      {cudaDevAttrWarpSize, 32},
      {cudaDevAttrMaxSharedMemoryPerBlock, 49152},
      {cudaDevAttrMaxSharedMemoryPerBlockOptin, 232448},
      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, 233472},
      {cudaDevAttrMaxThreadsPerMultiProcessor, 2048},
      {cudaDevAttrMaxGridDimX, 2147483647},
      {cudaDevAttrMaxGridDimY, 65535},
      {cudaDevAttrMaxGridDimZ, 65535},
      {cudaDevAttrMaxBlockDimX, 1024},
      {cudaDevAttrMaxBlockDimY, 1024},
      {cudaDevAttrMaxBlockDimZ, 64},
  };
  auto found = values.find(which);
  return found == values.end() ? 0 : found->second;
}

static const std::map<int, std::pair<const char*, const char*>>& errors() {
  static const std::map<int, std::pair<const char*, const char*>> table = {
      {0, {"cudaSuccess", "no error"}},
      {1, {"cudaErrorInvalidValue", "invalid argument"}},
      {2, {"cudaErrorMemoryAllocation", "out of memory"}},
      {100, {"cudaErrorNoDevice", "no CUDA-capable device is detected"}},
      {101, {"cudaErrorInvalidDevice", "invalid device ordinal"}},
      {200, {"cudaErrorInvalidKernelImage", "device kernel image is invalid"}},
      {400, {"cudaErrorInvalidResourceHandle", "invalid resource handle"}},
      {401, {"cudaErrorIllegalState", "the operation cannot be performed in the present state"}},
      {500, {"cudaErrorSymbolNotFound", "named symbol not found"}},
      {801, {"cudaErrorNotSupported", "operation not supported (hostcuda has it not)"}},
      {900,
       {"cudaErrorStreamCaptureUnsupported", "operation not permitted when stream is capturing"}},
      {901,
       {"cudaErrorStreamCaptureInvalidated",
        "operation failed due to a previous error during capture"}},
      {903, {"cudaErrorStreamCaptureUnmatched", "capture was not ended in the stream it began in"}},
      {904, {"cudaErrorStreamCaptureUnjoined", "capturing stream has unjoined work"}},
      {905,
       {"cudaErrorStreamCaptureIsolation",
        "dependency created on uncaptured work in another stream"}},
      {906,
       {"cudaErrorStreamCaptureImplicit",
        "operation would make the legacy stream depend on a capturing blocking stream"}},
      {907,
       {"cudaErrorCapturedEvent",
        "operation not permitted on an event last recorded in a capturing stream"}},
  };
  return table;
}

}  // namespace hc

using namespace hc;

HC_API int hc_missing(const char* name) {
  return missing(name);
}

HC_API cudaError_t cudaGetDeviceCount(int* number) {
  *number = device_count();
  return (cudaError_t)(*number ? 0 : fail(cudaErrorNoDevice));
}
HC_API cudaError_t cudaGetDevice(int* number) {
  *number = current_device;
  return cudaSuccess;
}
HC_API cudaError_t cudaSetDevice(int number) {
  if (number < 0 || number >= device_count()) return (cudaError_t)fail(cudaErrorInvalidDevice);
  current_device = number;
  return cudaSuccess;
}
HC_API cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
HC_API cudaError_t cudaRuntimeGetVersion(int* version) {
  return cudaDriverGetVersion(version);
}
HC_API cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr which, int) {
  *value = attribute(which);
  return cudaSuccess;
}
HC_API cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {};
  strcpy(properties->name, "hostcuda (no GPU: the host's processor)");
  properties->totalGlobalMem = memory_limit();
  properties->major = attribute(cudaDevAttrComputeCapabilityMajor);
  properties->minor = attribute(cudaDevAttrComputeCapabilityMinor);
  properties->multiProcessorCount = attribute(cudaDevAttrMultiProcessorCount);
  properties->warpSize = attribute(cudaDevAttrWarpSize);
  properties->sharedMemPerBlock = attribute(cudaDevAttrMaxSharedMemoryPerBlock);
  properties->maxThreadsPerMultiProcessor = attribute(cudaDevAttrMaxThreadsPerMultiProcessor);
  properties->maxThreadsPerBlock = attribute(cudaDevAttrMaxThreadsPerBlock);
  properties->l2CacheSize = 50 << 20;
  static const cudaDeviceAttr grid[] = {cudaDevAttrMaxGridDimX, cudaDevAttrMaxGridDimY,
                                        cudaDevAttrMaxGridDimZ};
  static const cudaDeviceAttr block[] = {cudaDevAttrMaxBlockDimX, cudaDevAttrMaxBlockDimY,
                                         cudaDevAttrMaxBlockDimZ};
  for (int i = 0; i < 3; ++i) {
    properties->maxGridSize[i] = attribute(grid[i]);
    properties->maxThreadsDim[i] = attribute(block[i]);
  }
  return cudaSuccess;
}
HC_API cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int) {
  snprintf(text, length, "0000:00:00.0");
  return cudaSuccess;
}
HC_API cudaError_t cudaDeviceCanAccessPeer(int* can, int, int) {
  *can = 0;
  return cudaSuccess;
}
HC_API cudaError_t cudaDeviceGetLimit(size_t* value, cudaLimit) {
  *value = 0;
  return cudaSuccess;
}
HC_API cudaError_t cudaDeviceSetLimit(cudaLimit, size_t) {
  return cudaSuccess;
}
HC_API cudaError_t cudaDeviceReset() {
  return cudaSuccess;
}
HC_API cudaError_t cudaProfilerStart() {
  return cudaSuccess;
}
HC_API cudaError_t cudaProfilerStop() {
  return cudaSuccess;
}

HC_API cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  return (cudaError_t)copy(to, from, bytes, kind, nullptr, false);
}
HC_API cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                                   cudaStream_t stream) {
  return (cudaError_t)copy(to, from, bytes, kind, stream, true);
}
HC_API cudaError_t cudaMemcpyPeer(void* to, int, const void* from, int, size_t bytes) {
  return (cudaError_t)copy(to, from, bytes, cudaMemcpyDeviceToDevice, nullptr, false);
}
HC_API cudaError_t cudaMemcpyPeerAsync(void* to, int, const void* from, int, size_t bytes,
                                       cudaStream_t stream) {
  return (cudaError_t)copy(to, from, bytes, cudaMemcpyDeviceToDevice, stream, true);
}
HC_API cudaError_t cudaMemcpy2D(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                                size_t width, size_t height, cudaMemcpyKind kind) {
  return (cudaError_t)copy_rows(to, to_pitch, from, from_pitch, width, height, kind, nullptr,
                                false);
}
HC_API cudaError_t cudaMemcpy2DAsync(void* to, size_t to_pitch, const void* from, size_t from_pitch,
                                     size_t width, size_t height, cudaMemcpyKind kind,
                                     cudaStream_t stream) {
  return (cudaError_t)copy_rows(to, to_pitch, from, from_pitch, width, height, kind, stream, true);
}
HC_API cudaError_t cudaMemset(void* pointer, int value, size_t bytes) {
  return (cudaError_t)fill(pointer, value, bytes, nullptr);
}
HC_API cudaError_t cudaMemsetAsync(void* pointer, int value, size_t bytes, cudaStream_t stream) {
  return (cudaError_t)fill(pointer, value, bytes, stream);
}

HC_API const char* cudaGetErrorName(cudaError_t error) {
  auto found = errors().find(error);
  return found == errors().end() ? "cudaErrorUnknown" : found->second.first;
}
HC_API const char* cudaGetErrorString(cudaError_t error) {
  auto found = errors().find(error);
  return found == errors().end() ? "unknown error" : found->second.second;
}
