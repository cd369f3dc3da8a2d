// CUDA's driver: contexts there are none; modules are shared objects that nvrtc.cpp made.
#include "hostcuda.h"

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

namespace hc {

static const char MARK[] = "HOSTCUDA ";
static const size_t MAX_PARAMETERS = 256, MAX_PARAMETER_BYTES = 32764;

// The launchers that nvrtc.cpp puts beside each kernel.
using Run = void (*)(void** arguments, const unsigned* grid, const unsigned* block, size_t shared);
using Sizes = size_t (*)(size_t* sizes);

struct Function {
  std::string name;
  Run run;
  std::vector<size_t> sizes;
};

struct Module {
  void* library;
  std::map<std::string, std::unique_ptr<Function>> functions;
};

// Which kernels a run met, for who compiles them for real GPUs afterwards.
static void record_met(const char* path) {
  const char* list = getenv("HOSTCUDA_MET");
  if (!list || !*list) return;
  int file = open(list, O_WRONLY | O_APPEND | O_CREAT, 0666);
  std::string line = std::string(path) + "\n";
  if (file < 0 || write(file, line.data(), line.size()) < 0) perror("hostcuda: HOSTCUDA_MET");
  if (file >= 0) close(file);
}

static Function* find_function(Module& module, const std::string& name) {
  auto& slot = module.functions[name];
  if (!slot) {
    auto run = (Run)dlsym(module.library, ("hc_run_" + name).c_str());
    auto sizes = (Sizes)dlsym(module.library, ("hc_sizes_" + name).c_str());
    if (!run || !sizes) return nullptr;
    std::vector<size_t> found(MAX_PARAMETERS);
    found.resize(sizes(found.data()));
    slot.reset(new Function{name, run, found});
  }
  return slot.get();
}

struct Launch {
  Function* function;
  unsigned grid[3], block[3], shared;

  bool is_valid() const {
    unsigned long threads = (unsigned long)block[0] * block[1] * block[2];
    size_t total = 0;
    for (size_t size : function->sizes) total += size;
    return grid[0] && grid[1] && grid[2] && threads && threads <= 1024 && block[2] <= 64 &&
           grid[0] <= 2147483647 && grid[1] <= 65535 && grid[2] <= 65535 && shared <= 232448 &&
           total <= MAX_PARAMETER_BYTES;
  }

  std::string name() const {
    return function->name + " <" + std::to_string((size_t)grid[0] * grid[1] * grid[2]) + "x" +
           std::to_string(block[0] * block[1] * block[2]) + ">";
  }
};

static int launch(const Launch& launch, void* stream, void** arguments) {
  auto run = [launch](void** pointers) {
    launch.function->run(pointers, launch.grid, launch.block, launch.shared);
  };
  if (!is_capturing(stream))
    return enqueue(stream, {launch.name(), Counter::launches, [=] { run(arguments); }});
  // The arguments as they are now: the caller's may be gone when the graph is replayed.
  std::vector<std::vector<char>> kept;
  for (size_t i = 0; i < launch.function->sizes.size(); ++i)
    kept.emplace_back((char*)arguments[i], (char*)arguments[i] + launch.function->sizes[i]);
  return enqueue(stream, {launch.name(), Counter::launches, [run, kept]() mutable {
                            std::vector<void*> pointers;
                            for (auto& each : kept) pointers.push_back(each.data());
                            run(pointers.data());
                          }});
}

}  // namespace hc

using namespace hc;

HC_API CUresult cuInit(unsigned) {
  return CUDA_SUCCESS;
}
HC_API CUresult cuDriverGetVersion(int* version) {
  return (CUresult)cudaDriverGetVersion(version);
}
HC_API CUresult cuDeviceGet(CUdevice* device, int number) {
  *device = number;
  return CUDA_SUCCESS;
}
HC_API CUresult cuDeviceGetCount(int* number) {
  return (CUresult)cudaGetDeviceCount(number);
}
HC_API CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute which, CUdevice device) {
  return (CUresult)cudaDeviceGetAttribute(value, (cudaDeviceAttr)which, device);
}
HC_API CUresult cuCtxGetCurrent(CUcontext* context) {
  *context = (CUcontext)1;
  return CUDA_SUCCESS;
}
HC_API CUresult cuCtxSetCurrent(CUcontext) {
  return CUDA_SUCCESS;
}
HC_API CUresult cuCtxGetDevice(CUdevice* device) {
  return (CUresult)cudaGetDevice(device);
}
HC_API CUresult cuStreamGetCtx(CUstream, CUcontext* context) {
  return cuCtxGetCurrent(context);
}
HC_API CUresult cuGetErrorName(CUresult error, const char** text) {
  *text = cudaGetErrorName((cudaError_t)error);
  return CUDA_SUCCESS;
}
HC_API CUresult cuGetErrorString(CUresult error, const char** text) {
  *text = cudaGetErrorString((cudaError_t)error);
  return CUDA_SUCCESS;
}

HC_API CUresult cuModuleLoadData(CUmodule* module, const void* image) {
  auto text = (const char*)image;
  if (strncmp(text, MARK, strlen(MARK))) {
    fprintf(stderr, "hostcuda: a module that hostcuda did not compile\n");
    return CUDA_ERROR_INVALID_IMAGE;
  }
  const char* path = text + strlen(MARK);
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    fprintf(stderr, "hostcuda: %s\n", dlerror());
    return CUDA_ERROR_INVALID_IMAGE;
  }
  record_met(path);
  *module = (CUmodule) new Module{library, {}};
  return CUDA_SUCCESS;
}
HC_API CUresult cuModuleLoadDataEx(CUmodule* module, const void* image, unsigned, CUjit_option*,
                                   void**) {
  return cuModuleLoadData(module, image);
}
HC_API CUresult cuModuleUnload(CUmodule) {
  return CUDA_SUCCESS;
}  // graphs may still hold its kernels
HC_API CUresult cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  *function = (CUfunction)find_function(*(Module*)module, name);
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
HC_API CUresult cuModuleGetGlobal_v2(CUdeviceptr* pointer, size_t* bytes, CUmodule module,
                                     const char* name) {
  void* found = dlsym(((Module*)module)->library, name);
  Dl_info info;
  ElfW(Sym)* symbol = nullptr;
  if (!found || !dladdr1(found, &info, (void**)&symbol, RTLD_DL_SYMENT) || !symbol)
    return CUDA_ERROR_NOT_FOUND;
  add_global(found, symbol->st_size);
  if (pointer) *pointer = (CUdeviceptr)found;
  if (bytes) *bytes = symbol->st_size;
  return CUDA_SUCCESS;
}

HC_API CUresult cuFuncGetAttribute(int* value, CUfunction_attribute which, CUfunction) {
  *value = which == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK ? 1024 : 0;
  return CUDA_SUCCESS;
}
HC_API CUresult cuFuncSetAttribute(CUfunction, CUfunction_attribute, int) {
  return CUDA_SUCCESS;
}
HC_API CUresult cuFuncSetCacheConfig(CUfunction, CUfunc_cache) {
  return CUDA_SUCCESS;
}
HC_API CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction, int threads,
                                                            size_t) {
  *blocks = 2048 / threads;
  return CUDA_SUCCESS;
}
HC_API CUresult cuOccupancyMaxPotentialBlockSize(int* grid, int* block, CUfunction,
                                                 CUoccupancyB2DSize, size_t, int limit) {
  *block = limit && limit < 1024 ? limit : 1024;
  *grid = 264;
  return CUDA_SUCCESS;
}

HC_API CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                               unsigned grid_z, unsigned block_x, unsigned block_y,
                               unsigned block_z, unsigned shared, CUstream stream, void** arguments,
                               void** extra) {
  Launch asked{(Function*)function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared};
  if (extra) return (CUresult)missing("cuLaunchKernel with extra");
  if (!asked.is_valid()) return (CUresult)fail(CUDA_ERROR_INVALID_VALUE);
  return (CUresult)launch(asked, stream, arguments);
}
HC_API CUresult cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                          unsigned grid_z, unsigned block_x, unsigned block_y,
                                          unsigned block_z, unsigned shared, CUstream stream,
                                          void** arguments) {
  if ((size_t)grid_x * grid_y * grid_z > 1)
    return (CUresult)missing("cuLaunchCooperativeKernel of several blocks");
  return cuLaunchKernel(function, grid_x, grid_y, grid_z, block_x, block_y, block_z, shared, stream,
                        arguments, nullptr);
}
