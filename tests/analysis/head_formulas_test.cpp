#include "analysis/attention_spread.h"
#include "analysis/band_mass.h"
#include "analysis/semantic_distance.h"
#include "analysis/verticality.h"
#include "collectors/capture/capture.h"
#include "collectors/capture/corresponding_place.h"
#include "collectors/capture/head_statistics.h"
#include "support/errors.h"
#include "support/synthetic_capture.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <vector>

using namespace kvscope;
using doctest::Approx;

namespace {

const StepTable kScales = StepTable::square(std::vector<int>{1, 2, 3, 5});
constexpr int kLast = 3;

/// A map [N_k, T_k] from a weight for each (query, key), rows normalised.
template <typename Weight>
std::vector<float> make_map(const StepTable& steps, int step, Weight&& weight) {
  std::vector<float> map;
  for (std::int64_t i = 0; i < steps.n_query(step); ++i) {
    std::vector<double> row;
    double sum = 0.0;
    for (std::int64_t j = 0; j < steps.n_key(step); ++j) {
      row.push_back(weight(i, j));
      sum += row.back();
    }
    for (const double value : row) map.push_back(static_cast<float>(value / sum));
  }
  return map;
}

double verticality_of(const HeadStatistics& statistics) {
  return verticality(statistics.column_variance, statistics.square_sum);
}

BandScore band_of(const HeadStatistics& statistics, const StepTable& steps, int step, int radius) {
  const auto index = static_cast<std::size_t>(std::find(std::begin(kBandRadii), std::end(kBandRadii), radius) -
                                              std::begin(kBandRadii));
  std::vector<double> bands;
  for (std::size_t s = 0; s < statistics.source_mass.size(); ++s) bands.push_back(statistics.band_mass[s * 4 + index]);
  return band_score(statistics.source_mass, bands, chance_band_shares(steps, step, radius));
}

double distance_of(const HeadStatistics& statistics, const StepTable& steps, int step) {
  const std::vector<float> histogram(statistics.displacement.begin(), statistics.displacement.end());
  return attention_distance(steps, step, histogram, 0, kDisplacementRadius);
}

}  // namespace

TEST_SUITE("analysis.head_formulas") {
  TEST_CASE("vertical stripes have a verticality of one and no column variance") {
    const auto map = make_map(kScales, kLast, [](auto, std::int64_t j) { return j == 7 || j == 20 ? 4.0 : 0.25; });
    const HeadStatistics statistics = statistics_of_map(map, kScales, kLast);
    CHECK(statistics.column_variance == Approx(0.0).epsilon(1e-9));
    CHECK(verticality_of(statistics) == Approx(1.0).epsilon(1e-6));
  }

  TEST_CASE("the identity on the own scale has a verticality of one over N and the largest column variance") {
    const std::int64_t offset = kScales.key_offset(kLast, kLast);
    const auto map =
        make_map(kScales, kLast, [&](std::int64_t i, std::int64_t j) { return j == offset + i ? 1.0 : 0.0; });
    const HeadStatistics statistics = statistics_of_map(map, kScales, kLast);
    CHECK(statistics.column_variance == Approx(1.0 - 1.0 / 25).epsilon(1e-12));
    CHECK(verticality_of(statistics) == Approx(1.0 / 25).epsilon(1e-12));
    for (const int radius : kBandRadii) {
      if (radius == 4) continue;  // covers the whole scale from its middle
      CAPTURE(radius);
      CHECK(band_of(statistics, kScales, kLast, radius).share == 1.0);
      CHECK(band_of(statistics, kScales, kLast, radius).excess == Approx(1.0).epsilon(1e-15));
    }
    CHECK(distance_of(statistics, kScales, kLast) == 0.0);
    CHECK(history_share(statistics.source_mass) == 0.0);
    CHECK(sink_mass(kScales, kLast, statistics.source_mass) == 0.0);
    CHECK(normalised_entropy(statistics.entropy, kScales.n_key(kLast)) == 0.0);
  }

  TEST_CASE("verticality of a map between the two") {
    // Rows (1, 0) and (0.5, 0.5): column means 3/4 and 1/4, sum of their squares 5/8; mean square sum 3/4.
    CHECK(verticality(0.75 - 0.625, 0.75) == Approx(5.0 / 6).epsilon(1e-15));
    CHECK(std::isnan(verticality(0.0, 0.0)));
  }

  TEST_CASE("even attention is entropy one and chance alone") {
    const auto map = make_map(kScales, kLast, [](auto, auto) { return 1.0; });
    const HeadStatistics statistics = statistics_of_map(map, kScales, kLast);
    CHECK(normalised_entropy(statistics.entropy, kScales.n_key(kLast)) == Approx(1.0).epsilon(1e-6));
    for (const int radius : {0, 1, 2}) {
      CAPTURE(radius);
      CHECK(band_of(statistics, kScales, kLast, radius).excess == Approx(0.0).epsilon(1e-6));
    }
    // 39 keys: 1 + 4 in the first two steps, 25 of the own step.
    CHECK(sink_mass(kScales, kLast, statistics.source_mass) == Approx(5.0 / 39).epsilon(1e-6));
    CHECK(history_share(statistics.source_mass) == Approx(14.0 / 39).epsilon(1e-6));
  }

  TEST_CASE("attention spread evenly inside each source is chance however it is divided between sources") {
    const auto map = make_map(kScales, kLast, [](auto, std::int64_t j) { return j < 5 ? 3.0 : j < 14 ? 0.2 : 1.0; });
    CHECK(band_of(statistics_of_map(map, kScales, kLast), kScales, kLast, 1).excess == Approx(0.0).epsilon(1e-6));
  }

  TEST_CASE("attention that shuns the band falls below chance") {
    const auto map = make_map(kScales, kLast, [](std::int64_t i, std::int64_t j) {
      if (j < 14) return 0.0;
      const GridPlace query = place_of(kScales[kLast], i);
      const GridPlace key = place_of(kScales[kLast], j - 14);
      return std::max(std::abs(query.y - key.y), std::abs(query.x - key.x)) > 1 ? 1.0 : 0.0;
    });
    const BandScore score = band_of(statistics_of_map(map, kScales, kLast), kScales, kLast, 1);
    const double chance = even_band_share(kScales[kLast], kScales[kLast], 1);
    CHECK(score.share == 0.0);
    CHECK(score.excess == Approx(-chance / (1.0 - chance)).epsilon(1e-12));
  }

  TEST_CASE("chance is what counting all pairs gives") {
    const StepShape shapes[] = {
        {.h = 1, .w = 1}, {.h = 2, .w = 2}, {.h = 3, .w = 5}, {.h = 8, .w = 6}, {.t = 3, .h = 4, .w = 7}};
    for (const StepShape& own : shapes) {
      for (const StepShape& source : shapes) {
        for (const int radius : kBandRadii) {
          std::int64_t inside = 0;
          for (std::int64_t i = 0; i < own.tokens(); ++i) {
            const GridPlace centre = corresponding_place(place_of(own, i), own, source);
            for (std::int64_t j = 0; j < source.tokens(); ++j) {
              const GridPlace key = place_of(source, j);
              inside += std::max({std::abs(key.t - centre.t), std::abs(key.y - centre.y),
                                  std::abs(key.x - centre.x)}) <= radius;
            }
          }
          const double counted = static_cast<double>(inside) / static_cast<double>(own.tokens() * source.tokens());
          CHECK(even_band_share(own, source, radius) == Approx(counted).epsilon(1e-13));
        }
      }
    }
  }

  TEST_CASE("sources that the band covers and steps that are no image tell nothing") {
    const std::vector<double> chance = chance_band_shares(kScales, kLast, 1);
    CHECK(chance[0] == 1.0);
    CHECK(chance[1] == 1.0);
    CHECK(chance[2] < 1.0);
    CHECK(std::isnan(band_score(std::vector<double>{1.0}, std::vector<double>{1.0}, std::vector<double>{1.0}).excess));
    const StepTable with_text({{.kind = StepKind::kText, .h = 1, .w = 7}, {.h = 4, .w = 4}});
    CHECK(chance_band_shares(with_text, 1, 1)[0] == 1.0);
    CHECK(chance_band_shares(with_text, 0, 1)[0] == 1.0);
    CHECK(chance_band_shares(with_text, 1, 1)[1] < 1.0);
  }

  TEST_CASE("distance of a head that looks one token to the right") {
    const StepTable one({{.h = 1, .w = 4}});
    // Queries 0 to 2 look one to the right, the last at itself: distances 1/4, 1/4, 1/4, 0 of the only axis.
    const auto map = make_map(
        one, 0, [](std::int64_t i, std::int64_t j) { return j == std::min<std::int64_t>(i + 1, 3) ? 1.0 : 0.0; });
    CHECK(distance_of(statistics_of_map(map, one, 0), one, 0) == Approx(3.0 / 16).epsilon(1e-6));
  }

  TEST_CASE("distance counts two axes as the root of their mean square") {
    const StepTable square({{.h = 2, .w = 2}});
    // Every query looks at the opposite corner: (1/2, 1/2).
    const auto map = make_map(square, 0, [](std::int64_t i, std::int64_t j) { return j == 3 - i ? 1.0 : 0.0; });
    CHECK(distance_of(statistics_of_map(map, square, 0), square, 0) == Approx(0.5).epsilon(1e-12));
  }

  TEST_CASE("where there is nothing to measure there is no number") {
    CHECK(std::isnan(normalised_entropy(0.0, 1)));
    const std::vector<float> first(17 * 17, 1.0F);
    CHECK(std::isnan(attention_distance(kScales, 0, first, 0, kDisplacementRadius)));
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)attention_distance(kScales, 1, first, 0, kDisplacementRadius); }, "histogram");
    testing::check_error(
        ErrorCode::kUsage, [&] { (void)sink_mass(kScales, 1, std::vector<double>{1.0}); }, "mass");
  }

  TEST_CASE("sinks are the first two steps of the generation even where not all are visible") {
    const StepTable gap({{.h = 1, .w = 1}, {.h = 2, .w = 2, .stays = false}, {.h = 3, .w = 3}, {.h = 4, .w = 4}});
    CHECK(sink_mass(gap, 3, std::vector<double>{0.2, 0.3, 0.5}) == 0.2);
  }

  TEST_CASE("semantic distances of a small layer") {
    // Outputs (2, 0), (-2, 0): centre 0, mean length 2, distances 2.
    CHECK(semantic_distances(std::vector<float>{2, 0, -2, 0}, 2) == std::vector<double>{1, 1});
    // Equal heads are in the centre; scaling all outputs changes nothing.
    CHECK(semantic_distances(std::vector<float>{3, 4, 3, 4, 3, 4}, 2) == std::vector<double>{0, 0, 0});
    const auto small = semantic_distances(std::vector<float>{1, 2, 3, 5, 8, 13}, 2);
    const auto large = semantic_distances(std::vector<float>{4, 8, 12, 20, 32, 52}, 2);
    for (std::size_t i = 0; i < small.size(); ++i) CHECK(small[i] == Approx(large[i]).epsilon(1e-14));
    CHECK(std::isnan(semantic_distances(std::vector<float>{0, 0, 0, 0}, 2)[0]));
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)semantic_distances(std::vector<float>{1, 2, 3}, 2);
        },
        "head_dim");
  }

  TEST_CASE("scores of random maps stay in their ranges") {
    testing::SyntheticCapture capture;
    capture.steps = kScales;
    for (const double noise : {0.0, 0.5, 1.0}) {
      capture.noise = noise;
      for (int head = 0; head < 4; ++head) {
        CAPTURE(noise);
        CAPTURE(head);
        const auto map = testing::synthetic_map(capture, 0, head, kLast, 0, 0);
        const HeadStatistics statistics = statistics_of_map(map.values(), kScales, kLast);
        const BandScore band = band_of(statistics, kScales, kLast, 1);
        const double vertical = verticality_of(statistics);
        const double entropy = normalised_entropy(statistics.entropy, kScales.n_key(kLast));
        const double distance = distance_of(statistics, kScales, kLast);
        CHECK((vertical >= 1.0 / 25 && vertical <= 1.0));
        CHECK((entropy >= 0.0 && entropy <= 1.0));
        CHECK((distance >= 0.0 && distance < 1.0));
        CHECK((band.share >= 0.0 && band.share <= 1.0));
        CHECK((band.excess <= 1.0));
      }
    }
  }
}
