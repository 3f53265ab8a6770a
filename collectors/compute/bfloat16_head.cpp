#include "collectors/compute/bfloat16_head.h"

#include "collectors/base/error.h"
#include "collectors/compute/packing_kernels.h"
#include "collectors/compute/product_kernels.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace kvscope {
namespace {

std::int64_t token_of(const KeyValueSegment& segment, std::int64_t i) {
  return segment.index == nullptr ? i : segment.index[i];
}

const std::uint16_t* row_of(const void* rows, std::int64_t stride, const KeyValueSegment& segment, std::int64_t i) {
  return static_cast<const std::uint16_t*>(rows) + token_of(segment, i) * stride;
}

/// Zeros in the place of a row that is not there; longer than any head.
constexpr std::int64_t kLongestHead = 1024;
alignas(64) constexpr std::array<std::uint16_t, kLongestHead> kZeroRow{};

bool can_pack_segment(const KeyValueSegment& segment) {
  if (segment.n_token == 0) return true;
  return segment.key_type == ElementType::kBFloat16 && segment.value_type == ElementType::kBFloat16 &&
         segment.key_stride % 2 == 0 && reinterpret_cast<std::uintptr_t>(segment.keys) % sizeof(float) == 0;
}

}  // namespace

bool BFloat16Head::can_pack(std::span<const KeyValueSegment> segments, std::int64_t head_dim) {
  return head_dim >= 2 && head_dim % 2 == 0 && head_dim <= kLongestHead &&
         std::ranges::all_of(segments, can_pack_segment);
}

void BFloat16Head::pack(std::span<const KeyValueSegment> segments, std::int64_t head_dim) {
  require(can_pack(segments, head_dim), "BFloat16Head: keys and values must be bfloat16, head_dim even");
  n_key_ = 0;
  for (const KeyValueSegment& segment : segments) n_key_ += segment.n_token;
  head_dim_ = head_dim;
  padded_head_dim_ = round_up(head_dim, kVectorFloats);
  pack_keys(segments);
  pack_values(segments);
}

void BFloat16Head::pack_keys(std::span<const KeyValueSegment> segments) {
  // To the transposition a pair of channels is a float that is moved.
  const PackingKernels& kernels = packing_kernels();
  const std::int64_t pairs = head_dim_ / 2;
  float* panel = keys_.reserve(round_up(n_key_, kPanelKeys) * pairs);
  std::array<const float*, kPanelKeys> rows{};
  std::size_t filled = 0;
  const auto add = [&](const std::uint16_t* row) {
    rows[filled] = reinterpret_cast<const float*>(row);
    if (++filled < rows.size()) return;
    kernels.pack_key_panel(rows.data(), kPanelKeys, pairs, panel);
    panel += kPanelKeys * pairs;
    filled = 0;
  };
  for (const KeyValueSegment& segment : segments) {
    for (std::int64_t i = 0; i < segment.n_token; ++i) add(row_of(segment.keys, segment.key_stride, segment, i));
  }
  while (filled > 0) add(kZeroRow.data());
}

void BFloat16Head::pack_values(std::span<const KeyValueSegment> segments) {
  const PackingKernels& kernels = packing_kernels();
  float* target = values_.reserve((n_key_ + 1) / 2 * padded_head_dim_);
  const std::uint16_t* first = nullptr;  // of a pair whose second is still to come
  const auto add = [&](const std::uint16_t* row) {
    if (first == nullptr) {
      first = row;
      return;
    }
    kernels.interleave(first, row, head_dim_, target);
    std::fill(target + head_dim_, target + padded_head_dim_, 0.0F);
    target += padded_head_dim_;
    first = nullptr;
  };
  for (const KeyValueSegment& segment : segments) {
    for (std::int64_t i = 0; i < segment.n_token; ++i) add(row_of(segment.values, segment.value_stride, segment, i));
  }
  if (first != nullptr) add(kZeroRow.data());
}

const float* BFloat16Head::key_panel(std::int64_t panel) const noexcept {
  return keys_.data() + panel * kPanelKeys * (head_dim_ / 2);
}

const float* BFloat16Head::value_pairs(std::int64_t token) const noexcept {
  return values_.data() + token / 2 * padded_head_dim_;
}

}  // namespace kvscope
