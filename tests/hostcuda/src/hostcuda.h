// What the stand-in libraries share: counters, device memory, streams and their captures.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#define HC_API extern "C" __attribute__((visibility("default")))

// Python reads the names from here, too, by hc_counter_name.
#define HC_COUNTERS(X)                                                                             \
  X(launches)                                                                                      \
  X(library_calls) X(memsets) X(h2d) X(d2h) X(d2d) X(h2d_bytes) X(d2h_bytes) X(d2d_bytes) X(syncs) \
      X(events) X(mallocs) X(frees) X(bytes) X(peak_bytes) X(graph_launches) X(graph_nodes)        \
          X(compiles)

namespace hc {

enum class Counter {
#define HC_ENUMERATOR(name) name,
  HC_COUNTERS(HC_ENUMERATOR)
#undef HC_ENUMERATOR
      number
};

uint64_t& counter(Counter which);
void note(const std::string& what);  // one line of the trace, where one is kept
bool is_skipping();                  // launches cost the host what they cost, and compute nothing

bool is_device(const void* pointer);  // in the memory of the device, or a variable of a module
void add_global(void* pointer, size_t bytes);
bool is_pinned(const void* pointer);

// Device memory is open to the host while one of these lives; see HOSTCUDA_GUARD.
struct OpenMemory {
  OpenMemory();
  ~OpenMemory();
};

// What is put on a stream. `bytes` are counted each time that it runs.
struct Operation {
  std::string name;
  Counter kind;
  std::function<void()> work;
  Counter bytes_kind = Counter::number;
  size_t bytes = 0;
};

// Runs it at once, or keeps it where the stream is being captured. Returns 0 or a cudaError_t,
// whose numbers are those of CUresult for all that is used here.
int enqueue(void* stream, Operation operation);
bool is_capturing(void* stream);
bool is_anything_capturing();
int fail(int error);                                       // remembers it for cudaGetLastError
int refuse_in_capture(const char* what, int error = 900);  // 0 where it is permitted
int spoil_capture(const std::string& what, int error);     // refuses; the capture fails at its end

size_t memory_limit();
int missing(const char* name);  // says once on standard error that it is not here; 801

}  // namespace hc
