#include "kernels/interpreter/execution.h"
#include "kernels/interpreter/fragments.h"

#include <array>
#include <cstring>

namespace kvscope::gpu {
namespace interpreter {
namespace {

constexpr int kIndexBits = kWarpThreads - 1;  // the hardware looks at five bits of a lane or distance

struct BarrierRequest : Request {
  int number = 0;
  int threads = 0;
};

struct ShuffleRequest : Request {
  Shuffle kind = Shuffle::kIndex;
  void* value = nullptr;
  std::size_t bytes = 0;
  int argument = 0;
};

struct BallotRequest : Request {
  bool vote = false;
  std::uint32_t votes = 0;
};

struct LoadMatricesRequest : Request {
  std::uint32_t* registers = nullptr;
  std::array<std::uint16_t, 8> row{};
  bool is_transposed = false;
};

struct MultiplyAddRequest : Request {
  FragmentsOfLane fragments;
  bool is_bfloat16 = false;
};

/// PTX ISA, shfl.sync, for whole warps (c = 0 for .up, 31 else): lanes that would look outside get their own value.
int source_of(Shuffle kind, int lane, int argument) {
  const int operand = argument & kIndexBits;
  switch (kind) {
    case Shuffle::kIndex:
      return operand;
    case Shuffle::kXor:
      return lane ^ operand;
    case Shuffle::kUp:
      return lane - operand >= 0 ? lane - operand : lane;
    case Shuffle::kDown:
      return lane + operand < kWarpThreads ? lane + operand : lane;
  }
  return lane;
}

template <typename T>
void shuffle_values(Warp& warp) {
  std::array<T, kWarpThreads> values{};
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    std::memcpy(&values[static_cast<std::size_t>(lane)], warp.request<ShuffleRequest>(lane).value, sizeof(T));
  }
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    const auto& request = warp.request<ShuffleRequest>(lane);
    const int source = source_of(request.kind, lane, request.argument);
    std::memcpy(request.value, &values[static_cast<std::size_t>(source)], sizeof(T));
  }
}

void perform_shuffle(Warp& warp) {
  if (warp.request<ShuffleRequest>(0).bytes == sizeof(std::uint32_t)) {
    shuffle_values<std::uint32_t>(warp);
  } else {
    shuffle_values<std::uint64_t>(warp);
  }
  warp.release();
}

void perform_ballot(Warp& warp) {
  std::uint32_t votes = 0;
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    votes |= static_cast<std::uint32_t>(warp.request<BallotRequest>(lane).vote) << lane;
  }
  for (int lane = 0; lane < kWarpThreads; ++lane) warp.request<BallotRequest>(lane).votes = votes;
  warp.release();
}

void perform_synchronize_warp(Warp& warp) {
  warp.block->shared->clocks().meet(1U << warp.index, warp.block->warps.size() == 1);
  warp.release();
}

void perform_barrier(Warp& warp) {
  const auto& first = warp.request<BarrierRequest>(0);
  for (int lane = 1; lane < kWarpThreads; ++lane) {
    const auto& other = warp.request<BarrierRequest>(lane);
    if (other.number == first.number && other.threads == first.threads) continue;
    fault(FaultKind::kBadArgument, first.site,
          fmt::format("lane 0 waits at barrier {} of {} threads, lane {} at barrier {} of {}", first.number,
                      first.threads, lane, other.number, other.threads));
  }
  arrive_at_barrier(warp, first.number, first.threads);
}

void perform_load_matrices(Warp& warp) {
  std::array<const std::uint16_t*, kWarpThreads> rows{};
  std::array<std::uint32_t*, kWarpThreads> registers{};
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    auto& request = warp.request<LoadMatricesRequest>(lane);
    rows[static_cast<std::size_t>(lane)] = request.row.data();
    registers[static_cast<std::size_t>(lane)] = request.registers;
  }
  distribute_matrices(rows, registers, warp.request<LoadMatricesRequest>(0).is_transposed);
  warp.release();
}

void perform_multiply_add(Warp& warp) {
  std::array<FragmentsOfLane, kWarpThreads> lanes{};
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    lanes[static_cast<std::size_t>(lane)] = warp.request<MultiplyAddRequest>(lane).fragments;
  }
  if (current_launch->counter != nullptr) current_launch->counter->multiply();
  multiply_add_fragments(lanes, warp.request<MultiplyAddRequest>(0).is_bfloat16);
  warp.release();
}

void synchronize(const char* name, int number, int threads, const CallSite& site) {
  BarrierRequest request;
  request.perform = perform_barrier;
  request.name = name;
  request.site = site;
  request.number = number;
  request.threads = threads;
  meet(request);
}

}  // namespace

void exchange(Shuffle shuffle, void* value, std::size_t bytes, int argument, const CallSite& site) {
  ShuffleRequest request;
  request.perform = perform_shuffle;
  request.name = "shuffle()";
  request.site = site;
  request.kind = shuffle;
  request.value = value;
  request.bytes = bytes;
  request.argument = argument;
  meet(request);
}

void load_matrices(std::uint32_t* registers, const void* row, bool is_transposed, const CallSite& site) {
  LoadMatricesRequest request;
  request.perform = perform_load_matrices;
  request.name = "load_matrices()";
  request.site = site;
  request.registers = registers;
  request.is_transposed = is_transposed;
  read_shared_row(request.row.data(), row, site);
  meet(request);
}

void multiply_add(float* d, const std::uint32_t* a, const std::uint32_t* b, bool is_bfloat16, const CallSite& site) {
  MultiplyAddRequest request;
  request.perform = perform_multiply_add;
  request.name = "multiply_add()";
  request.site = site;
  request.fragments = {d, a, b};
  request.is_bfloat16 = is_bfloat16;
  meet(request);
}

}  // namespace interpreter

void synchronize_block(CallSite site) {
  interpreter::synchronize("synchronize_block()", 0, interpreter::current_launch->threads, site);
}

void synchronize_part(int name, int threads, CallSite site) {
  if (name < 1 || name >= interpreter::kBarriers) {
    interpreter::fault(FaultKind::kBadArgument, site, fmt::format("barrier {}; expected 1 to 15", name));
  }
  if (threads < kWarpThreads || threads % kWarpThreads != 0 || threads > interpreter::current_launch->threads) {
    interpreter::fault(FaultKind::kBadArgument, site,
                       fmt::format("barrier of {} threads; expected a multiple of 32 up to the block's {}", threads,
                                   interpreter::current_launch->threads));
  }
  interpreter::synchronize("synchronize_part()", name, threads, site);
}

void synchronize_warp(CallSite site) {
  interpreter::Request request;
  request.perform = interpreter::perform_synchronize_warp;
  request.name = "synchronize_warp()";
  request.site = site;
  interpreter::meet(request);
}

std::uint32_t ballot(bool vote, CallSite site) {
  interpreter::BallotRequest request;
  request.perform = interpreter::perform_ballot;
  request.name = "ballot()";
  request.site = site;
  request.vote = vote;
  interpreter::meet(request);
  return request.votes;
}

}  // namespace kvscope::gpu
