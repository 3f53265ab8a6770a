#pragma once

#include "collectors/geometry/step_table.h"
#include "kernels/cuda/statistics/map_plan.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvscope::gpu {

/// The tables of a step: made on the host, copied to the device once.
///
/// Keys are cut into tiles of at most `tile_keys`. Inside a tile every line of a source's grid becomes DiagonalLines,
/// 32 displacements each. Those of a source with many keys in the tile are dealt to all warps, each with a histogram
/// of its own; a smaller source belongs to the warp that has the least to do. So every histogram has one writer, and
/// the order of its additions is fixed.
class DeviceMapTables {
 public:
  DeviceMapTables(const StepTable& steps, int step, int tile_keys);

  /// To be copied to the device, aligned to 4 bytes there.
  [[nodiscard]] const std::vector<std::int32_t>& words() const noexcept { return words_; }
  /// The plan with its tables at `words`, a copy of words() that kernels can read.
  [[nodiscard]] MapPlan plan(const void* words) const noexcept;
  /// The numbers alone, without tables.
  [[nodiscard]] const MapPlan& numbers() const noexcept { return numbers_; }

 private:
  MapPlan numbers_;
  std::vector<std::int32_t> words_;
  std::size_t lines_at_ = 0;
  std::size_t sources_at_ = 0;
  std::size_t copies_at_ = 0;
  std::size_t centres_at_ = 0;
};

}  // namespace kvscope::gpu
