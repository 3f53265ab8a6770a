#include "collectors/timeline/range_recorder.h"

#include "collectors/base/parallel.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

using namespace kvscope;

namespace {

/// Ranges of a thread nest: each begins and ends inside the one around it.
void check_nesting(const HostRanges& host) {
  std::map<std::int32_t, std::vector<const RangeRecord*>> open;
  for (const RangeRecord& range : host.ranges) {
    CHECK(range.start_ns <= range.end_ns);
    auto& stack = open[range.thread];
    REQUIRE(static_cast<std::size_t>(range.depth) <= stack.size());
    stack.resize(static_cast<std::size_t>(range.depth));
    if (!stack.empty()) {
      CHECK(stack.back()->start_ns <= range.start_ns);
      CHECK(range.end_ns <= stack.back()->end_ns);
    }
    stack.push_back(&range);
  }
}

struct CountingFollower : RangeFollower {
  void enter(std::uint64_t id, const RangeTag& tag) noexcept override { entered.push_back({id, tag.phase}); }
  void leave() noexcept override { ++left; }
  std::vector<std::pair<std::uint64_t, Phase>> entered;
  int left = 0;
};

}  // namespace

TEST_SUITE("collectors.timeline.range_recorder") {
  TEST_CASE("nothing is recorded while nobody listens") {
    RangeRecorder recorder;
    {
      const PhaseRange range({.phase = Phase::kStep});
      CHECK(current_range() == nullptr);
    }
    CHECK(recorder.take().ranges.empty());
  }

  TEST_CASE("an inner range has what it leaves open from the one around it") {
    RangeRecorder recorder;
    {
      const ListeningScope listening(recorder);
      recorder.set_pass(3);
      const PhaseRange step({.phase = Phase::kStep, .step = 4});
      const PhaseRange attention({.phase = Phase::kAttention, .layer = 2});
      const PhaseRange selection({.phase = Phase::kSelection, .sample = 9, .branch = 1});
      CHECK(current_range()->step == 4);
    }
    const HostRanges host = recorder.take();
    REQUIRE(host.ranges.size() == 3);
    CHECK(host.threads == 1);
    CHECK(host.ranges[1].tag == RangeTag{.phase = Phase::kAttention, .step = 4, .layer = 2});
    CHECK(host.ranges[2].tag == RangeTag{.phase = Phase::kSelection, .step = 4, .layer = 2, .sample = 9, .branch = 1});
    CHECK(host.ranges[2].pass == 3);
    CHECK(host.ranges[2].depth == 2);
    check_nesting(host);
  }

  TEST_CASE("a parallel loop belongs to the caller's range on every thread and the caller's waiting is marked") {
    const int threads = thread_count();
    set_thread_count(4);
    RangeRecorder recorder;
    {
      const ListeningScope listening(recorder);
      const PhaseRange range({.phase = Phase::kAttention, .step = 1, .layer = 0});
      parallel_for(64, [](std::int64_t i) {
        const PhaseRange row({.phase = Phase::kProjection, .sample = i});
        std::this_thread::sleep_for(std::chrono::microseconds(200));
      });
    }
    set_thread_count(threads);
    const HostRanges host = recorder.take();
    check_nesting(host);
    std::set<std::int64_t> samples;
    std::map<Phase, int> count;
    for (const RangeRecord& range : host.ranges) {
      ++count[range.tag.phase];
      CHECK(range.tag.step == 1);
      if (range.tag.sample) samples.insert(*range.tag.sample);
    }
    CHECK(samples.size() == 64);
    CHECK(count[Phase::kProjection] == 64);
    CHECK(count[Phase::kWaiting] == 1);
    CHECK(count[Phase::kAttention] >= 2);  // the caller's own and at least one share
    CHECK(host.threads >= 1);
    CHECK(host.threads <= 4);
  }

  TEST_CASE("ids are unique and followers hear of every range") {
    RangeRecorder recorder;
    CountingFollower follower;
    recorder.set_followers({&follower});
    {
      const ListeningScope listening(recorder);
      const PhaseRange outer({.phase = Phase::kStep});
      for (int i = 0; i < 3; ++i) const PhaseRange inner({.phase = Phase::kHead});
    }
    const HostRanges host = recorder.take();
    REQUIRE(follower.entered.size() == 4);
    CHECK(follower.left == 4);
    std::set<std::uint64_t> ids;
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(follower.entered[i].first == host.ranges[i].id);
      CHECK(host.ranges[i].id > 0);
      ids.insert(host.ranges[i].id);
    }
    CHECK(ids.size() == 4);
  }

  TEST_CASE("ranges without room are counted and leave the others paired") {
    RangeRecorder recorder(2);
    {
      const ListeningScope listening(recorder);
      const PhaseRange outer({.phase = Phase::kPass});
      { const PhaseRange first({.phase = Phase::kHead}); }
      { const PhaseRange second({.phase = Phase::kHead}); }
      { const PhaseRange third({.phase = Phase::kHead}); }
    }
    const HostRanges host = recorder.take();
    CHECK(host.dropped == 2);
    REQUIRE(host.ranges.size() == 2);
    check_nesting(host);
    CHECK(recorder.take().dropped == 0);
  }

  TEST_CASE("more ranges than one chunk holds are all there") {
    RangeRecorder recorder;
    {
      const ListeningScope listening(recorder);
      for (int i = 0; i < 20'000; ++i) const PhaseRange range({.phase = Phase::kHead, .step = i});
    }
    const HostRanges host = recorder.take();
    REQUIRE(host.ranges.size() == 20'000);
    CHECK(host.ranges.back().tag.step == 19'999);
    CHECK(std::ranges::is_sorted(host.ranges, {}, &RangeRecord::start_ns));
  }

  TEST_CASE("ranges that nest deeper than there is room for are counted") {
    RangeRecorder recorder;
    {
      const ListeningScope listening(recorder);
      std::vector<std::unique_ptr<PhaseRange>> nested;
      for (int i = 0; i < 70; ++i) nested.push_back(std::make_unique<PhaseRange>(RangeTag{.phase = Phase::kHead}));
      while (!nested.empty()) nested.pop_back();
    }
    const HostRanges host = recorder.take();
    CHECK(host.ranges.size() == 64);
    CHECK(host.dropped == 6);
    check_nesting(host);
  }

  TEST_CASE("an exception ends its ranges") {
    RangeRecorder recorder;
    {
      const ListeningScope listening(recorder);
      const PhaseRange outer({.phase = Phase::kStep});
      CHECK_THROWS_AS(parallel_for(8,
                                   [](std::int64_t) {
                                     const PhaseRange inner({.phase = Phase::kHead});
                                     throw std::runtime_error("stop");
                                   }),
                      std::runtime_error);
      CHECK(current_range()->phase == Phase::kStep);
    }
    check_nesting(recorder.take());
    CHECK(current_range() == nullptr);
  }

  TEST_CASE("labels name phase and step and layer") {
    CHECK(range_label({.phase = Phase::kStep, .step = 3}) == "step 3");
    CHECK(range_label({.phase = Phase::kCacheUpdate, .step = 3, .layer = 11}) == "cache_update step 3 layer 11");
    CHECK(range_label({.phase = Phase::kDecoding, .sample = 7}) == "decoding sample 7");
  }
}
