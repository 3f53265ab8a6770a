#pragma once

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// A value that two plans do not share.
struct ChangedValue {
  std::string where;   ///< path in the file: "parameters/compression", "rules/window/protect/first_steps"
  std::string before;  ///< as JSON; empty where the first plan has none
  std::string after;   ///< likewise
};

/// Means over the heads of a group in two plans.
struct GroupDifference {
  std::string group;  ///< "contextual", "layer 3"
  std::int64_t heads_before = 0;
  std::int64_t heads_after = 0;
  double attended_before = 0.0;  ///< tokens attended to at the last step; not-a-number for no heads
  double attended_after = 0.0;
  double capacity_before = 0.0;  ///< slots allocated
  double capacity_after = 0.0;
};

/// What two plans for the same model do differently.
struct PlanDifference {
  std::vector<ChangedValue> settings;  ///< method, parameters, element types, inputs
  std::vector<ChangedValue> rules;     ///< slot by slot; whole rules where only one plan has them
  PlanTotals before;
  PlanTotals after;
  std::vector<GroupDifference> classes;  ///< contextual, structural, unclassified; those that occur
  std::vector<GroupDifference> layers;
  std::int64_t heads_of_other_class = 0;
  std::int64_t heads_of_other_rule = 0;
  std::int64_t heads_of_other_counts = 0;
  std::int64_t heads_of_other_elements = 0;  ///< stored in other types, or quantised otherwise

  /// Whether applying the two plans does the same.
  [[nodiscard]] bool same_effect() const;
};

/// @throws Error  kBadInput if the plans are for different geometries (layers, key/value heads, steps).
[[nodiscard]] PlanDifference plan_difference(const Plan& before, std::string_view before_name, const Plan& after,
                                             std::string_view after_name);

}  // namespace kvscope
