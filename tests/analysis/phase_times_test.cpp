#include "analysis/phase_times.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

using namespace kvscope;

namespace {

RangeRecord range(Phase phase, std::int32_t thread, std::int64_t start_s, std::int64_t end_s, std::int32_t depth = 0) {
  return {.tag = {.phase = phase},
          .start_ns = start_s * 1'000'000'000,
          .end_ns = end_s * 1'000'000'000,
          .thread = thread,
          .depth = depth};
}

/// Nested ranges at random times on some threads, in the order of the contract.
std::vector<RangeRecord> random_ranges(int threads, int ranges, std::uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<RangeRecord> all;
  for (int thread = 0; thread < threads; ++thread) {
    std::vector<std::size_t> open;
    std::int64_t now = static_cast<std::int64_t>(generator() % 50);
    const auto close = [&] {
      all[open.back()].end_ns = now;
      open.pop_back();
    };
    for (int i = 0; i < ranges; ++i) {
      while (!open.empty() && generator() % 2 == 0) close();
      now += static_cast<std::int64_t>(generator() % 20);
      open.push_back(all.size());
      all.push_back({.tag = {.phase = static_cast<Phase>(generator() % kPhases)},
                     .start_ns = now,
                     .thread = thread,
                     .depth = static_cast<std::int32_t>(open.size()) - 1});
      now += static_cast<std::int64_t>(generator() % 20);
    }
    while (!open.empty()) close();
  }
  return all;
}

/// Nanoseconds in which any range is open, counted one by one.
std::int64_t covered_ns(const std::vector<RangeRecord>& ranges) {
  std::vector<bool> covered(10'000);
  for (const RangeRecord& one : ranges) {
    for (std::int64_t t = one.start_ns; t < one.end_ns; ++t) covered.at(static_cast<std::size_t>(t)) = true;
  }
  return std::count(covered.begin(), covered.end(), true);
}

}  // namespace

TEST_SUITE("analysis.phase_times") {
  TEST_CASE("a range has the time that the ranges inside it leave") {
    const std::vector<RangeRecord> ranges = {range(Phase::kStep, 0, 0, 10), range(Phase::kAttention, 0, 2, 7, 1),
                                             range(Phase::kSelection, 0, 3, 4, 2), range(Phase::kHead, 0, 7, 9, 1)};
    const std::vector<RangeTime> times = range_times(ranges);
    CHECK(times[0].thread_seconds == doctest::Approx(3.0));
    CHECK(times[1].thread_seconds == doctest::Approx(4.0));
    CHECK(times[2].thread_seconds == doctest::Approx(1.0));
    CHECK(times[3].thread_seconds == doctest::Approx(2.0));
    for (const RangeTime& time : times) CHECK(time.wall_seconds == doctest::Approx(time.thread_seconds));
  }

  TEST_CASE("threads that work at the same time share the wall clock") {
    const std::vector<RangeRecord> ranges = {range(Phase::kProjection, 0, 0, 4), range(Phase::kFeedForward, 1, 1, 7)};
    const std::vector<RangeTime> times = range_times(ranges);
    CHECK(times[0].thread_seconds == doctest::Approx(4.0));
    CHECK(times[1].thread_seconds == doctest::Approx(6.0));
    CHECK(times[0].wall_seconds == doctest::Approx(1.0 + 1.5));
    CHECK(times[1].wall_seconds == doctest::Approx(1.5 + 3.0));
  }

  TEST_CASE("a thread that waits has no share while another works") {
    const std::vector<RangeRecord> ranges = {range(Phase::kWaiting, 0, 0, 10), range(Phase::kAttention, 1, 2, 9)};
    const std::vector<RangeTime> times = range_times(ranges);
    CHECK(times[0].thread_seconds == doctest::Approx(10.0));
    CHECK(times[0].wall_seconds == doctest::Approx(3.0));
    CHECK(times[1].wall_seconds == doctest::Approx(7.0));
  }

  TEST_CASE("shares of the wall clock sum to the time in which any range is open") {
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      const std::vector<RangeRecord> ranges = random_ranges(1 + static_cast<int>(seed % 5), 60, seed);
      double wall = 0.0;
      for (const RangeTime& time : range_times(ranges)) {
        CHECK(time.wall_seconds >= 0.0);
        CHECK(time.wall_seconds <= time.thread_seconds + 1e-15);
        wall += time.wall_seconds;
      }
      CHECK(wall == doctest::Approx(static_cast<double>(covered_ns(ranges)) * 1e-9));
    }
  }

  TEST_CASE("times of equal phase and step and layer are summed") {
    std::vector<RangeRecord> ranges = {range(Phase::kAttention, 0, 0, 1), range(Phase::kAttention, 0, 1, 3),
                                       range(Phase::kAttention, 0, 3, 7), range(Phase::kHead, 0, 7, 8)};
    for (int i = 0; i < 3; ++i) ranges[static_cast<std::size_t>(i)].tag.step = 0;
    ranges[0].tag.layer = 5;
    ranges[1].tag.layer = 5;
    ranges[2].tag.layer = 6;
    const std::vector<PhaseTime> times = phase_times(ranges);
    REQUIRE(times.size() == 3);
    CHECK(times[0].layer == 5);
    CHECK(times[0].thread_seconds == doctest::Approx(3.0));
    CHECK(times[1].layer == 6);
    CHECK(times[2].phase == Phase::kHead);
    CHECK_FALSE(times[2].step.has_value());
  }

  TEST_CASE("named and unnamed and waiting and uncovered time make the wall clock") {
    const std::vector<RangeRecord> ranges = {range(Phase::kPass, 0, 1, 9), range(Phase::kStep, 0, 2, 8, 1),
                                             range(Phase::kHead, 0, 3, 5, 2), range(Phase::kWaiting, 0, 5, 6, 2)};
    const TimeCoverage coverage = time_coverage(phase_times(ranges), 10.0);
    CHECK(coverage.named_seconds == doctest::Approx(2.0));
    CHECK(coverage.waiting_seconds == doctest::Approx(1.0));
    CHECK(coverage.unnamed_seconds == doctest::Approx(5.0));
    CHECK(coverage.outside_seconds == doctest::Approx(2.0));
    CHECK(coverage.named_share() == doctest::Approx(0.2));
  }

  TEST_CASE("no ranges take no time") {
    CHECK(range_times({}).empty());
    CHECK(time_coverage({}, 0.0).named_share() == 0.0);
  }
}
