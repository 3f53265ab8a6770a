#include "classifiers/plan/retention_rule.h"
#include "cuda/token_data.h"
#include "kernels/attention/select_topk_reference.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

TEST_SUITE_BEGIN("kernels.cuda.select_tokens");

using namespace kvscope;
using namespace kvscope::testing;
using Lists = std::vector<std::vector<std::int32_t>>;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// --- top-k ---

struct TopkCase {
  std::vector<float> scores;
  std::int32_t k;
};

/// The best k of every case, each a pair of its own whose tokens are all of the step.
Lists best_of(SelectionDevice& device, const std::vector<TopkCase>& cases) {
  std::int64_t most = 1;
  for (const TopkCase& one : cases) most = std::max(most, static_cast<std::int64_t>(one.scores.size()));
  const auto pairs = static_cast<std::int64_t>(cases.size());
  std::vector<float> scores(static_cast<std::size_t>(pairs * most), kNan);
  std::vector<std::vector<std::int32_t>> places;
  std::vector<std::int32_t> budgets;
  for (std::size_t pair = 0; pair < cases.size(); ++pair) {
    std::ranges::copy(cases[pair].scores, scores.begin() + static_cast<std::ptrdiff_t>(pair) * most);
    places.emplace_back(cases[pair].scores.size());
    std::iota(places.back().begin(), places.back().end(), 0);
    budgets.push_back(cases[pair].k);
  }
  const gpu::DevicePlaces candidates = device.upload_places("candidates", places);
  gpu::SelectionProblem problem;
  problem.tokens = {.type = ElementType::kFloat32,
                    .rows = 1,
                    .kv_heads = pairs,
                    .head_dim = 32,
                    .n_own = most,
                    .index = candidates.places,
                    .indexed = candidates.count,
                    .index_stride = candidates.stride,
                    .most_candidates = most};
  problem.steps = 1;
  problem.step_of = device.upload("steps", std::vector<std::int32_t>(static_cast<std::size_t>(most), 0));
  problem.rules = device.upload("rules", std::vector<gpu::DeviceRule>(cases.size(), gpu::device_rule(RetentionRule{})));
  problem.attend = device.upload("attend", budgets);
  problem.carry = device.upload("carry", budgets);
  problem.attention = device.upload("attention", scores);
  problem.stride = most;
  problem.attended = device.allocate_places("attended", pairs, most);
  problem.kept = device.allocate_places("kept", pairs, most);
  device.run(problem);
  return device.download(problem.attended, pairs);
}

void check_topk(const std::vector<TopkCase>& cases) {
  const auto device = make_selection_device(11);
  const Lists found = best_of(*device, cases);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    CAPTURE(i);
    CAPTURE(cases[i].scores.size());
    CAPTURE(cases[i].k);
    CHECK(found[i] == select_topk_reference(cases[i].scores, cases[i].k));
  }
}

std::vector<float> random_scores(std::size_t n, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::lognormal_distribution<float> distribution(0.0F, 3.0F);
  std::vector<float> scores(n);
  for (float& score : scores) score = distribution(random);
  return scores;
}

/// Few different values, among them all that compare in a way of their own.
std::vector<float> awkward_scores(std::size_t n, std::uint32_t seed) {
  const std::vector<float> values = {0.0F, -0.0F, 1.0F,   -1.0F,   kInfinity, -kInfinity,
                                     kNan, -kNan, 1e-42F, -1e-42F, 3.0e38F,   -3.0e38F};
  std::mt19937 random(seed);
  std::vector<float> scores(n);
  for (float& score : scores) score = values[random() % values.size()];
  return scores;
}

std::vector<std::int32_t> budgets_of(std::size_t n) {
  const auto count = static_cast<std::int32_t>(n);
  return {0, 1, count / 3, count - 1, count};
}

}  // namespace

TEST_CASE("the best k of any length are those of the reference") {
  std::vector<TopkCase> cases;
  for (const std::size_t n : {1, 2, 31, 32, 33, 255, 256, 257, 700}) {
    for (const std::int32_t k : budgets_of(n)) cases.push_back({random_scores(n, static_cast<std::uint32_t>(n)), k});
  }
  check_topk(cases);
}

TEST_CASE("ties and infinities and what is not a number rank as in the reference") {
  std::vector<TopkCase> cases;
  for (const std::size_t n : {1, 5, 40, 300}) {
    for (std::uint32_t seed = 0; seed < 4; ++seed) {
      for (const std::int32_t k : budgets_of(n)) cases.push_back({awkward_scores(n, seed), k});
    }
  }
  for (const float same : {0.0F, kNan, kInfinity, -kInfinity, 0.25F}) {
    cases.push_back({std::vector<float>(100, same), 37});
  }
  check_topk(cases);
}

TEST_CASE("the candidates of the largest scale fit a block of 1024 threads") {
  check_topk({{random_scores(10521, 1), 3156}, {awkward_scores(10521, 2), 5000}, {random_scores(2049, 3), 2048}});
}

TEST_CASE("scores that differ in their last bits alone are told apart") {
  std::vector<float> scores(400, 1.0F);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    scores[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(1.0F) + static_cast<std::uint32_t>(i * 7919 % 400));
  }
  check_topk({{scores, 1}, {scores, 200}, {scores, 399}});
}

// --- rules ---

namespace {

/// Layers whose heads have random rules, budgets and tokens.
class RandomLayer {
 public:
  explicit RandomLayer(std::uint32_t seed) : random_(seed) {
    rows_ = 1 + below(2);
    kv_heads_ = 1 + below(3);
    // Some have more candidates than the block has threads.
    const int most_tokens = below(6) == 0 ? 200 : 40;
    for (int step = 0; step < kSteps; ++step) {
      first_token_.push_back(static_cast<std::int32_t>(step_of_.size()));
      step_of_.insert(step_of_.end(), static_cast<std::size_t>(1 + below(most_tokens)), step);
    }
    step_ = below(kSteps);
    n_own_ = static_cast<std::int32_t>(std::ranges::count(step_of_, step_));
    for (int pair = 0; pair < rows_ * kv_heads_; ++pair) {
      // Held tokens: some of the earlier ones, ascending.
      std::vector<std::int32_t> held;
      const int part = 1 + below(4);
      for (std::int32_t token = 0; token < first_token_[static_cast<std::size_t>(step_)]; ++token) {
        if (below(4) < part) held.push_back(token);
      }
      held_.push_back(held);
      most_ = std::max(most_, static_cast<std::int64_t>(held.size()) + n_own_);
    }
    for (int source = 0; source < kSteps; ++source) {
      seen_.push_back(source == step_ || below(3) > 0 ? 1 : 0);
      outlives_.push_back(below(3) > 0 ? 1 : 0);
    }
    sees_all_ = below(2) == 0;
    for (int head = 0; head < kv_heads_; ++head) {
      rules_.push_back(random_rule());
      attend_.push_back(1 + below(static_cast<int>(most_)));
      carry_.push_back(below(static_cast<int>(most_)));
    }
  }

  struct Result {
    Lists attended, kept, carried, attend_losers, carry_losers, candidates;
    std::vector<float> collected_now;
  };

  Result run(SelectionDevice& device) {
    random_.seed(4711);  // the same numbers on every device
    const int pairs = rows_ * kv_heads_;
    std::vector<std::int64_t> first_slot;
    std::vector<std::int32_t> held_counts;
    std::vector<std::int32_t> tokens;
    for (const auto& held : held_) {
      first_slot.push_back(static_cast<std::int64_t>(tokens.size()));
      held_counts.push_back(static_cast<std::int32_t>(held.size()));
      tokens.insert(tokens.end(), held.begin(), held.end());
    }
    tokens.push_back(0);
    gpu::SelectionProblem problem;
    problem.tokens = {.type = ElementType::kFloat32,
                      .rows = rows_,
                      .kv_heads = kv_heads_,
                      .head_dim = 32,
                      .n_own = n_own_,
                      .first_slot = device.upload("first slots", first_slot),
                      .held = device.upload("held", held_counts),
                      .most_candidates = most_};
    problem.layer = 3;
    problem.first_row = 5;
    problem.step = step_;
    problem.steps = kSteps;
    problem.first_own_token = first_token_[static_cast<std::size_t>(step_)];
    problem.step_of = device.upload("step of", step_of_);
    problem.token = device.upload("tokens", tokens);
    const std::uint8_t* seen = device.upload("seen", seen_);
    problem.outlives = device.upload("outlives", outlives_);
    std::vector<gpu::DeviceRule> rules;
    for (const RetentionRule& rule : rules_) rules.push_back(gpu::device_rule(rule));
    problem.rules = device.upload("rules", rules);
    problem.attend = device.upload("attend", attend_);
    problem.carry = device.upload("carry", carry_);
    problem.stride = most_ + 5;
    problem.attention = device.upload("attention", floats(pairs * problem.stride));
    problem.value_norms = device.upload("norms", floats(pairs * problem.stride));
    problem.prior = device.upload("prior", floats(std::int64_t{kv_heads_} * kSteps));
    problem.collected = device.upload("collected", floats(static_cast<std::int64_t>(tokens.size())));
    problem.collected_now = device.allocate<float>("collected now", pairs * problem.stride);
    problem.attended = device.allocate_places("attended", pairs, problem.stride);
    problem.kept = device.allocate_places("kept", pairs, problem.stride);
    problem.carried = device.allocate_places("carried", pairs, problem.stride);
    problem.attend_losers = device.allocate_places("attend losers", pairs, problem.stride);
    problem.carry_losers = device.allocate_places("carry losers", pairs, problem.stride);
    Result result;
    if (!sees_all_) {
      const gpu::DevicePlaces candidates = device.allocate_places("candidates", pairs, most_);
      device.run(gpu::CandidateProblem{.tokens = problem.tokens,
                                       .token = problem.token,
                                       .step_of = problem.step_of,
                                       .seen = seen,
                                       .candidates = candidates});
      problem.tokens.index = candidates.places;
      problem.tokens.indexed = candidates.count;
      problem.tokens.index_stride = candidates.stride;
      result.candidates = device.download(candidates, pairs);
    }
    device.run(problem);
    result.attended = device.download(problem.attended, pairs);
    result.kept = device.download(problem.kept, pairs);
    result.carried = device.download(problem.carried, pairs);
    result.attend_losers = device.download(problem.attend_losers, pairs);
    result.carry_losers = device.download(problem.carry_losers, pairs);
    result.collected_now = device.download(problem.collected_now, pairs * problem.stride);
    return result;
  }

 private:
  static constexpr int kSteps = 5;

  int below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }

  /// Positive, with many ties.
  std::vector<float> floats(std::int64_t count) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = static_cast<float>(1 + below(50)) / 7.0F;
    return values;
  }

  RetentionRule random_rule() {
    RetentionRule rule;
    rule.score.kind = static_cast<TokenScore>(below(6));
    rule.score.times_value_norm = below(3) == 0;
    rule.score.seed = random_() | std::uint64_t{random_()} << 32U;
    rule.smooth = {static_cast<Smoothing>(below(3)), 1 + 2 * below(4)};
    if (below(2) == 0) rule.protect.first_steps = below(3);
    if (below(2) == 0) rule.protect.current_step = below(2) == 0;
    if (below(2) == 0) rule.protect.recent_tokens = below(60);
    std::ranges::shuffle(rule.protect.gives_way, random_);
    rule.losers = {below(2) == 0 ? Losers::kDrop : Losers::kMerge, below(2) == 0};
    rule.when = static_cast<RetentionTime>(below(3));
    return rule;
  }

  std::mt19937 random_;
  int rows_ = 0;
  int kv_heads_ = 0;
  int step_ = 0;
  std::int32_t n_own_ = 0;
  std::int64_t most_ = 0;
  bool sees_all_ = true;
  std::vector<std::int32_t> step_of_;
  std::vector<std::int32_t> first_token_;
  Lists held_;
  std::vector<std::uint8_t> seen_;
  std::vector<std::uint8_t> outlives_;
  std::vector<RetentionRule> rules_;
  std::vector<std::int32_t> attend_;
  std::vector<std::int32_t> carry_;
};

/// Bit by bit: what nobody wrote is not a number on both sides.
bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, {}, std::bit_cast<std::uint32_t, float>, std::bit_cast<std::uint32_t, float>);
}

}  // namespace

TEST_CASE("random rules and budgets decide as the cache on the CPU does") {
  std::size_t chosen = 0;
  for (std::uint32_t seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    RandomLayer layer(seed);
    const auto reference = make_reference_device();
    const auto device = make_selection_device(seed);
    const RandomLayer::Result expected = layer.run(*reference);
    const RandomLayer::Result found = layer.run(*device);
    CHECK(found.candidates == expected.candidates);
    CHECK(found.attended == expected.attended);
    CHECK(found.kept == expected.kept);
    CHECK(found.carried == expected.carried);
    CHECK(found.attend_losers == expected.attend_losers);
    CHECK(found.carry_losers == expected.carry_losers);
    CHECK(same_bits(found.collected_now, expected.collected_now));
    for (const auto& list : expected.attended) chosen += list.size();
  }
  CHECK(chosen > 5000);
}

TEST_CASE("lists that are too short are refused") {
  gpu::SelectionProblem problem;
  problem.tokens = {
      .type = ElementType::kFloat32, .rows = 1, .kv_heads = 1, .head_dim = 32, .n_own = 8, .most_candidates = 8};
  problem.stride = 7;
  const auto device = make_selection_device();
  problem.kept = device->allocate_places("kept", 1, 8);
  check_error(
      ErrorCode::kUsage, [&] { device->run(problem); }, "select_tokens", "stride");
}

TEST_SUITE_END();
