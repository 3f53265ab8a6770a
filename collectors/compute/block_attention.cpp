#include "collectors/compute/block_attention.h"

#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/attention_strip.h"
#include "collectors/compute/online_softmax.h"
#include "collectors/compute/prefetch.h"
#include "collectors/compute/query_products.h"

#include <array>

namespace kvscope {
namespace {

struct WorkingSpace {
  AlignedBuffer strip;
  AlignedBuffer output;
  AlignedBuffer lanes;
};

WorkingSpace& working_space() {
  thread_local WorkingSpace space;
  return space;
}

/// The sums of a block of queries while it goes through the keys.
class Accumulator {
 public:
  Accumulator(const PackedHead& head, const QueryBlock& block)
      : head_(head),
        n_query_(block.n_query),
        stride_(strip_stride(std::min(head.n_key(), kAttendKeys))),
        queries_(base2_queries(block, head.head_dim())),
        strip_(working_space().strip.reserve(n_query_ * stride_)),
        output_(working_space().output.reserve(n_query_ * head.padded_head_dim())),
        lanes_(working_space().lanes.reserve(n_query_ * kVectorFloats)),
        softmax_(queries_.factor) {}

  /// Adds all keys; maxima of rows are found and carried on from block to block.
  void add_keys() {
    const std::int64_t width = head_.padded_head_dim();
    std::array<float, kAttendQueries> maxima;
    for (std::int64_t first_key = 0; first_key < head_.n_key(); first_key += kAttendKeys) {
      const QueryProducts block = logit_block(first_key);
      products_and_maxima(block, lanes_, maxima.data());
      softmax_.begin_block(maxima.data(), n_query_, output_, width);
      row_kernels().exponentials2({strip_, stride_, n_query_, round_up(block.n_key, kVectorFloats)}, queries_.factor,
                                  softmax_.maxima(), softmax_.sums());
      add_values(block);
    }
  }

  /// Adds all keys when no logit is larger than `bound`.
  void add_keys_within(float bound) {
    const float shift = bounded_shift(bound);
    std::array<float, kAttendQueries> shifts;
    shifts.fill(shift / queries_.factor);
    std::fill_n(lanes_, n_query_ * kVectorFloats, 0.0F);
    for (std::int64_t first_key = 0; first_key < head_.n_key(); first_key += kAttendKeys) {
      const QueryProducts block = logit_block(first_key);
      const ProductKernels& products = product_kernels();
      const std::int64_t rest = for_each_panel(block, [&](const Product& product) {
        products.multiply_exponential(product, queries_.factor, shift, lanes_);
      });
      row_kernels().exponentials2(rest_of(block, rest), queries_.factor, shifts.data(), softmax_.sums());
      add_values(block);
    }
    softmax_.add_lanes(lanes_, n_query_);
  }

  void write(float* output, std::int64_t output_stride) {
    softmax_.write({output_, head_.padded_head_dim(), n_query_, head_.head_dim()}, output, output_stride);
  }

 private:
  [[nodiscard]] QueryProducts logit_block(std::int64_t first_key) const {
    return {.head = head_,
            .queries = queries_.queries,
            .query_stride = queries_.stride,
            .n_query = n_query_,
            .first_key = first_key,
            .n_key = std::min(kAttendKeys, head_.n_key() - first_key),
            .strip = strip_,
            .stride = stride_};
  }

  void add_values(const QueryProducts& block) {
    multiply_values(head_, strip_, stride_, n_query_, block.first_key, block.n_key, block.first_key > 0, output_);
  }

  const PackedHead& head_;
  std::int64_t n_query_;
  std::int64_t stride_;
  Base2Queries queries_;
  float* strip_;
  float* output_;
  float* lanes_;  ///< [n_query, kVectorFloats]: maxima or sums of a row, lane by lane
  OnlineSoftmax<kAttendQueries> softmax_;
};

}  // namespace

float bounded_shift(float logit_bound) {
  constexpr float kLargestExponent = 60.0F;
  return std::max(0.0F, logit_bound - kLargestExponent) * kLog2E;
}

void attend_block(const PackedHead& head, const QueryBlock& block, float* output, std::int64_t output_stride) {
  for (std::int64_t first = 0; first < block.n_query; first += kAttendQueries) {
    QueryBlock part = block;
    part.queries = block.queries + first * block.stride;
    part.n_query = std::min(kAttendQueries, block.n_query - first);
    float* target = output + first * output_stride;
    if (head.n_key() == 0) {
      for (std::int64_t i = 0; i < part.n_query; ++i) std::fill_n(target + i * output_stride, head.head_dim(), 0.0F);
      continue;
    }
    for (std::int64_t i = 0; i < part.n_query; ++i) {
      prefetch_for_reading(part.queries + i * part.stride, head.head_dim() * std::int64_t{sizeof(float)});
      prefetch_for_writing(target + i * output_stride, head.head_dim() * std::int64_t{sizeof(float)});
    }
    Accumulator sums(head, part);
    if (part.logit_bound <= kLargestUsableBound) {
      sums.add_keys_within(part.logit_bound);
    } else {
      sums.add_keys();
    }
    sums.write(target, output_stride);
  }
}

}  // namespace kvscope
