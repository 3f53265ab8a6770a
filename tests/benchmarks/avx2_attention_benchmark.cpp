#include "collectors/compute/simd_level.h"
#include "tests/benchmarks/attention_race.h"
#include "tests/benchmarks/benchmarks.h"

#include <algorithm>

namespace kvscope::benchmark {
namespace {

/// Gives kernels the old level back, whatever happens.
class ForcedSimdLevel {
 public:
  explicit ForcedSimdLevel(std::string_view level) : before_(simd_level()) { force_simd_level(level); }
  ~ForcedSimdLevel() { force_simd_level(before_); }
  ForcedSimdLevel(const ForcedSimdLevel&) = delete;
  ForcedSimdLevel& operator=(const ForcedSimdLevel&) = delete;

 private:
  std::string before_;
};

}  // namespace

void benchmark_avx2_attention(BenchmarkRun& run) {
  if (std::ranges::count(simd_levels(), "avx2") == 0) return run.note("C3 left out: the processor has no AVX2");
  const auto openblas = OpenBlas::load("Haswell");
  if (openblas == nullptr) return run.note("C3 left out: libopenblas.so.0 is not installed");
  const ForcedSimdLevel forced("avx2");
  for (const int threads : run.request().threads) {
    for (const AttentionShape& shape : attention_shapes(run.request().quick)) {
      AttentionProblem problem(shape, {}, run.request().quick ? 0 : beyond_cache_bytes());
      race_attention(run, {own_attention(problem, threads), openblas->attention(problem, threads)},
                     {.id = "C3",
                      .where = describe(shape) + ", AVX2",
                      .threads = threads,
                      .ceiling = run.ceilings(threads).multiply_add,
                      .tolerance = kFloat32Tolerance});
    }
  }
}

}  // namespace kvscope::benchmark
