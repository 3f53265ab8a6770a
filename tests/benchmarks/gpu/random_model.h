#pragma once

#include "collectors/models/engine.h"
#include "tests/benchmarks/gpu/gpu_run.h"
#include "tests/benchmarks/gpu/model_size.h"

#include <cstdint>
#include <memory>
#include <string_view>

namespace kvscope::benchmark {

/// A VAR transformer of this size with random weights in bfloat16 on the benchmarks' GPU. Its files (4 bytes a weight)
/// are written into the scratch folder, and removed once it is loaded.
[[nodiscard]] std::unique_ptr<Engine> random_model(const GpuRun& run, const ModelSize& size);

/// What `images` images are generated from.
[[nodiscard]] GenerationRequest random_request(const Engine& engine, std::int64_t images);

/// Generates once. @return  wall seconds; the images are on the host at the end, so the GPU is done
double generation_seconds(const Engine& engine, const GenerationRequest& request, KvCache& cache);

}  // namespace kvscope::benchmark
