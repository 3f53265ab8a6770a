#include "cuda/attention_device.h"
#include "cuda/attention_problem.h"
#include "kernels/cuda/attention/attention_plan.h"
#include "support/attention_data.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

TEST_SUITE_BEGIN("kernels.cuda.ragged_attention");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

constexpr ElementType kTypes[] = {ElementType::kFloat32, ElementType::kFloat16, ElementType::kBFloat16};
constexpr std::int64_t kHeadSizes[] = {32, 64, 96, 128};
constexpr float kUnknown = std::numeric_limits<float>::infinity();

/// Bound on the error of the kernels' logits, relative to 1 (so of the weights): products of head_dim channels whose
/// sum of moduli is at most `modulus` are exact, but each addition rounds, and tensor cores may truncate (2^-23); then
/// one multiply-add, and an exponential of relative error 2^-22.
double logit_error(std::int64_t head_dim, double modulus) {
  return modulus * static_cast<double>(head_dim / 8 + 4) * std::ldexp(1.0, -23) + std::ldexp(1.0, -21);
}

/// An output is a mean of values with weights w. With |v| <= 5, weights wrong by e change it by at most 2 * 5 e.
/// Weights in 16 bits are rounded (their sum is not), and so is the output. 0.2 |q k| of unit normal channels has a
/// mean modulus of 0.13 head_dim; 0.2 head_dim + 8 bounds all of them.
double tolerance(const AttentionCase& problem) {
  constexpr double kLargestValue = 5.0;
  const auto head_dim = static_cast<double>(problem.head_dim);
  const double modulus = problem.is_normalized ? double{problem.scale} : 0.2 * head_dim + 8.0;
  const double rounding = problem.type == ElementType::kFloat32   ? std::ldexp(1.0, -24)
                          : problem.type == ElementType::kFloat16 ? std::ldexp(1.0, -11)
                                                                  : std::ldexp(1.0, -8);
  return kLargestValue * (2.0 * logit_error(problem.head_dim, modulus) + 2.0 * rounding);
}

struct Outcome {
  std::vector<float> output;
  std::vector<float> log_sum_exp;
  bool operator==(const Outcome&) const = default;
};

/// Runs a problem in memory of its own; what it must not touch has stayed as it was.
Outcome run(const AttentionCase& description, int multiprocessors, std::uint64_t seed = 1) {
  const auto device = make_attention_device();
  const AttentionProblem problem(description, device->buffers(), multiprocessors);
  device->run(problem.on_device(), multiprocessors, seed);
  CHECK(problem.left_gaps_alone());
  return {problem.output(), problem.log_sum_exp()};
}

double largest_log_difference(const std::vector<float>& found, const std::vector<double>& expected) {
  double largest = 0.0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    // No keys: both are -infinity.
    if (double{found[i]} == expected[i]) continue;
    largest = std::max(largest, std::abs(double{found[i]} - expected[i]));
    if (std::isnan(found[i])) return kUnknown;
  }
  return largest;
}

void check_against_reference(const AttentionCase& description, int multiprocessors, std::uint64_t seed = 1) {
  CAPTURE(element_name(description.type));
  CAPTURE(description.head_dim);
  CAPTURE(multiprocessors);
  const auto device = make_attention_device();
  const AttentionProblem problem(description, device->buffers(), multiprocessors);
  device->run(problem.on_device(), multiprocessors, seed);
  CHECK(largest_difference(problem.output(), problem.expected_output()) < tolerance(description));
  // The logarithm adds the relative error of weights and sum, and rounds a number below 128.
  const double modulus = description.is_normalized ? description.scale : 0.2 * double(description.head_dim) + 8.0;
  CHECK(largest_log_difference(problem.log_sum_exp(), problem.expected_log_sum_exp()) <
        logit_error(description.head_dim, modulus) + std::ldexp(1.0, -17));
  CHECK(problem.left_gaps_alone());
}

gpu::AttentionPlan plan_of(const AttentionCase& description, int multiprocessors) {
  InterpretedBuffers buffers;
  return plan_attention(AttentionProblem(description, buffers, multiprocessors).on_device(), multiprocessors);
}

/// A problem for every type and head size.
template <typename Check>
void for_all_kernels(AttentionCase description, const Check& check) {
  for (const ElementType type : kTypes) {
    for (const std::int64_t head_dim : kHeadSizes) {
      description.type = type;
      description.head_dim = head_dim;
      check(description);
    }
  }
}

/// Lengths around the blocks of 32 and 64 keys, and none; in every kernel with bounded logits and without.
const std::vector<std::int64_t> kLengths = {0, 1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 200};

}  // namespace

TEST_CASE("history alone is attended to at every length") {
  const AttentionCase description{
      .rows = 3, .kv_heads = 4, .n_query = 3, .n_own = 0, .held = kLengths, .logit_bound = {40.0F, kUnknown, 72.0F}};
  for_all_kernels(description, [](const AttentionCase& c) { check_against_reference(c, 1); });
}

TEST_CASE("history and current step are attended to as one sequence wherever they meet") {
  const AttentionCase description{.rows = 3,
                                  .kv_heads = 4,
                                  .n_query = 5,
                                  .n_own = 5,
                                  .held = {0, 1, 26, 27, 28, 58, 59, 60, 61, 63, 122, 195},
                                  .logit_bound = {40.0F, kUnknown, 72.0F}};
  for_all_kernels(description, [](const AttentionCase& c) { check_against_reference(c, 1); });
}

TEST_CASE("indexed candidates are attended to and no others") {
  const AttentionCase description{.rows = 3,
                                  .kv_heads = 4,
                                  .n_query = 10,
                                  .n_own = 10,
                                  .held = {210, 195, 250},
                                  .attended = kLengths,
                                  .logit_bound = {40.0F, kUnknown, 72.0F}};
  for_all_kernels(description, [](const AttentionCase& c) { check_against_reference(c, 1); });
}

TEST_CASE("parts of the keys that several blocks attend to are joined") {
  constexpr int kMultiprocessors = 64;
  const AttentionCase description{.rows = 2,
                                  .kv_heads = 3,
                                  .n_query = 3,
                                  .n_own = 3,
                                  .held = {0, 317, 318, 381, 382, 640},
                                  .logit_bound = {40.0F, kUnknown, 72.0F}};
  const gpu::AttentionPlan plan = plan_of(description, kMultiprocessors);
  CHECK(plan.splits == 2);
  CHECK(plan.chunk_keys == 384);
  for_all_kernels(description, [](const AttentionCase& c) { check_against_reference(c, kMultiprocessors); });
  AttentionCase indexed = description;
  indexed.attended = {0, 383, 384, 385, 600, 5};
  indexed.held = {700};
  for_all_kernels(indexed, [](const AttentionCase& c) { check_against_reference(c, kMultiprocessors); });
}

TEST_CASE("wide tiles of queries agree with the reference") {
  AttentionCase description{.kv_heads = 1, .n_query = 165, .n_own = 0, .held = {70}, .logit_bound = {}};
  for (const ElementType type : {ElementType::kFloat16, ElementType::kBFloat16}) {
    for (const std::int64_t head_dim : kHeadSizes) {
      description.type = type;
      description.head_dim = head_dim;
      // Two wide tiles cost more than three narrow ones; of 200 queries less than four.
      description.n_query = head_dim == 64 ? 225 : 200;
      CHECK(plan_of(description, 1).tile == gpu::kWideTile);
      check_against_reference(description, 1);
    }
  }
}

TEST_CASE("narrow tiles end at every query") {
  for (const std::int64_t n_query : {1, 15, 16, 17, 63, 64, 65, 165}) {
    CAPTURE(n_query);
    for (const ElementType type : kTypes) {
      const AttentionCase description{.type = type, .head_dim = 32, .n_query = n_query, .n_own = 0, .held = {33}};
      CHECK(plan_of(description, 1).tile == gpu::kNarrowTile);
      check_against_reference(description, 1);
    }
  }
}

TEST_CASE("query heads of a group read the same keys with their own scales") {
  for (const ElementType type : kTypes) {
    check_against_reference({.type = type,
                             .head_dim = 32,
                             .rows = 2,
                             .kv_heads = 2,
                             .group = 3,
                             .n_query = 4,
                             .n_own = 4,
                             .held = {40, 7, 0}},
                            1);
  }
}

TEST_CASE("sharp cosine attention stays within its bound and finds its maximum without one") {
  // Logits up to 70: weights from e^-80 to e^60 relative to a fixed shift.
  for (const ElementType type : kTypes) {
    for (const float bound : {70.0F, 73.0F, kUnknown}) {
      CAPTURE(bound);
      const AttentionCase description{.type = type,
                                      .head_dim = 32,
                                      .kv_heads = 2,
                                      .n_query = 4,
                                      .n_own = 4,
                                      .held = {150},
                                      .logit_bound = {bound},
                                      .scale = 70.0F,
                                      .is_normalized = true};
      check_against_reference(description, 1);
    }
  }
}

TEST_CASE("one key makes every output its value") {
  for_all_kernels({.n_query = 2, .n_own = 0, .held = {1}}, [](const AttentionCase& c) {
    CAPTURE(element_name(c.type));
    const auto device = make_attention_device();
    const AttentionProblem problem(c, device->buffers(), 1);
    device->run(problem.on_device(), 1, 1);
    const auto expected = problem.expected_output();
    const auto found = problem.output();
    // Its weight is 2^0 up to the rounding of its logit: w v / w rounds three times, in float32.
    const double rounding = c.type == ElementType::kFloat32 ? std::ldexp(3.0, -24) : 0.0;
    for (std::size_t i = 0; i < found.size(); ++i) {
      CHECK(std::abs(double{found[i]} - expected[i]) <= rounding * std::abs(expected[i]));
    }
  });
}

TEST_CASE("no keys make every output zero and its logarithm minus infinity") {
  for (const int multiprocessors : {1, 64}) {
    for_all_kernels({.n_query = 2, .n_own = 0, .held = {0}}, [&](const AttentionCase& c) {
      const Outcome found = run(c, multiprocessors);
      CHECK(std::ranges::all_of(found.output, [](float x) { return x == 0.0F; }));
      CHECK(std::ranges::all_of(found.log_sum_exp, [](float x) { return x == -kUnknown; }));
    });
  }
}

TEST_CASE("bits depend neither on the order of blocks and threads nor on which block takes which item") {
  for (const ElementType type : kTypes) {
    const AttentionCase description{.type = type,
                                    .head_dim = 32,
                                    .rows = 3,
                                    .kv_heads = 5,
                                    .n_query = 6,
                                    .n_own = 6,
                                    .held = {100, 3, 0, 64, 130, 31, 9}};
    // 15 items: of 4 or 3 blocks in order of length, or of 15 blocks.
    CHECK(plan_of(description, 1).is_ordered);
    CHECK_FALSE(plan_of(description, 8).is_ordered);
    const Outcome expected = run(description, 1, 1);
    CHECK(run(description, 1, 2) == expected);
    CHECK(run(description, 2, 3) == expected);
    CHECK(run(description, 8, 4) == expected);
  }
}

TEST_CASE("bits depend on the sequence of keys alone and not on where it lies") {
  // All of them, one by one and by way of an index.
  for (const ElementType type : kTypes) {
    AttentionCase description{.type = type, .head_dim = 32, .n_query = 6, .n_own = 0, .held = {90}};
    const Outcome all = run(description, 1);
    description.attended = {90};
    CHECK(run(description, 1) == all);
  }
}

TEST_SUITE_END();
