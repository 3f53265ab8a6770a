#include "collectors/timeline/activity.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace kvscope;

namespace {

DeviceWork work(std::int64_t start_ns, std::int64_t end_ns, std::uint32_t correlation, std::uint64_t graph_node = 0) {
  DeviceWork one;
  one.start_ns = start_ns;
  one.end_ns = end_ns;
  one.correlation = correlation;
  one.graph_node = graph_node;
  return one;
}

/// Two layers of attention and a head, with ids 11, 12 and 13.
std::vector<RangeRecord> three_ranges() {
  return {{.tag = {.phase = Phase::kAttention, .step = 0, .layer = 0}, .start_ns = 0, .end_ns = 10, .id = 11},
          {.tag = {.phase = Phase::kAttention, .step = 0, .layer = 1}, .start_ns = 10, .end_ns = 20, .id = 12},
          {.tag = {.phase = Phase::kHead, .step = 0}, .start_ns = 20, .end_ns = 30, .pass = 1, .id = 13}};
}

}  // namespace

TEST_SUITE("collectors.timeline.activity") {
  TEST_CASE("work belongs to the range of its call however late the GPU gets to it") {
    ActivityLog log;
    log.work = {work(500, 600, 2), work(100, 300, 1)};  // out of order
    log.range_of_call = {{1, 11}, {2, 12}};
    const AttributionSummary summary = attribute(log, three_ranges());
    REQUIRE(log.work.size() == 2);
    CHECK(log.work[0].start_ns == 100);
    CHECK(log.work[0].range == std::size_t{0});
    CHECK(log.work[1].range == std::size_t{1});
    CHECK(summary.attributed == 2);
    CHECK(summary.without_correlation == 0);
    CHECK(summary.without_range == 0);
  }

  TEST_CASE("work without a call and work outside all ranges is counted apart") {
    ActivityLog log;
    log.work = {work(1, 2, 0), work(3, 4, 9), work(5, 6, 1)};
    log.range_of_call = {{1, 999}};  // a range that is not among ours
    const AttributionSummary summary = attribute(log, three_ranges());
    CHECK(summary.attributed == 0);
    CHECK(summary.without_correlation == 1);
    CHECK(summary.without_range == 2);
    for (const DeviceWork& one : log.work) CHECK_FALSE(one.range.has_value());
  }

  TEST_CASE("work of a graph belongs to where its node was made and to the pass of its launch") {
    ActivityLog log;
    log.work = {work(100, 200, 7, 50), work(200, 300, 7, 52), work(300, 400, 7, 60)};
    log.range_of_call = {{7, 13}};
    log.range_of_node = {{50, 11}, {51, 12}};
    log.cloned_from = {{52, 53}, {53, 51}};
    (void)attribute(log, three_ranges());
    CHECK(log.work[0].range == std::size_t{0});
    CHECK(log.work[1].range == std::size_t{1});
    CHECK(log.work[2].range == std::size_t{2});  // an unknown node: where it was launched
    for (const DeviceWork& one : log.work) CHECK(one.launched_in == std::size_t{2});
  }

  TEST_CASE("clones in a circle end the search") {
    ActivityLog log;
    log.work = {work(1, 2, 0, 5)};
    log.cloned_from = {{5, 6}, {6, 5}};
    CHECK(attribute(log, three_ranges()).without_correlation == 1);
  }

  TEST_CASE("memory belongs to the range of its call too") {
    ActivityLog log;
    log.memory = {{.time_ns = 9, .bytes = 5, .correlation = 2}, {.time_ns = 3, .bytes = 7, .correlation = 4}};
    log.range_of_call = {{2, 12}};
    (void)attribute(log, three_ranges());
    CHECK(log.memory[0].bytes == 7);
    CHECK_FALSE(log.memory[0].range.has_value());
    CHECK(log.memory[1].range == std::size_t{1});
  }

  TEST_CASE("overlapping kernels are busy once") {
    const std::vector<DeviceWork> all = {work(0, 10, 1), work(5, 15, 2), work(6, 7, 3), work(20, 30, 4),
                                         work(30, 31, 5)};
    std::vector<const DeviceWork*> pointers;
    for (const DeviceWork& one : all) pointers.push_back(&one);
    CHECK(busy_seconds(pointers) == doctest::Approx(26e-9));
    std::ranges::reverse(pointers);
    CHECK(busy_seconds(pointers) == doctest::Approx(26e-9));
    CHECK(busy_seconds({}) == 0.0);
  }
}
