#include "classifiers/plan/plan_audit.h"

#include "classifiers/plan/plan_methods.h"

#include <cmath>
#include <optional>

namespace kvscope {
namespace {

/// Derived numbers are printed with 17 digits and may come from a tool that adds in another order.
constexpr double kRelativeTolerance = 1e-9;

bool same_number(const Json& a, const Json& b) {
  const auto x = a.get<double>();
  const auto y = b.get<double>();
  return std::abs(x - y) <= kRelativeTolerance * std::max(std::abs(x), std::abs(y));
}

/// The first place where `found` is not what `expected` says, as "path: is X, expected Y". What only
/// `found` has is not looked at.
std::optional<std::string> first_difference(const Json& found, const Json& expected, const std::string& path) {
  const auto differs = [&] {
    return fmt::format("{}: is {}, expected {}", path, in_quotes(found.dump()), in_quotes(expected.dump()));
  };
  if (found.is_number() && expected.is_number()) {
    return same_number(found, expected) ? std::nullopt : std::optional(differs());
  }
  if (found.type() != expected.type()) return differs();
  if (!expected.is_structured()) return found == expected ? std::nullopt : std::optional(differs());
  if (expected.is_array() && found.size() != expected.size()) return differs();
  for (const auto& [name, member] : expected.items()) {
    const std::string place = fmt::format("{}/{}", path, name);
    if (found.is_object() && !found.contains(name)) return place + ": is missing";
    const Json& other = found.is_object() ? found[name] : found[std::stoul(name)];
    if (auto difference = first_difference(other, member, place)) return difference;
  }
  return std::nullopt;
}

PlanFinding compared(std::string check, std::string_view found, std::string_view expected) {
  const bool passed = found == expected;
  return {std::move(check), passed,
          passed ? std::string(found) : fmt::format("is {}, expected {}", in_quotes(found), in_quotes(expected))};
}

/// made_from[input].sha256, or nothing where the plan does not say.
std::optional<std::string> recorded_hash(const Plan& plan, std::string_view input) {
  if (!plan.made_from.is_object() || !plan.made_from.contains(input)) return std::nullopt;
  const Json& record = plan.made_from[std::string(input)];
  if (!record.is_object() || !record.contains("sha256") || !record["sha256"].is_string()) return std::nullopt;
  return record["sha256"].get<std::string>();
}

PlanFinding compared_hash(const Plan& plan, std::string_view input, std::string_view sha256) {
  const std::string check = fmt::format("{} sha256", input);
  const auto recorded = recorded_hash(plan, input);
  if (!recorded) return {check, false, fmt::format("the plan does not say from which {} it was made", input)};
  return compared(check, *recorded, sha256);
}

PlanFinding compared_model(const Plan& plan, const ModelInfo& model, std::string_view other) {
  try {
    check_same_model(plan.model, "the plan", model, other);
    return {"model", true, fmt::format("{}, {} layers, {} heads", model.family, model.layers, model.heads)};
  } catch (const Error& failure) {
    return {"model", false, failure.what()};
  }
}

}  // namespace

std::vector<PlanFinding> audit_derived_fields(const Json& document, const Plan& plan) {
  const Json expected = to_json(plan);
  std::vector<PlanFinding> findings;
  if (document.contains("totals")) {
    const auto difference = first_difference(document["totals"], expected["totals"], "totals");
    findings.push_back({"totals", !difference, difference.value_or("follow from the counts")});
  } else {
    findings.push_back({"totals", true, "are not in the file"});
  }
  std::optional<std::string> difference;
  for (std::size_t i = 0; i < plan.heads.size() && !difference; ++i) {
    const Json& head = document["heads"][i];
    for (const char* field : {"attend_fraction", "carry_fraction"}) {
      if (!head.contains(field) || difference) continue;
      difference =
          first_difference(head[field], expected["heads"][i][field],
                           fmt::format("layer {}, head {}: {}", plan.heads[i].layer, plan.heads[i].head, field));
    }
  }
  findings.push_back({"fractions", !difference, difference.value_or("follow from the counts")});
  return findings;
}

std::vector<PlanFinding> audit_capture(const Plan& plan, const Capture& capture) {
  std::vector<PlanFinding> findings = {compared_model(plan, capture.model(), "the capture")};
  findings.push_back(compared("steps", describe(plan.steps), describe(capture.steps())));
  if (findings.back().passed && !(plan.steps == capture.steps())) {
    findings.back() = {"steps", false, "same grids, but other kinds or another visibility"};
  }
  findings.push_back(compared_hash(plan, "capture", capture.sha256()));
  return findings;
}

std::vector<PlanFinding> audit_heads(const Plan& plan, const HeadClassification& heads, std::string_view sha256) {
  std::vector<PlanFinding> findings = {compared_hash(plan, "heads", sha256)};
  if (heads.layers != plan.model.layers || heads.heads_per_layer != plan.model.heads) {
    findings.push_back({"classes", false,
                        fmt::format("the heads file has {} layers of {} heads, the plan {} of {}", heads.layers,
                                    heads.heads_per_layer, plan.model.layers, plan.model.heads)});
    return findings;
  }
  std::int64_t other = 0;
  std::string first;
  for (const HeadBudget& budget : plan.heads) {
    if (!budget.head_class || *budget.head_class == shared_head_class(heads, plan.model, budget.layer, budget.head))
      continue;
    if (other++ == 0) first = fmt::format("layer {}, head {}", budget.layer, budget.head);
  }
  findings.push_back(
      {"classes", other == 0,
       other == 0 ? "agree" : fmt::format("{} heads have another class, the first is {}", other, first)});
  return findings;
}

PlanFinding audit_fingerprint(const Plan& plan, std::string_view fingerprint) {
  return compared("fingerprint", plan.model.fingerprint, fingerprint);
}

}  // namespace kvscope
