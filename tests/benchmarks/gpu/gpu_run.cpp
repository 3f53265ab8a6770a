#include "tests/benchmarks/gpu/gpu_run.h"

#include "tests/benchmarks/result_table.h"

#include <fmt/ostream.h>
#include <torch/headeronly/version.h>

#include <iostream>

namespace kvscope::benchmark {
namespace {

std::string version_text(int number) {
  return fmt::format("{}.{}", number / 1000, number % 1000 / 10);
}

Json machine(const BenchmarkGpu& card, const GpuRequest& request) {
  const CudaDevice& device = card.properties();
  return {{"processor", device.name},
          {"flags", Json::array()},
          {"cores", device.multiprocessors},
          {"level_2_cache_bytes", card.level_2_cache_bytes()},
          {"memory_bytes", device.memory_bytes},
          {"clock_hz", card.clock_hz()},
          {"simd_level", fmt::format("sm_{}{}", device.compute_major, device.compute_minor)},
          {"threads", Json::array({1})},
          {"rounds", request.race.rounds},
          {"versions",
           {{"LibTorch", TORCH_VERSION},
            {"CUDA driver", version_text(card.driver_version())},
            {"CUDA runtime", version_text(card.runtime_version())}}}};
}

Json ceilings_json(const GpuCeilings& ceilings) {
  return {{"multiply_add_flops", ceilings.float32_product},
          {"bfloat16_dot_flops", ceilings.bfloat16_product},
          {"exponentials", ceilings.exponential},
          {"copy_bytes", ceilings.copy}};
}

Json memory_json(const MemoryResult& result) {
  return {{"case", result.where},
          {"layout", result.layout},
          {"bytes", result.bytes},
          {"formula_bytes", result.formula_bytes},
          {"published_bytes", result.published_bytes},
          {"ratio", static_cast<double>(result.published_bytes) / static_cast<double>(result.bytes)}};
}

}  // namespace

GpuRun::GpuRun(GpuRequest request)
    : request_(std::move(request)), card_(request_.device), ceilings_(measure_gpu_ceilings(card_, request_.race)) {
  const CudaDevice& device = card_.properties();
  fmt::print("{}, {} multiprocessors, compute capability {}.{}\n", device.name, device.multiprocessors,
             device.compute_major, device.compute_minor);
  fmt::print("ceilings: {:.0f} TFLOP/s bfloat16 products, {:.1f} TFLOP/s float32, {:.2f} Texp/s, {:.2f} TB/s copy\n",
             1e-12 * ceilings_.bfloat16_product, 1e-12 * ceilings_.float32_product, 1e-12 * ceilings_.exponential,
             1e-12 * ceilings_.copy);
}

void GpuRun::add(BenchmarkResult result) {
  if (results_.empty()) print_head(std::cout);
  print_result(result, std::cout);
  results_.push_back(std::move(result));
}

void GpuRun::add(const MemoryResult& result) {
  fmt::print("G10 {}, {}: {:.3f} GB, {:.3f} of its formula, published layout {:.3f} GB, ratio {:.2f}\n", result.where,
             result.layout, 1e-9 * static_cast<double>(result.bytes),
             static_cast<double>(result.bytes) / static_cast<double>(result.formula_bytes),
             1e-9 * static_cast<double>(result.published_bytes),
             static_cast<double>(result.published_bytes) / static_cast<double>(result.bytes));
  memory_.push_back(result);
}

void GpuRun::note(const std::string& text) const {
  std::cerr << "note: " << text << '\n';
}

Json GpuRun::to_json() const {
  Json results = Json::array();
  for (const BenchmarkResult& result : results_) results.push_back(benchmark::to_json(result));
  Json memory = Json::array();
  for (const MemoryResult& result : memory_) memory.push_back(memory_json(result));
  Json ceilings;
  ceilings[card_.properties().name]["1"] = ceilings_json(ceilings_);
  return {{"machine", machine(card_, request_)},
          {"ceilings", std::move(ceilings)},
          {"results", std::move(results)},
          {"memory", std::move(memory)}};
}

}  // namespace kvscope::benchmark
