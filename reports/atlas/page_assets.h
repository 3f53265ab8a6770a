#pragma once

#include <span>
#include <string_view>

namespace kvscope {

/// A file of reports/atlas/page, put into the program when it is built.
struct PageAsset {
  std::string_view name;
  std::string_view content;
};

/// Style sheets and scripts in the order in which the page needs them.
[[nodiscard]] std::span<const PageAsset> page_styles() noexcept;
[[nodiscard]] std::span<const PageAsset> page_scripts() noexcept;
/// The declarations of the two themes, without a selector.
[[nodiscard]] std::string_view light_declarations() noexcept;
[[nodiscard]] std::string_view dark_declarations() noexcept;

}  // namespace kvscope
