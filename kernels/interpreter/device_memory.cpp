#include "kernels/interpreter/device_memory.h"

#include "collectors/base/error.h"
#include "kernels/interpreter/guards.h"

#include <algorithm>
#include <new>
#include <utility>

namespace kvscope::gpu {
namespace {

constexpr std::align_val_t kAlignment{256};
static_assert(interpreter::kGuardBytes % static_cast<std::int64_t>(kAlignment) == 0);

const std::byte* end_of(const DeviceMemory::Region& region) {
  return region.begin + region.bytes;
}

}  // namespace

void DeviceMemory::Release::operator()(std::byte* memory) const {
  ::operator delete(memory, kAlignment);
}

void DeviceMemory::add(const std::string& name, void* begin, std::int64_t bytes) {
  add_region({name, static_cast<const std::byte*>(begin), bytes, Access::kReadWrite});
}

void DeviceMemory::add_read_only(const std::string& name, const void* begin, std::int64_t bytes) {
  add_region({name, static_cast<const std::byte*>(begin), bytes, Access::kRead});
}

const DeviceMemory::Region* DeviceMemory::find(const void* address) const {
  const auto* byte = static_cast<const std::byte*>(address);
  const auto after =
      std::upper_bound(regions_.begin(), regions_.end(), byte,
                       [](const std::byte* value, const Region& region) { return value < region.begin; });
  if (after == regions_.begin()) return nullptr;
  const Region& region = *std::prev(after);
  return byte < end_of(region) ? &region : nullptr;
}

const DeviceMemory::Region* DeviceMemory::nearest(const void* address) const {
  const auto* byte = static_cast<const std::byte*>(address);
  const auto distance = [byte](const Region& region) {
    return byte < region.begin ? region.begin - byte : byte - end_of(region);
  };
  const auto closest = std::min_element(regions_.begin(), regions_.end(),
                                        [&](const Region& a, const Region& b) { return distance(a) < distance(b); });
  return closest == regions_.end() ? nullptr : &*closest;
}

const DeviceMemory::Region* DeviceMemory::overrun() const {
  const auto broken = std::find_if(guarded_.begin(), guarded_.end(), [](const Region& region) {
    return !interpreter::are_guards_intact(region.begin, region.bytes);
  });
  return broken == guarded_.end() ? nullptr : &*broken;
}

void* DeviceMemory::allocate_bytes(const std::string& name, std::int64_t bytes, Access access) {
  require(bytes >= 0, "DeviceMemory: a buffer's size is not negative");
  const auto whole = static_cast<std::size_t>(bytes + 2 * interpreter::kGuardBytes);
  allocations_.emplace_back(static_cast<std::byte*>(::operator new(whole, kAlignment)));
  std::byte* begin = allocations_.back().get() + interpreter::kGuardBytes;
  std::memset(begin, interpreter::kPoison, static_cast<std::size_t>(bytes));
  interpreter::set_guards(begin, bytes);
  guarded_.push_back({name, begin, bytes, access});
  add_region(guarded_.back());
  return begin;
}

void* DeviceMemory::copy_bytes(const std::string& name, std::span<const std::byte> values, Access access) {
  void* copy = allocate_bytes(name, static_cast<std::int64_t>(values.size()), access);
  if (!values.empty()) std::memcpy(copy, values.data(), values.size());
  return copy;
}

void DeviceMemory::add_region(Region region) {
  if (region.bytes == 0) return;
  require(region.bytes > 0 && region.begin != nullptr, "DeviceMemory: a buffer has an address and a size");
  const auto place = std::upper_bound(regions_.begin(), regions_.end(), region,
                                      [](const Region& a, const Region& b) { return a.begin < b.begin; });
  const bool overlaps_next = place != regions_.end() && place->begin < end_of(region);
  const bool overlaps_previous = place != regions_.begin() && end_of(*std::prev(place)) > region.begin;
  if (overlaps_next || overlaps_previous) {
    throw usage_error("DeviceMemory: buffer '{}' overlaps '{}'", region.name,
                      overlaps_next ? place->name : std::prev(place)->name);
  }
  regions_.insert(place, std::move(region));
}

}  // namespace kvscope::gpu
