#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace kvscope::gpu::interpreter {

/// Which accesses of a block's threads come before which. Time counts the meetings of the block that order memory;
/// an access carries the time at which it was made. All such meetings (of a warp, of the warps at a barrier) are of
/// whole warps, so what a thread has seen of another is known when it is known of their warps: a vector clock of warps.
class WarpClocks {
 public:
  static constexpr int kMaxWarps = 32;

  /// Forgets nothing but starts a block: everything before is ordered.
  void begin_block() {
    ++now_;
    block_start_ = now_;
    last_full_ = now_;
    for (auto& row : seen_) row.fill(now_);
  }

  /// The warps in `warps` meet: each sees what any of them has seen and did.
  void meet(std::uint32_t warps, bool is_whole_block) {
    ++now_;
    if (is_whole_block) {
      last_full_ = now_;
      for (auto& row : seen_) row.fill(now_);
      return;
    }
    Row seen{};
    for (std::uint32_t rest = warps; rest != 0; rest &= rest - 1) {
      const Row& row = seen_[std::countr_zero(rest)];
      for (int i = 0; i < kMaxWarps; ++i) seen[i] = std::max(seen[i], row[i]);
    }
    for (std::uint32_t rest = warps; rest != 0; rest &= rest - 1) seen[std::countr_zero(rest)] = now_;
    for (std::uint32_t rest = warps; rest != 0; rest &= rest - 1) seen_[std::countr_zero(rest)] = seen;
  }

  /// Parts what comes before now from what comes later, for nobody's eyes.
  void advance() { ++now_; }

  /// Whether what warp `other` did at `time` comes before what `warp` does now. For a warp and itself: before the
  /// warp's last meeting; the order within one thread is not this class's business.
  [[nodiscard]] bool is_ordered(int other, std::uint64_t time, int warp) const { return time < seen_[warp][other]; }

  [[nodiscard]] std::uint64_t now() const { return now_; }
  [[nodiscard]] std::uint64_t block_start() const { return block_start_; }
  /// Everything earlier is ordered before everything from now on.
  [[nodiscard]] std::uint64_t last_full() const { return last_full_; }

 private:
  using Row = std::array<std::uint64_t, kMaxWarps>;
  std::array<Row, kMaxWarps> seen_{};  ///< [warp, other]
  std::uint64_t now_ = 0;
  std::uint64_t block_start_ = 0;
  std::uint64_t last_full_ = 0;
};

}  // namespace kvscope::gpu::interpreter
