#include "collectors/text/text_features.h"
#include "reports/inspection/inspection.h"
#include "reports/inspection/model_facts.h"

namespace kvscope {

Inspection inspect_text_features(const std::filesystem::path& path, InspectionDepth depth) {
  // The reader looks at everything: there is no cheaper summary.
  const TextFeatures text = read_text_features(path);
  Inspection inspection;
  inspection.add("prompts", text.count());
  inspection.add("tokens", text.features.extent(0));
  inspection.add("width", text.width());
  add_json_facts(inspection, "run", text.run);
  if (depth == InspectionDepth::kCheck) inspection.add("check", "passed");
  Table table("Prompts", {{"prompt"}, {"tokens"}, {"text"}});
  for (std::int64_t prompt = 0; prompt < text.count(); ++prompt) {
    const auto at = static_cast<std::size_t>(prompt);
    const Cell shown = text.prompts.empty() ? Cell() : Cell(text.prompts[at]);
    table.add_row({prompt, std::int64_t{text.lengths[at]}, shown});
  }
  inspection.tables.push_back({"prompt_list", std::move(table)});
  return inspection;
}

}  // namespace kvscope
