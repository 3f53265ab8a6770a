#include "tests/benchmarks/gpu/cache_bytes.h"
#include "tests/benchmarks/gpu/gpu_benchmarks.h"
#include "tests/benchmarks/gpu/gpu_cases.h"

#include <array>

namespace kvscope::benchmark {
namespace {

template <typename Case>
std::vector<ListedCase> listed_attention(const std::vector<Case>& cases) {
  std::vector<ListedCase> lines;
  for (const Case& one : cases) lines.push_back({one.name(), one.flops(), one.bytes()});
  return lines;
}

std::vector<ListedCase> list_ragged() {
  return listed_attention(ragged_cases());
}
std::vector<ListedCase> list_equal() {
  return listed_attention(equal_cases());
}
std::vector<ListedCase> list_var() {
  return listed_attention(var_cases());
}
std::vector<ListedCase> list_selection() {
  return listed_attention(selection_cases());
}

std::vector<ListedCase> list_realised() {
  std::vector<ListedCase> lines;
  for (const RealisedCase& one : realised_cases()) {
    ListedCase line{.where = one.name()};
    for (const AttentionCase& scale : one.scales()) {
      line.flops += scale.flops();
      line.bytes += scale.bytes();
    }
    lines.push_back(line);
  }
  return lines;
}

std::vector<ListedCase> list_topk() {
  std::vector<ListedCase> lines;
  for (const TopkCase& one : topk_cases()) lines.push_back({one.name(), 0.0, one.bytes()});
  return lines;
}

/// Attention of a whole generation, all layers.
ListedCase listed_generation(const GenerationCase& one) {
  ListedCase line{.where = one.name()};
  for (const AttentionCase& scale : generation_cases(*one.model, one.images, one.compression,
                                                     one.compression > 0.0 ? Spread::kTwoClass : Spread::kEqual)) {
    line.flops += static_cast<double>(one.model->layers) * scale.flops();
  }
  line.bytes =
      static_cast<double>(one.compression > 0.0 ? compressed_cache_bytes(*one.model, one.images, 1.0 - one.compression)
                                                : lossless_cache_bytes(*one.model, one.images));
  return line;
}

std::vector<ListedCase> list_generations(const std::vector<GenerationCase>& cases) {
  std::vector<ListedCase> lines;
  for (const GenerationCase& one : cases) lines.push_back(listed_generation(one));
  return lines;
}

std::vector<ListedCase> list_capture() {
  return list_generations(capture_cases());
}
std::vector<ListedCase> list_replay() {
  return list_generations(replay_cases());
}
std::vector<ListedCase> list_profile() {
  return list_generations(profile_cases());
}

std::vector<ListedCase> list_memory() {
  std::vector<ListedCase> lines;
  for (const GenerationCase& one : replay_cases()) {
    ListedCase line = listed_generation(one);
    line.flops = 0.0;
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

std::span<const GpuBenchmark> gpu_benchmarks() {
  static const std::array kBenchmarks = {
      GpuBenchmark{"G1", "attention whose heads have different numbers of keys, head_dim 128",
                   "cuDNN on all keys, cuDNN padded, FlashAttention-2 with variable lengths", list_ragged,
                   benchmark_gpu_ragged},
      GpuBenchmark{"G2", "attention on all keys, head_dim 128", "FlashAttention-2, cuDNN", list_equal,
                   benchmark_gpu_equal},
      GpuBenchmark{"G3", "attention of VAR-d30, head_dim 64", "FlashAttention-2, cuDNN", list_var, benchmark_gpu_var},
      GpuBenchmark{"G4", "what is left of the saved FLOP", "kvscope on all keys", list_realised,
                   benchmark_gpu_realised},
      GpuBenchmark{"G6", "selection: scores, top-k and compaction", "a chain of LibTorch operators", list_selection,
                   benchmark_gpu_selection},
      GpuBenchmark{"G7", "top-k with ordered indices", "LibTorch's topk and sort", list_topk, benchmark_gpu_topk},
      GpuBenchmark{"G8", "capturing all statistics beside plain generation", "plain generation", list_capture,
                   benchmark_gpu_capture},
      GpuBenchmark{"G9", "generation with a compressed cache", "kvscope on the full cache, LibTorch on the full cache",
                   list_replay, benchmark_gpu_replay},
      GpuBenchmark{"G10", "bytes of the cache", "the published layout", list_memory, benchmark_gpu_memory},
      GpuBenchmark{"G11", "generation while it is profiled", "generation", list_profile, benchmark_gpu_profile},
  };
  return kBenchmarks;
}

}  // namespace kvscope::benchmark
