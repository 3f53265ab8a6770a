#include "collectors/base/error.h"
#include "collectors/models/linear_layer.h"
#include "tests/benchmarks/benchmarks.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace kvscope::benchmark {
namespace {

/// Half a gap between bfloat16 numbers, and what summing in float32 adds.
constexpr double kTolerance = 1.0 / 256 + 1e-3;

struct LinearProblem {
  at::Tensor x, weight;  ///< bfloat16 [tokens, in], [out, in]
};

/// Largest error over the largest expected number, on the first rows.
double checked_error(const LinearProblem& problem) {
  const at::Tensor x = problem.x.narrow(0, 0, std::min<std::int64_t>(problem.x.size(0), 16));
  const at::Tensor exact = at::linear(x.to(at::kDouble), problem.weight.to(at::kDouble));
  const at::Tensor found = widened_product(x, problem.weight).to(at::kDouble);
  const double error = ((found - exact).abs().max() / exact.abs().max()).item<double>();
  if (!(error <= kTolerance)) {
    throw Error(ErrorCode::kCheckFailed,
                fmt::format("widened_product: relative error {:.2g}, expected at most {:.2g}", error, kTolerance));
  }
  return error;
}

void race_problem(BenchmarkRun& run, const LinearProblem& problem) {
  const double error = checked_error(problem);
  const at::Tensor x = problem.x.to(at::kFloat);
  const at::Tensor weight = problem.weight.to(at::kFloat);
  at::Tensor output;
  const std::vector<Contestant> contestants = {
      {"kvscope, widened", [&] { output = widened_product(problem.x, problem.weight); }},
      {"LibTorch, bfloat16", [&] { output = at::linear(problem.x, problem.weight); }},
      {"LibTorch, float32", [&] { output = at::linear(x, weight); }}};
  RaceOptions options = run.race(1);
  options.rounds = few_rounds(run);
  at::set_num_threads(1);
  const Rounds rounds = race(contestants, options);
  const double flops = 2.0 * static_cast<double>(problem.x.size(0) * problem.weight.numel());
  for (std::size_t peer = 1; peer < contestants.size(); ++peer) {
    const Comparison seconds = compare(rounds.seconds(0), rounds.seconds(peer));
    run.add(
        {.id = "C11",
         .where = fmt::format("{} tokens, {} to {}", problem.x.size(0), problem.weight.size(1), problem.weight.size(0)),
         .threads = 1,
         .peer = contestants[peer].name,
         .seconds = seconds,
         .ceiling_fraction = flops / seconds.ours_s / run.ceilings(1).multiply_add,
         .max_relative_error = error,
         .rate = flops / seconds.ours_s,
         .unit = "FLOP"});
  }
}

}  // namespace

void benchmark_linear(BenchmarkRun& run) {
  const std::int64_t width = run.request().quick ? 256 : 2048;
  for (const std::int64_t tokens : {1, 16, 256, 1024}) {
    race_problem(run, {.x = at::randn({tokens, width}).to(at::kBFloat16),
                       .weight = at::randn({4 * width, width}).to(at::kBFloat16)});
  }
}

}  // namespace kvscope::benchmark
