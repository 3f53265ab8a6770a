#include "collectors/gpu/compute_device.h"

#include "collectors/base/error.h"

#include <algorithm>
#include <charconv>

namespace kvscope {

ComputeDevice compute_device_from_name(std::string_view name, std::string_view what) {
  if (name == "cpu") return {};
  if (name == "cuda") return {.kind = DeviceKind::kCuda};
  constexpr std::string_view kPrefix = "cuda:";
  if (name.starts_with(kPrefix)) {
    const std::string_view digits = name.substr(kPrefix.size());
    // LibTorch counts devices in a signed byte.
    constexpr int kMostDevices = 127;
    int ordinal = -1;
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
    if (failure == std::errc{} && end == digits.data() + digits.size() && ordinal >= 0 && ordinal < kMostDevices) {
      return {.kind = DeviceKind::kCuda, .ordinal = ordinal};
    }
  }
  throw usage_error("{} is '{}', expected cpu, cuda or cuda:N", what, name);
}

std::string name_of(const ComputeDevice& device) {
  return device.is_cuda() ? fmt::format("cuda:{}", device.ordinal) : "cpu";
}

std::string cuda_obstacle(const CudaDevices& gpus, int ordinal) {
  if (gpus.devices.empty()) return gpus.reason;
  const auto gpu = std::ranges::find(gpus.devices, ordinal, &CudaDevice::ordinal);
  if (gpu == gpus.devices.end()) {
    return fmt::format("there is no GPU {}; this machine has {}, numbered from 0", ordinal,
                       gpus.devices.size() == 1 ? "1 GPU" : fmt::format("{} GPUs", gpus.devices.size()));
  }
  if (gpu->compute_major < kOldestComputeMajor) {
    return fmt::format("{} has compute capability {}.{}; the kernels need {}.0 or later", gpu->name, gpu->compute_major,
                       gpu->compute_minor, kOldestComputeMajor);
  }
  return {};
}

}  // namespace kvscope
