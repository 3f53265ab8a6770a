#pragma once

#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/packed_head.h"

#include <cstdint>
#include <span>

namespace kvscope {

/// One key/value head in bfloat16 for attend_bfloat16_block(), half the size of a PackedHead: keys in panels of 64
/// tokens with pairs of channels in the place of a float ([panel, head_dim / 2, 64], the last one filled up with
/// zeros), values with pairs of tokens ([n_key / 2 rounded up, padded head_dim], channels filled up to a multiple of
/// 16 and an odd last token with zeros).
///
/// Depends on the sequence of tokens only, not on the segments they came from; reusable. Cost: one pass over the
/// tokens.
class BFloat16Head {
 public:
  /// Whether these tokens can be packed: bfloat16, an even head_dim, rows of keys at even strides and addresses.
  [[nodiscard]] static bool can_pack(std::span<const KeyValueSegment> segments, std::int64_t head_dim);

  /// @throws Error  kUsage unless can_pack().
  void pack(std::span<const KeyValueSegment> segments, std::int64_t head_dim);

  [[nodiscard]] std::int64_t n_key() const noexcept { return n_key_; }
  [[nodiscard]] std::int64_t head_dim() const noexcept { return head_dim_; }
  [[nodiscard]] std::int64_t padded_head_dim() const noexcept { return padded_head_dim_; }
  /// Panel of the keys [64 * panel, 64 * panel + 64).
  [[nodiscard]] const float* key_panel(std::int64_t panel) const noexcept;
  /// The pair of values that begins with the even `token`: [padded_head_dim]; the next pair follows.
  [[nodiscard]] const float* value_pairs(std::int64_t token) const noexcept;

 private:
  void pack_keys(std::span<const KeyValueSegment> segments);
  void pack_values(std::span<const KeyValueSegment> segments);

  std::int64_t n_key_ = 0;
  std::int64_t head_dim_ = 0;
  std::int64_t padded_head_dim_ = 0;
  AlignedBuffer keys_;
  AlignedBuffer values_;
};

}  // namespace kvscope
