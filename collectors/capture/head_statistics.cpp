#include "collectors/capture/head_statistics.h"

#include "collectors/base/error.h"
#include "collectors/capture/map_kernels.h"
#include "collectors/capture/map_sums.h"
#include "collectors/compute/aligned_buffer.h"
#include "collectors/compute/block_attention.h"
#include "collectors/compute/convert.h"
#include "collectors/compute/product_kernels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

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
  std::optional<MapSums> sums;
};

WorkingSpace& working_space() {
  thread_local WorkingSpace space;
  return space;
}

/// Sums without rows; those of the head before are reused, as most heads have the same shape.
MapSums& cleared_sums(const std::shared_ptr<const MapTables>& tables) {
  std::optional<MapSums>& sums = working_space().sums;
  if (sums && &sums->tables() == tables.get()) {
    sums->clear();
  } else {
    sums.emplace(tables);
  }
  return *sums;
}

/// The pass over one head, strip by strip.
class StatisticsPass {
 public:
  StatisticsPass(const HeadAttention& attention, const std::shared_ptr<const MapTables>& tables)
      : attention_(attention),
        n_query_(attention.block.n_query),
        n_key_(attention.head->n_key()),
        stride_(strip_stride(n_key_)),
        head_dim_(attention.head->head_dim()),
        sums_(cleared_sums(tables)),
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
    const float* expected = attention_.output == nullptr ? nullptr : attention_.output + first * head_dim_;
    const OutputErrors errors = map_kernels().add_output(
        {.output = output, .expected = expected, .rows = rows, .channels = head_dim_}, output_mean_.data());
    squared_error_ += errors.squared_error;
    squared_norm_ += errors.squared_norm;
  }

  const HeadAttention& attention_;
  std::int64_t n_query_;
  std::int64_t n_key_;
  std::int64_t stride_;
  std::int64_t head_dim_;
  MapSums& sums_;
  std::vector<double> output_mean_;
  double squared_error_ = 0;
  double squared_norm_ = 0;
};

/// Tokens [first, first + count) of one side of a segment as float32: where they lie, or a converted copy.
class FloatRows {
 public:
  FloatRows(const void* tokens, ElementType type, std::int64_t stride, std::int64_t first, std::int64_t count,
            std::int64_t head_dim) {
    const auto* bytes = static_cast<const std::byte*>(tokens) + first * stride * element_bytes(type);
    if (type == ElementType::kFloat32) {
      rows_ = reinterpret_cast<const float*>(bytes);
      stride_ = stride;
      return;
    }
    copy_.resize(index(count * head_dim));
    for (std::int64_t token = 0; token < count; ++token) {
      convert_to_float(bytes + token * stride * element_bytes(type), type, head_dim, copy_.data() + token * head_dim);
    }
    rows_ = copy_.data();
    stride_ = head_dim;
  }

  [[nodiscard]] const float* row(std::int64_t token) const noexcept { return rows_ + token * stride_; }

 private:
  std::vector<float> copy_;
  const float* rows_ = nullptr;
  std::int64_t stride_ = 0;
};

/// [3, head_dim]: minimum, maximum and mean of each channel over `tokens` rows.
std::vector<double> channel_ranges(const FloatRows& rows, std::int64_t tokens, std::int64_t head_dim) {
  const std::size_t channels = index(head_dim);
  std::vector<float> least(rows.row(0), rows.row(0) + head_dim);
  std::vector<float> largest(least);
  std::vector<double> range(3 * channels, 0.0);
  double* sums = range.data() + 2 * channels;
  for (std::int64_t token = 0; token < tokens; ++token) {
    const float* row = rows.row(token);
    for (std::size_t c = 0; c < channels; ++c) {
      least[c] = std::min(least[c], row[c]);
      largest[c] = std::max(largest[c], row[c]);
      sums[c] += static_cast<double>(row[c]);
    }
  }
  for (std::size_t c = 0; c < channels; ++c) {
    range[c] = static_cast<double>(least[c]);
    range[channels + c] = static_cast<double>(largest[c]);
    sums[c] /= static_cast<double>(tokens);
  }
  return range;
}

}  // namespace

std::int64_t statistics_strip_rows(std::int64_t n_key) {
  const std::int64_t rows = kStripFloats / strip_stride(n_key) / kTileRows * kTileRows;
  return std::clamp(rows, kTileRows, kAttendQueries);
}

HeadStatistics head_statistics(const HeadAttention& attention, const std::shared_ptr<const MapTables>& tables) {
  require(attention.head != nullptr && attention.head->n_key() == tables->n_key(),
          "head_statistics: the keys are not those of the step");
  require(attention.block.n_query == tables->n_query(), "head_statistics: the queries are not those of the step");
  return StatisticsPass(attention, tables).compute();
}

HeadStatistics head_statistics(const HeadAttention& attention, const StepTable& steps, int step) {
  return head_statistics(attention, std::make_shared<const MapTables>(steps, step));
}

KeyValueStatistics key_value_statistics(const KeyValueSegment& tokens, std::int64_t own_tokens, std::int64_t head_dim) {
  require(own_tokens >= 1 && own_tokens <= tokens.n_token,
          "key_value_statistics: more tokens of the step than there are");
  KeyValueStatistics result;
  result.value_norm.resize(index(tokens.n_token));
  const MapKernels& kernels = map_kernels();
  const FloatRows values(tokens.values, tokens.value_type, tokens.value_stride, 0, tokens.n_token, head_dim);
  for (std::int64_t token = 0; token < tokens.n_token; ++token) {
    result.value_norm[index(token)] = std::sqrt(kernels.square_norm(values.row(token), head_dim));
  }
  const std::int64_t first_own = tokens.n_token - own_tokens;
  result.key_range =
      channel_ranges(FloatRows(tokens.keys, tokens.key_type, tokens.key_stride, first_own, own_tokens, head_dim),
                     own_tokens, head_dim);
  result.value_range =
      channel_ranges(FloatRows(tokens.values, tokens.value_type, tokens.value_stride, first_own, own_tokens, head_dim),
                     own_tokens, head_dim);
  return result;
}

}  // namespace kvscope
