#include "tests/benchmarks/race.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>

namespace kvscope::benchmark {
namespace {

double now(int threads) {
  if (threads > 1) return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  std::timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double turn(const std::function<void()>& run, int repeats, int threads) {
  const double start = now(threads);
  for (int i = 0; i < repeats; ++i) run();
  return (now(threads) - start) / repeats;
}

/// Warms up, and finds how many runs make a turn.
int repeats_for(const std::function<void()>& run, const RaceOptions& options) {
  const double once = std::min(turn(run, 1, options.threads), turn(run, 1, options.threads));
  return static_cast<int>(std::clamp(options.sample_seconds / std::max(once, 1e-9), 1.0, 1e6));
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return 0.5 * (*middle + *std::max_element(values.begin(), middle));
}

Interval median_interval(const std::vector<double>& values) {
  return bootstrap(static_cast<std::int64_t>(values.size()), [&](std::span<const std::int64_t> draw) {
    std::vector<double> drawn;
    for (const std::int64_t i : draw) drawn.push_back(values[static_cast<std::size_t>(i)]);
    return median(std::move(drawn));
  });
}

}  // namespace

std::vector<RaceResult> race(const std::vector<Contestant>& contestants, const RaceOptions& options) {
  const std::size_t n = contestants.size();
  std::vector<int> repeats;
  for (const Contestant& contestant : contestants) repeats.push_back(repeats_for(contestant.run, options));
  std::vector<std::vector<double>> seconds(n);
  std::vector<std::vector<double>> ratios(n);
  for (int round = 0; round < options.rounds; ++round) {
    std::vector<double> spent(n, 0.0);
    for (std::size_t i = 0; i < 2 * n; ++i) {
      const std::size_t who = i < n ? i : 2 * n - 1 - i;
      spent[who] += 0.5 * turn(contestants[who].run, repeats[who], options.threads);
    }
    for (std::size_t who = 0; who < n; ++who) {
      seconds[who].push_back(spent[who]);
      ratios[who].push_back(spent[who] / spent[0]);
    }
  }
  std::vector<RaceResult> results;
  for (std::size_t who = 0; who < n; ++who) {
    results.push_back({contestants[who].name, median_interval(seconds[who]), median_interval(ratios[who])});
  }
  return results;
}

double best_seconds(const std::function<void()>& run, const RaceOptions& options) {
  const int repeats = repeats_for(run, options);
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < options.rounds; ++round) best = std::min(best, turn(run, repeats, options.threads));
  return best;
}

}  // namespace kvscope::benchmark
