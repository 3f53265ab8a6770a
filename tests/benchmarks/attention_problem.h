#pragma once

#include "collectors/base/element_type.h"
#include "collectors/compute/quantisation.h"
#include "tests/benchmarks/aligned_bytes.h"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvscope::benchmark {

struct AttentionShape {
  std::int64_t head_dim = 0;
  std::int64_t n_query = 0;
  std::int64_t n_key = 0;
  std::int64_t heads = 1;

  [[nodiscard]] double flops() const {
    return 4.0 * static_cast<double>(head_dim * heads) * static_cast<double>(n_query) * static_cast<double>(n_key);
  }
};

/// "head_dim 64, 256 x 680", with the number of heads where it is not 1.
[[nodiscard]] std::string describe(const AttentionShape& shape);

/// The shapes of the C benchmarks: the last scale of VAR-d30, the tenth and the last one of Infinity-2B, each in full
/// and at 70 % compression. The last two take a second a run and are left out of quick runs, as are the middle ones.
[[nodiscard]] std::span<const AttentionShape> attention_shapes(bool quick);

/// Element types of a problem.
struct AttentionTypes {
  ElementType queries = ElementType::kFloat32;      ///< and of the output
  ElementType keys_values = ElementType::kFloat32;  ///< also int8: codes with a scale and an offset per channel
};

/// Dense attention of some heads, with copies of its tensors that are used in turn, so that no call finds
/// its inputs in a cache. All tensors are [heads, tokens, head_dim] and aligned to 64 bytes.
class AttentionProblem {
 public:
  /// @param different_bytes  make so many copies that together they are larger
  AttentionProblem(AttentionShape shape, AttentionTypes types, std::int64_t different_bytes);

  struct Copy {
    const void* queries;
    const void* keys;
    const void* values;
    void* output;
  };

  [[nodiscard]] const AttentionShape& shape() const noexcept { return shape_; }
  [[nodiscard]] const AttentionTypes& types() const noexcept { return types_; }
  [[nodiscard]] float scale() const noexcept { return scale_; }
  /// What int8 keys and values stand for, all heads alike.
  [[nodiscard]] CodeParameters codes() const noexcept { return codes_.parameters(); }
  /// No |logit| is larger: the product of the longest query's and the longest key's length, scaled.
  [[nodiscard]] float logit_bound() const;
  [[nodiscard]] std::size_t copies() const noexcept { return copies_.size(); }
  [[nodiscard]] const Copy& copy(std::size_t i) const { return copies_[i]; }
  /// The copy whose turn it is.
  [[nodiscard]] std::size_t next() noexcept { return latest_ = (latest_ + 1) % copies_.size(); }

  /// Fills the output of the latest copy with not-a-number.
  void spoil_output();
  /// max |found - expected| / max |expected| over sampled queries of the latest copy's output, against double
  /// precision.
  /// @param lengths  [heads]: keys that each head attends to, the first ones; empty: all
  [[nodiscard]] double max_relative_error(std::span<const std::int64_t> lengths = {}) const;

 private:
  [[nodiscard]] std::vector<float> decoded(const void* data, ElementType type, std::int64_t offset,
                                           std::int64_t count) const;

  AttentionShape shape_;
  AttentionTypes types_;
  float scale_;
  ChannelQuantisation codes_;
  std::vector<AlignedBytes> memory_;
  std::vector<Copy> copies_;
  std::size_t latest_ = 0;
};

/// Enough that a rotation through it never finds its data in the last level of cache.
[[nodiscard]] std::int64_t beyond_cache_bytes();

/// Normally distributed numbers; the same for the same seed.
[[nodiscard]] std::vector<float> normal_values(std::int64_t count, std::uint32_t seed);

}  // namespace kvscope::benchmark
