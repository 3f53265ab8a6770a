#include "collectors/base/json_file.h"
#include "collectors/base/parallel.h"
#include "collectors/gpu/compute_device.h"
#include "collectors/gpu/cuda_devices.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"

#ifdef KVSCOPE_HAS_TORCH
#include "collectors/models/libtorch_cuda.h"
#endif

#include <unistd.h>

namespace kvscope {
namespace {

std::int64_t physical_memory_bytes() {
  return static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::int64_t>(sysconf(_SC_PAGESIZE));
}

constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;

/// Why --device cuda:`ordinal` would be refused; empty if it would not.
std::string obstacle(const CudaDevices& gpus, int ordinal) {
  std::string reason = cuda_obstacle(gpus, ordinal);
#ifdef KVSCOPE_HAS_TORCH
  if (reason.empty()) reason = load_libtorch_cuda();
#else
  if (reason.empty()) reason = "this build has no LibTorch";
#endif
  return reason;
}

Json to_json(const CudaDevice& device, const std::string& obstacle) {
  return {{"ordinal", device.ordinal},
          {"name", device.name},
          {"compute_capability", fmt::format("{}.{}", device.compute_major, device.compute_minor)},
          {"memory_bytes", device.memory_bytes},
          {"multiprocessors", device.multiprocessors},
          {"usable", obstacle.empty()},
          {"not_usable_because", obstacle}};
}

}  // namespace

ExitStatus run_devices(const CommandContext& context) {
  CommandOptions command{.name = "devices",
                         .description =
                             "Lists what this machine offers: processor threads, memory, GPUs and whether this build "
                             "can use each with --device. A missing GPU is reported with its reason and is no "
                             "error."};
  command.visible.add_options()("json", "print JSON");
  const auto values = parse_options(command, context);
  if (!values) return 0;

  const CudaDevices gpus = cuda_devices();
  if (given(*values, "json")) {
    Json list = Json::array();
    for (const CudaDevice& device : gpus.devices) list.push_back(to_json(device, obstacle(gpus, device.ordinal)));
    const Json document = {{"threads", thread_count()},
                           {"memory_bytes", physical_memory_bytes()},
                           {"gpus", std::move(list)},
                           {"no_gpu_because", gpus.reason}};
    context.out << document.dump(2) << '\n';
    return 0;
  }
  context.out << fmt::format("cpu   {} threads, {:.1f} GiB of memory\n", thread_count(),
                             static_cast<double>(physical_memory_bytes()) / kGibibyte);
  for (const CudaDevice& device : gpus.devices) {
    context.out << fmt::format("cuda:{} {}, compute capability {}.{}, {} multiprocessors, {:.1f} GiB\n", device.ordinal,
                               device.name, device.compute_major, device.compute_minor, device.multiprocessors,
                               static_cast<double>(device.memory_bytes) / kGibibyte);
    const std::string reason = obstacle(gpus, device.ordinal);
    context.out << (reason.empty() ? "       usable: --device " : "       not usable: ")
                << (reason.empty() ? fmt::format("cuda:{}", device.ordinal) : reason) << '\n';
  }
  if (gpus.devices.empty()) context.out << "cuda  none: " << gpus.reason << '\n';
  return 0;
}

}  // namespace kvscope
