#pragma once

#include "collectors/capture/capture.h"
#include "reports/pictures/attention_picture.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {

/// A head by its place.
struct HeadPlace {
  int layer = 0;
  int head = 0;
  bool operator==(const HeadPlace&) const = default;
};

/// One head's map at one step, or that map pooled, with its own storage; [rows, columns].
struct HeadMap {
  std::vector<float> weights;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  int step = 0;

  [[nodiscard]] AttentionView view() const { return {weights, rows, columns, step}; }
};

/// `map` with no side above `largest`: cell (a, b) is the mean over rows floor(a R / r) to floor((a + 1) R / r) - 1,
/// and likewise over columns. As it is where it fits, or where `largest` is 0.
[[nodiscard]] HeadMap pooled(const HeadMap& map, std::int64_t largest);

/// Reads the maps of heads from a capture: raw ones of the first sample, and means over samples pooled to thumbnails.
/// Thumbnails of a step are read once.
class MapReader {
 public:
  /// @param capture  outlives this object
  explicit MapReader(const Capture& capture) : capture_(&capture) {}

  /// Every weight of the first sample; nothing if the capture has no raw map.
  [[nodiscard]] std::optional<HeadMap> first_sample(HeadPlace head, int step, int branch) const;
  /// Mean over samples, at most kThumbnailSide a side; nothing if the capture has no thumbnails of that step.
  [[nodiscard]] std::optional<HeadMap> mean(HeadPlace head, int step, int branch);
  /// The raw map of the first branch where there is one, else its mean over samples.
  [[nodiscard]] std::optional<HeadMap> read(HeadPlace head, int step);

  /// Says what read() has given so far.
  [[nodiscard]] std::string sentence() const;

 private:
  const Capture* capture_;
  std::map<int, Array<float>> thumbnails_;
  bool used_raw_ = false;
  bool used_thumbnails_ = false;
};

}  // namespace kvscope
