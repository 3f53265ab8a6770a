#include "reports/atlas/head_maps.h"

#include <fmt/format.h>

#include <algorithm>

namespace kvscope {
namespace {

/// Conditional rows: what the classification uses (method of HACK).
constexpr int kBranch = 0;

}  // namespace

HeadMap pooled(const HeadMap& map, std::int64_t largest) {
  if (largest == 0 || (map.rows <= largest && map.columns <= largest)) return map;
  HeadMap result{{}, std::min(map.rows, largest), std::min(map.columns, largest), map.step};
  for (std::int64_t i = 0; i < result.rows; ++i) {
    for (std::int64_t j = 0; j < result.columns; ++j) {
      const std::int64_t top = i * map.rows / result.rows;
      const std::int64_t bottom = (i + 1) * map.rows / result.rows;
      const std::int64_t left = j * map.columns / result.columns;
      const std::int64_t right = (j + 1) * map.columns / result.columns;
      double sum = 0.0;
      for (std::int64_t y = top; y < bottom; ++y) {
        for (std::int64_t x = left; x < right; ++x) sum += map.weights[static_cast<std::size_t>(y * map.columns + x)];
      }
      result.weights.push_back(static_cast<float>(sum / static_cast<double>((bottom - top) * (right - left))));
    }
  }
  return result;
}

std::optional<HeadMap> MapReader::first_sample(HeadPlace head, int step, int branch) const {
  if (capture_->map_samples() == 0 || !capture_->has_map(head.layer, head.head, step)) return std::nullopt;
  const Array<float> map = capture_->read_map(head.layer, head.head, step, 0, branch);
  return HeadMap{{map.values().begin(), map.values().end()}, map.extent(0), map.extent(1), step};
}

std::optional<HeadMap> MapReader::mean(HeadPlace head, int step, int branch) {
  if (!thumbnails_.contains(step)) {
    if (!capture_->has(mean_statistic::kThumbnail, step)) return std::nullopt;
    thumbnails_.emplace(step, capture_->read(mean_statistic::kThumbnail, step));
  }
  const Array<float>& thumbnails = thumbnails_.at(step);
  const auto values = thumbnails.slice(branch, head.layer, head.head);
  return HeadMap{{values.begin(), values.end()}, thumbnails.extent(3), thumbnails.extent(4), step};
}

std::optional<HeadMap> MapReader::read(HeadPlace head, int step) {
  auto map = first_sample(head, step, kBranch);
  used_raw_ = used_raw_ || map;
  if (!map) {
    map = mean(head, step, kBranch);
    used_thumbnails_ = used_thumbnails_ || map;
  }
  return map;
}

std::string MapReader::sentence() const {
  const std::string raw = "every weight of the first sample's conditional row";
  const std::string mean = fmt::format("the mean over {} samples, conditional rows, pooled to at most {} × {}",
                                       capture_->samples(), kThumbnailSide, kThumbnailSide);
  if (used_raw_ && used_thumbnails_)
    return fmt::format("Panels show {}; where the capture has no raw map, {}.", raw, mean);
  return fmt::format("Panels show {}.", used_raw_ ? raw : mean);
}

}  // namespace kvscope
