#include "analysis/kept_attention.h"

namespace kvscope {
namespace {

void check_shapes(const Array<float>& map, std::span<const std::uint8_t> kept) {
  require(map.shape().size() == 2 && map.extent(1) == std::ssize(kept),
          "attention_on_kept: one entry per key of the map [queries, keys]");
}

double sum_on_kept(std::span<const float> weights, std::span<const std::uint8_t> kept) {
  double sum = 0.0;
  for (std::size_t key = 0; key < weights.size(); ++key) {
    if (kept[key] != 0) sum += weights[key];
  }
  return sum;
}

}  // namespace

Array<float> attention_on_kept(const Array<float>& map, std::span<const std::uint8_t> kept) {
  check_shapes(map, kept);
  Array<float> left(map.shape());
  for (std::int64_t query = 0; query < map.extent(0); ++query) {
    const auto weights = map.slice(query);
    const double sum = sum_on_kept(weights, kept);
    if (!(sum > 0.0)) continue;
    const auto to = left.slice(query);
    for (std::size_t key = 0; key < weights.size(); ++key) {
      if (kept[key] != 0) to[key] = static_cast<float>(weights[key] / sum);
    }
  }
  return left;
}

double kept_share(const Array<float>& map, std::span<const std::uint8_t> kept) {
  check_shapes(map, kept);
  double sum = 0.0;
  for (std::int64_t query = 0; query < map.extent(0); ++query) sum += sum_on_kept(map.slice(query), kept);
  return sum / static_cast<double>(map.extent(0));
}

}  // namespace kvscope
