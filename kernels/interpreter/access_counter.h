#pragma once

#include "kernels/cuda/primitives.h"
#include "kernels/interpreter/launch_counts.h"

#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace kvscope::gpu::interpreter {

struct Thread;
struct Warp;

/// Adds up what a launch does. Accesses of one warp are put together to instructions until its lanes meet.
class AccessCounter {
 public:
  explicit AccessCounter(LaunchCounts& counts) : counts_(counts) {}
  ~AccessCounter();
  AccessCounter(const AccessCounter&) = delete;
  AccessCounter& operator=(const AccessCounter&) = delete;

  void read_global(std::size_t bytes) { counts_.global_bytes_read += static_cast<std::int64_t>(bytes); }
  void write_global(std::size_t bytes) { counts_.global_bytes_written += static_cast<std::int64_t>(bytes); }
  void read_shared(const Thread& thread, std::int64_t offset, std::size_t bytes, const CallSite& site);
  void write_shared(const Thread& thread, std::int64_t offset, std::size_t bytes, const CallSite& site);
  void multiply() { ++counts_.products; }
  void meet_block() { ++counts_.block_barriers; }

  /// The lanes of the warp are at one place.
  void meet(const Warp& warp);

 private:
  /// One instruction of a warp.
  struct Instruction {
    std::uint32_t lanes = 0;
    std::array<std::int64_t, kWarpThreads> offsets{};
  };
  /// Instructions of a warp from one line.
  struct Line {
    CallSite site;
    std::size_t bytes = 0;
    std::array<std::size_t, kWarpThreads> done{};  ///< by each lane
    std::vector<Instruction> instructions;
  };
  using WarpNumber = std::pair<int, int>;  ///< block, warp

  void add(const Thread& thread, std::int64_t offset, std::size_t bytes, const CallSite& site);
  void count(const std::vector<Line>& lines);
  [[nodiscard]] SharedSite& counts_of(const CallSite& site);

  LaunchCounts& counts_;
  std::map<WarpNumber, std::vector<Line>> lines_;
};

}  // namespace kvscope::gpu::interpreter
