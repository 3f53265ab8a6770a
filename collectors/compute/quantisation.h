#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// The parameters of 8-bit codes where they lie: one of each per channel.
struct CodeParameters {
  const float* scale = nullptr;   ///< [n_channel] > 0: the step from one code to the next
  const float* offset = nullptr;  ///< [n_channel] the value of code 0
};

/// Affine 8-bit codes with fixed parameters per channel, for keys or values of one head:
///
///     value = offset + scale * code,   code = round((value - offset) / scale) clipped to [-128, 127]
///
/// Keys are quantised per channel because their outliers are (KIVI, Liu et al. 2024, arXiv 2402.02750, section 3); here
/// values are as well, so that no parameter depends on a token and every size is known before a run.
struct ChannelQuantisation {
  std::vector<float> scale;
  std::vector<float> offset;

  [[nodiscard]] CodeParameters parameters() const noexcept { return {scale.data(), offset.data()}; }
  bool operator==(const ChannelQuantisation&) const = default;
};

/// Codes -127 to 127 spread over [minimum, maximum] of every channel, so that a value in it is off by half a step,
/// (maximum - minimum) / 508, at most. A channel that never varies gets step 1 around its value.
/// @param minimum, maximum  [n_channel], finite, minimum <= maximum
[[nodiscard]] ChannelQuantisation quantisation_of_range(std::span<const float> minimum, std::span<const float> maximum);

/// The codes of one token's channels: in float32 one subtraction, one division and one rounding to nearest, ties to
/// even, so that every implementation gets the same ones. What lies beyond the codes saturates; what is not a number
/// becomes code 0.
/// @param values, codes  [n_channel]
/// @return  how many saturated
std::int64_t quantise(const float* values, CodeParameters parameters, std::int64_t n_channel, std::int8_t* codes);

/// The values of one token's codes: in float32 one product and one sum, each rounded, so that every implementation gets
/// the same ones. Quantising them again gives the same codes as long as |offset| is less than 2^21 steps.
void dequantise(const std::int8_t* codes, CodeParameters parameters, std::int64_t n_channel, float* values);

}  // namespace kvscope
