// NVRTC whose target is the host: the source goes through g++, and what is called a cubin is the
// path of a shared object. Compiled once; its folder holds the CUDA source and options beside it.
#include "hostcuda.h"
#include "kernel_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

namespace hc {

enum Result { SUCCESS = 0, COMPILATION = 6, NAME_EXPRESSION_NOT_VALID = 10 };

struct Program {
  std::string source, name, log, binary;
  std::vector<std::pair<std::string, std::string>> headers;  // name, text
  std::vector<std::string> expressions;
  std::map<std::string, std::string> lowered;
};

static std::string setting(const char* name) {
  const char* text = getenv(name);
  return text ? text : "";
}

static uint64_t hash(const std::string& text, uint64_t seed) {
  for (unsigned char c : text) seed = (seed ^ c) * 1099511628211ull;  // FNV-1a
  return seed;
}

static std::string identity(const std::string& text) {
  char id[40];
  snprintf(id, sizeof id, "%016lx%016lx", hash(text, 14695981039346656037ull),
           hash(text, 88172645463325252ull));
  return id;
}

static bool exists(const std::string& path) {
  struct stat unused;
  return stat(path.c_str(), &unused) == 0;
}

// Of NVRTC's options those that say what is compiled; for which GPU, and how, is of no use here.
static std::vector<std::string> kept_options(int number, const char** options) {
  std::vector<std::string> kept;
  for (int i = 0; i < number; ++i) {
    std::string option = options[i], start = option.substr(0, 2);
    if (start != "-I" && start != "-D") continue;
    bool is_split = option.size() == 2 && i + 1 < number;
    kept.push_back(is_split ? option + options[++i] : option);
  }
  return kept;
}

static std::string launcher(const std::string& symbol, const std::string& kernel,
                            const KernelSource& source) {
  const char* way = source.waits(kernel) ? "fibers"
                    : source.is_loop     ? "as_one_loop"
                                         : "one_after_another";
  std::ostringstream out;
  out << "HC_LAUNCHER void hc_run_" << symbol
      << "(void** p, const unsigned* g, const unsigned* b, size_t n) {\n"
      << "  hc::launch([](void** q) { hc::call(&" << kernel
      << ", q); }, p, g, b, n, hc::Way::" << way << ", " << (source.has_shared ? "true" : "false")
      << ");\n}\n"
      << "HC_LAUNCHER size_t hc_sizes_" << symbol << "(size_t* n) { return hc::sizes(&" << kernel
      << ", n); }\n";
  return out.str();
}

// The translation unit: the source as it is, and beside each kernel what calls it.
static std::string translation_unit(Program& program) {
  KernelSource source = read_kernel_source(program.source);
  std::string out = "#include \"device/device.h\"\n#line 1 \"" + program.name + "\"\n";
  out += source.prepared + "\n#line 1 \"hostcuda's launchers\"\n";
  out += "#define HC_LAUNCHER extern \"C\" __attribute__((visibility(\"default\")))\n";
  for (const std::string& kernel : source.kernels) out += launcher(kernel, kernel, source);
  int number = 0;
  for (const std::string& expression : program.expressions) {
    bool is_plain = std::count(source.kernels.begin(), source.kernels.end(), expression);
    std::string symbol = is_plain ? expression : "expression" + std::to_string(number++);
    program.lowered[expression] = symbol;
    if (!is_plain) out += launcher(symbol, expression, source);
  }
  return out;
}

// The headers that came with the program, as files in a folder.
static void write_headers(const Program& program, const std::string& folder) {
  for (auto& [name, text] : program.headers) {
    std::string path = folder + "/" + name;
    std::string make = "mkdir -p '" + path.substr(0, path.rfind('/')) + "'";
    if (system(make.c_str())) perror("hostcuda: mkdir");
    std::ofstream(path) << text;
  }
}

static bool compile(Program& program, const std::string& stem, const std::string& flags) {
  std::string temporary = stem + "." + std::to_string(getpid()) + ".tmp";
  std::string command =
      "g++ -shared -fPIC -std=c++17 -O2 -march=native -fno-strict-aliasing "
      "-fno-semantic-interposition -fvisibility=hidden -w " +
      setting("HOSTCUDA_FLAGS") + flags + " -o '" + temporary + "' '" + stem + ".cpp' 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  char text[4096];
  for (size_t got; (got = fread(text, 1, sizeof text, pipe)) > 0;) program.log.append(text, got);
  if (pclose(pipe)) {
    if (getenv("HOSTCUDA_VERBOSE"))
      fprintf(stderr, "hostcuda: %s\n%s\n", command.c_str(), program.log.c_str());
    return false;
  }
  return rename(temporary.c_str(), (stem + ".so").c_str()) == 0;
}

static Result build(Program& program, const std::vector<std::string>& options) {
  std::string flags, listed, all = setting("HOSTCUDA_FLAGS");
  for (const std::string& option : options) {
    flags += " '" + option + "'";
    listed += option + "\n";
  }
  all += listed + program.source;
  for (const std::string& expression : program.expressions) all += "\n" + expression;
  std::string stem = setting("HOSTCUDA_KERNELS") + "/" + identity(all);
  std::string unit = translation_unit(program);
  program.log.clear();
  program.binary = "HOSTCUDA " + stem + ".so" + '\0';
  if (exists(stem + ".so")) return SUCCESS;
  counter(Counter::compiles)++;
  if (!program.headers.empty()) {
    write_headers(program, stem + ".include");
    flags += " '-I" + stem + ".include'";
  }
  std::ofstream(stem + ".cu") << program.source;
  std::ofstream(stem + ".options") << listed;
  std::ofstream(stem + ".expressions") << [&] {
    std::string lines;
    for (const std::string& expression : program.expressions) lines += expression + "\n";
    return lines;
  }();
  std::ofstream(stem + ".cpp") << unit;
  return compile(program, stem, flags) ? SUCCESS : COMPILATION;
}

}  // namespace hc

using hc::Program;

HC_API int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 0;
  return hc::SUCCESS;
}
HC_API int nvrtcGetNumSupportedArchs(int* number) {
  *number = 1;
  return hc::SUCCESS;
}
HC_API int nvrtcGetSupportedArchs(int* architectures) {
  *architectures = 90;
  return hc::SUCCESS;
}
HC_API const char* nvrtcGetErrorString(int error) {
  return error == hc::COMPILATION ? "NVRTC_ERROR_COMPILATION"
         : error                  ? "NVRTC_ERROR"
                                  : "NVRTC_SUCCESS";
}
HC_API int nvrtcCreateProgram(Program** program, const char* source, const char* name, int number,
                              const char** headers, const char** names) {
  *program = new Program{source, name ? name : "kernel.cu"};
  for (int i = 0; i < number; ++i) (*program)->headers.push_back({names[i], headers[i]});
  return hc::SUCCESS;
}
HC_API int nvrtcDestroyProgram(Program** program) {
  delete *program;
  *program = nullptr;
  return hc::SUCCESS;
}
HC_API int nvrtcAddNameExpression(Program* program, const char* expression) {
  program->expressions.push_back(expression);
  return hc::SUCCESS;
}
HC_API int nvrtcGetLoweredName(Program* program, const char* expression, const char** lowered) {
  auto found = program->lowered.find(expression);
  if (found == program->lowered.end()) return hc::NAME_EXPRESSION_NOT_VALID;
  *lowered = found->second.c_str();
  return hc::SUCCESS;
}
HC_API int nvrtcCompileProgram(Program* program, int number, const char** options) {
  return hc::build(*program, hc::kept_options(number, options));
}
HC_API int nvrtcGetProgramLogSize(Program* program, size_t* bytes) {
  *bytes = program->log.size() + 1;
  return hc::SUCCESS;
}
HC_API int nvrtcGetProgramLog(Program* program, char* text) {
  memcpy(text, program->log.c_str(), program->log.size() + 1);
  return hc::SUCCESS;
}

#define HC_BINARY(KIND)                                              \
  HC_API int nvrtcGet##KIND##Size(Program* program, size_t* bytes) { \
    *bytes = program->binary.size();                                 \
    return hc::SUCCESS;                                              \
  }                                                                  \
  HC_API int nvrtcGet##KIND(Program* program, char* out) {           \
    memcpy(out, program->binary.data(), program->binary.size());     \
    return hc::SUCCESS;                                              \
  }
HC_BINARY(CUBIN)
HC_BINARY(PTX)
HC_BINARY(LTOIR)
HC_BINARY(NVVM)
HC_BINARY(OptiXIR)
