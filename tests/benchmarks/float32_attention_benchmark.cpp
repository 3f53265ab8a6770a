#include "tests/benchmarks/attention_race.h"
#include "tests/benchmarks/benchmarks.h"

namespace kvscope::benchmark {
namespace {

void race_peers(BenchmarkRun& run, const AttentionShape& shape, int threads, const OpenBlas* openblas) {
  const std::int64_t different_bytes = run.request().quick ? 0 : beyond_cache_bytes();
  AttentionProblem problem(shape, {}, different_bytes);
  AttentionProblem codes(shape, {.keys_values = ElementType::kInt8}, different_bytes);
  std::vector<AttentionPeer> peers = {own_attention(problem, threads)};
  if (openblas != nullptr) peers.push_back(openblas->attention(problem, threads));
  if (auto onednn = onednn_attention(problem, threads)) peers.push_back(std::move(*onednn));
  peers.push_back(libtorch_attention(problem, threads));
  peers.push_back(eigen_attention(problem, threads));
  const AttentionRaceLabels labels{.id = "C1",
                                   .where = describe(shape),
                                   .threads = threads,
                                   .ceiling = run.ceilings(threads).multiply_add,
                                   .tolerance = kFloat32Tolerance};
  peers.push_back(own_attention(problem, threads, LogitBound::kGiven));
  peers.push_back(own_attention(codes, threads));
  peers.back().name = "kvscope, 8-bit K and V";
  race_attention(run, peers, labels);
  if (threads == 1) return;
  // A race of its own: changing the number of threads sends those of the pool away, and the others share it.
  AttentionPeer single = own_attention(problem, 1);
  single.name = "kvscope, 1 thread";
  race_attention(run, {peers[0], std::move(single)}, labels);
}

}  // namespace

void benchmark_float32_attention(BenchmarkRun& run) {
  const auto openblas = OpenBlas::load(run.request().openblas_core);
  if (openblas == nullptr) run.note("C1 without OpenBLAS: libopenblas.so.0 is not installed");
  if (onednn_version().empty()) run.note("C1 without oneDNN: built without libdnnl-dev");
  for (const int threads : run.request().threads) {
    for (const AttentionShape& shape : attention_shapes(run.request().quick)) {
      race_peers(run, shape, threads, openblas.get());
      // One head of the smallest model is little work for several threads; a layer has many.
      if (threads > 1 && shape.n_query <= 256) {
        AttentionShape several = shape;
        several.heads = threads;
        race_peers(run, several, threads, openblas.get());
      }
    }
  }
}

}  // namespace kvscope::benchmark
