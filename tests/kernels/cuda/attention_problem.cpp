#include "cuda/attention_problem.h"

#include "collectors/compute/convert.h"
#include "kernels/attention/gather_tokens.h"
#include "kernels/attention/ragged_attention_reference.h"
#include "support/attention_data.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace kvscope::testing {
namespace {

/// Elements between neighbouring tokens of one head beyond its channels, NaN on the device.
constexpr std::int64_t kGap = 8;

std::size_t size(std::int64_t count) {
  return static_cast<std::size_t>(count);
}

template <typename T>
const T& in_turn(const std::vector<T>& values, std::int64_t i) {
  return values[size(i) % values.size()];
}

}  // namespace

AttentionProblem::AttentionProblem(const AttentionCase& description, DeviceBuffers& buffers, int multiprocessors)
    : case_(description),
      buffers_(&buffers),
      pairs_(description.rows * description.kv_heads),
      next_seed_(1000 * description.seed) {
  device_.rows = case_.rows;
  device_.heads = case_.kv_heads * case_.group;
  device_.kv_heads = case_.kv_heads;
  device_.n_query = case_.n_query;
  device_.n_own = case_.n_own;
  device_.head_dim = case_.head_dim;
  device_.type = case_.type;
  for (std::int64_t head = 0; head < device_.heads; ++head) {
    scales_.push_back(case_.scale / (1.0F + 0.25F * static_cast<float>(head % case_.group)));
  }
  device_.softmax_scale = buffers.upload("softmax scales", scales_);
  if (!case_.logit_bound.empty()) {
    std::vector<float> bounds;
    for (std::int64_t head = 0; head < device_.heads; ++head) bounds.push_back(in_turn(case_.logit_bound, head));
    device_.logit_bound = buffers.upload("logit bounds", bounds);
  }
  place_history();
  place_own_tokens();
  place_index();
  place_queries();
  device_.workspace = buffers.allocate("workspace", gpu::attention_workspace_bytes(device_, multiprocessors));
}

std::vector<float> AttentionProblem::random_tokens(std::int64_t count, bool is_normalized) {
  auto values = normal_values(count * case_.head_dim, next_seed_++);
  if (is_normalized) {
    for (auto token = values.begin(); token != values.end(); token += case_.head_dim) {
      const float norm = std::sqrt(std::inner_product(token, token + case_.head_dim, token, 0.0F));
      std::for_each(token, token + case_.head_dim, [norm](float& x) { x /= norm; });
    }
  }
  return read(stored(values).data(), static_cast<std::int64_t>(values.size()));
}

std::vector<std::byte> AttentionProblem::stored(const std::vector<float>& values) const {
  std::vector<std::byte> bytes(values.size() * size(element_bytes(case_.type)));
  convert_from_float(values.data(), static_cast<std::int64_t>(values.size()), case_.type, bytes.data());
  return bytes;
}

std::vector<float> AttentionProblem::read(const void* source, std::int64_t count) const {
  std::vector<float> values(size(count));
  convert_to_float(source, case_.type, count, values.data());
  return values;
}

void AttentionProblem::place_history() {
  // Slabs in descending order of pairs, two free slots between them.
  constexpr std::int64_t kFree = 2;
  std::vector<std::int32_t> held;
  for (std::int64_t pair = 0; pair < pairs_; ++pair) {
    held_.push_back(in_turn(case_.held, pair));
    held.push_back(static_cast<std::int32_t>(held_.back()));
  }
  first_slot_.resize(size(pairs_));
  std::int64_t slots = kFree;
  for (std::int64_t pair = pairs_ - 1; pair >= 0; --pair) {
    first_slot_[size(pair)] = slots;
    slots += held_[size(pair)] + kFree;
  }
  held_keys_ = random_tokens(slots, case_.is_normalized);
  held_values_ = random_tokens(slots, false);
  std::vector<bool> is_held(size(slots), false);
  for (std::int64_t pair = 0; pair < pairs_; ++pair) {
    std::fill_n(is_held.begin() + first_slot_[size(pair)], held_[size(pair)], true);
  }
  for (std::int64_t i = 0; i < slots * case_.head_dim; ++i) {
    if (is_held[size(i / case_.head_dim)]) continue;
    held_keys_[size(i)] = std::numeric_limits<float>::quiet_NaN();
    held_values_[size(i)] = std::numeric_limits<float>::quiet_NaN();
  }
  device_.held_keys = buffers_->upload("held keys", stored(held_keys_));
  device_.held_values = buffers_->upload("held values", stored(held_values_));
  device_.first_slot = buffers_->upload("first slots", first_slot_);
  device_.held = buffers_->upload("held", held);
}

StridedHeads<const void*> AttentionProblem::upload_heads(const char* name, const std::vector<float>& tokens,
                                                         std::int64_t heads, std::int64_t n_token) {
  // [rows, n_token, heads, head_dim + kGap], as a linear layer with several outputs leaves it.
  const std::int64_t width = case_.head_dim + kGap;
  std::vector<float> spread(size(case_.rows * n_token * heads * width), std::numeric_limits<float>::quiet_NaN());
  for (std::int64_t row = 0; row < case_.rows; ++row) {
    for (std::int64_t head = 0; head < heads; ++head) {
      for (std::int64_t i = 0; i < n_token; ++i) {
        std::copy_n(&tokens[size(((row * heads + head) * n_token + i) * case_.head_dim)], case_.head_dim,
                    &spread[size(((row * n_token + i) * heads + head) * width)]);
      }
    }
  }
  return {buffers_->upload(name, stored(spread)), case_.type, n_token * heads * width, width, heads * width};
}

void AttentionProblem::place_own_tokens() {
  const std::int64_t count = pairs_ * case_.n_own;
  own_keys_ = random_tokens(count, case_.is_normalized);
  own_values_ = random_tokens(count, false);
  if (count == 0) return;
  device_.own_keys = upload_heads("own keys", own_keys_, case_.kv_heads, case_.n_own);
  device_.own_values = upload_heads("own values", own_values_, case_.kv_heads, case_.n_own);
}

void AttentionProblem::place_index() {
  std::mt19937 generator(next_seed_++);
  std::vector<std::int32_t> attended;
  for (std::int64_t pair = 0; pair < pairs_; ++pair) {
    const std::int64_t candidates = held_[size(pair)] + case_.n_own;
    std::vector<std::int32_t> all(size(candidates));
    std::iota(all.begin(), all.end(), 0);
    if (!case_.attended.empty()) {
      std::vector<std::int32_t> chosen;
      std::sample(all.begin(), all.end(), std::back_inserter(chosen), in_turn(case_.attended, pair), generator);
      all = chosen;
    }
    attended.push_back(static_cast<std::int32_t>(all.size()));
    device_.most_keys = std::max(device_.most_keys, static_cast<std::int64_t>(all.size()));
    index_.push_back(std::move(all));
  }
  if (!case_.attended.empty()) {
    // What lies behind a pair's numbers is none.
    constexpr std::int64_t kStep = 4;
    device_.index_stride = (device_.most_keys + kStep - 1) / kStep * kStep + kStep;
    std::vector<std::int32_t> padded(size(pairs_ * device_.index_stride), std::numeric_limits<std::int32_t>::max());
    for (std::int64_t pair = 0; pair < pairs_; ++pair) {
      std::ranges::copy(index_[size(pair)], padded.begin() + pair * device_.index_stride);
    }
    device_.index = buffers_->upload("index", padded);
    device_.attended = buffers_->upload("attended", attended);
  }
  for (std::int64_t pair = 0; pair < pairs_; ++pair) {
    auto& index = index_[size(pair)];
    const auto held = static_cast<std::int32_t>(held_[size(pair)]);
    from_history_.push_back(std::ranges::count_if(index, [held](std::int32_t j) { return j < held; }));
    for (std::int32_t& j : index) j -= j < held ? 0 : held;
  }
}

void AttentionProblem::place_queries() {
  queries_ = random_tokens(case_.rows * device_.heads * case_.n_query, case_.is_normalized);
  device_.queries = upload_heads("queries", queries_, device_.heads, case_.n_query);
  const std::int64_t elements = case_.rows * case_.n_query * device_.heads * (case_.head_dim + kGap);
  device_.output = {buffers_->allocate("output", elements * element_bytes(case_.type)), case_.type,
                    device_.queries.row_stride, device_.queries.head_stride, device_.queries.token_stride};
  const std::int64_t lines = case_.rows * device_.heads * case_.n_query;
  device_.log_sum_exp =
      reinterpret_cast<float*>(buffers_->allocate("log sum exp", lines * std::int64_t{sizeof(float)}));
}

std::vector<float> AttentionProblem::output() const {
  const std::int64_t width = case_.head_dim + kGap;
  const std::int64_t heads = device_.heads;
  std::vector<std::byte> bytes(size(case_.rows * case_.n_query * heads * width * element_bytes(case_.type)));
  buffers_->download(bytes, device_.output.data);
  const auto spread = read(bytes.data(), case_.rows * case_.n_query * heads * width);
  std::vector<float> result;
  for (std::int64_t row = 0; row < case_.rows; ++row) {
    for (std::int64_t head = 0; head < heads; ++head) {
      for (std::int64_t i = 0; i < case_.n_query; ++i) {
        const auto token = spread.begin() + ((row * case_.n_query + i) * heads + head) * width;
        result.insert(result.end(), token, token + case_.head_dim);
      }
    }
  }
  return result;
}

bool AttentionProblem::left_gaps_alone() const {
  const auto width = size((case_.head_dim + kGap) * element_bytes(case_.type));
  const auto used = size(case_.head_dim * element_bytes(case_.type));
  std::vector<std::byte> bytes(size(case_.rows * case_.n_query * device_.heads) * width);
  buffers_->download(bytes, device_.output.data);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i % width >= used && bytes[i] != std::byte{0xFF}) return false;
  }
  return true;
}

std::vector<float> AttentionProblem::log_sum_exp() const {
  std::vector<float> result(size(case_.rows * device_.heads * case_.n_query));
  buffers_->download(std::as_writable_bytes(std::span(result)), device_.log_sum_exp);
  return result;
}

RaggedAttention AttentionProblem::on_host() const {
  keys_.clear();
  for (std::int64_t pair = 0; pair < pairs_; ++pair) {
    const auto& index = index_[size(pair)];
    const std::int64_t from_history = from_history_[size(pair)];
    const auto segment = [&](const std::vector<float>& keys, const std::vector<float>& values, std::int64_t token) {
      return KeyValueSegment{.keys = keys.data() + token * case_.head_dim,
                             .values = values.data() + token * case_.head_dim,
                             .key_stride = case_.head_dim,
                             .value_stride = case_.head_dim};
    };
    auto history = segment(held_keys_, held_values_, first_slot_[size(pair)]);
    history.index = index.data();
    history.n_token = from_history;
    auto own = segment(own_keys_, own_values_, pair * case_.n_own);
    own.index = index.data() + from_history;
    own.n_token = static_cast<std::int64_t>(index.size()) - from_history;
    keys_.push_back({history, own});
  }
  const std::int64_t head_stride = case_.n_query * case_.head_dim;
  return {.rows = case_.rows,
          .heads = device_.heads,
          .kv_heads = case_.kv_heads,
          .n_query = case_.n_query,
          .head_dim = case_.head_dim,
          .softmax_scale = scales_,
          .queries = {queries_.data(), ElementType::kFloat32, device_.heads * head_stride, head_stride, case_.head_dim},
          .keys = keys_,
          .output = {}};
}

std::vector<double> AttentionProblem::expected_output() const {
  return ragged_attention_reference(on_host());
}

std::vector<double> AttentionProblem::expected_log_sum_exp() const {
  const RaggedAttention host = on_host();
  std::vector<double> result;
  for (std::int64_t row = 0; row < case_.rows; ++row) {
    for (std::int64_t head = 0; head < device_.heads; ++head) {
      const auto keys = gather_tokens(keys_[size(row * case_.kv_heads + head / case_.group)], case_.head_dim).keys;
      for (std::int64_t i = 0; i < case_.n_query; ++i) {
        const auto* query = static_cast<const float*>(static_cast<const void*>(host.queries.token(row, head, i)));
        double sum = 0.0;
        for (auto key = keys.begin(); key != keys.end(); key += case_.head_dim) {
          sum += std::exp(double{scales_[size(head)]} * std::inner_product(key, key + case_.head_dim, query, 0.0));
        }
        result.push_back(std::log(sum));
      }
    }
  }
  return result;
}

}  // namespace kvscope::testing
