#include "tests/benchmarks/race.h"

#include <doctest/doctest.h>

#include <string>

using kvscope::benchmark::compare;
using kvscope::benchmark::Comparison;
using kvscope::benchmark::Rounds;

TEST_SUITE("benchmarks.race") {
  TEST_CASE("contestants take turns forwards and backwards") {
    std::string order;
    const Rounds rounds(3, 2, [&](std::size_t who) {
      order += static_cast<char>('a' + static_cast<char>(who));
      return std::vector{static_cast<double>(order.size())};
    });
    CHECK(order == "abccbaabccba");
    // Turns 1 and 6, then 7 and 12.
    CHECK(rounds.seconds(0)[0] == 3.5);
    CHECK(rounds.seconds(0)[1] == 9.5);
    // Both turns of a round have the same middle: a machine that slows down steadily favours nobody.
    CHECK(rounds.seconds(1)[1] == 9.5);
    CHECK(rounds.seconds(2)[1] == 9.5);
  }

  TEST_CASE("every quantity of a turn is kept") {
    const Rounds rounds(1, 3, [](std::size_t) { return std::vector{2.0, 5.0}; });
    CHECK(rounds.seconds(0, 1).size() == 3);
    CHECK(rounds.seconds(0, 1)[2] == 5.0);
  }

  TEST_CASE("the ratio is the median of the rounds' own ratios") {
    // A disturbance of a whole round changes no ratio.
    const std::vector<double> ours = {1.0, 10.0, 1.0};
    const std::vector<double> peer = {2.0, 20.0, 2.0};
    const Comparison found = compare(ours, peer);
    CHECK(found.ours_s == 1.0);
    CHECK(found.peer_s == 2.0);
    CHECK(found.ratio.mean == 2.0);
    CHECK(found.ratio.low == 2.0);
    CHECK(found.ratio.high == 2.0);
  }

  TEST_CASE("the interval holds the spread of the ratios") {
    const std::vector<double> ours(15, 1.0);
    std::vector<double> peer;
    for (int round = 0; round < 15; ++round) peer.push_back(1.0 + 0.1 * round);
    const Comparison found = compare(ours, peer);
    CHECK(found.ratio.mean == doctest::Approx(1.7));
    CHECK(found.ratio.low < 1.7);
    CHECK(found.ratio.low >= 1.0);
    CHECK(found.ratio.high > 1.7);
    CHECK(found.ratio.high <= 2.4);
  }
}
