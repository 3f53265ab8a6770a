#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/full_kv_cache.h"
#include "kernels/cache/planned_kv_cache.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// The bundled CPU kernel as a DenseAttention, so that a full run and a compressed run can share every
/// rounding: with it FullKvCache and CompressedKvCache under plan "full" agree bit for bit.
[[nodiscard]] DenseAttention bundled_attention();

/// A cache that really is as small as its plan says: per layer one flat buffer for K and one for V, in
/// which (row, head) owns cache_capacity() slots. At every step it selects, attends, merges and compacts
/// as the head's retention rule and budgets demand. Layers know nothing of one another, so a caller may also go through
/// all steps of one of them before the next.
class CompressedKvCache : public PlannedKvCache {
 public:
  /// @throws Error  kUsage if the plan's rules need something this build cannot do.
  explicit CompressedKvCache(Plan plan);
  ~CompressedKvCache() override;

  void begin(std::int64_t rows) override;
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::int64_t held_bytes() const override;
  [[nodiscard]] std::int64_t allocated_bytes() const override;

  [[nodiscard]] StoredCodes stored_codes() const override;

  /// Always there: wall clock.
  [[nodiscard]] std::optional<double> selection_seconds() const override;
  [[nodiscard]] std::optional<double> attention_seconds() const override;
  [[nodiscard]] std::vector<std::int32_t> attended_positions(int layer, std::int64_t row, int head) const override;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace kvscope
