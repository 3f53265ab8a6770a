#include "reports/inspection/inspection.h"

#include "collectors/base/error.h"
#include "reports/inspection/file_kind.h"
#include "reports/tables/text_table.h"

#include <algorithm>
#include <iterator>

namespace kvscope {
namespace {

Inspection inspect_kind(FileKind kind, const std::filesystem::path& path, InspectionDepth depth) {
  switch (kind) {
    case FileKind::kCheckpoint:
      return inspect_checkpoint(path, depth);
    case FileKind::kCapture:
      return inspect_capture(path, depth);
    case FileKind::kScores:
      return inspect_scores(path, depth);
    case FileKind::kHeads:
      return inspect_heads(path, depth);
    case FileKind::kPlan:
      return inspect_plan(path, depth);
    case FileKind::kReplay:
      return inspect_replay(path, depth);
    case FileKind::kProfile:
      return inspect_profile(path, depth);
    case FileKind::kCompare:
      return inspect_compare(path, depth);
  }
  throw usage_error("inspect: unknown kind of file");
}

}  // namespace

Inspection inspect_file(const std::filesystem::path& path, InspectionDepth depth) {
  const FileKind kind = file_kind(path);
  Inspection inspection;
  inspection.add("file", path.string());
  inspection.add("kind", file_kind_name(kind));
  inspection.add_bytes("file_bytes", static_cast<std::int64_t>(std::filesystem::file_size(path)));
  Inspection specific = inspect_kind(kind, path, depth);
  std::move(specific.facts.begin(), specific.facts.end(), std::back_inserter(inspection.facts));
  inspection.tables = std::move(specific.tables);
  return inspection;
}

std::string inspection_text(const Inspection& inspection) {
  std::size_t width = 0;
  for (const auto& fact : inspection.facts) width = std::max(width, fact.name.size());
  std::string text;
  for (const auto& fact : inspection.facts) {
    std::string label = fact.name;
    std::replace(label.begin(), label.end(), '_', ' ');
    text += fmt::format("{:<{}}  {}\n", label, width, fact.text);
  }
  for (const auto& table : inspection.tables) text += fmt::format("\n{}", text_table(table.table));
  return text;
}

Json to_json(const Inspection& inspection) {
  Json document;
  for (const auto& fact : inspection.facts) document[fact.name] = fact.value;
  for (const auto& table : inspection.tables) document[table.name] = to_json(table.table);
  return document;
}

}  // namespace kvscope
