#include "collectors/base/error.h"
#include "collectors/base/file.h"
#include "collectors/hdf5/hdf5_file.h"
#include "reports/inspection/file_kind.h"
#include "reports/inspection/inspection.h"

#include <utility>

namespace kvscope {
namespace {

Json document_of(const Hdf5File& file, const std::string& where) {
  const std::vector<std::string> texts = file.read_strings("document");
  if (texts.size() != 1) throw bad_input("{}: 'document' holds {} texts, expected 1", where, texts.size());
  return parse_json(texts.front(), where);
}

/// The columns of /ranges: as many of each, times that do not run backwards, phases that exist.
void check_ranges(const Hdf5File& file, const std::string& where) {
  const auto column = [&](const char* name) { return file.read<std::int64_t>(fmt::format("ranges/{}", name)); };
  const Array<std::int64_t> start = column("start");
  const Array<std::int64_t> end = column("end");
  const Array<std::int64_t> phase = column("phase");
  for (const char* name : {"end", "phase", "step", "layer", "sample", "branch", "pass", "thread", "depth"}) {
    const std::int64_t size = column(name).size();
    if (size != start.size()) {
      throw bad_input("{}: 'ranges/{}' has {} rows, 'ranges/start' has {}", where, name, size, start.size());
    }
  }
  for (std::int64_t i = 0; i < start.size(); ++i) {
    if (end(i) < start(i)) throw bad_input("{}: range {} ends before it begins", where, i);
    if (phase(i) < 0) throw bad_input("{}: range {} has the phase {}, expected 0 or more", where, i, phase(i));
  }
}

/// The document's list of objects as a table; nothing where it is no such list.
void add_phases(Inspection& inspection, const Json& document) {
  const auto rows = document.find("phases");
  if (rows == document.end() || !rows->is_array()) return;
  Table table("Phases", {{"phase"},
                         {"wall_seconds", "wall s", CellFormat::kFixed, 4},
                         {"wall_share", "of wall", CellFormat::kPercent, 1},
                         {"thread_seconds", "thread s", CellFormat::kFixed, 4}});
  const auto number = [](const Json& row, const char* field) {
    return row.contains(field) && row[field].is_number() ? Cell(row[field].get<double>()) : Cell();
  };
  for (const Json& row : *rows) {
    if (!row.is_object() || !row.contains("phase") || !row["phase"].is_string()) continue;
    table.add_row({row["phase"].get<std::string>(), number(row, "wall_seconds"), number(row, "wall_share"),
                   number(row, "thread_seconds")});
  }
  inspection.tables.push_back({"phases", std::move(table)});
}

void add_facts(Inspection& inspection, const Json& document, const std::string& where) {
  check_format(document, where, "kvscope-profile", 1);
  for (const char* field : {"format", "version", "method", "clock", "device_note", "interrupted", "rows", "cache_bytes",
                            "run", "made_from", "losses"}) {
    const auto found = document.find(field);
    if (found == document.end() || *found == "") continue;
    inspection.facts.push_back({field, *found, found->is_string() ? found->get<std::string>() : found->dump()});
  }
  add_phases(inspection, document);
}

}  // namespace

Inspection inspect_profile(const std::filesystem::path& path, InspectionDepth depth) {
  const std::string where = path.string();
  Inspection inspection;
  if (!is_hdf5(path)) {
    add_facts(inspection, parse_json(read_text_file(path), where), where);
  } else {
    const Hdf5File file = Hdf5File::open(path);
    add_facts(inspection, document_of(file, where), where);
    inspection.add("ranges", file.shape("ranges/start").at(0));
    inspection.add("passes", file.shape("passes/start").at(0));
    if (depth == InspectionDepth::kCheck) check_ranges(file, where);
  }
  if (depth == InspectionDepth::kCheck) inspection.add("check", "passed");
  return inspection;
}

}  // namespace kvscope
