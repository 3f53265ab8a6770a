#include "kernels/compare/compare_figures.h"

#include "kernels/compare/sample_compare.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace kvscope;
using testing::sample_cell;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
const std::vector<std::int64_t> kLabels = {0, 0, 1, 1};

}  // namespace

TEST_SUITE("kernels.compare.figures") {
  TEST_CASE("what all samples share cancels in a paired difference") {
    const CompareCell a = sample_cell("a", 0.5, {1.0, 20.0, 3.0, 400.0});
    const CompareCell b = sample_cell("b", 0.5, {1.5, 20.5, 3.5, 400.5});
    const CompareDifference difference = compare_cells(a, b, kLabels, {});
    CHECK(difference.figures.at("teacher_forced_kl").difference == Interval{-0.5, -0.5, -0.5});
    CHECK(difference.figures.at("free_running_kl").difference == Interval{-1.0, -1.0, -1.0});
    CHECK(difference.figures.at("psnr").difference.mean == doctest::Approx(0.5));
    CHECK(difference.figures.at("teacher_forced_kl").samples == 4);
    CHECK_FALSE(difference.figures.contains("class_agreement"));
    // The figures themselves are far from certain.
    CHECK(a.teacher_forced.kl.high - a.teacher_forced.kl.low > 100.0);
  }

  TEST_CASE("the interval of a difference is that of the differences") {
    const CompareCell a = sample_cell("a", 0.5, {1.0, 2.0, 3.0, 6.0});
    const CompareCell b = sample_cell("b", 0.5, {2.0, 1.0, 5.0, 6.5});
    CHECK(compare_cells(a, b, kLabels, {}).figures.at("teacher_forced_kl").difference ==
          bootstrap_mean(std::vector<double>{-1.0, 1.0, -2.0, -0.5}));
  }

  TEST_CASE("a method that always loses half has a ratio of one half and no width") {
    const std::vector<double> a = {0.5, 1.0, 8.0};
    const std::vector<double> b = {1.0, 2.0, 16.0};
    const Interval half = ratio_of_means(a, b);
    CHECK(half.mean == doctest::Approx(0.5));
    CHECK(half.low == doctest::Approx(0.5));
    CHECK(half.high == doctest::Approx(0.5));
  }

  TEST_CASE("a ratio is of the means and not the mean of ratios") {
    const Interval ratio = ratio_of_means(std::vector<double>{1.0, 8.0}, std::vector<double>{2.0, 1.0});
    CHECK(ratio.mean == doctest::Approx(3.0));
    CHECK(ratio.low == doctest::Approx(0.5));
    CHECK(ratio.high == doctest::Approx(8.0));
    CHECK(std::isnan(ratio_of_means(std::vector<double>{1.0}, std::vector<double>{0.0}).mean));
  }

  TEST_CASE("a pair with an identical image has no difference of PSNR") {
    CompareCell a = sample_cell("a", 0.5, {1.0, 2.0, 3.0, 4.0});
    CompareCell b = sample_cell("b", 0.5, {2.0, 4.0, 6.0, 8.0});
    a.values.psnr[0] = kInfinity;
    b.values.psnr[0] = kInfinity;
    b.values.psnr[3] = kInfinity;
    const auto psnr = compare_cells(a, b, kLabels, {}).figures.at("psnr");
    CHECK(psnr.samples == 2);
    CHECK(psnr.difference.mean == doctest::Approx(2.5));
  }

  TEST_CASE("classes are compared with the labels and with the full run") {
    const CompareCell a = sample_cell("a", 0.5, {1.0, 1.0, 1.0, 1.0});  // sees 0 0 0 0
    const CompareCell b = sample_cell("b", 0.5, {3.0, 3.0, 3.0, 1.0});  // sees 1 1 1 0
    const auto figures = compare_cells(a, b, kLabels, {0, 0, 0, 0}).figures;
    CHECK(figures.at("class_accuracy").difference.mean == doctest::Approx((2.0 - 1.0) / 4));
    CHECK(figures.at("class_agreement").difference.mean == doctest::Approx((4.0 - 1.0) / 4));
  }

  TEST_CASE("each method is compared with the best other one and with the baselines") {
    CompareResult result = testing::sample_compare();
    result.cells.push_back(sample_cell("window", 0.25, {9.0, 9.0, 9.0, 9.0}));
    const std::vector<std::string> baselines = {"hack"};
    std::vector<std::string> found;
    for (const CompareDifference& difference : all_differences(result, baselines)) {
      found.push_back(
          fmt::format("{} {} {} {}", difference.budget, difference.method, difference.other, difference.against));
    }
    CHECK(found == std::vector<std::string>{"0.25 hack sensitivity best", "0.25 sensitivity hack best",
                                            "0.25 sensitivity hack baseline", "0.5 hack sensitivity best",
                                            "0.5 sensitivity hack best", "0.5 sensitivity hack baseline",
                                            "0.25 window sensitivity best", "0.25 window hack baseline"});
  }

  TEST_CASE("the front holds what nothing beats in bytes and KL") {
    const std::vector<CompareCell> cells = {sample_cell("dear", 0.9, {1.0}),  sample_cell("beaten", 0.6, {3.0}),
                                            sample_cell("cheap", 0.2, {4.0}), sample_cell("middle", 0.5, {2.0}),
                                            sample_cell("worse", 0.2, {4.5}), sample_cell("equal", 0.5, {2.0})};
    std::vector<std::string> names;
    for (const ParetoPoint& point : pareto_front(cells)) names.push_back(point.method);
    CHECK(names == std::vector<std::string>{"cheap", "middle", "equal", "dear"});
  }

  TEST_CASE("figures of a mode are means over samples of all tokens") {
    const StepTable steps = StepTable::square(std::vector<int>{1, 2});  // 1 and 4 tokens
    TokenMeasurements measured(2, steps);
    measured.kl(0, 0) = 1.0;
    measured.kl(1, 1) = 2.0;
    measured.token_agreement(1, 0) = 0.5;
    const CompareMode mode = compare_mode(measured, steps);
    CHECK(mode.kl.mean == doctest::Approx((1.0 / 5 + 8.0 / 5) / 2));
    CHECK(mode.token_agreement.mean == doctest::Approx((4 * 0.5 / 5) / 2));
    CHECK(mode.steps.at(1).kl.mean == doctest::Approx(1.0));
    CHECK(mode.steps.at(1).step == 1);
  }
}
