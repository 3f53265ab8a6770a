#include "tests/benchmarks/result_table.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

namespace kvscope::benchmark {
namespace {

std::string seconds_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 1.0) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.3f} s", seconds);
}

std::string rate_text(const BenchmarkResult& result) {
  if (!result.rate) return "";
  return fmt::format("{:.1f} G{}/s", *result.rate * 1e-9, result.unit);
}

}  // namespace

void print_ceilings(std::string_view simd_level, int threads, const Ceilings& ceilings, std::ostream& out) {
  const std::string dot =
      ceilings.bfloat16_dot ? fmt::format("{:.0f} GFLOP/s bfloat16 dot, ", *ceilings.bfloat16_dot * 1e-9) : "";
  fmt::print(out, "ceilings, {}, {} thread{}: {:.0f} GFLOP/s multiply-add, {}{:.1f} Gexp/s, {:.0f} GB/s copy\n",
             simd_level, threads, threads == 1 ? "" : "s", ceilings.multiply_add * 1e-9, dot,
             ceilings.exponential * 1e-9, ceilings.copy * 1e-9);
  out.flush();
}

void print_head(std::ostream& out) {
  fmt::print(out, "\n{:<3} {:<50} {:>7}  {:<33} {:>10} {:>10} {:>15} {:>7} {:>6} {:<16} {:>8}\n", "id", "case",
             "threads", "peer", "ours", "peer", "our rate", "ceiling", "ratio", "95 % interval", "error");
}

void print_result(const BenchmarkResult& result, std::ostream& out) {
  const Comparison& seconds = result.seconds;
  fmt::print(out, "{:<3} {:<50} {:>7}  {:<33} {:>10} {:>10} {:>15} {:>7} {:>6.2f} {:<16} {:>8}\n", result.id,
             result.where, result.threads, result.peer, seconds_text(seconds.ours_s), seconds_text(seconds.peer_s),
             rate_text(result), result.ceiling_fraction ? fmt::format("{:.0f} %", 100 * *result.ceiling_fraction) : "",
             seconds.ratio.mean, fmt::format("[{:.2f}, {:.2f}]", seconds.ratio.low, seconds.ratio.high),
             result.max_relative_error ? fmt::format("{:.1e}", *result.max_relative_error) : "");
  out.flush();
}

}  // namespace kvscope::benchmark
