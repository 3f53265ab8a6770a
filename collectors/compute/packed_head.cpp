#include "collectors/compute/packed_head.h"

#include "collectors/base/error.h"
#include "collectors/compute/packing_kernels.h"
#include "collectors/compute/product_kernels.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace kvscope {
namespace {

// Keys are fetched this many tokens before the transposition, which jumps from token to token, needs them.
constexpr std::int64_t kPrefetchTokens = 48;
// Values that are used where they lie are fetched meanwhile, as many as will not push one another out.
constexpr std::int64_t kPrefetchedValues = 512;

}  // namespace

void PackedHead::pack(std::span<const KeyValueSegment> segments, std::int64_t head_dim, PackedParts parts) {
  require(head_dim >= 1, "PackedHead: head_dim must be at least 1");
  std::int64_t n_key = 0;
  for (const KeyValueSegment& segment : segments) {
    require(segment.n_token >= 0, "PackedHead: a segment cannot have a negative number of tokens");
    n_key += segment.n_token;
  }
  n_key_ = n_key;
  head_dim_ = head_dim;
  padded_head_dim_ = round_up(head_dim, kVectorFloats);
  pack_keys(segments);
  value_runs_.clear();
  if (parts == PackedParts::kKeysAndValues) pack_values(segments);
}

void PackedHead::pack_keys(std::span<const KeyValueSegment> segments) {
  float* panels = keys_.reserve(round_up(n_key_, kPanelKeys) * head_dim_);
  // Rows of one panel as float32: where they lie if they are float32 already, else a converted copy; the
  // last row of the scratch is zero and fills the last panel up.
  float* scratch = rows_.reserve((kPanelKeys + 1) * padded_head_dim_);
  float* zero = scratch + kPanelKeys * padded_head_dim_;
  std::fill_n(zero, head_dim_, 0.0F);
  const PackingKernels& kernels = packing_kernels();
  std::array<const float*, kPanelKeys> rows{};
  std::int64_t filled = 0;
  for (const KeyValueSegment& segment : segments) {
    const TokenRows keys = TokenRows::keys_of(segment, head_dim_);
    for (std::int64_t token = 0; token < segment.n_token; ++token) {
      keys.prefetch(std::min(token + kPrefetchTokens, segment.n_token - 1));
      float* converted = scratch + filled * padded_head_dim_;
      if (!keys.is_float()) keys.to_float(token, converted);
      rows[static_cast<std::size_t>(filled)] = keys.is_float() ? static_cast<const float*>(keys.at(token)) : converted;
      if (++filled == kPanelKeys) {
        kernels.pack_key_panel(rows.data(), kPanelKeys, head_dim_, panels);
        panels += kPanelKeys * head_dim_;
        filled = 0;
      }
    }
  }
  if (filled > 0) {
    std::fill(rows.begin() + filled, rows.end(), zero);
    kernels.pack_key_panel(rows.data(), round_up(filled, kVectorFloats), head_dim_, panels);
  }
}

bool PackedHead::lies_ready(const KeyValueSegment& segment) const noexcept {
  return segment.value_type == ElementType::kFloat32 && segment.index == nullptr && padded_head_dim_ == head_dim_;
}

void PackedHead::pack_values(std::span<const KeyValueSegment> segments) {
  std::int64_t copied = 0;
  for (const KeyValueSegment& segment : segments) copied += lies_ready(segment) ? 0 : segment.n_token;
  float* target = values_.reserve(copied * padded_head_dim_);
  for (const KeyValueSegment& segment : segments) {
    if (segment.n_token == 0) continue;
    if (lies_ready(segment)) {
      const TokenRows values = TokenRows::values_of(segment, head_dim_);
      for (std::int64_t token = 0; token < std::min(segment.n_token, kPrefetchedValues); ++token)
        values.prefetch(token);
      value_runs_.push_back({static_cast<const float*>(segment.values), segment.value_stride, segment.n_token});
      continue;
    }
    copy_values(segment, target);
    value_runs_.push_back({target, padded_head_dim_, segment.n_token});
    target += segment.n_token * padded_head_dim_;
  }
}

void PackedHead::copy_values(const KeyValueSegment& segment, float* target) {
  const TokenRows values = TokenRows::values_of(segment, head_dim_);
  for (std::int64_t token = 0; token < segment.n_token; ++token) {
    values.to_float(token, target);
    std::fill(target + head_dim_, target + padded_head_dim_, 0.0F);
    target += padded_head_dim_;
  }
}

const float* PackedHead::key_panel(std::int64_t panel) const noexcept {
  return keys_.data() + panel * kPanelKeys * head_dim_;
}

}  // namespace kvscope
