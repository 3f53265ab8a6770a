#pragma once

#include "analysis/interval.h"
#include "collectors/base/json_file.h"

#include <cstdint>
#include <span>
#include <string>

namespace kvscope {

/// How attention weights in [0, 1] are stored in the atlas: codes of 8 or 16 bits, evenly spaced on a logarithmic
/// scale, because weights of one map span many powers of ten.
///
///   code 0: below floor;   code c in 1 .. n:  floor^((n - c) / (n - 1)),  n = 2^bits - 1
///
/// 16 bits: floor 1e-8, relative error below 1.5e-4. 8 bits: floor 1e-6, relative error below 2.8 %. What is below the
/// floor decodes as 0.
class WeightCodes {
 public:
  /// @param bits  8 or 16
  explicit WeightCodes(int bits);

  [[nodiscard]] int bits() const noexcept { return bits_; }
  [[nodiscard]] double floor() const noexcept { return floor_; }
  [[nodiscard]] double relative_error() const noexcept;  ///< largest, of weights from the floor on
  [[nodiscard]] std::uint16_t code(float weight) const noexcept;
  [[nodiscard]] double weight(std::uint16_t code) const noexcept;

  /// Codes of all weights, little-endian, as base64.
  [[nodiscard]] std::string base64_of(std::span<const float> weights) const;
  /// {"bits", "floor", "relative_error"}: what the page needs to decode, and says.
  [[nodiscard]] Json description() const;

 private:
  int bits_;
  double floor_;
  int largest_;
};

/// Shares in [0, 1] in steps of 1/65535 (error below 7.7e-6), little-endian, as base64.
[[nodiscard]] std::string shares_base64(std::span<const float> shares);

/// {"shape": [...], "data": base64 of little-endian float32}: exact.
[[nodiscard]] Json float_array(std::span<const float> values, const std::vector<std::int64_t>& shape);

/// [mean, low, high], null for what is no finite number.
[[nodiscard]] Json interval_json(const Interval& interval);

/// One bit for each of `size` places, set for those in `places`; bit i is bit i % 8 of byte i / 8; as base64.
[[nodiscard]] std::string bit_set_base64(std::span<const std::int32_t> places, std::int64_t size);

/// JSON for the inside of a <script> element: nothing in it can end the element or begin a comment.
[[nodiscard]] std::string script_json(const Json& json);

/// Characters of the base64 of so many bytes.
[[nodiscard]] constexpr std::int64_t base64_size(std::int64_t bytes) noexcept {
  return (bytes + 2) / 3 * 4;
}

}  // namespace kvscope
