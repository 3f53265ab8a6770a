#include "tests/benchmarks/race.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <limits>
#include <thread>

namespace kvscope::benchmark {
namespace {

double now(int threads) {
  if (threads > 1) return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  std::timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double timed(const std::function<void()>& run, int repeats, int threads) {
  const double start = now(threads);
  for (int i = 0; i < repeats; ++i) run();
  return (now(threads) - start) / repeats;
}

/// Warms up, and finds how many runs make a turn.
int repeats_for(const std::function<void()>& run, const RaceOptions& options) {
  const double once = std::min(timed(run, 1, options.threads), timed(run, 1, options.threads));
  return static_cast<int>(std::clamp(options.sample_seconds / std::max(once, 1e-9), 1.0, 1e6));
}

/// Threads of other libraries (OpenMP's) spin for some milliseconds after their work and would take a core away from
/// who is next.
void let_others_go_to_sleep() {
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
}

double turn(const Contestant& contestant, int repeats, const RaceOptions& options) {
  if (contestant.prepare) contestant.prepare();
  if (options.threads > 1 && options.sample_seconds > 0.0) {
    let_others_go_to_sleep();
    // A quarter of the turn again: threads that slept, or are new, take some runs until they are all at work.
    if (repeats > 1) (void)timed(contestant.run, 1 + repeats / 4, options.threads);
  }
  return timed(contestant.run, repeats, options.threads);
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

Comparison compare(std::span<const double> ours, std::span<const double> peer) {
  std::vector<double> ratios;
  for (std::size_t round = 0; round < ours.size(); ++round) ratios.push_back(peer[round] / ours[round]);
  return {.ours_s = median({ours.begin(), ours.end()}),
          .peer_s = median({peer.begin(), peer.end()}),
          .ratio = median_interval(ratios)};
}

Rounds::Rounds(std::size_t n, int rounds, const std::function<std::vector<double>(std::size_t who)>& turn)
    : seconds_(n) {
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < 2 * n; ++i) {
      const bool forwards = i < n;
      const std::size_t who = forwards ? i : 2 * n - 1 - i;
      const std::vector<double> measured = turn(who);
      auto& quantities = seconds_[who];
      quantities.resize(measured.size());
      for (std::size_t quantity = 0; quantity < measured.size(); ++quantity) {
        if (forwards) quantities[quantity].push_back(0.0);
        quantities[quantity].back() += 0.5 * measured[quantity];
      }
    }
  }
}

Rounds race(std::span<const Contestant> contestants, const RaceOptions& options) {
  std::vector<int> repeats;
  for (const Contestant& contestant : contestants) {
    if (contestant.prepare) contestant.prepare();
    repeats.push_back(repeats_for(contestant.run, options));
  }
  return {contestants.size(), options.rounds,
          [&](std::size_t who) { return std::vector{turn(contestants[who], repeats[who], options)}; }};
}

double best_seconds(const std::function<void()>& run, const RaceOptions& options) {
  const int repeats = repeats_for(run, options);
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < options.rounds; ++round) best = std::min(best, timed(run, repeats, options.threads));
  return best;
}

}  // namespace kvscope::benchmark
