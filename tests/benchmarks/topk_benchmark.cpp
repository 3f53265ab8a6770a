#include "collectors/base/error.h"
#include "kernels/attention/select_topk.h"
#include "tests/benchmarks/benchmarks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <random>

namespace kvscope::benchmark {
namespace {

/// What one writes with the standard library: quickselect on indices, then sorting those that stay.
std::vector<std::int32_t> nth_element_and_sort(const std::vector<float>& scores, std::int64_t k) {
  std::vector<std::int32_t> indices(scores.size());
  std::iota(indices.begin(), indices.end(), 0);
  const auto better = [&](std::int32_t a, std::int32_t b) {
    const float left = scores[static_cast<std::size_t>(a)];
    const float right = scores[static_cast<std::size_t>(b)];
    return left != right ? left > right : a < b;
  };
  std::nth_element(indices.begin(), indices.begin() + k, indices.end(), better);
  indices.resize(static_cast<std::size_t>(k));
  std::ranges::sort(indices);
  return indices;
}

/// Scores as selection sees them: positive, over some orders of magnitude.
std::vector<float> attention_like_scores(std::int64_t n, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> scores(static_cast<std::size_t>(n));
  std::ranges::generate(scores, [&] { return std::exp(2.0F * normal(generator)) / static_cast<float>(n); });
  return scores;
}

}  // namespace

void benchmark_topk(BenchmarkRun& run) {
  constexpr std::array<std::array<std::int64_t, 2>, 4> kSizes = {
      {{680, 204}, {6425, 3156}, {7252, 1052}, {10521, 3156}}};
  // Branch predictors learn one input by heart; in turn, a hundred of them are new every time.
  constexpr std::size_t kInputs = 100;
  for (const auto& [n, k] : kSizes) {
    std::vector<std::vector<float>> inputs;
    for (std::size_t i = 0; i < kInputs; ++i) inputs.push_back(attention_like_scores(n, static_cast<std::uint32_t>(i)));
    for (const auto& scores : inputs) {
      if (select_topk(scores, k) != nth_element_and_sort(scores, k)) {
        throw Error(ErrorCode::kCheckFailed,
                    fmt::format("select_topk: {} of {} differ from nth_element and sort", k, n));
      }
    }
    std::size_t next = 0;
    std::int64_t seen = 0;
    const auto each = [&](auto select) { return [&, select] { seen += select(inputs[next++ % kInputs]).back(); }; };
    const std::vector<Contestant> contestants = {
        {"kvscope", each([size = k](const auto& scores) { return select_topk(scores, size); })},
        {"nth_element and sort", each([size = k](const auto& scores) { return nth_element_and_sort(scores, size); })}};
    const Rounds rounds = race(contestants, run.race(1));
    require(seen > 0, "benchmark_topk: nothing was selected");
    const Comparison seconds = compare(rounds.seconds(0), rounds.seconds(1));
    run.add({.id = "C5",
             .where = fmt::format("{} of {}", k, n),
             .threads = 1,
             .peer = contestants[1].name,
             .seconds = seconds,
             .max_relative_error = 0.0,
             .rate = static_cast<double>(n) / seconds.ours_s,
             .unit = "score"});
  }
}

}  // namespace kvscope::benchmark
