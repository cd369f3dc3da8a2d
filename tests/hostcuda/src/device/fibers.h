// One thread of the host takes the part of all of a grid's threads. Where a kernel waits at a
// barrier or speaks within its warp, the threads of a block are fibers, each with a stack of its
// own.
#pragma once
#include <link.h>
#include <sys/mman.h>

namespace hc {

struct Index {
  unsigned x, y, z;
};
static Index thread_index, block_index, block_size, grid_size;
static char* dynamic_shared;

enum class State { ready, in_warp, in_block, done };
struct Fiber {
  void* stack_pointer;
  Index at;
  State state;
};

static const int WARP = 32, MAX_THREADS = 1024;
static const size_t STACK = 64 << 10;
static Fiber fibers[MAX_THREADS];
static char* stacks;
static void* scheduler_stack_pointer;
static int running = -1;  // -1 where threads are no fibers
static int count;
static uint64_t warp_slots[MAX_THREADS];

using Body = void (*)(void**);
static Body body;
static void** body_arguments;

// Saves what the ABI of x86-64 has a function save, and goes on where the other was saved.
extern "C" void hc_switch(void** from, void* to);
asm(R"(
.text
.weak hc_switch
.hidden hc_switch
.type hc_switch,@function
hc_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
static const int SAVED_REGISTERS = 6;

static void wait_as(State state) {
  if (running < 0) {
    fprintf(stderr, "hostcuda: a kernel that was taken to have no barrier reached one\n");
    abort();
  }
  Fiber& fiber = fibers[running];
  fiber.state = state;
  hc_switch(&fiber.stack_pointer, scheduler_stack_pointer);
}

static void enter() {
  body(body_arguments);
  wait_as(State::done);
  abort();
}

static void prepare(int i, Index at) {
  void** top = (void**)(stacks + (i + 1) * STACK) - 2;
  *top = (void*)enter;  // the return address; the ABI wants rsp % 16 == 8 at a function's start
  fibers[i] = {top - SAVED_REGISTERS, at, State::ready};
}

static void resume(int i) {
  running = i;
  thread_index = fibers[i].at;
  fibers[i].state = State::ready;
  hc_switch(&scheduler_stack_pointer, fibers[i].stack_pointer);
}

// Goes on until all threads of the warp wait for the block, or are done.
static void run_warp(int first) {
  int end = std::min(count, first + WARP);
  for (bool is_busy = true; is_busy;) {
    is_busy = false;
    for (int i = first; i < end; ++i) {
      if (fibers[i].state == State::in_block || fibers[i].state == State::done) continue;
      resume(i);
      is_busy |= fibers[i].state == State::in_warp;
    }
  }
}

// The warps take turns from barrier to barrier; from the last to the first in every other block, so
// that what a missing barrier leaves to chance comes out in both ways.
static void run_block_of_fibers(bool is_backward) {
  int warps = (count + WARP - 1) / WARP;
  for (bool is_waiting = true; is_waiting;) {
    is_waiting = false;
    for (int w = 0; w < warps; ++w) run_warp(WARP * (is_backward ? warps - 1 - w : w));
    for (int i = 0; i < count; ++i) {
      if (fibers[i].state != State::in_block) continue;
      fibers[i].state = State::ready;
      is_waiting = true;
    }
  }
  running = -1;
}

template <class F>
static void for_each(Index size, F f) {
  for (unsigned z = 0; z < size.z; ++z)
    for (unsigned y = 0; y < size.y; ++y)
      for (unsigned x = 0; x < size.x; ++x) f(Index{x, y, z});
}

// What is shared: the storage of this thread in this shared object; see __shared__.
static thread_local char shared_anchor;
struct SharedMemory {
  char* start = nullptr;
  size_t bytes = 0;
};
static SharedMemory find_shared() {
  SharedMemory found;
  shared_anchor = 0;  // has the storage made
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        auto tls = (char*)info->dlpi_tls_data;
        for (int i = 0; tls && i < info->dlpi_phnum; ++i) {
          auto& header = info->dlpi_phdr[i];
          bool is_ours = &shared_anchor >= tls && &shared_anchor < tls + header.p_memsz;
          if (header.p_type == PT_TLS && is_ours) *(SharedMemory*)out = {tls, header.p_memsz};
        }
        return 0;
      },
      &found);
  return found;
}

// How a kernel's threads run; nvrtc.cpp tells by its source.
enum class Way {
  one_after_another,
  fibers,
  as_one_loop,  // CuPy's loops over the whole grid: a grid of one thread does it all
};

static void run_grid(Way way, bool has_shared, size_t dynamic_bytes) {
  static SharedMemory shared = find_shared();
  unsigned number = 0;
  for_each(grid_size, [&](Index block) {
    block_index = block;
    if (dynamic_bytes) memset(dynamic_shared, 0xff, dynamic_bytes);
    if (has_shared) memset(shared.start, 0xff, shared.bytes);
    int i = 0;
    for_each(block_size, [&](Index thread) {
      if (way == Way::fibers) return prepare(i++, thread);
      thread_index = thread;
      body(body_arguments);
    });
    if (way == Way::fibers) run_block_of_fibers(number++ % 2);
  });
}

static void launch(Body kernel, void** arguments, const unsigned* grid, const unsigned* block,
                   size_t dynamic_bytes, Way way, bool has_shared) {
  grid_size = {grid[0], grid[1], grid[2]};
  block_size = {block[0], block[1], block[2]};
  if (way == Way::as_one_loop) grid_size = block_size = {1, 1, 1};
  count = block_size.x * block_size.y * block_size.z;
  body = kernel;
  body_arguments = arguments;
  if (way == Way::fibers && !stacks)
    stacks = (char*)mmap(nullptr, MAX_THREADS * STACK, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (dynamic_bytes) dynamic_shared = (char*)aligned_alloc(128, (dynamic_bytes + 127) / 128 * 128);
  run_grid(way, has_shared, dynamic_bytes);
  if (dynamic_bytes) free(dynamic_shared);
}

// Calls a kernel with the arguments that pointers lead to, as cuLaunchKernel has them.
template <class... A>
struct Kernel {
  template <size_t... I>
  static void call(void (*kernel)(A...), void** p, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<std::remove_reference_t<A>>*>(p[I])...);
  }
};
template <class... A>
void call(void (*kernel)(A...), void** pointers) {
  Kernel<A...>::call(kernel, pointers, std::index_sequence_for<A...>{});
}
template <class... A>
size_t sizes(void (*)(A...), size_t* out) {
  size_t each[] = {sizeof(A)..., 0};
  std::copy(each, each + sizeof...(A), out);
  return sizeof...(A);
}

}  // namespace hc
