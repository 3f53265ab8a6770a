#include "tests/benchmarks/attention_race.h"
#include "tests/benchmarks/benchmarks.h"

namespace kvscope::benchmark {
namespace {

void race_peers(BenchmarkRun& run, const AttentionShape& shape, int threads) {
  const std::int64_t different_bytes = run.request().quick ? 0 : beyond_cache_bytes();
  constexpr AttentionTypes kTypes{.queries = ElementType::kBFloat16, .keys_values = ElementType::kBFloat16};
  AttentionProblem problem(shape, kTypes, different_bytes);
  std::vector<AttentionPeer> peers = {own_attention(problem, threads), libtorch_attention(problem, threads)};
  if (auto onednn = onednn_attention(problem, threads)) peers.push_back(std::move(*onednn));
  peers.push_back(own_attention(problem, threads, LogitBound::kGiven));
  AttentionProblem full(shape, {}, different_bytes);
  AttentionProblem half(shape, {.keys_values = ElementType::kFloat16}, different_bytes);
  AttentionProblem codes(shape, {.queries = ElementType::kBFloat16, .keys_values = ElementType::kInt8},
                         different_bytes);
  for (auto& [other, name] : {std::pair(&full, "kvscope, float32"), std::pair(&half, "kvscope, float16 K and V"),
                              std::pair(&codes, "kvscope, 8-bit K and V")}) {
    peers.push_back(own_attention(*other, threads));
    peers.back().name = name;
  }
  race_attention(run, peers,
                 {.id = "C2",
                  .where = describe(shape),
                  .threads = threads,
                  .ceiling = run.ceilings(threads).bfloat16_dot,
                  .tolerance = kBFloat16Tolerance});
}

}  // namespace

void benchmark_bfloat16_attention(BenchmarkRun& run) {
  if (onednn_version().empty()) run.note("C2 without oneDNN: built without libdnnl-dev");
  for (const int threads : run.request().threads) {
    for (const AttentionShape& shape : attention_shapes(run.request().quick)) race_peers(run, shape, threads);
  }
}

}  // namespace kvscope::benchmark
