#include "collectors/capture/attention_call.h"

#include "collectors/base/error.h"
#include "collectors/compute/compute_tensor.h"
#include "collectors/compute/convert.h"

#include <span>

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
};

Space& working_space() {
  thread_local Space space;
  return space;
}

}  // namespace

AttentionCall::AttentionCall(const AttentionRecord& record)
    : q_(with_adjacent_channels(record.q)),
      keys_(with_adjacent_channels(record.keys)),
      values_(with_adjacent_channels(record.values)),
      output_(with_adjacent_channels(record.output)),
      scales_(record.site.softmax_scale.begin(), record.site.softmax_scale.end()) {
  require(n_query() == record.step.table->n_query(record.step.index) &&
              n_key() == record.step.table->n_key(record.step.index),
          "capture: the attention call does not have the shape of its step");
}

KeyValueSegment AttentionCall::tokens(std::int64_t row, std::int64_t kv_head) const {
  const Tokens k = tokens_of(keys_, row, kv_head);
  const Tokens v = tokens_of(values_, row, kv_head);
  return {.keys = k.data,
          .values = v.data,
          .key_type = k.type,
          .value_type = v.type,
          .key_stride = k.stride,
          .value_stride = v.stride,
          .n_token = n_key()};
}

QueryBlock AttentionCall::queries(std::int64_t row, std::int64_t head) const {
  return {.queries = as_floats(q_, row, head, working_space().queries),
          .stride = head_dim(),
          .n_query = n_query(),
          .scale = scales_.size() == 1 ? scales_[0] : scales_.at(static_cast<std::size_t>(head))};
}

const float* AttentionCall::output(std::int64_t row, std::int64_t head) const {
  return as_floats(output_, row, head, working_space().output);
}

const PackedHead& AttentionCall::packed(std::int64_t row, std::int64_t kv_head, PackedParts parts) const {
  const KeyValueSegment segment = tokens(row, kv_head);
  PackedHead& head = working_space().packed;
  head.pack(std::span(&segment, 1), head_dim(), parts);
  return head;
}

}  // namespace kvscope
