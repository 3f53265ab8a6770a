#include "collectors/capture/capture.h"
#include "collectors/capture/capture_check.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/hdf5/hdf5_file.h"
#include "reports/inspection/inspection.h"
#include "reports/inspection/model_facts.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace kvscope {
namespace {

/// Groups of a capture are three deep; a link back up must not lead in circles.
constexpr int kDeepestGroup = 8;

std::int64_t stored_bytes_below(const Hdf5File& file, const std::string& object, int depth = 0) {
  if (file.is_dataset(object)) return file.stored_bytes(object);
  std::int64_t bytes = 0;
  if (depth >= kDeepestGroup) return bytes;
  for (const auto& child : file.children(object)) {
    bytes += stored_bytes_below(file, fmt::format("{}/{}", object, child), depth + 1);
  }
  return bytes;
}

/// Bytes per group, as stored.
Table size_table(const Hdf5File& file) {
  Table table(
      "", {{.name = "object", .label = ""}, {.name = "stored_bytes", .label = "stored", .format = CellFormat::kBytes}});
  for (const auto& name : file.children("/")) {
    table.add_row({"/" + name, stored_bytes_below(file, "/" + name)});
  }
  return table;
}

/// For how many steps each quantity is stored.
Table quantity_table(const Hdf5File& file, const StepTable& steps) {
  Table table("", {{.name = "quantity", .label = ""},
                   {.name = "steps", .label = "steps stored"},
                   {.name = "unit", .label = ""},
                   {.name = "stored_bytes", .label = "stored", .format = CellFormat::kBytes}});
  const auto add = [&](const CaptureQuantity& quantity) {
    std::int64_t stored_steps = 0;
    std::int64_t bytes = 0;
    for (int step = 0; step < steps.size(); ++step) {
      const std::string dataset = dataset_path(quantity, step);
      if (!file.is_dataset(dataset)) continue;
      ++stored_steps;
      bytes += file.stored_bytes(dataset);
    }
    const auto* group = is_per_sample(quantity) ? "statistics" : "means";
    if (stored_steps > 0) {
      table.add_row({fmt::format("{}/{}", group, quantity.name), stored_steps, std::string(quantity.unit), bytes});
    }
  };
  for (const auto& quantity : statistic_quantities()) add(quantity);
  for (const auto& quantity : mean_quantities()) add(quantity);
  return table;
}

void add_maps(Inspection& inspection, const Capture& capture) {
  std::set<int> layers;
  for (const auto& map : capture.maps()) layers.insert(map.layer);
  inspection.add("maps", static_cast<std::int64_t>(capture.maps().size()));
  if (!capture.maps().empty()) {
    inspection.add("map_samples", capture.map_samples());
    inspection.add("map_layers", fmt::format("{}", fmt::join(layers, " ")));
  }
}

/// Refuses a capture with errors, naming the first few; warnings become a table.
void add_findings(Inspection& inspection, const std::filesystem::path& path) {
  constexpr std::size_t kShownErrors = 5;
  Table warnings("", {{.name = "place", .label = ""}, {.name = "warning", .label = ""}});
  std::vector<std::string> errors;
  for (const CaptureFinding& finding : check_capture(path)) {
    if (finding.severity == Severity::kWarning) {
      warnings.add_row({finding.place, finding.message});
    } else {
      errors.push_back(fmt::format("{}: {}", finding.place, finding.message));
    }
  }
  if (!errors.empty()) {
    const std::size_t more = errors.size() - std::min(errors.size(), kShownErrors);
    errors.resize(errors.size() - more);
    throw bad_input("{}: {}{}", path.string(), fmt::join(errors, "; "),
                    more > 0 ? fmt::format("; and {} more errors", more) : "");
  }
  inspection.add("check", warnings.empty() ? "passed" : "passed with warnings");
  if (!warnings.empty()) inspection.tables.push_back({"warnings", std::move(warnings)});
}

}  // namespace

Inspection inspect_capture(const std::filesystem::path& path, InspectionDepth depth) {
  const auto capture = Capture::open(path);
  const auto file = Hdf5File::open(path);
  Inspection inspection;
  add_model_facts(inspection, capture.model());
  inspection.add("steps", describe(capture.steps()));
  inspection.add("samples", capture.samples());
  inspection.add("complete", capture.complete() ? "yes" : "no: the run was stopped or is still going on");
  add_maps(inspection, capture);
  add_json_facts(inspection, "run", capture.run());
  inspection.tables.push_back({"sizes", size_table(file)});
  inspection.tables.push_back({"quantities", quantity_table(file, capture.steps())});
  if (depth == InspectionDepth::kCheck) {
    add_findings(inspection, path);
  }
  return inspection;
}

}  // namespace kvscope
