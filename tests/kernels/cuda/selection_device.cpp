#include "cuda/selection_device.h"

#include <algorithm>

namespace kvscope::testing {

std::vector<std::vector<std::int32_t>> SelectionDevice::download(const gpu::DevicePlaces& lists,
                                                                 std::int64_t pairs) const {
  const auto counts = download<std::int32_t>(lists.count, pairs);
  const auto places = download<std::int32_t>(lists.places, pairs * lists.stride);
  std::vector<std::vector<std::int32_t>> result;
  for (std::int64_t pair = 0; pair < pairs; ++pair) {
    const auto first = places.begin() + pair * lists.stride;
    const auto count = std::clamp<std::int64_t>(counts[static_cast<std::size_t>(pair)], 0, lists.stride);
    result.emplace_back(first, first + count);
  }
  return result;
}

gpu::DevicePlaces SelectionDevice::allocate_places(const std::string& name, std::int64_t pairs, std::int64_t stride) {
  return {.places = allocate<std::int32_t>(name, pairs * stride),
          .count = allocate<std::int32_t>(name + " counts", pairs),
          .stride = stride};
}

gpu::DevicePlaces SelectionDevice::upload_places(const std::string& name,
                                                 const std::vector<std::vector<std::int32_t>>& lists) {
  std::size_t stride = 1;
  for (const auto& list : lists) stride = std::max(stride, list.size());
  std::vector<std::int32_t> places;
  std::vector<std::int32_t> counts;
  for (const auto& list : lists) {
    places.insert(places.end(), list.begin(), list.end());
    places.resize(stride * (counts.size() + 1), -1);
    counts.push_back(static_cast<std::int32_t>(list.size()));
  }
  return {.places = upload(name, places),
          .count = upload(name + " counts", counts),
          .stride = static_cast<std::int64_t>(stride)};
}

}  // namespace kvscope::testing
