#include "collectors/base/parallel.h"

#include "collectors/base/error.h"

#include <doctest/doctest.h>

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
}
