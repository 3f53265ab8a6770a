#pragma once

#include "classifiers/heads/heads.h"
#include "classifiers/plan/plan.h"
#include "collectors/capture/capture.h"

#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// One property that a plan was checked for beyond being readable.
struct PlanFinding {
  std::string check;  ///< what was compared: "totals", "capture sha256"
  bool passed = true;
  std::string detail;  ///< what was found, and what was expected if it is not that
};

/// Whether the fractions and totals in a plan's file are those of its counts. Absent ones pass: they are for
/// people and foreign tools, no reader of kvscope relies on them.
/// @param document  the file that `plan` was read from
[[nodiscard]] std::vector<PlanFinding> audit_derived_fields(const Json& document, const Plan& plan);

/// Whether the plan is for the model and steps of the capture and was made from this very file.
/// Cost: reads the whole file for its SHA-256.
[[nodiscard]] std::vector<PlanFinding> audit_capture(const Plan& plan, const Capture& capture);

/// Whether the plan was made from this very heads file and gives every head its class.
/// @param sha256  of the file that `heads` was read from
[[nodiscard]] std::vector<PlanFinding> audit_heads(const Plan& plan, const HeadClassification& heads,
                                                   std::string_view sha256);

/// Whether the plan is for the weights of that fingerprint.
[[nodiscard]] PlanFinding audit_fingerprint(const Plan& plan, std::string_view fingerprint);

}  // namespace kvscope
