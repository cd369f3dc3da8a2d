// What nvrtc.cpp has to know of a kernel's source.
#pragma once
#include <string>
#include <vector>

namespace hc {

struct KernelSource {
  std::string prepared;  // as g++ takes it
  std::vector<std::string> kernels;
  bool is_loop;  // CuPy's loop over all elements, which asks for no index of its own
  bool has_shared;

  bool waits(const std::string& kernel) const;  // at a barrier or for its warp, or calls what does

  std::vector<std::string> waiting;  // names of functions and macros
  bool all_wait;
};

KernelSource read_kernel_source(const std::string& source);

}  // namespace hc
