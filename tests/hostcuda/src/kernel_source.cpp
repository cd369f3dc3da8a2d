// Reads CUDA C++ as far as it takes to know which kernels are in it, and which of them wait.
#include "kernel_source.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <regex>
#include <set>
#include <sstream>

namespace hc {

static bool is_word(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

static bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

static bool contains_word(const std::string& text, const std::string& word) {
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    bool starts = at == 0 || !is_word(text[at - 1]);
    size_t end = at + word.size();
    if (starts && (end == text.size() || !is_word(text[end]))) return true;
  }
  return false;
}

static bool speaks(const std::string& text) {
  return contains(text, "__sync") || contains(text, "_sync(") || contains(text, "_sync (");
}

static std::string without_comments(const std::string& source) {
  std::string out;
  for (size_t i = 0; i < source.size();) {
    size_t end = i;
    if (source.compare(i, 2, "//") == 0)
      end = source.find('\n', i);
    else if (source.compare(i, 2, "/*") == 0)
      end = source.find("*/", i + 2) + 2;
    if (end == i) {
      out += source[i++];
      continue;
    }
    if (end == std::string::npos || end < i) break;
    out += ' ';
    i = end;
  }
  return out;
}

// Takes the lines of the preprocessor out of the text; macros of one name are taken together.
static std::map<std::string, std::string> take_macros(std::string& text) {
  static const std::regex directive(R"(^\s*#)"), define(R"(^\s*#\s*define\s+(\w+))");
  std::istringstream lines(std::regex_replace(text, std::regex(R"(\\\n)"), " "));
  std::map<std::string, std::string> macros;
  std::smatch found;
  text.clear();
  for (std::string line; std::getline(lines, line);) {
    if (std::regex_search(line, found, define)) macros[found[1]] += line;
    if (!std::regex_search(line, directive)) text += line + "\n";
  }
  return macros;
}

static size_t matching_brace(const std::string& text, size_t open) {
  int depth = 0;
  for (size_t i = open; i < text.size(); ++i) {
    depth += (text[i] == '{') - (text[i] == '}');
    if (depth == 0) return i;
  }
  return text.size();
}

// The name that a definition's head declares: of a class, or before the parameters of a function.
static std::string name_in(std::string head) {
  static const std::regex decoration(
      R"((__launch_bounds__|__attribute__|__align__)\s*\(+[^)]*\)+)");
  static const std::regex type(R"((?:struct|class|union)\s+(\w+)[^(]*$)");
  static const std::regex function(R"((\w+)\s*\()");
  head = std::regex_replace(head, decoration, " ");
  std::smatch found;
  if (std::regex_search(head, found, type)) return found[1];
  return std::regex_search(head, found, function) ? found[1].str() : "";
}

// Bodies by name; the braces of namespaces and of extern "C" are looked through.
static void take_bodies(const std::string& text, std::map<std::string, std::string>& bodies) {
  size_t start = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ';' || text[i] == '}') start = i + 1;
    if (text[i] != '{') continue;
    std::string head = text.substr(start, i - start);
    bool is_block = contains_word(head, "namespace") ||
                    (contains(head, "extern \"C\"") && !contains(head, "("));
    size_t end = matching_brace(text, i);
    if (!is_block) bodies[name_in(head)] += text.substr(i, end - i);
    if (!is_block) i = end;
    start = i + 1;
  }
}

static std::vector<std::string> find_waiting(const std::map<std::string, std::string>& bodies) {
  std::set<std::string> waiting;
  for (auto& [name, body] : bodies)
    if (speaks(body)) waiting.insert(name);
  for (size_t before = 0; before != waiting.size();) {
    before = waiting.size();
    for (auto& [name, body] : bodies)
      for (const std::string& other : std::set<std::string>(waiting))
        if (contains_word(body, other)) waiting.insert(name);
  }
  return {waiting.begin(), waiting.end()};
}

static std::vector<std::string> find_kernels(const std::string& text) {
  static const std::regex kernel(
      R"((template\s*<[^>]*>\s*)?(?:extern\s+"C"\s+|static\s+)?__global__\s+)"
      R"((?:__launch_bounds__\s*\([^)]*\)\s*)?void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\()");
  std::set<std::string> found;
  for (std::sregex_iterator i(text.begin(), text.end(), kernel), end; i != end; ++i)
    if (!(*i)[1].matched) found.insert((*i)[2]);
  return {found.begin(), found.end()};
}

// Dynamic shared memory: an array of unknown size becomes a pointer.
static std::string with_dynamic_shared(const std::string& source) {
  static const std::regex array(
      R"(extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\(\s*\d+\s*\)\s*)?([\w:\s]+?)\s+(\w+)\s*\[\s*\]\s*;)");
  return std::regex_replace(source, array, "$1* $2 = ($1*)hc::dynamic_shared;");
}

bool KernelSource::waits(const std::string& kernel) const {
  if (all_wait) return true;
  // The name may be an expression, as of an instance of a template.
  return std::any_of(waiting.begin(), waiting.end(),
                     [&](const std::string& name) { return contains_word(kernel, name); });
}

KernelSource read_kernel_source(const std::string& source) {
  KernelSource read;
  std::string text = without_comments(source);
  read.prepared = with_dynamic_shared(source);
  read.kernels = find_kernels(text);
  read.has_shared = contains_word(text, "__shared__");
  // Headers that wait are not looked into.
  read.all_wait = contains(text, "cooperative_groups") || contains(text, "cub::");
  std::map<std::string, std::string> bodies = take_macros(text);
  take_bodies(text, bodies);
  read.waiting = find_waiting(bodies);
  bool asks_for_index = contains(source, "threadIdx") || contains(source, "blockIdx");
  read.is_loop = read.waiting.empty() && contains_word(source, "CUPY_FOR") && !asks_for_index &&
                 !read.has_shared;
  return read;
}

}  // namespace hc
