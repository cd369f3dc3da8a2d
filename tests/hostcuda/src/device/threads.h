// What a kernel's threads say to one another: indices, barriers, shuffles, atomic operations.
#pragma once

#define threadIdx hc::thread_index
#define blockIdx hc::block_index
#define blockDim hc::block_size
#define gridDim hc::grid_size
#define warpSize 32

static inline void __syncthreads() {
  hc::wait_as(hc::State::in_block);
}
static inline void __syncwarp(unsigned = ~0u) {
  hc::wait_as(hc::State::in_warp);
}
static inline void __threadfence() {}
static inline void __threadfence_block() {}
static inline void __threadfence_system() {}
static inline unsigned __activemask() {
  return ~0u;
}

namespace hc {

static int lane() {
  return running % WARP;
}
static uint64_t& slot(int lane) {
  return warp_slots[running / WARP * WARP + lane];
}

template <class T>
static T exchange(T value, int from) {
  static_assert(sizeof(T) <= 8, "shuffled values have at most 8 bytes");
  if (running >= 0) memcpy(&slot(lane()), &value, sizeof(T));
  wait_as(State::in_warp);
  T out;
  memcpy(&out, &slot(from), sizeof(T));
  wait_as(State::in_warp);
  return out;
}

// The lane itself where the other is out of its part of the warp.
static int within(int other, int width) {
  return other / width == lane() / width ? other : lane();
}

}  // namespace hc

template <class T>
static inline T __shfl_sync(unsigned, T value, int from, int width = 32) {
  return hc::exchange(value, hc::lane() / width * width + from % width);
}
template <class T>
static inline T __shfl_xor_sync(unsigned, T value, int mask, int width = 32) {
  return hc::exchange(value, hc::within(hc::lane() ^ mask, width));
}
template <class T>
static inline T __shfl_down_sync(unsigned, T value, unsigned by, int width = 32) {
  return hc::exchange(value, hc::within(hc::lane() + (int)by, width));
}
template <class T>
static inline T __shfl_up_sync(unsigned, T value, unsigned by, int width = 32) {
  int other = hc::lane() - (int)by;
  return hc::exchange(value, other < 0 ? hc::lane() : hc::within(other, width));
}

static inline unsigned __ballot_sync(unsigned mask, int predicate) {
  if (hc::running >= 0) hc::slot(hc::lane()) = predicate != 0;
  hc::wait_as(hc::State::in_warp);
  unsigned result = 0;
  int first = hc::running / hc::WARP * hc::WARP;
  for (int i = 0; i < hc::WARP && first + i < hc::count; ++i)
    if (mask >> i & 1 && hc::slot(i)) result |= 1u << i;
  hc::wait_as(hc::State::in_warp);
  return result;
}
static inline int __any_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) != 0;
}
static inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, !predicate) == 0;
}

static inline int __syncthreads_count(int predicate) {
  static int sum;
  sum = 0;
  __syncthreads();
  sum += predicate != 0;
  __syncthreads();
  int result = sum;
  __syncthreads();
  return result;
}
static inline int __syncthreads_or(int predicate) {
  return __syncthreads_count(predicate) != 0;
}
static inline int __syncthreads_and(int predicate) {
  return __syncthreads_count(!predicate) == 0;
}

// Nothing else runs meanwhile, so each is atomic as it stands.
#define HC_ATOMIC(NAME, NEW)               \
  template <class T, class U>              \
  static inline T NAME(T* at, U operand) { \
    T old = *at, value = (T)operand;       \
    *at = NEW;                             \
    return old;                            \
  }
HC_ATOMIC(atomicAdd, old + value)
HC_ATOMIC(atomicSub, old - value)
HC_ATOMIC(atomicMax, value > old ? value : old)
HC_ATOMIC(atomicMin, value < old ? value : old)
HC_ATOMIC(atomicExch, value)
HC_ATOMIC(atomicAnd, old& value)
HC_ATOMIC(atomicOr, old | value)
HC_ATOMIC(atomicXor, old ^ value)
HC_ATOMIC(atomicInc, old >= value ? 0 : old + 1)
HC_ATOMIC(atomicDec, old == 0 || old > value ? value : old - 1)
#undef HC_ATOMIC
template <class T, class U, class V>
static inline T atomicCAS(T* at, U expected, V value) {
  T old = *at;
  if (old == (T)expected) *at = (T)value;
  return old;
}
