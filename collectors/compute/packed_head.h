#pragma once

#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/key_value_segment.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

enum class PackedParts {
  kKeysAndValues,
  kKeys,  ///< for attention weights alone
};

/// Successive values of a head as float32, channels adjacent and filled up to a multiple of 16.
struct ValueRun {
  const float* values = nullptr;  ///< [n_token, padded head_dim]
  std::int64_t stride = 0;        ///< elements from one token to the next
  std::int64_t n_token = 0;
};

/// One key/value head in the layout of the attention kernels: float32, keys in panels of 64 tokens
/// ([panel, head_dim, 64], the last one filled up to a multiple of 16 with zeros), values token by token. 8-bit codes
/// become values here, once for all queries.
///
/// Values that already lie so (float32, head_dim a multiple of 16, no gather) are not copied: the segments'
/// memory must stay until the packed head has been used. What the kernels compute from it depends on the
/// sequence of tokens only, not on the segments they came from. Reusable: packing again keeps the memory.
/// Cost: one pass over the tokens; worth it from a few queries on.
class PackedHead {
 public:
  /// @throws Error  kUsage for another element type or head_dim < 1.
  void pack(std::span<const KeyValueSegment> segments, std::int64_t head_dim,
            PackedParts parts = PackedParts::kKeysAndValues);

  [[nodiscard]] std::int64_t n_key() const noexcept { return n_key_; }
  [[nodiscard]] std::int64_t head_dim() const noexcept { return head_dim_; }
  /// head_dim rounded up to the padding of the values.
  [[nodiscard]] std::int64_t padded_head_dim() const noexcept { return padded_head_dim_; }
  /// Panel of the keys [64 * panel, 64 * panel + 64): [head_dim, 64].
  [[nodiscard]] const float* key_panel(std::int64_t panel) const noexcept;
  /// All values in order; empty if only the keys were packed.
  [[nodiscard]] std::span<const ValueRun> value_runs() const noexcept { return value_runs_; }

 private:
  void pack_keys(std::span<const KeyValueSegment> segments);
  void pack_values(std::span<const KeyValueSegment> segments);
  [[nodiscard]] bool lies_ready(const KeyValueSegment& segment) const noexcept;
  void copy_values(const KeyValueSegment& segment, float* target);

  std::int64_t n_key_ = 0;
  std::int64_t head_dim_ = 0;
  std::int64_t padded_head_dim_ = 0;
  AlignedBuffer keys_;
  AlignedBuffer values_;  // those that had to be copied
  std::vector<ValueRun> value_runs_;
  AlignedBuffer rows_;  // one panel of keys as float32
};

}  // namespace kvscope
