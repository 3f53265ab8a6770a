#pragma once

#include "collectors/compute/quantisation.h"

#include <optional>
#include <string_view>

namespace kvscope {

/// How a head stores the keys and values that it carries.
enum class StoredElements {
  kModel,  ///< in the element types of the run
  kInt8,   ///< as 8-bit codes (HeadQuantisation)
};

/// "model", "int8".
[[nodiscard]] std::string_view stored_elements_name(StoredElements elements) noexcept;
[[nodiscard]] std::optional<StoredElements> stored_elements_from_name(std::string_view name) noexcept;

/// How a head that stores 8 bits per element quantises: the same for every row and token.
struct HeadQuantisation {
  ChannelQuantisation key;    ///< [head_dim]
  ChannelQuantisation value;  ///< [head_dim]
  bool operator==(const HeadQuantisation&) const = default;
};

}  // namespace kvscope
