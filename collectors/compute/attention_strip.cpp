#include "collectors/compute/attention_strip.h"

#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/online_softmax.h"
#include "collectors/compute/product_kernels.h"
#include "collectors/compute/row_kernels.h"

#include <algorithm>
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

std::int64_t round_up(std::int64_t count, std::int64_t step) {
  return (count + step - 1) / step * step;
}

/// The block's queries times a factor, [n_query, head_dim] without gaps.
const float* scaled_queries(const QueryBlock& block, std::int64_t head_dim, float factor) {
  float* scaled = working_space().queries.reserve(block.n_query * head_dim);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    const float* query = block.queries + i * block.stride;
    for (std::int64_t d = 0; d < head_dim; ++d) scaled[i * head_dim + d] = factor * query[d];
  }
  return scaled;
}

/// Queries against the keys [first_key, first_key + n_key) of a head; `first_key` is a multiple of kPanelKeys.
struct LogitBlock {
  const PackedHead& head;
  const float* queries;  ///< [n_query, head_dim], scaled
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
            .a_stride = head.head_dim(),
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

/// Logits, and the largest of each row: maxima[i * kVectorFloats] afterwards.
void logits_and_maxima(const LogitBlock& block, float* maxima) {
  const RowKernels& rows = row_kernels();
  std::fill_n(maxima, block.n_query * kVectorFloats, kNegativeInfinity);
  const ProductKernels& products = product_kernels();
  const std::int64_t rest =
      for_each_panel(block, [&](const Product& product) { products.multiply_maximum(product, maxima); });
  const std::int64_t rest_columns = round_up(block.n_key - rest, kVectorFloats);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    float& maximum = maxima[i * kVectorFloats];
    maximum = rows.maximum(maxima + i * kVectorFloats, kVectorFloats);
    if (rest_columns > 0) {
      const float last = rows.maximum(block.strip + i * block.stride + rest, rest_columns);
      maximum = last > maximum || last != last ? last : maximum;  // not-a-number must not get lost
    }
  }
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
        queries_(scaled_queries(block, head.head_dim(), block.scale * kLog2E)),
        strip_(working_space().strip.reserve(n_query_ * stride_)),
        output_(working_space().output.reserve(n_query_ * head.padded_head_dim())),
        lanes_(working_space().lanes.reserve(n_query_ * kVectorFloats)) {}

  /// Adds all keys; maxima of rows are found and carried on from block to block.
  void add_keys() {
    for (std::int64_t first_key = 0; first_key < head_.n_key(); first_key += kBlockKeys) {
      const LogitBlock block = logit_block(first_key);
      logits_and_maxima(block, lanes_);
      for (std::int64_t i = 0; i < n_query_; ++i) exponentiate_row(i, block.n_key);
      add_values(block);
    }
  }

  /// Adds all keys when no logit is larger than `bound`.
  void add_keys_within(float bound) {
    const float shift = bounded_shift(bound);
    std::fill_n(lanes_, n_query_ * kVectorFloats, 0.0F);
    for (std::int64_t first_key = 0; first_key < head_.n_key(); first_key += kBlockKeys) {
      const LogitBlock block = logit_block(first_key);
      const ProductKernels& products = product_kernels();
      const std::int64_t rest =
          for_each_panel(block, [&](const Product& product) { products.multiply_exponential(product, shift, lanes_); });
      add_rest(block, rest, shift);
      add_values(block);
    }
    for (std::int64_t i = 0; i < n_query_; ++i) {
      const float* lanes = lanes_ + i * kVectorFloats;
      softmax_.add(i, std::accumulate(lanes, lanes + kVectorFloats, 0.0F));
    }
  }

  void write(float* output, std::int64_t output_stride) const {
    const std::int64_t padded = head_.padded_head_dim();
    for (std::int64_t i = 0; i < n_query_; ++i) {
      row_kernels().scale(output_ + i * padded, padded, 1.0F / softmax_.sum(i));
      std::copy_n(output_ + i * padded, head_.head_dim(), output + i * output_stride);
    }
  }

 private:
  [[nodiscard]] LogitBlock logit_block(std::int64_t first_key) const {
    return {.head = head_,
            .queries = queries_,
            .n_query = n_query_,
            .first_key = first_key,
            .n_key = std::min(kBlockKeys, head_.n_key() - first_key),
            .strip = strip_,
            .stride = stride_};
  }

  /// Turns a row's logits into exponentials relative to the largest logit so far.
  void exponentiate_row(std::int64_t i, std::int64_t n_key) {
    const std::int64_t width = head_.padded_head_dim();
    const float shift = softmax_.begin_block(i, lanes_[i * kVectorFloats], output_ + i * width, width);
    softmax_.add(i, row_kernels().exponentials2(strip_ + i * stride_, round_up(n_key, kVectorFloats), shift));
  }

  void add_rest(const LogitBlock& block, std::int64_t rest, float shift) {
    const std::int64_t columns = round_up(block.n_key - rest, kVectorFloats);
    if (columns == 0) return;
    for (std::int64_t i = 0; i < n_query_; ++i) {
      lanes_[i * kVectorFloats] += row_kernels().exponentials2(strip_ + i * stride_ + rest, columns, shift);
    }
  }

  void add_values(const LogitBlock& block) {
    multiply_values(head_, strip_, stride_, n_query_, block.first_key, block.n_key, block.first_key > 0, output_);
  }

  const PackedHead& head_;
  std::int64_t n_query_;
  std::int64_t stride_;
  const float* queries_;
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
  const LogitBlock logits{
      head, scaled_queries(block, head.head_dim(), block.scale), block.n_query, 0, head.n_key(), strip, stride};
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
  float* maxima = working_space().lanes.reserve(block.n_query * kVectorFloats);
  logits_and_maxima({head, scaled_queries(block, head.head_dim(), block.scale * kLog2E), block.n_query, 0, head.n_key(),
                     strip, stride},
                    maxima);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    float* row = strip + i * stride;
    const float sum = rows.exponentials2(row, count, maxima[i * kVectorFloats]);
    std::fill(row + count, row + round_up(head.n_key(), kPanelKeys), 0.0F);
    if (scaling == StripScaling::kNormalised) rows.scale(row, count, 1.0F / sum);
    if (row_sums != nullptr) row_sums[i] = sum;
  }
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
