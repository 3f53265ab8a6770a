#include "collectors/models/libtorch_device.h"

#include "collectors/base/error.h"
#include "collectors/models/libtorch_cuda.h"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace kvscope {
namespace {

void compute_like_the_cpu() {
  at::Context& context = at::globalContext();
  context.setAllowTF32CuDNN(false);
  context.setAllowTF32CuBLAS(false);
  context.setAllowFP16ReductionCuBLAS(false);
  context.setAllowBF16ReductionCuBLAS(false);
  context.setBenchmarkCuDNN(false);
}

}  // namespace

c10::Device libtorch_device(const ComputeDevice& device) {
  if (!device.is_cuda()) return c10::DeviceType::CPU;
  const std::string obstacle = cuda_obstacle(cuda_devices(), device.ordinal);
  if (!obstacle.empty()) throw environment_error("{}: {}", name_of(device), obstacle);
  if (!load_libtorch_cuda().empty()) throw environment_error("{}: {}", name_of(device), load_libtorch_cuda());
  at::globalContext().lazyInitDevice(c10::DeviceType::CUDA);
  compute_like_the_cpu();
  return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(device.ordinal)};
}

void wait_for(const c10::Device& device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl backend(device.type());
  backend.synchronizeStream(backend.getStream(device));
}

void check_compute_type(ElementType type, const ComputeDevice& device) {
  if (type == ElementType::kFloat32 || type == ElementType::kBFloat16) return;
  if (type == ElementType::kFloat16 && device.is_cuda()) return;
  if (type == ElementType::kFloat16) throw usage_error("compute type float16 needs a GPU; on a CPU there is bfloat16");
  throw usage_error("compute type {} is not supported; float32 and bfloat16 are", element_name(type));
}

void check_layer_storage(LayerStorage storage, const ComputeDevice& device) {
  if (storage == LayerStorage::kResident || !device.is_cuda()) return;
  throw usage_error("layers are streamed on a CPU only, not on {}", name_of(device));
}

}  // namespace kvscope
