#include "tests/benchmarks/machine.h"

#include "collectors/compute/simd_level.h"
#include "tests/benchmarks/attention_peers.h"

#include <Eigen/Core>
#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace kvscope::benchmark {
namespace {

std::string cpuinfo_field(std::string_view name) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto colon = line.find(": ");
    if (line.starts_with(name) && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

/// The flags that matter to compute kernels.
Json vector_flags() {
  std::istringstream words(cpuinfo_field("flags"));
  Json flags = Json::array();
  for (std::string word; words >> word;) {
    if (word.starts_with("avx") || word.starts_with("amx") || word == "fma" || word == "f16c") flags.push_back(word);
  }
  return flags;
}

Json peer_versions() {
  Json versions = {{"Eigen", fmt::format("{}.{}.{}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION)},
                   {"LibTorch", libtorch_version()}};
  const std::string openblas = openblas_version();
  const std::string onednn = onednn_version();
  versions["OpenBLAS"] = openblas.empty() ? Json(nullptr) : Json(openblas);
  versions["oneDNN"] = onednn.empty() ? Json(nullptr) : Json(onednn);
  return versions;
}

}  // namespace

std::string processor_name() {
  return cpuinfo_field("model name");
}

Json machine(const BenchmarkRequest& request) {
  return {{"processor", processor_name()},
          {"family", cpuinfo_field("cpu family")},
          {"model", cpuinfo_field("model\t")},
          {"flags", vector_flags()},
          {"cores", std::thread::hardware_concurrency()},
          {"level_3_cache_bytes", sysconf(_SC_LEVEL3_CACHE_SIZE)},
          {"simd_level", simd_level()},
          {"threads", request.threads},
          {"rounds", request.race.rounds},
          {"versions", peer_versions()}};
}

}  // namespace kvscope::benchmark
