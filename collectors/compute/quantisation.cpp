#include "collectors/compute/quantisation.h"

#include "collectors/base/error.h"
#include "collectors/compute/packing_kernels.h"

#include <cmath>

namespace kvscope {

ChannelQuantisation quantisation_of_range(std::span<const float> minimum, std::span<const float> maximum) {
  require(minimum.size() == maximum.size(), "quantisation_of_range: one minimum and one maximum for every channel");
  constexpr double kSteps = 254.0;
  ChannelQuantisation result;
  for (std::size_t channel = 0; channel < minimum.size(); ++channel) {
    const double low{minimum[channel]};
    const double high{maximum[channel]};
    require(std::isfinite(low) && std::isfinite(high) && low <= high, "quantisation_of_range: a range is empty");
    const auto scale = static_cast<float>((high - low) / kSteps);
    // A range so narrow that its step underflows is as good as constant.
    result.scale.push_back(std::isnormal(scale) ? scale : 1.0F);
    result.offset.push_back(static_cast<float>((low + high) / 2.0));
  }
  return result;
}

std::int64_t quantise(const float* values, CodeParameters parameters, std::int64_t n_channel, std::int8_t* codes) {
  return packing_kernels().quantise(values, parameters, n_channel, codes);
}

void dequantise(const std::int8_t* codes, CodeParameters parameters, std::int64_t n_channel, float* values) {
  packing_kernels().dequantise(codes, parameters, n_channel, values);
}

}  // namespace kvscope
