#include "collectors/compute/attention_strip.h"

#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/online_softmax.h"
#include "collectors/compute/prefetch.h"
#include "collectors/compute/product_kernels.h"
#include "collectors/compute/row_kernels.h"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

namespace kvscope {
namespace {

// Keys per block of attend_block: with 96 queries a strip of 200 KiB, which leaves room for the keys and values
// of the block in a second-level cache of 1 MiB. The value decides bits, so it is a constant.
constexpr std::int64_t kBlockKeys = 512;
// Values of so many keys are multiplied with all queries before the next: 128 x 64 channels = 32 KiB.
constexpr std::int64_t kValueKeys = 128;
constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();

struct WorkingSpace {
  AlignedBuffer queries;
  AlignedBuffer strip;
  AlignedBuffer output;
  AlignedBuffer lanes;
};

WorkingSpace& working_space() {
  thread_local WorkingSpace space;
  return space;
}

/// The block's queries times a factor, [n_query, head_dim] without gaps.
const float* scaled_queries(const QueryBlock& block, std::int64_t head_dim, float factor) {
  float* scaled = working_space().queries.reserve(block.n_query * head_dim);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    row_kernels().scale(block.queries + i * block.stride, head_dim, factor, scaled + i * head_dim);
  }
  return scaled;
}

/// Queries whose products with keys, times a factor > 0, are logits to base 2.
struct Base2Queries {
  const float* queries;
  std::int64_t stride;
  float factor;
};

/// Where they lie, unless the scale would turn the largest product into the least logit.
Base2Queries base2_queries(const QueryBlock& block, std::int64_t head_dim) {
  if (block.scale > 0.0F) return {block.queries, block.stride, block.scale * kLog2E};
  return {scaled_queries(block, head_dim, block.scale), head_dim, kLog2E};
}

/// Queries against the keys [first_key, first_key + n_key) of a head; `first_key` is a multiple of kPanelKeys.
struct LogitBlock {
  const PackedHead& head;
  const float* queries;  ///< [n_query, head_dim]
  std::int64_t query_stride;
  std::int64_t n_query;
  std::int64_t first_key;
  std::int64_t n_key;
  float* strip;  ///< [n_query, stride]
  std::int64_t stride;

  /// The product for `columns` keys from the panel at `key`.
  [[nodiscard]] Product product(std::int64_t key, std::int64_t columns) const {
    return {.rows = n_query,
            .columns = columns,
            .depth = head.head_dim(),
            .a = queries,
            .a_stride = query_stride,
            .b = head.key_panel((first_key + key) / kPanelKeys),
            .b_stride = kPanelKeys,
            .c = strip + key,
            .c_stride = stride};
  }
};

/// multiply_panel(product) for every whole panel of keys; the keys of a last one that is not whole are left in the
/// strip as logits, with -infinity in the columns that fill up their last vector. Returns where that panel starts.
template <typename MultiplyPanel>
std::int64_t for_each_panel(const LogitBlock& block, const MultiplyPanel& multiply_panel) {
  const std::int64_t whole = block.n_key / kPanelKeys * kPanelKeys;
  for (std::int64_t key = 0; key < whole; key += kPanelKeys) multiply_panel(block.product(key, kPanelKeys));
  if (whole == block.n_key) return whole;
  const std::int64_t columns = round_up(block.n_key - whole, kVectorFloats);
  product_kernels().multiply(block.product(whole, columns));
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    float* row = block.strip + i * block.stride;
    std::fill(row + block.n_key, row + whole + columns, kNegativeInfinity);
  }
  return whole;
}

/// The strip's columns behind the whole panels.
RowBlock rest_of(const LogitBlock& block, std::int64_t rest) {
  return {block.strip + rest, block.stride, block.n_query, round_up(block.n_key - rest, kVectorFloats)};
}

/// Products, and the largest of each row: maxima [n_query]. `lanes`: [n_query, kVectorFloats], working space.
void products_and_maxima(const LogitBlock& block, float* lanes, float* maxima) {
  std::fill_n(lanes, block.n_query * kVectorFloats, kNegativeInfinity);
  std::fill_n(maxima, block.n_query, kNegativeInfinity);
  const ProductKernels& products = product_kernels();
  const std::int64_t rest =
      for_each_panel(block, [&](const Product& product) { products.multiply_maximum(product, lanes); });
  row_kernels().fold_maxima({lanes, kVectorFloats, block.n_query, kVectorFloats}, maxima);
  row_kernels().fold_maxima(rest_of(block, rest), maxima);
}

/// output[i] (+)= sum_j strip[i, j] V_{first_key + j}, [n_query, padded_head_dim].
void multiply_values(const PackedHead& head, const float* strip, std::int64_t stride, std::int64_t n_query,
                     std::int64_t first_key, std::int64_t n_key, bool accumulate, float* output) {
  const ProductKernels& kernels = product_kernels();
  std::int64_t run_begin = 0;
  for (const ValueRun& run : head.value_runs()) {
    const std::int64_t begin = std::max(first_key, run_begin);
    const std::int64_t end = std::min(first_key + n_key, run_begin + run.n_token);
    for (std::int64_t key = begin; key < end; key += kValueKeys) {
      for (std::int64_t channel = 0; channel < head.padded_head_dim(); channel += kPanelKeys) {
        kernels.multiply({.rows = n_query,
                          .columns = std::min(kPanelKeys, head.padded_head_dim() - channel),
                          .depth = std::min(kValueKeys, end - key),
                          .a = strip + key - first_key,
                          .a_stride = stride,
                          .b = run.values + (key - run_begin) * run.stride + channel,
                          .b_stride = run.stride,
                          .c = output + channel,
                          .c_stride = head.padded_head_dim(),
                          .accumulate = accumulate || key > first_key});
      }
    }
    run_begin += run.n_token;
  }
}

/// The sums of a block of queries while it goes through the keys.
class Accumulator {
 public:
  Accumulator(const PackedHead& head, const QueryBlock& block)
      : head_(head),
        n_query_(block.n_query),
        stride_(strip_stride(std::min(head.n_key(), kBlockKeys))),
        queries_(base2_queries(block, head.head_dim())),
        strip_(working_space().strip.reserve(n_query_ * stride_)),
        output_(working_space().output.reserve(n_query_ * head.padded_head_dim())),
        lanes_(working_space().lanes.reserve(n_query_ * kVectorFloats)),
        softmax_(queries_.factor) {}

  /// Adds all keys; maxima of rows are found and carried on from block to block.
  void add_keys() {
    const std::int64_t width = head_.padded_head_dim();
    std::array<float, kAttendQueries> maxima;
    for (std::int64_t first_key = 0; first_key < head_.n_key(); first_key += kBlockKeys) {
      const LogitBlock block = logit_block(first_key);
      products_and_maxima(block, lanes_, maxima.data());
      for (std::int64_t i = 0; i < n_query_; ++i) {
        softmax_.begin_block(i, maxima[static_cast<std::size_t>(i)], output_ + i * width, width);
      }
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
    for (std::int64_t first_key = 0; first_key < head_.n_key(); first_key += kBlockKeys) {
      const LogitBlock block = logit_block(first_key);
      const ProductKernels& products = product_kernels();
      const std::int64_t rest = for_each_panel(block, [&](const Product& product) {
        products.multiply_exponential(product, queries_.factor, shift, lanes_);
      });
      row_kernels().exponentials2(rest_of(block, rest), queries_.factor, shifts.data(), softmax_.sums());
      add_values(block);
    }
    for (std::int64_t i = 0; i < n_query_; ++i) {
      const float* lanes = lanes_ + i * kVectorFloats;
      softmax_.sums()[i] += std::accumulate(lanes, lanes + kVectorFloats, 0.0F);
    }
  }

  void write(float* output, std::int64_t output_stride) {
    const std::int64_t padded = head_.padded_head_dim();
    for (std::int64_t i = 0; i < n_query_; ++i) {
      row_kernels().scale(output_ + i * padded, head_.head_dim(), 1.0F / softmax_.sums()[i],
                          output + i * output_stride);
    }
  }

 private:
  [[nodiscard]] LogitBlock logit_block(std::int64_t first_key) const {
    return {.head = head_,
            .queries = queries_.queries,
            .query_stride = queries_.stride,
            .n_query = n_query_,
            .first_key = first_key,
            .n_key = std::min(kBlockKeys, head_.n_key() - first_key),
            .strip = strip_,
            .stride = stride_};
  }

  void add_values(const LogitBlock& block) {
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

std::int64_t strip_stride(std::int64_t n_key) {
  constexpr std::int64_t kPageFloats = 1024;
  const std::int64_t stride = round_up(n_key, kPanelKeys);
  return stride % kPageFloats == 0 ? stride + kPanelKeys : stride;
}

void logit_strip(const PackedHead& head, const QueryBlock& block, float* strip) {
  const std::int64_t stride = strip_stride(head.n_key());
  const std::int64_t head_dim = head.head_dim();
  const float* queries = scaled_queries(block, head_dim, block.scale);
  const LogitBlock logits{head, queries, head_dim, block.n_query, 0, head.n_key(), strip, stride};
  const ProductKernels& products = product_kernels();
  for_each_panel(logits, [&](const Product& product) { products.multiply(product); });
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    std::fill(strip + i * stride + head.n_key(), strip + i * stride + round_up(head.n_key(), kPanelKeys),
              kNegativeInfinity);
  }
}

void softmax_strip(const PackedHead& head, const QueryBlock& block, StripScaling scaling, float* strip,
                   float* row_sums) {
  if (head.n_key() == 0) {
    if (row_sums != nullptr) std::fill_n(row_sums, block.n_query, 0.0F);
    return;
  }
  const RowKernels& rows = row_kernels();
  const std::int64_t stride = strip_stride(head.n_key());
  const std::int64_t count = round_up(head.n_key(), kVectorFloats);
  // Lanes, maxima and sums of the rows.
  float* lanes = working_space().lanes.reserve(block.n_query * (kVectorFloats + 2));
  float* maxima = lanes + block.n_query * kVectorFloats;
  float* sums = maxima + block.n_query;
  std::fill_n(sums, block.n_query, 0.0F);
  const Base2Queries queries = base2_queries(block, head.head_dim());
  products_and_maxima({head, queries.queries, queries.stride, block.n_query, 0, head.n_key(), strip, stride}, lanes,
                      maxima);
  rows.exponentials2({strip, stride, block.n_query, count}, queries.factor, maxima, sums);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    float* row = strip + i * stride;
    std::fill(row + count, row + round_up(head.n_key(), kPanelKeys), 0.0F);
    if (scaling == StripScaling::kNormalised) rows.scale(row, count, 1.0F / sums[i], row);
  }
  if (row_sums != nullptr) std::copy_n(sums, block.n_query, row_sums);
}

void strip_output(const PackedHead& head, const float* strip, std::int64_t n_query, float* output,
                  std::int64_t output_stride) {
  float* sums = working_space().output.reserve(n_query * head.padded_head_dim());
  std::fill_n(sums, n_query * head.padded_head_dim(), 0.0F);
  multiply_values(head, strip, strip_stride(head.n_key()), n_query, 0, head.n_key(), true, sums);
  for (std::int64_t i = 0; i < n_query; ++i) {
    std::copy_n(sums + i * head.padded_head_dim(), head.head_dim(), output + i * output_stride);
  }
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
