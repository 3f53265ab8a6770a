#include "collectors/capture/head_statistics.h"

#include "collectors/base/error.h"
#include "collectors/capture/map_sums.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/convert.h"
#include "collectors/compute/strip_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// A strip of 384 KiB leaves room for the streams of packed keys and values in a second-level cache of 1 MiB.
constexpr std::int64_t kStripFloats = 96 * 1024;
constexpr std::int64_t kTileRows = 6;  // the register tile of the strip kernels

struct WorkingSpace {
  AlignedBuffer strip;
  AlignedBuffer output;
};

WorkingSpace& working_space() {
  thread_local WorkingSpace space;
  return space;
}

/// The pass over one head, strip by strip.
class StatisticsPass {
 public:
  StatisticsPass(const HeadAttention& attention, const StepTable& steps, int step)
      : attention_(attention),
        n_query_(steps.n_query(step)),
        n_key_(steps.n_key(step)),
        stride_(strip_stride(n_key_)),
        head_dim_(attention.head->head_dim()),
        sums_(steps, step),
        output_mean_(index(head_dim_), 0.0) {}

  HeadStatistics compute() {
    const std::int64_t rows = statistics_strip_rows(n_key_);
    for (std::int64_t first = 0; first < n_query_; first += rows) add_strip(first, std::min(rows, n_query_ - first));
    HeadStatistics result = sums_.statistics();
    for (double& channel : output_mean_) channel /= static_cast<double>(n_query_);
    result.output_mean = std::move(output_mean_);
    if (squared_error_ > 0)
      result.fidelity = std::sqrt(squared_error_ / std::max(squared_norm_, std::numeric_limits<double>::min()));
    return result;
  }

 private:
  void add_strip(std::int64_t first, std::int64_t rows) {
    float* strip = working_space().strip.reserve(rows * stride_);
    QueryBlock block = attention_.block;
    block.queries += first * block.stride;
    block.n_query = rows;
    softmax_strip(*attention_.head, block, StripScaling::kNormalised, strip, nullptr);
    sums_.add(first, strip, stride_, rows);
    add_output(first, rows, strip);
  }

  void add_output(std::int64_t first, std::int64_t rows, const float* strip) {
    float* output = working_space().output.reserve(rows * head_dim_);
    strip_output(*attention_.head, strip, rows, output, head_dim_);
    for (std::int64_t i = 0; i < rows * head_dim_; ++i) {
      const auto own = static_cast<double>(output[i]);
      output_mean_[index(i % head_dim_)] += own;
      if (attention_.output == nullptr) continue;
      const auto expected = static_cast<double>(attention_.output[first * head_dim_ + i]);
      squared_error_ += (own - expected) * (own - expected);
      squared_norm_ += expected * expected;
    }
  }

  const HeadAttention& attention_;
  std::int64_t n_query_;
  std::int64_t n_key_;
  std::int64_t stride_;
  std::int64_t head_dim_;
  MapSums sums_;
  std::vector<double> output_mean_;
  double squared_error_ = 0;
  double squared_norm_ = 0;
};

/// [3, head_dim]: minimum, maximum and mean of each channel over `tokens` rows.
std::vector<double> channel_ranges(const float* rows, std::int64_t tokens, std::int64_t head_dim) {
  std::vector<double> range(index(3 * head_dim), 0.0);
  for (std::int64_t channel = 0; channel < head_dim; ++channel) {
    double least = std::numeric_limits<double>::infinity();
    double largest = -least;
    double sum = 0;
    for (std::int64_t token = 0; token < tokens; ++token) {
      const auto value = static_cast<double>(rows[token * head_dim + channel]);
      least = std::min(least, value);
      largest = std::max(largest, value);
      sum += value;
    }
    range[index(channel)] = least;
    range[index(head_dim + channel)] = largest;
    range[index(2 * head_dim + channel)] = sum / static_cast<double>(tokens);
  }
  return range;
}

/// Tokens [first, first + count) of one side of a segment as float32 without gaps.
std::vector<float> as_floats(const void* tokens, ElementType type, std::int64_t stride, std::int64_t first,
                             std::int64_t count, std::int64_t head_dim) {
  std::vector<float> result(index(count * head_dim));
  const auto* bytes = static_cast<const std::byte*>(tokens);
  for (std::int64_t token = 0; token < count; ++token) {
    convert_to_float(bytes + (first + token) * stride * element_bytes(type), type, head_dim,
                     result.data() + token * head_dim);
  }
  return result;
}

}  // namespace

std::int64_t statistics_strip_rows(std::int64_t n_key) {
  const std::int64_t rows = kStripFloats / strip_stride(n_key) / kTileRows * kTileRows;
  return std::clamp(rows, kTileRows, kAttendQueries);
}

HeadStatistics head_statistics(const HeadAttention& attention, const StepTable& steps, int step) {
  require(attention.head != nullptr && attention.head->n_key() == steps.n_key(step),
          "head_statistics: the keys are not those of the step");
  require(attention.block.n_query == steps.n_query(step), "head_statistics: the queries are not those of the step");
  return StatisticsPass(attention, steps, step).compute();
}

KeyValueStatistics key_value_statistics(const KeyValueSegment& tokens, std::int64_t own_tokens, std::int64_t head_dim) {
  require(own_tokens >= 1 && own_tokens <= tokens.n_token,
          "key_value_statistics: more tokens of the step than there are");
  KeyValueStatistics result;
  const auto values = as_floats(tokens.values, tokens.value_type, tokens.value_stride, 0, tokens.n_token, head_dim);
  for (std::int64_t token = 0; token < tokens.n_token; ++token) {
    double square = 0;
    for (std::int64_t channel = 0; channel < head_dim; ++channel) {
      const auto value = static_cast<double>(values[index(token * head_dim + channel)]);
      square += value * value;
    }
    result.value_norm.push_back(std::sqrt(square));
  }
  const std::int64_t first_own = tokens.n_token - own_tokens;
  const auto keys = as_floats(tokens.keys, tokens.key_type, tokens.key_stride, first_own, own_tokens, head_dim);
  result.key_range = channel_ranges(keys.data(), own_tokens, head_dim);
  result.value_range = channel_ranges(values.data() + first_own * head_dim, own_tokens, head_dim);
  return result;
}

}  // namespace kvscope
