#include "kernels/replay/requirement.h"

#include "kernels/replay/replay_sample.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <limits>

using namespace kvscope;

namespace {

std::vector<ReplayRequirement> judged(std::string_view text, const ReplayResult& result = testing::sample_replay()) {
  auto requirements = parse_requirements(text);
  judge(requirements, result);
  return requirements;
}

}  // namespace

TEST_SUITE("kernels.replay.requirement") {
  TEST_CASE("a list of demands is parsed in order") {
    const auto demands = parse_requirements("psnr>=25,kl<=0.05, frechet-increase <= -1e-2");
    REQUIRE(demands.size() == 3);
    CHECK(demands[0].figure == "psnr");
    CHECK(demands[0].relation == ">=");
    CHECK(demands[0].bound == 25.0);
    CHECK(demands[1].relation == "<=");
    CHECK(demands[2].figure == "frechet-increase");
    CHECK(demands[2].bound == -0.01);
  }

  TEST_CASE("malformed demands are usage errors that quote the part") {
    for (const char* text : {"psnr", "psnr>25", "psnr==25", ">=25", "psnr>=", "psnr>=much", "psnr>=1,,ssim>=1",
                             "psnr>=nan", "beauty>=1", "", "psnr>=25 dB"}) {
      CAPTURE(text);
      testing::check_error(
          ErrorCode::kUsage, [&] { (void)parse_requirements(text); }, "--require");
    }
    testing::check_error(
        ErrorCode::kUsage, [] { (void)parse_requirements("beauty>=1"); }, "'beauty'", "class-agreement");
  }

  TEST_CASE("every figure is the mean that the result holds") {
    const ReplayResult result = testing::sample_replay();
    CHECK(judged("psnr>=0")[0].value == result.free_running->psnr.mean);
    CHECK(judged("ssim>=0")[0].value == result.free_running->ssim.mean);
    CHECK(judged("agreement>=0")[0].value == result.free_running->token_agreement.mean);
    CHECK(judged("kl>=0")[0].value == result.free_running->kl.mean);
    CHECK(judged("forced-agreement>=0")[0].value == result.teacher_forced->token_agreement.mean);
    CHECK(judged("forced-kl>=0")[0].value == result.teacher_forced->kl.mean);
    // The sample's figures grow from field to field: the last head of the last step has the largest error.
    CHECK(judged("output-error>=0")[0].value == result.teacher_forced->steps[1].output_error(1, 2).mean);
    CHECK(judged("class-accuracy>=0")[0].value == result.free_running->evaluator->class_accuracy_compressed.mean);
    CHECK(judged("class-agreement>=0")[0].value == result.free_running->evaluator->class_agreement.mean);
    CHECK(judged("frechet>=0")[0].value == result.free_running->evaluator->frechet_compressed->mean);
    CHECK(judged("frechet-increase>=0")[0].value == doctest::Approx(0.125));
    CHECK(judged("cache-ratio<=1")[0].value == 0.75);
    for (const ReplayFigure& figure : replay_figures()) {
      CAPTURE(figure.name);
      CHECK(judged(std::string(figure.name) + ">=-1e9")[0].holds);
      CHECK_FALSE(judged(std::string(figure.name) + "<=-1e9")[0].holds);
    }
  }

  TEST_CASE("bounds are met at equality") {
    CHECK(judged("cache-ratio<=0.75")[0].holds);
    CHECK(judged("cache-ratio>=0.75")[0].holds);
    CHECK_FALSE(judged("cache-ratio<=0.7499")[0].holds);
  }

  TEST_CASE("identical images satisfy every lower bound on the PSNR") {
    ReplayResult result = testing::sample_replay();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    result.free_running->psnr = {infinity, infinity, infinity};
    CHECK(judged("psnr>=1000", result)[0].holds);
    CHECK_FALSE(judged("psnr<=1000", result)[0].holds);
  }

  TEST_CASE("what is not a number satisfies nothing") {
    ReplayResult result = testing::sample_replay();
    result.free_running->evaluator->frechet_compressed.reset();
    CHECK_FALSE(judged("frechet<=1000", result)[0].holds);
    CHECK_FALSE(judged("frechet>=0", result)[0].holds);
  }

  TEST_CASE("failed demands name figure value and bound in one line") {
    const auto demands = judged("cache-ratio<=0.5,cache-ratio<=1,ssim>=1e3");
    testing::check_error(
        ErrorCode::kCheckFailed, [&] { check_requirements(demands); }, "cache-ratio is 0.75", "<= 0.5", "ssim is",
        ">= 1000");
    check_requirements(judged("cache-ratio<=1"));
  }

  TEST_CASE("a demand on what the run leaves out is a usage error") {
    const auto possible = [](const char* text, const ReplayScope& scope) {
      check_requirements_possible(parse_requirements(text), scope);
    };
    possible("psnr>=1,forced-kl<=1,cache-ratio<=1", {});
    possible("frechet<=1", {.evaluator = true, .reference_features = true});
    testing::check_error(
        ErrorCode::kUsage, [&] { possible("psnr>=1", {.free_running = false}); }, "psnr", "free-running");
    testing::check_error(
        ErrorCode::kUsage, [&] { possible("forced-kl<=1", {.teacher_forced = false}); }, "teacher-forced");
    testing::check_error(
        ErrorCode::kUsage, [&] { possible("class-accuracy>=1", {}); }, "evaluator");
    testing::check_error(
        ErrorCode::kUsage, [&] { possible("frechet<=1", {.evaluator = true}); }, "features");
  }
}
