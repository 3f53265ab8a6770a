#include "collectors/capture/attention_observers.h"

#include "collectors/base/parallel.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/compute/attention_strip.h"
#include "collectors/compute/compute_tensor.h"
#include "collectors/compute/convert.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <vector>

namespace kvscope {
namespace {

/// Tokens of one (row, head) of a tensor [rows, heads, tokens, head_dim]; null where channels are not adjacent.
struct Tokens {
  const void* data;
  ElementType type;
  std::int64_t stride;
};

Tokens tokens_of(const at::Tensor& tensor, std::int64_t row, std::int64_t head) {
  const ElementType type = compute_type_of(tensor, "a captured tensor");
  const auto* bytes = static_cast<const std::byte*>(tensor.const_data_ptr());
  return {bytes + (row * tensor.stride(0) + head * tensor.stride(1)) * element_bytes(type), type, tensor.stride(2)};
}

/// One attention call, ready to be taken apart by row and head from several threads.
struct Call {
  explicit Call(const AttentionRecord& record)
      : q(with_adjacent_channels(record.q)),
        keys(with_adjacent_channels(record.keys)),
        values(with_adjacent_channels(record.values)),
        output(with_adjacent_channels(record.output)),
        scales(record.site.softmax_scale.begin(), record.site.softmax_scale.end()),
        heads(q.size(1)),
        kv_heads(keys.size(1)),
        n_query(q.size(2)),
        n_key(keys.size(2)),
        head_dim(q.size(3)) {
    require(n_query == record.step.table->n_query(record.step.index) &&
                n_key == record.step.table->n_key(record.step.index),
            "capture: the attention call does not have the shape of its step");
  }

  KeyValueSegment tokens(std::int64_t row, std::int64_t kv_head) const {
    const Tokens k = tokens_of(keys, row, kv_head);
    const Tokens v = tokens_of(values, row, kv_head);
    return {.keys = k.data,
            .values = v.data,
            .key_type = k.type,
            .value_type = v.type,
            .key_stride = k.stride,
            .value_stride = v.stride,
            .n_token = n_key};
  }

  float scale(std::int64_t head) const {
    return scales.size() == 1 ? scales[0] : scales.at(static_cast<std::size_t>(head));
  }

  at::Tensor q;
  at::Tensor keys;
  at::Tensor values;
  at::Tensor output;
  std::vector<float> scales;
  std::int64_t heads;
  std::int64_t kv_heads;
  std::int64_t n_query;
  std::int64_t n_key;
  std::int64_t head_dim;
};

/// [N_k, head_dim] of one row and head as float32 without gaps; the memory belongs to `buffer`.
const float* as_floats(const at::Tensor& tensor, std::int64_t row, std::int64_t head, std::vector<float>& buffer) {
  const Tokens tokens = tokens_of(tensor, row, head);
  const std::int64_t head_dim = tensor.size(3);
  if (tokens.type == ElementType::kFloat32 && tokens.stride == head_dim) return static_cast<const float*>(tokens.data);
  buffer.resize(static_cast<std::size_t>(tensor.size(2) * head_dim));
  const auto* bytes = static_cast<const std::byte*>(tokens.data);
  for (std::int64_t i = 0; i < tensor.size(2); ++i) {
    convert_to_float(bytes + i * tokens.stride * element_bytes(tokens.type), tokens.type, head_dim,
                     buffer.data() + i * head_dim);
  }
  return buffer.data();
}

/// Working space of one thread.
struct Space {
  PackedHead packed;
  std::vector<float> queries;
  std::vector<float> output;
  AlignedBuffer strip;
};

Space& working_space() {
  thread_local Space space;
  return space;
}

QueryBlock queries_of(const Call& call, std::int64_t row, std::int64_t head) {
  return {.queries = as_floats(call.q, row, head, working_space().queries),
          .stride = call.head_dim,
          .n_query = call.n_query,
          .scale = call.scale(head)};
}

const PackedHead& packed(const Call& call, std::int64_t row, std::int64_t kv_head) {
  const KeyValueSegment tokens = call.tokens(row, kv_head);
  PackedHead& head = working_space().packed;
  head.pack(std::span(&tokens, 1), call.head_dim);
  return head;
}

}  // namespace

void StatisticsObserver::observe(const AttentionRecord& record) {
  const Call call(record);
  const int step = record.step.index;
  const StepTable& steps = *record.step.table;
  if (tables_ == nullptr || !tables_->are_of(steps, step)) tables_ = std::make_shared<const MapTables>(steps, step);
  const std::int64_t branches = call.q.size(0) / samples_;
  const std::int64_t group = call.heads / call.kv_heads;
  StepStatistics& statistics = writer_.statistics(step);
  require(call.q.size(0) == branches * samples_ && branches == statistics.branches(),
          "capture: the rows are not those of the batch");
  parallel_for(branches * call.kv_heads, [&](std::int64_t task) {
    const std::int64_t branch = task / call.kv_heads;
    const std::int64_t kv_head = task % call.kv_heads;
    for (std::int64_t sample = 0; sample < samples_; ++sample) {
      const std::int64_t row = branch * samples_ + sample;
      const PackedHead& keys_and_values = packed(call, row, kv_head);
      statistics.add(HeadPlace{sample, branch, record.site.layer, kv_head},
                     key_value_statistics(call.tokens(row, kv_head), call.n_query, call.head_dim));
      for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
        const HeadAttention attention{.head = &keys_and_values,
                                      .block = queries_of(call, row, head),
                                      .output = as_floats(call.output, row, head, working_space().output)};
        statistics.add(HeadPlace{sample, branch, record.site.layer, head}, head_statistics(attention, tables_));
      }
    }
  });
}

void MapObserver::observe(const AttentionRecord& record) {
  const int step = record.step.index;
  if (!selection_.has(record.site.layer, step)) return;
  const Call call(record);
  const std::int64_t group = call.heads / call.kv_heads;
  const auto selected = static_cast<std::int64_t>(selection_.heads.size());
  const std::int64_t strip_rows = statistics_strip_rows(call.n_key);
  const std::int64_t stride = strip_stride(call.n_key);
  parallel_for(call.q.size(0) * selected, [&](std::int64_t task) {
    const std::int64_t row = task / selected;
    if (row % samples_ >= wanted_) return;
    const int head = selection_.heads[static_cast<std::size_t>(task % selected)];
    const PackedHead& keys_and_values = packed(call, row, head / group);
    QueryBlock block = queries_of(call, row, head);
    for (std::int64_t first = 0; first < call.n_query; first += strip_rows) {
      QueryBlock part = block;
      part.queries += first * block.stride;
      part.n_query = std::min(strip_rows, call.n_query - first);
      float* strip = working_space().strip.reserve(part.n_query * stride);
      softmax_strip(keys_and_values, part, StripScaling::kNormalised, strip, nullptr);
      Array<float> rows(Shape{1, 1, part.n_query, call.n_key});
      for (std::int64_t i = 0; i < part.n_query; ++i)
        std::copy_n(strip + i * stride, call.n_key, rows.data() + i * call.n_key);
      writer_.write_map_rows(record.site.layer, head, step, row % samples_, row / samples_, first, rows);
    }
  });
}

}  // namespace kvscope
