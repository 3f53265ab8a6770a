#include "kernels/compare/method_search.h"

#include "kernels/compare/head_split.h"

#include <algorithm>

namespace kvscope {
namespace {

constexpr std::string_view kOwnShare = "elbow";  ///< the split that takes no alpha

}  // namespace

std::vector<MethodParameters> MethodSearch::candidates(const CompareMethod& method) const {
  std::vector<std::optional<double>> alphas = {method.alpha};
  std::vector<std::optional<double>> taus = {method.tau};
  if (method.has_classes() && !method.alpha && method.split != kOwnShare) {
    alphas.assign(request_.alphas.begin(), request_.alphas.end());
  }
  if (method.method == "hack++" && !method.tau) taus.assign(request_.taus.begin(), request_.taus.end());
  std::vector<MethodParameters> all;
  for (const auto& alpha : alphas) {
    for (const auto& tau : taus) all.push_back({alpha, tau});
  }
  return all;
}

const CompareMethod& MethodSearch::searched_method(const CompareMethod& method) const {
  const auto varied =
      std::ranges::find_if(request_.methods, [&](const CompareMethod& other) { return method.is_variant_of(other); });
  return varied == request_.methods.end() ? method : *varied;
}

ChosenParameters MethodSearch::choose(const CompareMethod& method, std::int64_t bytes) {
  const CompareMethod& searched = searched_method(method);
  const std::pair<std::string, std::int64_t> key(searched.name, bytes);
  auto found = chosen_.find(key);
  if (found == chosen_.end()) found = chosen_.emplace(key, search(searched, bytes)).first;
  ChosenParameters chosen = found->second;
  if (&searched != &method) chosen.candidates.clear();
  if (method.split == kOwnShare) chosen.parameters.alpha.reset();
  return chosen;
}

ChosenParameters MethodSearch::search(const CompareMethod& method, std::int64_t bytes) {
  const std::vector<MethodParameters> all = candidates(method);
  ChosenParameters chosen{.parameters = all.front(), .candidates = {}};
  if (all.size() == 1) return chosen;
  for (const MethodParameters& candidate : all) {
    chosen.candidates.push_back(
        {.alpha = candidate.alpha, .tau = candidate.tau, .kl = price_(plan(method, candidate, bytes))});
  }
  const auto best = std::ranges::min_element(chosen.candidates, {}, &CompareCandidate::kl);
  chosen.parameters = all[static_cast<std::size_t>(best - chosen.candidates.begin())];
  return chosen;
}

const HeadClassification& MethodSearch::classes(const std::string& split, double alpha) {
  const std::pair<std::string, double> key(split, alpha);
  auto found = classes_.find(key);
  if (found == classes_.end()) {
    require(request_.scores.has_value(), "compare: methods that know classes need the scores of the heads");
    found = classes_.emplace(key, split_heads(*request_.scores, split, alpha, request_.heads_seed)).first;
  }
  return found->second;
}

Plan MethodSearch::plan(const CompareMethod& method, const MethodParameters& parameters, std::int64_t bytes) {
  inputs_.heads.reset();
  if (method.has_classes()) inputs_.heads = classes(method.split, parameters.alpha.value_or(0.0));
  return plan_within_bytes(method, parameters, inputs_, bytes);
}

}  // namespace kvscope
