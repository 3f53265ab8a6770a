#pragma once

#include "analysis/agreement.h"
#include "classifiers/heads/heads.h"

#include <string_view>
#include <vector>

namespace kvscope {

/// A head that two classifications see differently.
struct DifferingHead {
  int layer = 0;
  int head = 0;
  HeadClass first = HeadClass::kStructural;
  HeadClass second = HeadClass::kStructural;

  bool operator==(const DifferingHead&) const = default;
};

/// How two classifications of the same heads agree. "Yes" of the counts is contextual.
struct HeadComparison {
  Agreement counts;                      ///< both contextual, only in the first, only in the second, neither
  std::vector<DifferingHead> differing;  ///< in (layer, head) order

  [[nodiscard]] double jaccard() const { return kvscope::jaccard(counts); }          ///< of the contextual sets
  [[nodiscard]] std::optional<double> kappa() const { return cohen_kappa(counts); }  ///< Cohen's
  [[nodiscard]] double agreement() const;  ///< share of equal verdicts, in [0, 1]
};

/// @param first_name, second_name  the files, for messages
/// @throws Error  kBadInput if the numbers of layers or heads differ, or both name a model and it is not the same.
[[nodiscard]] HeadComparison compare_heads(const HeadClassification& first, std::string_view first_name,
                                           const HeadClassification& second, std::string_view second_name);

[[nodiscard]] Json to_json(const HeadComparison& comparison);

}  // namespace kvscope
