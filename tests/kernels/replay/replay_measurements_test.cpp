#include "kernels/replay/replay_measurements.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace kvscope;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

StepTable two_steps() {
  const int sides[] = {1, 2};
  return StepTable::square(sides);
}

ModelInfo small_model() {
  return {.family = "var", .layers = 2, .heads = 3, .kv_heads = 3, .head_dim = 4};
}

}  // namespace

TEST_SUITE("kernels.replay.replay_measurements") {
  TEST_CASE("figures over all steps weigh every token alike") {
    const StepTable steps = two_steps();  // 1 and 4 tokens
    ModeMeasurements measured(2, steps, small_model());
    measured.token_agreement(0, 0) = 1.0;
    measured.token_agreement(1, 0) = 0.5;
    measured.token_agreement(0, 1) = 0.0;
    measured.token_agreement(1, 1) = 1.0;
    measured.kl(0, 0) = 5.0;
    const std::vector<double> agreement = over_tokens(measured.token_agreement, steps);
    CHECK(agreement.at(0) == doctest::Approx((1.0 + 4 * 0.5) / 5));
    CHECK(agreement.at(1) == doctest::Approx(4.0 / 5));
    const ReplayMode mode = summarise(measured, steps);
    CHECK(mode.token_agreement.mean == doctest::Approx(0.5 * (3.0 / 5 + 4.0 / 5)));
    CHECK(mode.kl.mean == doctest::Approx(0.5));
    CHECK(mode.steps[1].token_agreement.mean == doctest::Approx(0.75));
    CHECK(mode.steps[0].kl.mean == doctest::Approx(2.5));
  }

  TEST_CASE("every head and step keeps its own error with its interval over samples") {
    const StepTable steps = two_steps();
    ModeMeasurements measured(3, steps, small_model());
    for (std::int64_t i = 0; i < measured.output_error.size(); ++i) {
      measured.output_error.values()[static_cast<std::size_t>(i)] = static_cast<double>(i);
    }
    const ReplayMode mode = summarise(measured, steps);
    // [step, layer, head, sample]: the mean over the three samples is the middle one's value.
    CHECK(mode.steps[0].output_error(0, 0).mean == doctest::Approx(1.0));
    CHECK(mode.steps[0].output_error(1, 2).mean == doctest::Approx(16.0));
    CHECK(mode.steps[1].output_error(0, 1).mean == doctest::Approx(22.0));
    CHECK(mode.steps[1].output_error(0, 1).low >= 21.0);
    CHECK(mode.steps[1].output_error(0, 1).high <= 23.0);
    CHECK(mode.steps[1].output_error(0, 1).low < mode.steps[1].output_error(0, 1).high);
  }

  TEST_CASE("one sample has intervals of no width") {
    ModeMeasurements measured(1, two_steps(), small_model());
    measured.kl(1, 0) = 0.25;
    const Interval kl = summarise(measured, two_steps()).steps[1].kl;
    CHECK(kl == Interval{0.25, 0.25, 0.25});
  }

  TEST_CASE("relative errors are defined at zero") {
    CHECK(relative_error(0.0, 0.0) == 0.0);
    CHECK(relative_error(4.0, 16.0) == 0.5);
    CHECK(relative_error(1.0, 0.0) == kInfinity);
  }

  TEST_CASE("the mean PSNR is over pairs that differ") {
    CHECK(summarise_psnr(std::vector<double>{20.0, kInfinity, 30.0}).mean == doctest::Approx(25.0));
    CHECK(summarise_psnr(std::vector<double>{kInfinity, kInfinity}).low == kInfinity);
    CHECK(std::isnan(summarise_psnr(std::vector<double>{}).mean));
  }
}
