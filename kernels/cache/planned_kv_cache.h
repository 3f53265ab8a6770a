#pragma once

#include "collectors/models/kv_cache.h"
#include "kernels/cache/ragged_storage.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace kvscope {

/// A cache that follows a plan, wherever it is.
class PlannedKvCache : public KvCache {
 public:
  /// Positions, among the keys of the latest step (0 .. T_k - 1), of the tokens that `row` and key/value `head`
  /// attended to at the latest attend() of `layer`; ascending. Waits for a device.
  [[nodiscard]] virtual std::vector<std::int32_t> attended_positions(int layer, std::int64_t row, int head) const = 0;

  /// Elements that were stored as 8-bit codes since begin(), and how many of them saturated.
  [[nodiscard]] virtual StoredCodes stored_codes() const { return {}; }

  /// Bytes beside keys and values that it keeps where they are: lists, counts, workspaces; 0 where that is memory of
  /// the process like any other.
  [[nodiscard]] virtual std::int64_t overhead_bytes() const { return 0; }

  /// Seconds spent since begin(): selecting (scores, top-k, compaction, merge) and attending. None where work is only
  /// queued: a clock of the host would not see it.
  [[nodiscard]] virtual std::optional<double> selection_seconds() const = 0;
  [[nodiscard]] virtual std::optional<double> attention_seconds() const = 0;
};

}  // namespace kvscope
