#include "collectors/base/parallel.h"

#include "collectors/base/error.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <vector>

using namespace kvscope;

TEST_SUITE("collectors.base.parallel") {
  TEST_CASE("every index is visited once by any number of threads") {
    for (const int threads : {1, 2, 3, 0}) {
      CAPTURE(threads);
      set_thread_count(threads);
      std::vector<std::atomic<int>> visits(257);
      parallel_for(257, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
      for (const auto& count : visits) CHECK(count == 1);
    }
    parallel_for(0, [](std::int64_t) { FAIL("no work, no call"); });
  }

  TEST_CASE("an exception in a task reaches the caller") {
    set_thread_count(2);
    CHECK_THROWS_AS(parallel_for(10,
                                 [](std::int64_t i) {
                                   if (i == 3) throw bad_input("third");
                                 }),
                    Error);
  }

  TEST_CASE("a stream collects every item in order and never has more of them under way than slots") {
    for (const int threads : {1, 2, 3}) {
      for (const std::int64_t slots : {1, 2, 5}) {
        CAPTURE(threads);
        CAPTURE(slots);
        set_thread_count(threads);
        constexpr int kItems = 203;
        std::vector<int> buffers(static_cast<std::size_t>(slots), -1);
        std::vector<int> collected;
        std::atomic<int> under_way = 0;
        std::atomic<int> most = 0;
        int next = 0;
        const auto buffer = [&](std::int64_t slot) -> int& { return buffers[static_cast<std::size_t>(slot)]; };
        run_stream({.slots = slots,
                    .read =
                        [&](std::int64_t slot) {
                          if (next == kItems) return false;
                          CHECK(buffer(slot) == -1);
                          buffer(slot) = next++;
                          most = std::max<int>(most, ++under_way);
                          return true;
                        },
                    .work = [&](std::int64_t slot) { buffer(slot) *= 2; },
                    .collect =
                        [&](std::int64_t slot) {
                          collected.push_back(buffer(slot));
                          buffer(slot) = -1;
                          --under_way;
                        }});
        REQUIRE(collected.size() == kItems);
        for (int i = 0; i < kItems; ++i) CHECK(collected[static_cast<std::size_t>(i)] == 2 * i);
        CHECK(most <= slots);
      }
    }
  }

  TEST_CASE("an exception at any place of a stream reaches the caller") {
    for (const int threads : {1, 2}) {
      set_thread_count(threads);
      for (const int place : {0, 1, 2}) {
        CAPTURE(place);
        std::atomic<int> items = 0;
        const auto fail_at = [&](int here) {
          if (here == place && items > 7) throw bad_input("eighth");
        };
        const ParallelStream stream{.slots = 3,
                                    .read =
                                        [&](std::int64_t) {
                                          ++items;
                                          fail_at(0);
                                          return true;
                                        },
                                    .work = [&](std::int64_t) { fail_at(1); },
                                    .collect = [&](std::int64_t) { fail_at(2); }};
        CHECK_THROWS_AS(run_stream(stream), Error);
      }
    }
  }
}
