#include "collectors/models/device_memory.h"

#include <c10/core/CachingDeviceAllocator.h>

namespace kvscope {

std::optional<DeviceMemoryUse> device_memory_use(const ComputeDevice& device) {
  if (!device.is_cuda()) return std::nullopt;
  const auto index = static_cast<c10::DeviceIndex>(device.ordinal);
  c10::DeviceAllocator& allocator = *c10::getDeviceAllocator(c10::DeviceType::CUDA);
  const auto [free, total] = allocator.getMemoryInfo(index);
  const c10::CachingDeviceAllocator::DeviceStats statistics = allocator.getDeviceStats(index);
  constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  return DeviceMemoryUse{.total_bytes = static_cast<std::int64_t>(total),
                         .used_bytes = static_cast<std::int64_t>(total - free),
                         .requested_bytes = statistics.requested_bytes[kAll].current,
                         .allocated_bytes = statistics.allocated_bytes[kAll].current,
                         .allocated_peak_bytes = statistics.allocated_bytes[kAll].peak,
                         .reserved_peak_bytes = statistics.reserved_bytes[kAll].peak};
}

}  // namespace kvscope
