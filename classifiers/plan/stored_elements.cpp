#include "classifiers/plan/stored_elements.h"

#include <array>

namespace kvscope {
namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, 2> kNames = {"model", "int8"};

}  // namespace

std::string_view stored_elements_name(StoredElements elements) noexcept {
  return kNames[static_cast<std::size_t>(elements)];
}

std::optional<StoredElements> stored_elements_from_name(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<StoredElements>(i);
  }
  return std::nullopt;
}

}  // namespace kvscope
