// Counts what is asked of the device, and lists it in order where asked to.
#include "hostcuda.h"

#include <vector>

namespace hc {

static uint64_t values[(int)Counter::number];
static bool is_tracing = false;
static std::vector<std::string> traced;
static bool skipping = false;

uint64_t& counter(Counter which) {
  return values[(int)which];
}
bool is_skipping() {
  return skipping;
}

void note(const std::string& what) {
  if (is_tracing) traced.push_back(what);
}

}  // namespace hc

using namespace hc;

HC_API const char* hc_counter_name(int index) {
  static const char* names[] = {
#define HC_NAME(name) #name,
      HC_COUNTERS(HC_NAME)
#undef HC_NAME
  };
  return index < (int)Counter::number ? names[index] : nullptr;
}

HC_API uint64_t hc_counter(int index) {
  return values[index];
}

HC_API void hc_reset() {
  uint64_t bytes = counter(Counter::bytes);  // what is allocated stays so
  for (uint64_t& value : values) value = 0;
  counter(Counter::bytes) = counter(Counter::peak_bytes) = bytes;
}

HC_API void hc_trace(int on) {
  is_tracing = on;
  if (on) traced.clear();
}
HC_API long hc_trace_length() {
  return traced.size();
}
HC_API const char* hc_trace_entry(long index) {
  return traced[index].c_str();
}
HC_API void hc_skip(int on) {
  skipping = on;
}
