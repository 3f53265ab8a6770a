#include "collectors/text/t5_config.h"

#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/base/json_file.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace kvscope {
namespace {

constexpr std::int64_t kLargestExtent = std::int64_t{1} << 24;
constexpr std::int64_t kMostLayers = 1024;

std::int64_t extent(const Json& document, const char* field, const std::string& where, std::int64_t lowest,
                    std::int64_t highest) {
  const auto value = json_field<std::int64_t>(document, field, where);
  if (value < lowest || value > highest) {
    throw bad_input("{}: field '{}' is {}, expected {} to {}", where, field, value, lowest, highest);
  }
  return value;
}

/// Throws unless a text field says what this encoder is written for.
void check_family(const Json& document, const char* field, std::string_view expected, const std::string& where) {
  const auto found = json_field<std::string>(document, field, where);
  if (found != expected) {
    throw bad_input("{}: field '{}' is {}, expected '{}' (T5 v1.1 or Flan-T5)", where, field, in_quotes(found),
                    expected);
  }
}

}  // namespace

T5Config read_t5_config(const std::filesystem::path& path) {
  const std::string where = path.string();
  const Json document = parse_json(read_text_file(path), where);
  check_family(document, "model_type", "t5", where);
  check_family(document, "feed_forward_proj", "gated-gelu", where);
  T5Config config;
  config.width = extent(document, "d_model", where, 1, kLargestExtent);
  config.layers = extent(document, "num_layers", where, 1, kMostLayers);
  config.heads = extent(document, "num_heads", where, 1, kLargestExtent);
  config.head_width = extent(document, "d_kv", where, 1, kLargestExtent);
  config.inner_width = extent(document, "d_ff", where, 1, kLargestExtent);
  config.vocabulary = extent(document, "vocab_size", where, 1, kLargestExtent);
  config.buckets = extent(document, "relative_attention_num_buckets", where, 4, kLargestExtent);
  if (config.buckets % 4 != 0) {
    throw bad_input("{}: field 'relative_attention_num_buckets' is {}, expected a multiple of 4", where,
                    config.buckets);
  }
  // Files older than the field have the 128 of the code of their time.
  if (document.contains("relative_attention_max_distance")) {
    config.max_distance =
        extent(document, "relative_attention_max_distance", where, config.buckets / 4 + 1, kLargestExtent);
  }
  config.epsilon = json_field_or<double>(document, "layer_norm_epsilon", where, config.epsilon);
  if (config.epsilon <= 0.0) {
    throw bad_input("{}: field 'layer_norm_epsilon' is {}, expected more than 0", where, config.epsilon);
  }
  return config;
}

std::vector<ExpectedTensor> t5_encoder_tensors(const T5Config& config) {
  const std::int64_t attention = config.attention_width();
  std::vector<ExpectedTensor> expected = {
      {"encoder.final_layer_norm.weight", {config.width}},
      {"encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", {config.buckets, config.heads}}};
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const std::string block = fmt::format("encoder.block.{}.layer.", layer);
    for (const char* projection : {"q", "k", "v"}) {
      expected.push_back({fmt::format("{}0.SelfAttention.{}.weight", block, projection), {attention, config.width}});
    }
    expected.push_back({block + "0.SelfAttention.o.weight", {config.width, attention}});
    expected.push_back({block + "0.layer_norm.weight", {config.width}});
    for (const char* gate : {"wi_0", "wi_1"}) {
      expected.push_back(
          {fmt::format("{}1.DenseReluDense.{}.weight", block, gate), {config.inner_width, config.width}});
    }
    expected.push_back({block + "1.DenseReluDense.wo.weight", {config.width, config.inner_width}});
    expected.push_back({block + "1.layer_norm.weight", {config.width}});
  }
  return expected;
}

bool is_outside_t5_encoder(std::string_view name) {
  constexpr std::array kUnused = {"decoder.", "lm_head.", "shared.", "encoder.embed_tokens."};
  return std::any_of(kUnused.begin(), kUnused.end(), [&](const char* prefix) { return name.starts_with(prefix); });
}

std::int64_t relative_position_bucket(std::int64_t key_minus_query, const T5Config& config) {
  const std::int64_t side = config.buckets / 2;
  const std::int64_t exact = side / 2;
  const std::int64_t distance = std::abs(key_minus_query);
  const std::int64_t first = key_minus_query > 0 ? side : 0;
  if (distance < exact) return first + distance;
  const float octaves =
      std::log(static_cast<float>(distance) / static_cast<float>(exact)) /
      static_cast<float>(std::log(static_cast<double>(config.max_distance) / static_cast<double>(exact)));
  const auto step = static_cast<std::int64_t>(octaves * static_cast<float>(side - exact));
  return first + std::min(exact + step, side - 1);
}

}  // namespace kvscope
