#include "analysis/head_score.h"

#include <algorithm>
#include <array>

namespace kvscope {

std::string_view higher_means_name(HigherMeans higher_means) noexcept {
  switch (higher_means) {
    case HigherMeans::kContextual:
      return "contextual";
    case HigherMeans::kStructural:
      return "structural";
    case HigherMeans::kNeither:
      break;
  }
  return "neither";
}

std::span<const HeadScore> head_scores() noexcept {
  using namespace head_score;
  static constexpr std::array kAll = {kColumnVariance, kVerticality, kBandMass, kBandExcess,   kBandExcessBySource,
                                      kEntropy,        kDistance,    kSinkMass, kHistoryShare, kSemanticDistance};
  return kAll;
}

std::optional<HeadScore> head_score_from_name(std::string_view name) noexcept {
  const auto all = head_scores();
  const auto found = std::ranges::find(all, name, &HeadScore::name);
  if (found == all.end()) return std::nullopt;
  return *found;
}

}  // namespace kvscope
