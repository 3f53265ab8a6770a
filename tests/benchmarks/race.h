#pragma once

#include "analysis/interval.h"

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace kvscope::benchmark {

/// How long and how often things are measured.
struct RaceOptions {
  int rounds = 15;               ///< each runs every contestant forwards and then backwards (A B C C B A)
  double sample_seconds = 0.02;  ///< a contestant's turn repeats its work until it takes about this long
  int threads = 1;               ///< 1: CPU time of this thread is measured, else wall time
};

struct Contestant {
  std::string name;
  std::function<void()> run;
  std::function<void()> prepare = {};  ///< before each turn, not measured; may be empty
};

/// Two contestants by their seconds of the same rounds.
struct Comparison {
  double ours_s = 0.0;  ///< medians over rounds
  double peer_s = 0.0;
  Interval ratio;  ///< peer / ours: median over rounds of the ratio in a round, with its 95 % bootstrap interval
};
[[nodiscard]] Comparison compare(std::span<const double> ours, std::span<const double> peer);

/// Seconds of contestants that took turns, by round.
class Rounds {
 public:
  /// Lets contestants 0 .. n - 1 take turns, so that what else happens on the machine hits all of them alike:
  /// `turn(who)` does it once and returns its seconds, all quantities that it measures.
  Rounds(std::size_t n, int rounds, const std::function<std::vector<double>(std::size_t who)>& turn);

  /// [rounds]
  [[nodiscard]] std::span<const double> seconds(std::size_t who, std::size_t quantity = 0) const {
    return seconds_[who][quantity];
  }

 private:
  std::vector<std::vector<std::vector<double>>> seconds_;  // [who][quantity][round]
};

/// Seconds of one run of each contestant, after warming up.
[[nodiscard]] Rounds race(std::span<const Contestant> contestants, const RaceOptions& options);

/// Best of `rounds` turns, in seconds per run: for ceilings.
[[nodiscard]] double best_seconds(const std::function<void()>& run, const RaceOptions& options);

}  // namespace kvscope::benchmark
