#pragma once

#include "kernels/cuda/call_site.h"
#include "kernels/cuda/element.h"

#include <cstddef>
#include <cstdint>
#include <type_traits>

/// Everything of the hardware that kernels use, with two bodies: PTX on a GPU, and what the PTX ISA documents of it in
/// kernels/interpreter. A kernel is a struct that holds its arguments (raw pointers and shapes), with
///
///     static constexpr int kThreads;       // per block, a multiple of 32
///     static constexpr int kBlocksPerMultiprocessor;  // for __launch_bounds__
///     KVSCOPE_DEVICE void operator()() const;
///
/// It touches memory only through load(), store(), copy_async(), load_matrices(), atomic_add() and their like, so that
/// the interpreter sees every access, and meets other threads only in the collectives below.
///
/// Every call takes the CallSite of its caller, for the interpreter's messages. sm_80 and later.
namespace kvscope::gpu {

inline constexpr int kWarpThreads = 32;
inline constexpr std::uint32_t kWholeWarp = 0xFFFFFFFFU;

/// 16 bytes: the widest access of a thread, aligned to its size.
struct alignas(16) Packet {
  std::uint32_t words[4];
};

/// 8 bytes: what a lane holds of a row of a float product.
struct alignas(8) FloatPair {
  float low;
  float high;
};

#ifdef __CUDACC__

// Where the thread is. Grids and blocks are one-dimensional.
KVSCOPE_DEVICE int thread_index() {
  return static_cast<int>(threadIdx.x);
}
KVSCOPE_DEVICE int thread_count() {
  return static_cast<int>(blockDim.x);
}
KVSCOPE_DEVICE int block_index() {
  return static_cast<int>(blockIdx.x);
}
KVSCOPE_DEVICE int block_count() {
  return static_cast<int>(gridDim.x);
}
KVSCOPE_DEVICE int lane_index() {
  return static_cast<int>(threadIdx.x) & (kWarpThreads - 1);
}
KVSCOPE_DEVICE int warp_index() {
  return static_cast<int>(threadIdx.x) / kWarpThreads;
}

/// The block's shared memory, aligned to 128 bytes; as large as the launch says.
KVSCOPE_DEVICE std::byte* shared_memory() {
  extern __shared__ __align__(128) unsigned char kvscope_shared_memory[];
  return reinterpret_cast<std::byte*>(kvscope_shared_memory);
}

/// One element of global or shared memory; T of 1, 2, 4, 8 or 16 bytes, aligned to its size.
template <typename T>
KVSCOPE_DEVICE T load(const T* address, CallSite = CallSite::here()) {
  return *address;
}
template <typename T>
KVSCOPE_DEVICE void store(T* address, std::type_identity_t<T> value, CallSite = CallSite::here()) {
  *address = value;
}
/// 16 bytes at once; the address is a multiple of 16.
KVSCOPE_DEVICE Packet load_packet(const void* address, CallSite = CallSite::here()) {
  const uint4 value = *static_cast<const uint4*>(address);
  return {{value.x, value.y, value.z, value.w}};
}
KVSCOPE_DEVICE void store_packet(void* address, const Packet& packet, CallSite = CallSite::here()) {
  *static_cast<uint4*>(address) = make_uint4(packet.words[0], packet.words[1], packet.words[2], packet.words[3]);
}

/// cp.async: copies 16 bytes from global to shared memory without waiting; both addresses are multiples of 16. Of the
/// source only the first `bytes` (0 to 16) are read, the rest becomes 0. Readable after wait_for_copies() by the
/// thread that issued it, and by others after a barrier that follows.
KVSCOPE_DEVICE void copy_async(void* shared, const void* global, int bytes = 16, CallSite = CallSite::here()) {
  const auto target = static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(target), "l"(global), "r"(bytes) : "memory");
}
/// Closes the group of the copies that this thread has issued since the last group.
KVSCOPE_DEVICE void commit_copies(CallSite = CallSite::here()) {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
/// Waits until at most the `kPending` latest groups of this thread are under way.
template <int kPending>
KVSCOPE_DEVICE void wait_for_copies(CallSite = CallSite::here()) {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

/// All threads of the block.
KVSCOPE_DEVICE void synchronize_block(CallSite = CallSite::here()) {
  __syncthreads();
}
/// Named barrier `name` (1 to 15): `threads` threads (a multiple of 32) that all name it.
KVSCOPE_DEVICE void synchronize_part(int name, int threads, CallSite = CallSite::here()) {
  asm volatile("bar.sync %0, %1;" ::"r"(name), "r"(threads) : "memory");
}
/// All threads of the warp; orders their accesses to memory.
KVSCOPE_DEVICE void synchronize_warp(CallSite = CallSite::here()) {
  __syncwarp();
}

// Exchange within a warp; all 32 lanes take part. T of 4 or 8 bytes.
template <typename T>
KVSCOPE_DEVICE T shuffle(T value, int source_lane, CallSite = CallSite::here()) {
  return __shfl_sync(kWholeWarp, value, source_lane);
}
template <typename T>
KVSCOPE_DEVICE T shuffle_xor(T value, int lane_mask, CallSite = CallSite::here()) {
  return __shfl_xor_sync(kWholeWarp, value, lane_mask);
}
/// The value of the lane `delta` below; a lane that has none gets its own.
template <typename T>
KVSCOPE_DEVICE T shuffle_up(T value, int delta, CallSite = CallSite::here()) {
  return __shfl_up_sync(kWholeWarp, value, delta);
}
template <typename T>
KVSCOPE_DEVICE T shuffle_down(T value, int delta, CallSite = CallSite::here()) {
  return __shfl_down_sync(kWholeWarp, value, delta);
}
/// Bit i: whether lane i says so.
KVSCOPE_DEVICE std::uint32_t ballot(bool vote, CallSite = CallSite::here()) {
  return __ballot_sync(kWholeWarp, vote);
}

/// Adds to memory (global or shared) indivisibly and gives what was there before. T: int, unsigned, float.
template <typename T>
KVSCOPE_DEVICE T atomic_add(T* address, std::type_identity_t<T> value, CallSite = CallSite::here()) {
  return atomicAdd(address, value);
}
/// Makes this thread's writes visible to all blocks before what it writes later.
KVSCOPE_DEVICE void fence_device(CallSite = CallSite::here()) {
  __threadfence();
}

/// ldmatrix .x4: four 8x8 matrices of 16-bit elements from shared memory. Lane i gives the address of row i % 8 of
/// matrix i / 8 (16 bytes, aligned to 16); afterwards lane i holds in registers[m] the elements 2 (i % 4) and
/// 2 (i % 4) + 1 of row i / 4 of matrix m.
KVSCOPE_DEVICE void load_matrices(std::uint32_t (&registers)[4], const void* row, CallSite = CallSite::here()) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(address)
               : "memory");
}
/// The same, each matrix transposed: lane i holds the elements of rows 2 (i % 4) and 2 (i % 4) + 1 in column i / 4.
KVSCOPE_DEVICE void load_matrices_transposed(std::uint32_t (&registers)[4], const void* row,
                                             CallSite = CallSite::here()) {
  const auto address = static_cast<std::uint32_t>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(registers[0]), "=r"(registers[1]), "=r"(registers[2]), "=r"(registers[3])
               : "r"(address)
               : "memory");
}

/// mma.sync m16n8k16, d += a b, products of Element (Float16 or BFloat16) accumulated in float. With g = lane / 4 and
/// t = lane % 4: a[0] holds row g, columns 2t, 2t+1; a[1] row g+8, the same columns; a[2] row g, columns 2t+8, 2t+9;
/// a[3] row g+8, those; b[0] rows 2t, 2t+1 of column g; b[1] rows 2t+8, 2t+9; d[0], d[1] row g, columns 2t, 2t+1; d[2],
/// d[3] row g+8.
template <typename Element>
KVSCOPE_DEVICE void multiply_add(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                                 CallSite = CallSite::here()) {
  static_assert(kIsPacked<Element>);
  if constexpr (std::is_same_v<Element, BFloat16>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
}

/// 2^x by ex2.approx.ftz: relative error below 2^-22.
KVSCOPE_DEVICE float exp2_approximately(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
/// log2 x by lg2.approx.ftz: absolute error below 2^-22 for x in [1/2, 2], relative error below 2^-22 elsewhere.
KVSCOPE_DEVICE float log2_approximately(float x) {
  float result;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
KVSCOPE_DEVICE float larger(float a, float b) {
  return fmaxf(a, b);
}
KVSCOPE_DEVICE std::uint32_t float_bits(float value) {
  return __float_as_uint(value);
}
KVSCOPE_DEVICE float float_of_bits(std::uint32_t bits) {
  return __uint_as_float(bits);
}
KVSCOPE_DEVICE int count_bits(std::uint32_t bits) {
  return __popc(bits);
}
KVSCOPE_DEVICE float multiply_add(float a, float b, float c) {
  return __fmaf_rn(a, b, c);
}

#endif

}  // namespace kvscope::gpu

#ifndef __CUDACC__
#include "kernels/interpreter/primitives.h"  // IWYU pragma: export
#endif
