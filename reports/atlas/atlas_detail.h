#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kvscope {

/// How much of the attention goes into the page: what gives way where a page would get too large.
struct AtlasDetail {
  int bits = 16;     ///< of a weight: WeightCodes
  int branches = 1;  ///< of guidance, the first so many
  bool both_sources =
      true;  ///< raw maps of the first sample and means over samples; else raw maps alone where there are
  std::int64_t map_side = 0;  ///< maps are pooled to at most so many cells a side; 0: as they are
  bool every_step = true;     ///< displacement histograms and column spreads of every step; else of the last one
  bool displacement = true;   ///< displacement histograms at all

  /// What has given way, in a sentence each; empty for the first rung.
  [[nodiscard]] std::vector<std::string> sentences() const;
};

/// From everything to as little as makes sense; each rung is smaller than the one before.
[[nodiscard]] std::vector<AtlasDetail> detail_ladder(int branches);

}  // namespace kvscope
