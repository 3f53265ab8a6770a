#include "collectors/compute/attention_strip.h"

#include "collectors/compute/attention_reference.h"
#include "collectors/compute/block_attention.h"
#include "collectors/compute/simd_level.h"
#include "support/attention_data.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>

TEST_SUITE_BEGIN("collectors.attention_strip");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr float kScale = 0.25F;

PackedHead packed(const HeadData& data) {
  PackedHead head;
  const KeyValueSegment segment = data.segment();
  head.pack({&segment, 1}, data.head_dim);
  return head;
}

std::vector<float> attended(const PackedHead& head, const std::vector<float>& queries) {
  std::vector<float> output(queries.size(), NAN);
  const auto n_query = static_cast<std::int64_t>(queries.size()) / head.head_dim();
  attend_block(head, {queries.data(), head.head_dim(), n_query, kScale}, output.data(), head.head_dim());
  return output;
}

/// The strip without its padding, [n_query, n_key].
std::vector<float> strip_of(const PackedHead& head, const std::vector<float>& queries, StripScaling scaling,
                            std::vector<float>* row_sums = nullptr) {
  const auto n_query = static_cast<std::int64_t>(queries.size()) / head.head_dim();
  const std::int64_t stride = strip_stride(head.n_key());
  AlignedBuffer strip;
  std::fill_n(strip.reserve(n_query * stride), n_query * stride, NAN);
  std::vector<float> sums(static_cast<std::size_t>(n_query));
  softmax_strip(head, {queries.data(), head.head_dim(), n_query, kScale}, scaling, strip.data(), sums.data());
  std::vector<float> rows;
  for (std::int64_t i = 0; i < n_query; ++i) {
    rows.insert(rows.end(), strip.data() + i * stride, strip.data() + i * stride + head.n_key());
  }
  if (row_sums != nullptr) *row_sums = sums;
  return rows;
}

/// Roundings of the kernels for queries and keys of unit variance: a logit is a sum of head_dim products
/// times kScale, so its error is some sqrt(head_dim) * kScale * 2^-24 * |q||k| ~ head_dim * kScale * 2^-22; a
/// probability's relative error is that of its logit, an output's that of a probability times max|v| ~ 5.
double tolerance(std::int64_t head_dim) {
  return 5.0 * (static_cast<double>(head_dim) * kScale + 8.0) * std::ldexp(1.0, -22);
}

void check_against_reference(std::int64_t n_query, std::int64_t n_key, std::int64_t head_dim, ElementType type) {
  CAPTURE(n_query);
  CAPTURE(n_key);
  CAPTURE(head_dim);
  CAPTURE(element_name(type));
  const HeadData data(n_key, head_dim, type, 7);
  const auto queries = normal_values(n_query * head_dim, 3);
  const AttentionReference expected = attention_reference(queries, data.keys, data.values, head_dim, kScale);
  const PackedHead head = packed(data);
  CHECK(largest_difference(attended(head, queries), expected.output) < tolerance(head_dim));
  const auto probabilities = strip_of(head, queries, StripScaling::kNormalised);
  CHECK(largest_difference(probabilities, expected.probabilities) < tolerance(head_dim) / 5);
}

void make_unit_rows(std::vector<float>& values, std::size_t width) {
  for (auto row = values.begin(); row != values.end(); row += static_cast<std::ptrdiff_t>(width)) {
    const auto end = row + static_cast<std::ptrdiff_t>(width);
    const float norm = std::sqrt(std::inner_product(row, end, row, 0.0F));
    std::transform(row, end, row, [&](float x) { return x / norm; });
  }
}

}  // namespace

TEST_CASE("one key makes the output its value") {
  const HeadData data(1, 32, ElementType::kFloat32, 5);
  const auto output = attended(packed(data), normal_values(2 * 32, 6));
  for (std::size_t i = 0; i < output.size(); ++i) CHECK(output[i] == data.values[i % 32]);
}

TEST_CASE("no keys make the output zero") {
  PackedHead head;
  head.pack({}, 8);
  for (const float x : attended(head, normal_values(3 * 8, 6))) CHECK(x == 0.0F);
}

TEST_CASE("equal logits give the mean of the values") {
  const std::vector<float> queries(16, 0.0F);
  HeadData data(128, 16, ElementType::kFloat32, 5);
  const auto output = attended(packed(data), queries);
  for (std::size_t d = 0; d < 16; ++d) {
    double mean = 0.0;
    for (std::size_t j = 0; j < 128; ++j) mean += data.values[j * 16 + d] / 128.0;
    CHECK(output[d] == doctest::Approx(mean).epsilon(1e-5));
  }
  for (const float p : strip_of(packed(data), queries, StripScaling::kNormalised)) CHECK(p == 1.0F / 128);
}

TEST_CASE("sizes around every block agree with the double reference at every level") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (const std::int64_t n_key : {1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129, 511, 512, 513, 577, 1025}) {
      check_against_reference(5, n_key, 32, ElementType::kFloat32);
    }
    for (const std::int64_t n_query : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 18, 95, 96, 97}) {
      check_against_reference(n_query, 70, 16, ElementType::kFloat32);
    }
  }
}

TEST_CASE("every head size and element type agrees with the double reference at every level") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (const std::int64_t head_dim : {1, 3, 5, 16, 17, 32, 48, 64, 65, 80, 96, 112, 128, 144, 200}) {
      for (const ElementType type : {ElementType::kFloat32, ElementType::kFloat16, ElementType::kBFloat16}) {
        check_against_reference(7, 67, head_dim, type);
      }
    }
  }
}

TEST_CASE("large logits neither overflow nor lose the sum of one") {
  HeadData data(200, 64, ElementType::kFloat32, 11);
  auto queries = normal_values(3 * 64, 12, 40.0F);
  const AttentionReference expected = attention_reference(queries, data.keys, data.values, 64, kScale);
  CHECK(largest_difference(attended(packed(data), queries), expected.output) < 1e-3);
  const auto rows = strip_of(packed(data), queries, StripScaling::kNormalised);
  for (std::size_t i = 0; i < 3; ++i) {
    double sum = 0.0;
    for (std::size_t j = 0; j < 200; ++j) sum += rows[i * 200 + j];
    CHECK(sum == doctest::Approx(1.0).epsilon(1e-5));
  }
}

TEST_CASE("unnormalised rows divided by their sums are the normalised rows") {
  const HeadData data(100, 24, ElementType::kFloat32, 1);
  const auto queries = normal_values(4 * 24, 2);
  std::vector<float> sums;
  const auto raw = strip_of(packed(data), queries, StripScaling::kUnnormalised, &sums);
  const auto normalised = strip_of(packed(data), queries, StripScaling::kNormalised);
  for (std::size_t i = 0; i < raw.size(); ++i) {
    CHECK(raw[i] <= 1.0F);
    CHECK(raw[i] / sums[i / 100] == doctest::Approx(normalised[i]).epsilon(1e-6));
  }
}

TEST_CASE("the strip times the values is the attention's output and its padding is zero") {
  const HeadData data(130, 80, ElementType::kFloat32, 21);
  const PackedHead head = packed(data);
  const auto queries = normal_values(9 * 80, 22);
  const std::int64_t stride = strip_stride(130);
  AlignedBuffer strip;
  softmax_strip(head, {queries.data(), 80, 9, kScale}, StripScaling::kNormalised, strip.reserve(9 * stride), nullptr);
  for (int j = 130; j < 192; ++j) CHECK(strip.data()[j] == 0.0F);
  std::vector<float> output(9 * 80);
  strip_output(head, strip.data(), 9, output.data(), 80);
  const auto expected = attention_reference(queries, data.keys, data.values, 80, kScale);
  CHECK(largest_difference(output, expected.output) < tolerance(80));
}

TEST_CASE("a bound on the logits changes nothing but roundings at every level") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    // Unit queries and keys times a temperature, as models with normalised attention have them.
    for (const float temperature : {0.5F, 30.0F, 60.0F, 61.0F, kLargestUsableBound, 80.0F}) {
      for (const std::int64_t n_key : {1, 15, 16, 63, 64, 65, 511, 512, 513, 1100}) {
        CAPTURE(temperature);
        CAPTURE(n_key);
        HeadData data(n_key, 32, ElementType::kFloat32, 91);
        auto queries = normal_values(7 * 32, 92);
        make_unit_rows(data.keys, 32);
        make_unit_rows(queries, 32);
        // One query points where the first key does, one away from it: logits at both ends of the bound.
        std::copy_n(data.keys.begin(), 32, queries.begin());
        std::transform(data.keys.begin(), data.keys.begin() + 32, queries.begin() + 32, std::negate<>());
        const AttentionReference expected = attention_reference(queries, data.keys, data.values, 32, temperature);
        KeyValueSegment segment = data.segment();
        segment.keys = data.keys.data();
        PackedHead head;
        head.pack({&segment, 1}, 32);
        std::vector<float> output(queries.size(), NAN);
        attend_block(head, {queries.data(), 32, 7, temperature, temperature}, output.data(), 32);
        // A logit's error grows with the temperature, and with it the relative error of a weight.
        CHECK(largest_difference(output, expected.output) < 5.0 * (temperature + 8.0) * std::ldexp(1.0, -22));
      }
    }
  }
}

TEST_CASE("not-a-number is seen in the output of bounded logits") {
  HeadData data(70, 16, ElementType::kFloat32, 71);
  data.keys[5] = NAN;
  KeyValueSegment segment = data.segment();
  segment.keys = data.keys.data();
  PackedHead head;
  head.pack({&segment, 1}, 16);
  std::vector<float> output(16);
  const auto queries = normal_values(16, 72);
  attend_block(head, {queries.data(), 16, 1, kScale, 20.0F}, output.data(), 16);
  for (const float x : output) CHECK(std::isnan(x));
}

TEST_CASE("a query's bits do not depend on the other queries of its block") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    const HeadData data(1100, 40, ElementType::kFloat32, 31);
    const PackedHead head = packed(data);
    const auto queries = normal_values(100 * 40, 32);
    const auto together = attended(head, queries);
    for (const std::size_t i : {0U, 5U, 6U, 95U, 96U, 99U}) {
      const std::vector<float> alone(queries.begin() + static_cast<std::ptrdiff_t>(i * 40),
                                     queries.begin() + static_cast<std::ptrdiff_t>(i * 40 + 40));
      const auto output = attended(head, alone);
      CHECK(std::equal(output.begin(), output.end(), together.begin() + static_cast<std::ptrdiff_t>(i * 40)));
    }
  }
}

TEST_CASE("bits do not depend on how the keys are split over segments or gathered") {
  const HeadData data(150, 48, ElementType::kBFloat16, 41);
  const auto queries = normal_values(8 * 48, 42);
  const auto whole = attended(packed(data), queries);
  for (const std::int64_t split : {0, 1, 63, 64, 65, 149, 150}) {
    CAPTURE(split);
    const std::array segments{data.segment(0, split), data.segment(split, 150 - split)};
    PackedHead head;
    head.pack(segments, 48);
    CHECK(attended(head, queries) == whole);
  }
  // The same tokens through an index list, out of a store in reverse order.
  std::vector<std::int32_t> reversed(150);
  for (std::int32_t i = 0; i < 150; ++i) reversed[static_cast<std::size_t>(i)] = 149 - i;
  KeyValueSegment once = data.segment();
  once.index = reversed.data();
  PackedHead head;
  head.pack({&once, 1}, 48);
  const auto backwards = attended(head, queries);
  std::vector<double> expected(whole.begin(), whole.end());
  CHECK(largest_difference(backwards, expected) < tolerance(48));  // a permutation of the keys changes nothing
  CHECK(backwards != whole);                                       // ... but the order of the roundings
}

TEST_CASE("adding the same vector to all keys changes nothing but roundings") {
  HeadData data(90, 32, ElementType::kFloat32, 51);
  const auto queries = normal_values(4 * 32, 52);
  const auto before = attended(packed(data), queries);
  std::vector<float> shifted = data.keys;
  for (std::size_t i = 0; i < shifted.size(); ++i) shifted[i] += 0.5F * static_cast<float>(i % 32) / 32.0F;
  KeyValueSegment segment = data.segment();
  segment.keys = shifted.data();
  PackedHead head;
  head.pack({&segment, 1}, 32);
  const std::vector<double> expected(before.begin(), before.end());
  CHECK(largest_difference(attended(head, queries), expected) < tolerance(32));
}

TEST_CASE("strided keys values and queries are read where they lie") {
  const HeadData data(20, 16, ElementType::kFloat32, 61);
  const auto queries = normal_values(3 * 16, 62);
  std::vector<float> keys(20 * 50, NAN);
  std::vector<float> values(20 * 33, NAN);
  std::vector<float> spread(3 * 21, NAN);
  for (std::size_t j = 0; j < 20; ++j) {
    std::copy_n(&data.keys[j * 16], 16, &keys[j * 50]);
    std::copy_n(&data.values[j * 16], 16, &values[j * 33]);
  }
  for (std::size_t i = 0; i < 3; ++i) std::copy_n(&queries[i * 16], 16, &spread[i * 21]);
  const KeyValueSegment segment{
      .keys = keys.data(), .values = values.data(), .key_stride = 50, .value_stride = 33, .n_token = 20};
  PackedHead head;
  head.pack({&segment, 1}, 16);
  std::vector<float> output(3 * 19, -7.0F);
  attend_block(head, {spread.data(), 21, 3, kScale}, output.data(), 19);
  const auto expected = attended(packed(data), queries);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(std::equal(&output[i * 19], &output[i * 19] + 16, &expected[i * 16]));
    CHECK(output[i * 19 + 16] == -7.0F);
  }
}

TEST_CASE("not-a-number in a key is seen in the output") {
  HeadData data(70, 16, ElementType::kFloat32, 71);
  data.keys[5] = NAN;
  KeyValueSegment segment = data.segment();
  segment.keys = data.keys.data();
  PackedHead head;
  head.pack({&segment, 1}, 16);
  for (const float x : attended(head, normal_values(16, 72))) CHECK(std::isnan(x));
}

TEST_CASE("element types that no kernel reads are refused") {
  KeyValueSegment segment;
  segment.key_type = ElementType::kInt64;
  PackedHead head;
  check_error(
      ErrorCode::kUsage,
      [&] {
        head.pack({&segment, 1}, 16);
      },
      "float32");
  check_error(
      ErrorCode::kUsage, [&] { head.pack({}, 0); }, "head_dim");
}

TEST_SUITE_END();
