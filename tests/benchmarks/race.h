#pragma once

#include "analysis/interval.h"

#include <functional>
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
};

/// Medians over rounds with 95 % bootstrap intervals.
struct RaceResult {
  std::string name;
  Interval seconds;  ///< of one run
  Interval ratio;    ///< this contestant's time over the first one's in the same round; 1 for the first
};

/// Lets contestants take turns, so that what else happens on the machine hits all of them alike.
[[nodiscard]] std::vector<RaceResult> race(const std::vector<Contestant>& contestants, const RaceOptions& options);

/// Best of `rounds` turns, in seconds per run: for ceilings.
[[nodiscard]] double best_seconds(const std::function<void()>& run, const RaceOptions& options);

}  // namespace kvscope::benchmark
