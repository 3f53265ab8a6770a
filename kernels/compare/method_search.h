#pragma once

#include "kernels/compare/budget_plan.h"
#include "kernels/compare/compare_request.h"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace kvscope {

/// What was chosen for a method at a budget.
struct ChosenParameters {
  MethodParameters parameters;
  std::vector<CompareCandidate> candidates;  ///< empty if there was no choice
};

/// Makes the plans of a comparison's methods and chooses the parameters that these leave open.
class MethodSearch {
 public:
  /// Teacher-forced KL of a plan on the calibration samples, mean over samples.
  using Price = std::function<double(const Plan&)>;

  /// @param request, price  outlive this object
  MethodSearch(const CompareRequest& request, const Price& price)
      : request_(request), price_(price), inputs_(request.inputs) {}

  /// Candidates of a method, in the order in which they are tried: the first of equal ones wins.
  [[nodiscard]] std::vector<MethodParameters> candidates(const CompareMethod& method) const;

  /// The candidate of least price; a variant (CompareMethod::is_variant_of) gets that of the method it varies, if that
  /// is compared, too, and no candidates of its own.
  [[nodiscard]] ChosenParameters choose(const CompareMethod& method, std::int64_t bytes);

  [[nodiscard]] Plan plan(const CompareMethod& method, const MethodParameters& parameters, std::int64_t bytes);

 private:
  [[nodiscard]] ChosenParameters search(const CompareMethod& method, std::int64_t bytes);
  [[nodiscard]] const HeadClassification& classes(const std::string& split, double alpha);
  [[nodiscard]] const CompareMethod& searched_method(const CompareMethod& method) const;

  const CompareRequest& request_;
  const Price& price_;
  PlanInputs inputs_;
  std::map<std::pair<std::string, double>, HeadClassification> classes_;     ///< by split and alpha
  std::map<std::pair<std::string, std::int64_t>, ChosenParameters> chosen_;  ///< by method and bytes
};

}  // namespace kvscope
