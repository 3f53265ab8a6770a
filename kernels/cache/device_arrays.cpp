#include "kernels/cache/device_arrays.h"

#include "collectors/base/error.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

namespace kvscope {
namespace {

// What kernels ask of their workspaces. LibTorch's CUDA allocator gives multiples of 512, its CPU one of 64.
constexpr std::int64_t kAlignment = 256;

}  // namespace

DeviceBuffer::DeviceBuffer(std::int64_t bytes, at::Device device) : bytes_(bytes) {
  const std::int64_t slack = device.is_cpu() ? kAlignment : 0;
  memory_ = at::empty({bytes + slack}, at::TensorOptions().dtype(at::kByte).device(device));
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.data_ptr());
  const std::uintptr_t begin = (address + kAlignment - 1) / kAlignment * kAlignment;
  require(bytes == 0 || begin == address || slack > 0, "DeviceBuffer: the allocator's memory is not aligned");
  data_ = reinterpret_cast<void*>(begin);
}

void DeviceBuffer::reserve(std::int64_t bytes, at::Device device) {
  if (bytes > bytes_) *this = DeviceBuffer(bytes, device);
}

at::Tensor DeviceBuffer::view(std::int64_t bytes) const {
  const auto* begin = static_cast<const std::byte*>(memory_.data_ptr());
  return memory_.narrow(0, static_cast<const std::byte*>(data_) - begin, bytes);
}

void DeviceBuffer::copy_from_host(const void* source, std::int64_t bytes) const {
  if (bytes == 0) return;
  // LibTorch has no read-only tensors; the source is only read.
  view(bytes).copy_(at::from_blob(const_cast<void*>(source), {bytes}, at::kByte));
}

void DeviceBuffer::copy_to_host(void* target, std::int64_t bytes) const {
  if (bytes > 0) at::from_blob(target, {bytes}, at::kByte).copy_(view(bytes));
}

void DeviceBuffer::copy_from(const DeviceBuffer& other) const {
  require(bytes_ == other.bytes_, "DeviceBuffer: copies are of the same size");
  if (bytes_ > 0) view(bytes_).copy_(other.view(bytes_));
}

}  // namespace kvscope
