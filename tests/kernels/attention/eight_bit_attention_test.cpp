#include "collectors/compute/attention_reference.h"
#include "collectors/compute/quantisation.h"
#include "collectors/compute/simd_level.h"
#include "kernels/attention/gather_tokens.h"
#include "kernels/attention/observation_scores.h"
#include "kernels/attention/ragged_attention.h"
#include "kernels/attention/value_norms.h"
#include "support/attention_data.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

TEST_SUITE_BEGIN("kernels.eight_bit_attention");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

/// Random codes and parameters of one head, and the values they stand for, worked out plainly.
struct CodedTokens {
  CodedTokens(std::int64_t tokens, std::int64_t channels, std::uint32_t seed)
      : n_token(tokens), head_dim(channels), key(parameters(seed)), value(parameters(seed + 1)) {
    std::mt19937 generator(seed);
    std::uniform_int_distribution<int> code(-128, 127);
    for (std::int64_t i = 0; i < tokens * channels; ++i) {
      key_codes.push_back(static_cast<std::int8_t>(code(generator)));
      value_codes.push_back(static_cast<std::int8_t>(code(generator)));
      keys.push_back(plain(key, key_codes.back(), i % channels));
      values.push_back(plain(value, value_codes.back(), i % channels));
    }
  }

  [[nodiscard]] KeyValueSegment segment() const {
    return {.keys = key_codes.data(),
            .values = value_codes.data(),
            .key_type = ElementType::kInt8,
            .value_type = ElementType::kInt8,
            .key_stride = head_dim,
            .value_stride = head_dim,
            .n_token = n_token,
            .key_codes = key.parameters(),
            .value_codes = value.parameters()};
  }
  /// The same tokens as the floats that they stand for.
  [[nodiscard]] KeyValueSegment plain_segment() const {
    return {.keys = keys.data(),
            .values = values.data(),
            .key_stride = head_dim,
            .value_stride = head_dim,
            .n_token = n_token};
  }

  std::int64_t n_token;
  std::int64_t head_dim;
  ChannelQuantisation key;
  ChannelQuantisation value;
  std::vector<std::int8_t> key_codes, value_codes;  ///< [n_token, head_dim]
  std::vector<float> keys, values;                  ///< [n_token, head_dim]

 private:
  [[nodiscard]] ChannelQuantisation parameters(std::uint32_t seed) const {
    ChannelQuantisation result{.scale = normal_values(head_dim, seed + 50),
                               .offset = normal_values(head_dim, seed + 51)};
    for (float& scale : result.scale) scale = 0.005F + 0.01F * std::abs(scale);
    return result;
  }
  static float plain(const ChannelQuantisation& of, std::int8_t code, std::int64_t channel) {
    const auto d = static_cast<std::size_t>(channel);
    return static_cast<float>(double{of.offset[d]} + double{of.scale[d]} * code);
  }
};

constexpr std::int64_t kQueries = 7;
constexpr float kScale = 0.2F;

/// Attention of kQueries random queries to codes and then to tokens of the step itself, against the plain reference.
void check_attention(const CodedTokens& held, const HeadData& own, ElementType query_type) {
  const std::int64_t d = held.head_dim;
  const HeadData query(kQueries, d, query_type, 99);
  const KeyValueSegment stored = query.segment();
  std::vector<float> output(static_cast<std::size_t>(kQueries * d));
  const std::vector<RaggedKeys> keys = {{held.segment(), own.segment()}};
  const std::vector<float> scale = {kScale};
  ragged_attention({.rows = 1,
                    .heads = 1,
                    .kv_heads = 1,
                    .n_query = kQueries,
                    .head_dim = d,
                    .softmax_scale = scale,
                    .queries = {stored.keys, query_type, 0, 0, d},
                    .keys = keys,
                    .output = {output.data(), ElementType::kFloat32, 0, 0, d}});
  std::vector<float> all_keys = held.keys;
  std::vector<float> all_values = held.values;
  all_keys.insert(all_keys.end(), own.keys.begin(), own.keys.end());
  all_values.insert(all_values.end(), own.values.begin(), own.values.end());
  const auto expected = attention_reference(query.keys, all_keys, all_values, d, double{kScale});
  // As for keys of other types (ragged_attention_test); where there are codes, all is multiplied in float32.
  double tolerance = 5.0 * (0.2 * static_cast<double>(d) + 8.0) * std::ldexp(1.0, -22);
  if (held.n_token == 0 && query_type == ElementType::kBFloat16) tolerance += 5.0 * std::ldexp(1.0, -8);
  CHECK(largest_difference(output, expected.output) < tolerance);
}

}  // namespace

TEST_CASE("attention to codes and own tokens agrees with the double reference around every block") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (const std::int64_t head_dim : {8, 32, 64, 72, 96, 128}) {
      for (const std::int64_t n_held : {0, 1, 15, 63, 64, 65, 129}) {
        for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16, ElementType::kFloat16}) {
          CAPTURE(head_dim);
          CAPTURE(n_held);
          CAPTURE(element_name(type));
          check_attention({n_held, head_dim, 3}, {9, head_dim, type, 4}, type);
        }
      }
    }
  }
}

TEST_CASE("a head of codes alone is attended to and one without tokens is zero") {
  check_attention({70, 32, 5}, {0, 32, ElementType::kFloat32, 6}, ElementType::kFloat32);
  const CodedTokens none(0, 32, 7);
  std::vector<float> output(32, 5.0F);
  const std::vector<float> query = normal_values(32, 8);
  const std::vector<RaggedKeys> keys = {{none.segment(), KeyValueSegment{}}};
  const std::vector<float> scale = {kScale};
  ragged_attention({.rows = 1,
                    .heads = 1,
                    .kv_heads = 1,
                    .n_query = 1,
                    .head_dim = 32,
                    .softmax_scale = scale,
                    .queries = {query.data(), ElementType::kFloat32, 0, 0, 32},
                    .keys = keys,
                    .output = {output.data(), ElementType::kFloat32, 0, 0, 32}});
  CHECK(output == std::vector<float>(32, 0.0F));
}

TEST_CASE("gathering and value norms and observation scores read what codes stand for") {
  const CodedTokens coded(40, 24, 11);
  const std::vector<std::int32_t> some = {3, 4, 17, 39};
  KeyValueSegment picked = coded.segment();
  picked.index = some.data();
  picked.n_token = 4;
  const GatheredTokens gathered = gather_tokens({&picked, 1}, 24);
  const std::vector<float> norms = value_norms({&picked, 1}, 24);
  for (std::size_t i = 0; i < some.size(); ++i) {
    double square = 0.0;
    for (std::size_t d = 0; d < 24; ++d) {
      const std::size_t at = static_cast<std::size_t>(some[i]) * 24 + d;
      CHECK(gathered.keys[i * 24 + d] == doctest::Approx(coded.keys[at]).epsilon(1e-6));
      CHECK(gathered.values[i * 24 + d] == doctest::Approx(coded.values[at]).epsilon(1e-6));
      square += double{coded.values[at]} * double{coded.values[at]};
    }
    CHECK(double{norms[i]} == doctest::Approx(std::sqrt(square)).epsilon(1e-6));
  }

  const std::vector<float> queries = normal_values(5 * 24, 12);
  const auto scores_of = [&](const KeyValueSegment& segment) {
    PackedHead packed;
    packed.pack({&segment, 1}, 24, PackedParts::kKeys);
    std::vector<float> scores(40, 0.0F);
    add_observation_scores(packed, {.queries = queries.data(), .stride = 24, .n_query = 5, .scale = kScale}, scores);
    return scores;
  };
  const std::vector<float> from_codes = scores_of(coded.segment());
  const std::vector<float> from_values = scores_of(coded.plain_segment());
  for (std::size_t j = 0; j < 40; ++j) CHECK(from_codes[j] == doctest::Approx(from_values[j]).epsilon(1e-5));
}

TEST_CASE("codes without parameters are refused") {
  CodedTokens coded(3, 8, 1);
  KeyValueSegment bare = coded.segment();
  bare.value_codes = {};
  check_error(
      ErrorCode::kUsage,
      [&] {
        (void)gather_tokens({&bare, 1}, 8);
      },
      "scale");
  PackedHead packed;
  check_error(
      ErrorCode::kUsage,
      [&] {
        packed.pack({&bare, 1}, 8);
      },
      "int8");
}

TEST_SUITE_END();
