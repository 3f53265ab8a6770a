#include "kernels/attention/ragged_attention.h"

#include "collectors/base/parallel.h"
#include "collectors/compute/convert.h"
#include "collectors/compute/simd_level.h"
#include "kernels/attention/gather_tokens.h"
#include "kernels/attention/ragged_attention_reference.h"
#include "support/attention_data.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

TEST_SUITE_BEGIN("kernels.ragged_attention");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

/// A random problem whose heads have 0, 1, ... `lengths` keys in turn.
struct RandomProblem {
  RandomProblem(std::int64_t rows, std::int64_t heads, std::int64_t kv_heads, std::int64_t n_query,
                std::int64_t head_dim, const std::vector<std::int64_t>& lengths, ElementType key_type,
                ElementType query_type)
      : query_values(normal_values(rows * heads * n_query * head_dim, 17)) {
    const auto bytes = query_values.size() * static_cast<std::size_t>(element_bytes(query_type));
    queries.resize(bytes);
    output.resize(bytes);
    const auto count = static_cast<std::int64_t>(query_values.size());
    convert_from_float(query_values.data(), count, query_type, queries.data());
    for (std::int64_t pair = 0; pair < rows * kv_heads; ++pair) {
      const std::int64_t n_key = lengths[static_cast<std::size_t>(pair) % lengths.size()];
      data.emplace_back(n_key, head_dim, key_type, static_cast<std::uint32_t>(100 + pair));
    }
    for (const HeadData& head : data) {
      const std::int64_t history = head.n_token / 3;
      keys.push_back({head.segment(0, history), head.segment(history, head.n_token - history)});
    }
    problem = {.rows = rows,
               .heads = heads,
               .kv_heads = kv_heads,
               .n_query = n_query,
               .head_dim = head_dim,
               .softmax_scale = scales,
               .queries = {queries.data(), query_type, heads * n_query * head_dim, n_query * head_dim, head_dim},
               .keys = keys,
               .output = {output.data(), query_type, heads * n_query * head_dim, n_query * head_dim, head_dim}};
  }

  [[nodiscard]] std::vector<float> run() {
    ragged_attention(problem);
    std::vector<float> result(query_values.size());
    convert_to_float(output.data(), problem.output.type, static_cast<std::int64_t>(result.size()), result.data());
    return result;
  }

  std::vector<float> query_values;
  std::vector<std::byte> queries;
  std::vector<std::byte> output;
  std::vector<HeadData> data;
  std::vector<RaggedKeys> keys;
  std::vector<float> scales = {0.2F};
  RaggedAttention problem;
};

struct ThreadCountGuard {
  ~ThreadCountGuard() { set_thread_count(0); }
};

/// Roundings of attention in float32 (see attention_strip_test), and of the output's own type.
double tolerance(std::int64_t head_dim, ElementType output) {
  const double compute = 5.0 * (0.2 * static_cast<double>(head_dim) + 8.0) * std::ldexp(1.0, -22);
  if (output == ElementType::kFloat16) return compute + 5.0 * std::ldexp(1.0, -11);
  if (output == ElementType::kBFloat16) return compute + 5.0 * std::ldexp(1.0, -8);
  return compute;
}

}  // namespace

TEST_CASE("one key makes every output its value and no key makes it zero") {
  RandomProblem random(1, 2, 2, 3, 8, {1, 0}, ElementType::kFloat32, ElementType::kFloat32);
  const auto output = random.run();
  for (std::size_t i = 0; i < 24; ++i) CHECK(output[i] == random.data[0].values[i % 8]);
  for (std::size_t i = 24; i < 48; ++i) CHECK(output[i] == 0.0F);
}

TEST_CASE("all head sizes and element types agree with the double reference at every level") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (const std::int64_t head_dim : {8, 32, 64, 72, 96, 128}) {
      for (const ElementType keys : {ElementType::kFloat32, ElementType::kFloat16, ElementType::kBFloat16}) {
        for (const ElementType queries : {ElementType::kFloat32, keys}) {
          CAPTURE(head_dim);
          CAPTURE(element_name(keys));
          CAPTURE(element_name(queries));
          RandomProblem random(2, 3, 3, 7, head_dim, {65, 1, 33, 64, 130}, keys, queries);
          CHECK(largest_difference(random.run(), ragged_attention_reference(random.problem)) <
                tolerance(head_dim, queries));
        }
      }
    }
  }
}

TEST_CASE("bfloat16 attention agrees with the double reference around every block") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (const std::int64_t head_dim : {2, 16, 30, 32, 64, 80, 128}) {
      CAPTURE(head_dim);
      RandomProblem random(1, 21, 21, 13, head_dim,
                           {1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 95, 255, 256, 257, 511, 512, 513, 577, 1025, 0},
                           ElementType::kBFloat16, ElementType::kBFloat16);
      CHECK(largest_difference(random.run(), ragged_attention_reference(random.problem)) <
            tolerance(head_dim, ElementType::kBFloat16));
    }
    for (const std::int64_t n_query : {1, 5, 6, 7, 95, 96, 97}) {
      CAPTURE(n_query);
      RandomProblem random(1, 1, 1, n_query, 64, {100}, ElementType::kBFloat16, ElementType::kBFloat16);
      CHECK(largest_difference(random.run(), ragged_attention_reference(random.problem)) <
            tolerance(64, ElementType::kBFloat16));
    }
  }
}

TEST_CASE("bounds on the logits of some heads change nothing but roundings") {
  const SimdLevelGuard guard;
  for (const auto& level : simd_levels()) {
    CAPTURE(level);
    force_simd_level(level);
    for (const ElementType type : {ElementType::kFloat32, ElementType::kBFloat16}) {
      RandomProblem random(1, 3, 3, 9, 32, {600, 63, 64}, type, type);
      const auto expected = ragged_attention_reference(random.problem);
      // Logits of unit normal queries and keys at scale 0.2 stay well below 30.
      const std::vector<float> bounds = {30.0F, 72.0F, std::numeric_limits<float>::infinity()};
      random.problem.logit_bound = bounds;
      CHECK(largest_difference(random.run(), expected) < tolerance(32, type));
      random.problem.logit_bound = std::span(bounds).first(1);
      CHECK(largest_difference(random.run(), expected) < tolerance(32, type));
    }
  }
}

TEST_CASE("bfloat16 bits depend neither on threads nor on the split over segments") {
  const ThreadCountGuard guard;
  RandomProblem random(1, 2, 1, 100, 64, {700}, ElementType::kBFloat16, ElementType::kBFloat16);
  set_thread_count(1);
  const auto expected = random.run();
  set_thread_count(3);
  CHECK(random.run() == expected);
  for (const std::int64_t split : {0, 1, 64, 699, 700}) {
    random.keys[0] = {random.data[0].segment(0, split), random.data[0].segment(split, 700 - split)};
    CHECK(random.run() == expected);
  }
}

TEST_CASE("bfloat16 queries at odd strides are attended to like others") {
  RandomProblem random(1, 1, 1, 5, 16, {40}, ElementType::kBFloat16, ElementType::kBFloat16);
  const auto expected = ragged_attention_reference(random.problem);
  std::vector<std::uint16_t> spread(5 * 17 + 1);
  for (std::size_t i = 0; i < 5; ++i) std::memcpy(&spread[1 + i * 17], &random.queries[i * 32], 32);
  random.problem.queries = {&spread[1], ElementType::kBFloat16, 0, 0, 17};
  CHECK(largest_difference(random.run(), expected) < tolerance(16, ElementType::kBFloat16));
}

TEST_CASE("query heads of a group read the same keys with their own scales") {
  RandomProblem random(2, 6, 2, 5, 16, {40, 7, 0, 90}, ElementType::kFloat32, ElementType::kFloat32);
  const std::vector<float> scales = {0.1F, 0.2F, 0.3F, 0.4F, 0.5F, 0.6F};
  random.problem.softmax_scale = scales;
  CHECK(largest_difference(random.run(), ragged_attention_reference(random.problem)) <
        3.0 * tolerance(16, ElementType::kFloat32));
}

TEST_CASE("bits depend neither on the number of threads nor on the other rows and heads") {
  const ThreadCountGuard guard;
  RandomProblem random(3, 4, 2, 200, 32, {100, 30, 0, 1500}, ElementType::kFloat32, ElementType::kFloat32);
  set_thread_count(1);
  const auto expected = random.run();
  for (const int threads : {2, 5}) {
    set_thread_count(threads);
    CHECK(random.run() == expected);
  }
  // Row 1 alone.
  RaggedAttention alone = random.problem;
  alone.rows = 1;
  alone.keys = alone.keys.subspan(2, 2);
  alone.queries.data = random.problem.queries.at(1, 0);
  std::vector<float> output(4 * 200 * 32);
  alone.output.data = output.data();
  ragged_attention(alone);
  CHECK(std::equal(output.begin(), output.end(), expected.begin() + 4 * 200 * 32));
}

TEST_CASE("a gathered subset attends like the same tokens stored side by side") {
  const HeadData data(300, 64, ElementType::kBFloat16, 3);
  std::vector<std::int32_t> index;
  for (std::int32_t j = 1; j < 300; j += 4) index.push_back(j);
  KeyValueSegment gathered = data.segment();
  gathered.index = index.data();
  gathered.n_token = static_cast<std::int64_t>(index.size());
  const GatheredTokens tokens = gather_tokens({&gathered, 1}, 64);
  const KeyValueSegment side_by_side{.keys = tokens.keys.data(),
                                     .values = tokens.values.data(),
                                     .key_stride = 64,
                                     .value_stride = 64,
                                     .n_token = gathered.n_token};
  RandomProblem random(1, 1, 1, 10, 64, {1}, ElementType::kFloat32, ElementType::kFloat32);
  random.keys[0] = {gathered, KeyValueSegment{}};
  const auto from_gather = random.run();
  random.keys[0] = {side_by_side, KeyValueSegment{}};
  CHECK(random.run() == from_gather);
}

TEST_CASE("strided queries and outputs are read and written where they lie") {
  RandomProblem random(2, 2, 2, 4, 16, {20}, ElementType::kFloat32, ElementType::kFloat32);
  const auto expected = random.run();
  // [rows, n_query, heads, head_dim], as a linear layer leaves it.
  std::vector<float> queries(random.query_values.size());
  std::vector<float> output(queries.size());
  RaggedAttention p = random.problem;
  p.queries = {queries.data(), ElementType::kFloat32, 4 * 2 * 16, 16, 2 * 16};
  p.output = {output.data(), ElementType::kFloat32, 4 * 2 * 16, 16, 2 * 16};
  const auto place = [](std::size_t row, std::size_t head, std::size_t i) { return ((row * 4 + i) * 2 + head) * 16; };
  for (std::size_t at = 0; at < queries.size(); at += 16) {
    const std::size_t i = at / 16 % 4;
    const std::size_t head = at / 64 % 2;
    std::copy_n(&random.query_values[at], 16, &queries[place(at / 128, head, i)]);
  }
  ragged_attention(p);
  for (std::size_t at = 0; at < queries.size(); at += 16) {
    CHECK(std::equal(&expected[at], &expected[at] + 16, &output[place(at / 128, at / 64 % 2, at / 16 % 4)]));
  }
}

TEST_CASE("shapes that do not fit are refused") {
  RandomProblem random(2, 2, 2, 4, 16, {20}, ElementType::kFloat32, ElementType::kFloat32);
  RaggedAttention p = random.problem;
  p.heads = 3;
  check_error(
      ErrorCode::kUsage, [&] { ragged_attention(p); }, "multiple");
  p = random.problem;
  p.keys = p.keys.first(3);
  check_error(
      ErrorCode::kUsage, [&] { ragged_attention(p); }, "row");
  p = random.problem;
  p.softmax_scale = {};
  check_error(
      ErrorCode::kUsage, [&] { ragged_attention(p); }, "scale");
  p = random.problem;
  const std::vector<float> three_bounds(3, 1.0F);
  p.logit_bound = three_bounds;
  check_error(
      ErrorCode::kUsage, [&] { ragged_attention(p); }, "bound");
  p = random.problem;
  p.queries.type = ElementType::kInt8;
  check_error(
      ErrorCode::kUsage, [&] { ragged_attention(p); }, "float32");
}

TEST_SUITE_END();
