// What kvscope inspect says of the files that analysis, classification, planning and replay write.

#include "analysis/scores.h"
#include "classifiers/heads/heads.h"
#include "classifiers/plan/plan.h"
#include "collectors/base/file.h"
#include "kernels/compare/compare_result.h"
#include "kernels/replay/replay_result.h"
#include "reports/inspection/inspection.h"
#include "reports/inspection/model_facts.h"
#include "reports/tables/compare_tables.h"
#include "reports/tables/head_tables.h"
#include "reports/tables/plan_tables.h"

namespace kvscope {
namespace {

/// The fields at the top of every JSON file of kvscope. Fields that are absent are left out.
void add_header(Inspection& inspection, const Json& document) {
  for (const auto* field : {"format", "version", "method", "parameters", "made_from", "run"}) {
    const auto found = document.find(field);
    if (found == document.end() || found->is_null()) continue;
    const std::string text = found->is_string() ? found->get<std::string>() : found->dump();
    inspection.facts.push_back({field, *found, text});
  }
}

Inspection with_header(const std::filesystem::path& path, Json& document) {
  document = parse_json(read_text_file(path), path.string());
  Inspection inspection;
  add_header(inspection, document);
  return inspection;
}

}  // namespace

Inspection inspect_scores(const std::filesystem::path& path, InspectionDepth depth) {
  // HDF5 has no summary that is cheaper than the reader, which looks at shapes and reads everything.
  const Scores scores = read_scores(path);
  Inspection inspection;
  add_model_facts(inspection, scores.model);
  inspection.add("steps", describe(scores.steps));
  inspection.add("samples", scores.samples);
  inspection.add("complete", scores.complete ? "yes" : "no: made from an unfinished capture");
  inspection.add("band_radius", std::int64_t{scores.band_radius});
  add_json_facts(inspection, "made_from", scores.made_from);
  std::string names;
  for (const auto& [name, values] : scores.values) names += (names.empty() ? "" : " ") + name;
  inspection.add("scores", names);
  if (depth == InspectionDepth::kCheck) inspection.add("check", "passed: every dataset was read");
  return inspection;
}

Inspection inspect_heads(const std::filesystem::path& path, InspectionDepth depth) {
  Json document;
  Inspection inspection = with_header(path, document);
  if (depth == InspectionDepth::kSummary) return inspection;
  const HeadClassification heads = heads_from_json(document, path.string());
  if (heads.model.has_value()) add_model_facts(inspection, *heads.model);
  inspection.add("contextual", std::int64_t{heads.count(HeadClass::kContextual)});
  inspection.add("structural", std::int64_t{heads.count(HeadClass::kStructural)});
  inspection.add("borderline", static_cast<std::int64_t>(heads.borderline().size()));
  inspection.add("check", "passed");
  inspection.tables.push_back({"class_map", class_map_table(heads)});
  return inspection;
}

Inspection inspect_plan(const std::filesystem::path& path, InspectionDepth depth) {
  Json document;
  Inspection inspection = with_header(path, document);
  if (depth == InspectionDepth::kSummary) return inspection;
  const Plan plan = plan_from_json(document, path.string());
  add_model_facts(inspection, plan.model);
  inspection.add("steps", describe(plan.steps));
  inspection.add("check", "passed");
  inspection.tables.push_back({"cost", plan_cost_table(plan)});
  return inspection;
}

Inspection inspect_replay(const std::filesystem::path& path, InspectionDepth depth) {
  Json document;
  Inspection inspection = with_header(path, document);
  if (depth == InspectionDepth::kSummary) return inspection;
  const ReplayResult result = replay_from_json(document, path.string());
  add_model_facts(inspection, result.model);
  inspection.add("steps", describe(result.steps));
  inspection.add("samples", result.n_sample());
  inspection.add_bytes("allocated_bytes", result.cache.allocated_bytes);
  inspection.add_bytes("predicted_bytes", result.cache.predicted_bytes);
  inspection.add("check", "passed");
  return inspection;
}

Inspection inspect_compare(const std::filesystem::path& path, InspectionDepth depth) {
  Json document;
  Inspection inspection = with_header(path, document);
  if (depth == InspectionDepth::kSummary) return inspection;
  const CompareResult result = compare_from_json(document, path.string());
  add_model_facts(inspection, result.model);
  inspection.add("steps", describe(result.steps));
  inspection.add("samples", std::ssize(result.evaluation.samples));
  inspection.add("cells", std::ssize(result.cells));
  inspection.add("complete", result.complete ? "yes" : "no: kvscope compare --resume goes on");
  inspection.add("check", "passed");
  inspection.tables.push_back({"pareto", compare_pareto_table(result)});
  return inspection;
}

}  // namespace kvscope
