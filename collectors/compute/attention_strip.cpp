#include "collectors/compute/attention_strip.h"

#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/strip_kernels.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

namespace kvscope {
namespace {

// Keys per block of attend_block: with 96 queries a strip of 400 KiB, which leaves room for the streams of
// packed keys and values in a second-level cache of 1 MiB. The value decides bits, so it is a constant.
constexpr std::int64_t kBlockKeys = 1024;
// Values of so many keys are multiplied with all queries before the next: 128 x 64 channels = 32 KiB.
constexpr std::int64_t kValueKeys = 128;

struct WorkingSpace {
  AlignedBuffer queries;
  AlignedBuffer strip;
  AlignedBuffer output;
};

WorkingSpace& working_space() {
  thread_local WorkingSpace space;
  return space;
}

std::int64_t whole_panels(std::int64_t n_key) {
  return (n_key + kPanelKeys - 1) / kPanelKeys * kPanelKeys;
}

/// The block's queries times its scale, [n_query, head_dim] without gaps.
const float* scaled_queries(const QueryBlock& block, std::int64_t head_dim) {
  float* scaled = working_space().queries.reserve(block.n_query * head_dim);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    const float* query = block.queries + i * block.stride;
    for (std::int64_t d = 0; d < head_dim; ++d) scaled[i * head_dim + d] = block.scale * query[d];
  }
  return scaled;
}

/// strip[i, j - first_key] = q_i . k_j for the keys [first_key, first_key + n_key); columns that fill the
/// last panel up become -infinity. `first_key` is a multiple of kPanelKeys.
void logits(const PackedHead& head, const float* queries, std::int64_t n_query, std::int64_t first_key,
            std::int64_t n_key, float* strip, std::int64_t stride) {
  const StripKernels& kernels = strip_kernels();
  for (std::int64_t key = 0; key < n_key; key += kPanelKeys) {
    kernels.multiply({.rows = n_query,
                      .columns = kPanelKeys,
                      .depth = head.head_dim(),
                      .a = queries,
                      .a_stride = head.head_dim(),
                      .b = head.key_panel((first_key + key) / kPanelKeys),
                      .b_stride = kPanelKeys,
                      .c = strip + key,
                      .c_stride = stride});
  }
  const std::int64_t padding = whole_panels(n_key) - n_key;
  for (std::int64_t i = 0; i < n_query; ++i) {
    std::fill_n(strip + i * stride + n_key, padding, -std::numeric_limits<float>::infinity());
  }
}

/// output[i] (+)= sum_j strip[i, j] V_{first_key + j}, [n_query, padded_head_dim].
void multiply_values(const PackedHead& head, const float* strip, std::int64_t stride, std::int64_t n_query,
                     std::int64_t first_key, std::int64_t n_key, bool accumulate, float* output) {
  const StripKernels& kernels = strip_kernels();
  for (std::int64_t key = 0; key < n_key; key += kValueKeys) {
    for (std::int64_t channel = 0; channel < head.padded_head_dim(); channel += kPanelKeys) {
      const std::int64_t width = head.value_panel_width(channel);
      kernels.multiply({.rows = n_query,
                        .columns = width,
                        .depth = std::min(kValueKeys, n_key - key),
                        .a = strip + key,
                        .a_stride = stride,
                        .b = head.value_panel(channel, first_key + key),
                        .b_stride = width,
                        .c = output + channel,
                        .c_stride = head.padded_head_dim(),
                        .accumulate = accumulate || key > 0});
    }
  }
}

/// Largest logit and sum of exponentials of each row so far.
struct RowState {
  std::array<float, kAttendQueries> maximum{};
  std::array<float, kAttendQueries> sum{};
};

/// Turns a block of logits into exponentials relative to the largest logit so far; what was summed up
/// before is rescaled where that largest logit grows.
void exponentiate_block(float* strip, std::int64_t stride, std::int64_t n_query, std::int64_t count, bool first,
                        RowState& state, float* output, std::int64_t output_stride) {
  const StripKernels& kernels = strip_kernels();
  for (std::int64_t i = 0; i < n_query; ++i) {
    float* row = strip + i * stride;
    float& maximum = state.maximum[static_cast<std::size_t>(i)];
    float& sum = state.sum[static_cast<std::size_t>(i)];
    const float block_maximum = kernels.maximum(row, count);
    if (first) {
      maximum = block_maximum;
      sum = 0.0F;
    } else if (block_maximum > maximum) {
      const float shrink = std::exp(maximum - block_maximum);
      kernels.scale(output + i * output_stride, output_stride, shrink);
      sum *= shrink;
      maximum = block_maximum;
    }
    sum += kernels.exponentials(row, count, maximum);
  }
}

/// One block of at most kAttendQueries queries.
void attend_queries(const PackedHead& head, const QueryBlock& block, float* output, std::int64_t output_stride) {
  const StripKernels& kernels = strip_kernels();
  const std::int64_t padded = head.padded_head_dim();
  const std::int64_t stride = strip_stride(std::min(head.n_key(), kBlockKeys));
  const float* queries = scaled_queries(block, head.head_dim());
  float* strip = working_space().strip.reserve(block.n_query * stride);
  float* sums = working_space().output.reserve(block.n_query * padded);
  RowState state;
  for (std::int64_t first_key = 0; first_key < head.n_key(); first_key += kBlockKeys) {
    const std::int64_t n_key = std::min(kBlockKeys, head.n_key() - first_key);
    logits(head, queries, block.n_query, first_key, n_key, strip, stride);
    exponentiate_block(strip, stride, block.n_query, whole_panels(n_key), first_key == 0, state, sums, padded);
    multiply_values(head, strip, stride, block.n_query, first_key, n_key, first_key > 0, sums);
  }
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    kernels.scale(sums + i * padded, padded, 1.0F / state.sum[static_cast<std::size_t>(i)]);
    std::copy_n(sums + i * padded, head.head_dim(), output + i * output_stride);
  }
}

}  // namespace

std::int64_t strip_stride(std::int64_t n_key) {
  constexpr std::int64_t kPageFloats = 1024;
  const std::int64_t stride = whole_panels(n_key);
  return stride % kPageFloats == 0 ? stride + kPanelKeys : stride;
}

void logit_strip(const PackedHead& head, const QueryBlock& block, float* strip) {
  logits(head, scaled_queries(block, head.head_dim()), block.n_query, 0, head.n_key(), strip,
         strip_stride(head.n_key()));
}

void softmax_strip(const PackedHead& head, const QueryBlock& block, StripScaling scaling, float* strip,
                   float* row_sums) {
  const StripKernels& kernels = strip_kernels();
  const std::int64_t stride = strip_stride(head.n_key());
  const std::int64_t count = whole_panels(head.n_key());
  if (head.n_key() == 0) {
    if (row_sums != nullptr) std::fill_n(row_sums, block.n_query, 0.0F);
    return;
  }
  logit_strip(head, block, strip);
  for (std::int64_t i = 0; i < block.n_query; ++i) {
    float* row = strip + i * stride;
    const float sum = kernels.exponentials(row, count, kernels.maximum(row, count));
    if (scaling == StripScaling::kNormalised) kernels.scale(row, count, 1.0F / sum);
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
    } else {
      attend_queries(head, part, target, output_stride);
    }
  }
}

}  // namespace kvscope
