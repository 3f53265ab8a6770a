#include "collectors/compute/bfloat16_attention.h"

#include "collectors/base/error.h"
#include "collectors/compute/attention_strip.h"
#include "collectors/compute/block_attention.h"
#include "collectors/compute/online_softmax.h"
#include "collectors/compute/product_kernels.h"
#include "collectors/compute/simd_level.h"

#include <algorithm>
#include <array>

namespace kvscope {
namespace {

// Values of so many keys are multiplied with all queries before the next: 256 x 64 channels = 32 KiB.
constexpr std::int64_t kValueKeys = 256;
constexpr std::int64_t kPairVector = 2 * kVectorFloats;  // bfloat16 of one 512-bit vector
constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();

/// One block of at most kAttendQueries queries on its way through the keys.
class BlockAttention {
 public:
  BlockAttention(const BFloat16Head& head, const BFloat16Queries& block)
      : head_(head),
        block_(block),
        factor_(block.scale * kLog2E),
        stride_(strip_stride(std::min(head.n_key(), kAttendKeys))),
        softmax_(factor_) {
    WorkingSpace& space = working_space();
    logits_ = space.logits.reserve(block.n_query * stride_);
    // Off multiples of 4 KiB, like the strip: its stride in floats is half.
    pair_stride_ = strip_stride(std::min(head.n_key(), kAttendKeys) / 2 + kPanelKeys);
    pairs_ = space.pairs.reserve(block.n_query * pair_stride_);
    output_ = space.output.reserve(block.n_query * head.padded_head_dim());
    lanes_ = space.lanes.reserve(block.n_query * kVectorFloats);
  }

  void run(float* output, std::int64_t output_stride) {
    const bool bounded = block_.logit_bound <= kLargestUsableBound;
    const float shift = bounded ? bounded_shift(block_.logit_bound) : 0.0F;
    if (bounded) std::fill_n(lanes_, block_.n_query * kVectorFloats, 0.0F);
    for (std::int64_t first_key = 0; first_key < head_.n_key(); first_key += kAttendKeys) {
      const std::int64_t n_key = std::min(kAttendKeys, head_.n_key() - first_key);
      if (bounded) {
        exponentials_within_bound(first_key, n_key, shift);
      } else {
        exponentials(first_key, n_key);
      }
      add_values(first_key, n_key);
    }
    if (bounded) softmax_.add_lanes(lanes_, block_.n_query);
    softmax_.write({output_, head_.padded_head_dim(), block_.n_query, head_.head_dim()}, output, output_stride);
  }

 private:
  struct WorkingSpace {
    AlignedBuffer logits;
    AlignedBuffer pairs;
    AlignedBuffer output;
    AlignedBuffer lanes;
  };
  static WorkingSpace& working_space() {
    thread_local WorkingSpace space;
    return space;
  }

  [[nodiscard]] Product logit_product(std::int64_t first_key, std::int64_t columns, float* c,
                                      std::int64_t c_stride) const {
    return {.rows = block_.n_query,
            .columns = columns,
            .depth = head_.head_dim() / 2,
            .a = static_cast<const float*>(block_.queries),
            .a_stride = block_.stride / 2,
            .b = head_.key_panel(first_key / kPanelKeys),
            .b_stride = kPanelKeys,
            .c = c,
            .c_stride = c_stride};
  }

  /// Logits of the keys behind the last whole panel, with -infinity up to a whole vector of bfloat16.
  void last_logits(std::int64_t first_key, std::int64_t whole, std::int64_t n_key) {
    if (whole == n_key) return;
    const std::int64_t columns = round_up(n_key - whole, kPairVector);
    product_kernels().multiply_pairs(logit_product(first_key + whole, columns, logits_ + whole, stride_));
    for (std::int64_t i = 0; i < block_.n_query; ++i) {
      float* row = logits_ + i * stride_;
      std::fill(row + n_key, row + whole + columns, kNegativeInfinity);
    }
  }

  void exponentials(std::int64_t first_key, std::int64_t n_key) {
    const std::int64_t whole = n_key / kPanelKeys * kPanelKeys;
    std::fill_n(lanes_, block_.n_query * kVectorFloats, kNegativeInfinity);
    for (std::int64_t key = 0; key < whole; key += kPanelKeys) {
      product_kernels().multiply_pairs_maximum(logit_product(first_key + key, kPanelKeys, logits_ + key, stride_),
                                               lanes_);
    }
    last_logits(first_key, whole, n_key);
    const RowKernels& rows = row_kernels();
    const std::int64_t width = head_.padded_head_dim();
    const std::int64_t columns = round_up(n_key, kPairVector);
    std::array<float, kAttendQueries> maxima;
    maxima.fill(kNegativeInfinity);
    rows.fold_maxima({lanes_, kVectorFloats, block_.n_query, kVectorFloats}, maxima.data());
    rows.fold_maxima({logits_ + whole, stride_, block_.n_query, columns - whole}, maxima.data());
    softmax_.begin_block(maxima.data(), block_.n_query, output_, width);
    rows.exponentials2_to_bfloat16({logits_, stride_, block_.n_query, columns}, factor_, softmax_.maxima(),
                                   softmax_.sums(), pairs_, pair_stride_);
  }

  void exponentials_within_bound(std::int64_t first_key, std::int64_t n_key, float shift) {
    const std::int64_t whole = n_key / kPanelKeys * kPanelKeys;
    for (std::int64_t key = 0; key < whole; key += kPanelKeys) {
      product_kernels().multiply_pairs_exponential(
          logit_product(first_key + key, kPanelKeys, pairs_ + key / 2, pair_stride_), factor_, shift, lanes_);
    }
    last_logits(first_key, whole, n_key);
    std::array<float, kAttendQueries> shifts;
    shifts.fill(shift / factor_);
    row_kernels().exponentials2_to_bfloat16(
        {logits_ + whole, stride_, block_.n_query, round_up(n_key - whole, kPairVector)}, factor_, shifts.data(),
        softmax_.sums(), pairs_ + whole / 2, pair_stride_);
  }

  void add_values(std::int64_t first_key, std::int64_t n_key) {
    for (std::int64_t key = 0; key < n_key; key += kValueKeys) {
      for (std::int64_t channel = 0; channel < head_.padded_head_dim(); channel += kPanelKeys) {
        product_kernels().multiply_pairs({.rows = block_.n_query,
                                          .columns = std::min(kPanelKeys, head_.padded_head_dim() - channel),
                                          .depth = (std::min(kValueKeys, n_key - key) + 1) / 2,
                                          .a = pairs_ + key / 2,
                                          .a_stride = pair_stride_,
                                          .b = head_.value_pairs(first_key + key) + channel,
                                          .b_stride = head_.padded_head_dim(),
                                          .c = output_ + channel,
                                          .c_stride = head_.padded_head_dim(),
                                          .accumulate = first_key + key > 0});
      }
    }
  }

  const BFloat16Head& head_;
  const BFloat16Queries& block_;
  float factor_;
  std::int64_t stride_;
  std::int64_t pair_stride_ = 0;
  float* logits_ = nullptr;
  float* pairs_ = nullptr;  ///< [n_query, pair_stride_]: exponentials, two bfloat16 in the place of a float
  float* output_ = nullptr;
  float* lanes_ = nullptr;  ///< [n_query, kVectorFloats]: maxima or sums of a row, lane by lane
  OnlineSoftmax<kAttendQueries> softmax_;
};

}  // namespace

void attend_bfloat16_block(const BFloat16Head& head, const BFloat16Queries& block, float* output,
                           std::int64_t output_stride) {
  require(has_bfloat16_products(), "attend_bfloat16_block: this processor or SIMD level has no bfloat16 products");
  for (std::int64_t first = 0; first < block.n_query; first += kAttendQueries) {
    BFloat16Queries part = block;
    part.queries = static_cast<const std::uint16_t*>(block.queries) + first * block.stride;
    part.n_query = std::min(kAttendQueries, block.n_query - first);
    float* target = output + first * output_stride;
    if (head.n_key() == 0) {
      for (std::int64_t i = 0; i < part.n_query; ++i) std::fill_n(target + i * output_stride, head.head_dim(), 0.0F);
    } else {
      BlockAttention(head, part).run(target, output_stride);
    }
  }
}

}  // namespace kvscope
