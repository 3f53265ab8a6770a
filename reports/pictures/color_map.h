#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace kvscope {

/// A colour of sRGB, 8 bits a channel.
struct Rgb {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
  bool operator==(const Rgb&) const = default;
};

/// 256 colours from low to high.
using ColorMap = std::array<Rgb, 256>;

/// The map everything is drawn with unless another is asked for: perceptually uniform, readable by the
/// colour-blind and in gray print.
inline constexpr std::string_view kDefaultColorMap = "viridis";

/// "viridis", "magma", "inferno", "cividis", "gray".
[[nodiscard]] std::vector<std::string_view> color_map_names();
/// @throws Error  kUsage listing the maps if there is none of that name.
[[nodiscard]] ColorMap color_map(std::string_view name = kDefaultColorMap);

}  // namespace kvscope
