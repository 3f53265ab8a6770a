#include "collectors/capture/head_statistics.h"

#include "collectors/base/error.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/displacement_histogram.h"
#include "collectors/capture/map_kernels.h"
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
  std::vector<double> sums;
  std::vector<double> squares;
};

WorkingSpace& working_space() {
  thread_local WorkingSpace space;
  return space;
}

std::int64_t whole_panels(std::int64_t n_key) {
  return (n_key + kPanelKeys - 1) / kPanelKeys * kPanelKeys;
}

/// The pass over one head, strip by strip.
class StatisticsPass {
 public:
  StatisticsPass(const HeadAttention& attention, const StepTable& steps, int step)
      : attention_(attention),
        steps_(steps),
        step_(step),
        n_query_(steps.n_query(step)),
        n_key_(steps.n_key(step)),
        columns_(whole_panels(n_key_)),
        stride_(strip_stride(n_key_)),
        head_dim_(attention.head->head_dim()),
        thumbnail_(thumbnail_shape(steps, step)),
        displacement_(steps, step) {
    WorkingSpace& space = working_space();
    space.sums.assign(index(columns_), 0.0);
    space.squares.assign(index(columns_), 0.0);
    result_.thumbnail.assign(index(element_count(thumbnail_)), 0.0);
    result_.output_mean.assign(index(head_dim_), 0.0);
  }

  HeadStatistics compute() {
    const std::int64_t rows = statistics_strip_rows(n_key_);
    for (std::int64_t first = 0; first < n_query_; first += rows) add_strip(first, std::min(rows, n_query_ - first));
    finish();
    return std::move(result_);
  }

 private:
  void add_strip(std::int64_t first, std::int64_t rows) {
    WorkingSpace& space = working_space();
    float* strip = space.strip.reserve(rows * stride_);
    QueryBlock block = attention_.block;
    block.queries += first * block.stride;
    block.n_query = rows;
    softmax_strip(*attention_.head, block, StripScaling::kNormalised, strip, nullptr);
    const MapKernels& kernels = map_kernels();
    kernels.add_column_moments(strip, stride_, rows, columns_, space.sums.data(), space.squares.data());
    for (std::int64_t i = 0; i < rows; ++i) {
      const float* row = strip + i * stride_;
      entropy_ += static_cast<double>(kernels.entropy(row, columns_));
      displacement_.add(first + i, row);
      add_thumbnail(first + i, row);
    }
    add_output(first, rows, strip);
  }

  /// Adds a query to its row of the thumbnail; cells are divided by their size in finish().
  void add_thumbnail(std::int64_t query, const float* row) {
    // The last i with i * n_query / shape[0] <= query.
    const std::int64_t i = ((query + 1) * thumbnail_[0] - 1) / n_query_;
    double* cells = result_.thumbnail.data() + i * thumbnail_[1];
    for (std::int64_t j = 0; j < thumbnail_[1]; ++j) {
      const std::int64_t right = (j + 1) * n_key_ / thumbnail_[1];
      float sum = 0;
      for (std::int64_t key = j * n_key_ / thumbnail_[1]; key < right; ++key) sum += row[key];
      cells[j] += static_cast<double>(sum);
    }
  }

  void add_output(std::int64_t first, std::int64_t rows, const float* strip) {
    float* output = working_space().output.reserve(rows * head_dim_);
    strip_output(*attention_.head, strip, rows, output, head_dim_);
    for (std::int64_t i = 0; i < rows * head_dim_; ++i) {
      const auto own = static_cast<double>(output[i]);
      result_.output_mean[index(i % head_dim_)] += own;
      if (attention_.output == nullptr) continue;
      const auto expected = static_cast<double>(attention_.output[first * head_dim_ + i]);
      squared_error_ += (own - expected) * (own - expected);
      squared_norm_ += expected * expected;
    }
  }

  void finish() {
    const WorkingSpace& space = working_space();
    const auto n = static_cast<double>(n_query_);
    result_.entropy = std::max(entropy_ / n, 0.0);
    for (double& channel : result_.output_mean) channel /= n;
    if (squared_error_ > 0)
      result_.fidelity = std::sqrt(squared_error_ / std::max(squared_norm_, std::numeric_limits<double>::min()));
    double square_of_means = 0;
    for (const int source : steps_.sources(step_)) {
      const std::int64_t begin = steps_.key_offset(step_, source);
      double mass = 0;
      double squares = 0;
      for (std::int64_t key = begin; key < begin + steps_.n_query(source); ++key) {
        const double mean = space.sums[index(key)] / n;
        result_.column_mean.push_back(mean);
        result_.column_second_moment.push_back(space.squares[index(key)] / n);
        mass += mean;
        squares += result_.column_second_moment.back();
        square_of_means += mean * mean;
      }
      result_.source_mass.push_back(mass);
      result_.source_square_sum.push_back(squares);
      result_.square_sum += squares;
    }
    result_.column_variance = std::max(result_.square_sum - square_of_means, 0.0);
    result_.displacement = displacement_.mean();
    result_.band_mass = displacement_.band_mass();
    finish_thumbnail();
  }

  void finish_thumbnail() {
    for (std::int64_t i = 0; i < thumbnail_[0]; ++i) {
      const std::int64_t height = (i + 1) * n_query_ / thumbnail_[0] - i * n_query_ / thumbnail_[0];
      for (std::int64_t j = 0; j < thumbnail_[1]; ++j) {
        const std::int64_t width = (j + 1) * n_key_ / thumbnail_[1] - j * n_key_ / thumbnail_[1];
        result_.thumbnail[index(i * thumbnail_[1] + j)] /= static_cast<double>(height * width);
      }
    }
  }

  const HeadAttention& attention_;
  const StepTable& steps_;
  int step_;
  std::int64_t n_query_;
  std::int64_t n_key_;
  std::int64_t columns_;
  std::int64_t stride_;
  std::int64_t head_dim_;
  Shape thumbnail_;
  DisplacementHistogram displacement_;
  double entropy_ = 0;
  double squared_error_ = 0;
  double squared_norm_ = 0;
  HeadStatistics result_;
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
