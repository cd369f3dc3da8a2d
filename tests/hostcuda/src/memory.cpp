// Memory of the device: one stretch of the host's address space, handed out in pieces.
#include "hostcuda.h"

#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

namespace hc {

static const size_t PAGE = 4096;
static const size_t PIECE = 512;  // as CUDA aligns

static bool is_on(const char* variable, bool otherwise) {
  const char* text = getenv(variable);
  return text ? atoi(text) != 0 : otherwise;
}

static const bool guarded = is_on("HOSTCUDA_GUARD", false);
static const bool poisoned = is_on("HOSTCUDA_POISON", true);
static char* arena = nullptr;
static size_t arena_bytes = 0;
static std::map<size_t, size_t> taken;  // offset: bytes
static size_t top = 0;                  // nothing was ever handed out above
static int open_depth = 0;
static std::map<const char*, size_t> globals, pinned;

size_t memory_limit() {
  static const char* text = getenv("HOSTCUDA_MEMORY");
  static size_t bytes = text ? (size_t)strtod(text, nullptr) : (size_t)8 << 30;
  return bytes;
}

static size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

static void make_arena() {
  if (arena) return;
  arena_bytes = memory_limit() * 2;  // room for holes between pieces
  int protection = guarded ? PROT_NONE : PROT_READ | PROT_WRITE;
  arena = (char*)mmap(nullptr, arena_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                      -1, 0);
  if (arena == MAP_FAILED) {
    fprintf(stderr, "hostcuda: no address space for the device's memory\n");
    abort();
  }
}

static void protect(int protection) {
  if (top) mprotect(arena, round_up(top, PAGE), protection);
}

OpenMemory::OpenMemory() {
  make_arena();
  if (guarded && open_depth++ == 0) protect(PROT_READ | PROT_WRITE);
}

OpenMemory::~OpenMemory() {
  if (guarded && --open_depth == 0) protect(PROT_NONE);
}

static bool lies_in(const std::map<const char*, size_t>& pieces, const void* pointer) {
  auto after = pieces.upper_bound((const char*)pointer);
  if (after == pieces.begin()) return false;
  auto& [start, bytes] = *--after;
  return (const char*)pointer < start + bytes;
}

bool is_device(const void* pointer) {
  auto p = (const char*)pointer;
  return (arena && p >= arena && p < arena + arena_bytes) || lies_in(globals, pointer);
}

bool is_pinned(const void* pointer) {
  return lies_in(pinned, pointer);
}
void add_global(void* pointer, size_t bytes) {
  globals[(const char*)pointer] = bytes;
}

static int take(void** out, size_t asked) {
  make_arena();
  size_t size = round_up(asked ? asked : 1, PIECE);
  if (counter(Counter::bytes) + size > memory_limit()) return cudaErrorMemoryAllocation;
  size_t at = 0;
  for (auto& [offset, length] : taken) {
    if (offset - at >= size) break;
    at = offset + length;
  }
  if (at + size > arena_bytes) return cudaErrorMemoryAllocation;
  taken[at] = size;
  if (at + size > top) top = at + size;
  counter(Counter::mallocs)++;
  uint64_t bytes = counter(Counter::bytes) += size;
  if (bytes > counter(Counter::peak_bytes)) counter(Counter::peak_bytes) = bytes;
  if (poisoned) {
    OpenMemory open;
    memset(arena + at, 0xff, size);  // NaN in every type of float
  }
  *out = arena + at;
  return 0;
}

static int give_back(void* pointer) {
  if (!pointer) return 0;
  size_t at = (char*)pointer - arena;
  auto found = arena ? taken.find(at) : taken.end();
  if (found == taken.end()) return cudaErrorInvalidValue;
  size_t size = found->second, first = round_up(at, PAGE), end = (at + size) / PAGE * PAGE;
  counter(Counter::frees)++;
  counter(Counter::bytes) -= size;
  if (end > first) madvise(arena + first, end - first, MADV_DONTNEED);
  taken.erase(found);
  return 0;
}

}  // namespace hc

using namespace hc;

HC_API void hc_open(int on) {
  static OpenMemory* opened = nullptr;
  if (on && !opened) opened = new OpenMemory;
  if (!on) {
    delete opened;
    opened = nullptr;
  }
}

HC_API cudaError_t cudaMalloc(void** pointer, size_t bytes) {
  if (int error = refuse_in_capture("cudaMalloc")) return (cudaError_t)error;
  note("malloc " + std::to_string(bytes));
  return (cudaError_t)fail(take(pointer, bytes));
}

HC_API cudaError_t cudaFree(void* pointer) {
  // In every mode: it waits for the device.
  if (pointer && is_anything_capturing()) return (cudaError_t)spoil_capture("cudaFree", 900);
  return (cudaError_t)fail(give_back(pointer));
}

HC_API cudaError_t cudaMallocManaged(void** pointer, size_t bytes, unsigned) {
  return cudaMalloc(pointer, bytes);
}
HC_API cudaError_t cudaMallocAsync(void** pointer, size_t bytes, cudaStream_t) {
  return cudaMalloc(pointer, bytes);
}
HC_API cudaError_t cudaFreeAsync(void* pointer, cudaStream_t) {
  return cudaFree(pointer);
}

HC_API cudaError_t cudaHostAlloc(void** pointer, size_t bytes, unsigned) {
  if (int error = refuse_in_capture("cudaHostAlloc")) return (cudaError_t)error;
  *pointer = aligned_alloc(PAGE, round_up(bytes ? bytes : 1, PAGE));
  if (poisoned) memset(*pointer, 0xff, bytes);
  pinned[(char*)*pointer] = bytes;
  return cudaSuccess;
}
HC_API cudaError_t cudaMallocHost(void** pointer, size_t bytes) {
  return cudaHostAlloc(pointer, bytes, 0);
}
HC_API cudaError_t cudaFreeHost(void* pointer) {
  if (int error = refuse_in_capture("cudaFreeHost")) return (cudaError_t)error;
  if (pointer && !pinned.erase((char*)pointer)) return (cudaError_t)fail(cudaErrorInvalidValue);
  free(pointer);
  return cudaSuccess;
}
HC_API cudaError_t cudaHostRegister(void* pointer, size_t bytes, unsigned) {
  pinned[(char*)pointer] = bytes;
  return cudaSuccess;
}
HC_API cudaError_t cudaHostUnregister(void* pointer) {
  pinned.erase((char*)pointer);
  return cudaSuccess;
}

HC_API cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = memory_limit();
  *free = *total - counter(Counter::bytes);
  return cudaSuccess;
}

HC_API cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* attributes,
                                            const void* pointer) {
  bool device = is_device(pointer), mapped = is_pinned(pointer);
  *attributes = {};
  attributes->type = device   ? cudaMemoryTypeDevice
                     : mapped ? cudaMemoryTypeHost
                              : cudaMemoryTypeUnregistered;
  attributes->device = device || mapped ? 0 : -2;
  attributes->devicePointer = device || mapped ? (void*)pointer : nullptr;
  attributes->hostPointer = device ? nullptr : (void*)pointer;
  return cudaSuccess;
}
