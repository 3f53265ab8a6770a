#pragma once

#include "kernels/cuda/primitives.h"

#include <bit>
#include <cmath>
#include <cstring>

/// The host bodies of kernels/cuda/primitives.h: what the PTX ISA documents, judged by the launch that runs them. They
/// may be called only by a kernel under interpret().
namespace kvscope::gpu {

namespace interpreter {

template <std::size_t kBytes>
void read(void* value, const void* address, const CallSite& site);
template <std::size_t kBytes>
void write(void* address, const void* value, const CallSite& site);

extern template void read<1>(void*, const void*, const CallSite&);
extern template void read<2>(void*, const void*, const CallSite&);
extern template void read<4>(void*, const void*, const CallSite&);
extern template void read<8>(void*, const void*, const CallSite&);
extern template void read<16>(void*, const void*, const CallSite&);
extern template void write<1>(void*, const void*, const CallSite&);
extern template void write<2>(void*, const void*, const CallSite&);
extern template void write<4>(void*, const void*, const CallSite&);
extern template void write<8>(void*, const void*, const CallSite&);
extern template void write<16>(void*, const void*, const CallSite&);

/// Judges an atomic access to 4 bytes, after others may have had a turn.
void judge_atomic(void* address, const CallSite& site);

/// Which lane each lane gets its value from.
enum class Shuffle { kIndex, kXor, kUp, kDown };
void exchange(Shuffle shuffle, void* value, std::size_t bytes, int argument, const CallSite& site);

void wait_for_copies(int pending, const CallSite& site);
void load_matrices(std::uint32_t* registers, const void* row, bool is_transposed, const CallSite& site);
void multiply_add(float* d, const std::uint32_t* a, const std::uint32_t* b, bool is_bfloat16, const CallSite& site);

template <typename T>
T shuffle(Shuffle kind, T value, int argument, const CallSite& site) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  exchange(kind, &value, sizeof(T), argument, site);
  return value;
}

}  // namespace interpreter

[[nodiscard]] int thread_index();
[[nodiscard]] int thread_count();
[[nodiscard]] int block_index();
[[nodiscard]] int block_count();
[[nodiscard]] int lane_index();
[[nodiscard]] int warp_index();

[[nodiscard]] std::byte* shared_memory();

template <typename T>
[[nodiscard]] T load(const T* address, CallSite site = CallSite::here()) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  interpreter::read<sizeof(T)>(&value, address, site);
  return value;
}
template <typename T>
void store(T* address, std::type_identity_t<T> value, CallSite site = CallSite::here()) {
  static_assert(std::is_trivially_copyable_v<T>);
  interpreter::write<sizeof(T)>(address, &value, site);
}
[[nodiscard]] inline Packet load_packet(const void* address, CallSite site = CallSite::here()) {
  Packet packet;
  interpreter::read<sizeof(Packet)>(&packet, address, site);
  return packet;
}
inline void store_packet(void* address, const Packet& packet, CallSite site = CallSite::here()) {
  interpreter::write<sizeof(Packet)>(address, &packet, site);
}

/// The data arrives at the wait, at the latest moment that the PTX ISA allows; until then the target holds NaN.
void copy_async(void* shared, const void* global, int bytes = 16, CallSite site = CallSite::here());
void commit_copies(CallSite site = CallSite::here());
template <int kPending>
void wait_for_copies(CallSite site = CallSite::here()) {
  static_assert(kPending >= 0);
  interpreter::wait_for_copies(kPending, site);
}

void synchronize_block(CallSite site = CallSite::here());
void synchronize_part(int name, int threads, CallSite site = CallSite::here());
void synchronize_warp(CallSite site = CallSite::here());

template <typename T>
[[nodiscard]] T shuffle(T value, int source_lane, CallSite site = CallSite::here()) {
  return interpreter::shuffle(interpreter::Shuffle::kIndex, value, source_lane, site);
}
template <typename T>
[[nodiscard]] T shuffle_xor(T value, int lane_mask, CallSite site = CallSite::here()) {
  return interpreter::shuffle(interpreter::Shuffle::kXor, value, lane_mask, site);
}
template <typename T>
[[nodiscard]] T shuffle_up(T value, int delta, CallSite site = CallSite::here()) {
  return interpreter::shuffle(interpreter::Shuffle::kUp, value, delta, site);
}
template <typename T>
[[nodiscard]] T shuffle_down(T value, int delta, CallSite site = CallSite::here()) {
  return interpreter::shuffle(interpreter::Shuffle::kDown, value, delta, site);
}
[[nodiscard]] std::uint32_t ballot(bool vote, CallSite site = CallSite::here());

/// Other threads may have a turn before it.
template <typename T>
T atomic_add(T* address, std::type_identity_t<T> value, CallSite site = CallSite::here()) {
  static_assert(std::is_same_v<T, int> || std::is_same_v<T, unsigned> || std::is_same_v<T, float>);
  interpreter::judge_atomic(address, site);
  const T before = *address;
  if constexpr (std::is_same_v<T, float>) {
    *address = before + value;
  } else {
    *address = static_cast<T>(static_cast<unsigned>(before) + static_cast<unsigned>(value));
  }
  return before;
}
void fence_device(CallSite site = CallSite::here());

inline void load_matrices(std::uint32_t (&registers)[4], const void* row, CallSite site = CallSite::here()) {
  interpreter::load_matrices(registers, row, false, site);
}
inline void load_matrices_transposed(std::uint32_t (&registers)[4], const void* row, CallSite site = CallSite::here()) {
  interpreter::load_matrices(registers, row, true, site);
}

/// Products are exact and added to d in float in ascending k, each sum rounded to nearest. The hardware's order and
/// rounding are not documented: results differ by up to 17 roundings of the largest partial sum (2^-23 each, since
/// some tensor cores truncate).
template <typename Element>
void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                  CallSite site = CallSite::here()) {
  static_assert(kIsPacked<Element>);
  interpreter::multiply_add(d, a, b, std::is_same_v<Element, BFloat16>, site);
}

[[nodiscard]] inline float flush_subnormal(float x) {
  return std::fabs(x) < 0x1p-126F ? std::copysign(0.0F, x) : x;
}
[[nodiscard]] inline float exp2_approximately(float x) {
  return flush_subnormal(std::exp2(flush_subnormal(x)));
}
[[nodiscard]] inline float log2_approximately(float x) {
  return std::log2(flush_subnormal(x));
}
[[nodiscard]] inline float larger(float a, float b) {
  return std::fmax(a, b);
}
[[nodiscard]] inline std::uint32_t float_bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}
[[nodiscard]] inline float float_of_bits(std::uint32_t bits) {
  return std::bit_cast<float>(bits);
}
[[nodiscard]] inline int count_bits(std::uint32_t bits) {
  return std::popcount(bits);
}
[[nodiscard]] inline float multiply_add(float a, float b, float c) {
  return std::fma(a, b, c);
}

}  // namespace kvscope::gpu
