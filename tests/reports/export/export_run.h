#pragma once

#include "collectors/base/file.h"
#include "reports/atlas/synthetic_run.h"
#include "reports/export/exporter.h"
#include "support/paths.h"

#include <string>
#include <utility>
#include <vector>

namespace kvscope::testing {

/// A whole synthetic run: 2 layers of 4 heads, steps of 1, 4, 9 and 16 tokens, 3 samples with all maps.
struct ExportRun {
  ExportRun() : paths(write_synthetic_run(folder.path())) {}

  [[nodiscard]] ExportRequest request(const std::string& view,
                                      std::vector<ExportFormat> formats = {ExportFormat::kSvg}) const {
    ExportRequest result{view, needed_paths(export_view(view), paths), {}, {}, std::move(formats)};
    return result;
  }
  [[nodiscard]] std::filesystem::path out() const { return folder / "export"; }
  std::vector<ExportedItem> write(const ExportRequest& wanted, bool replaces = false) const {
    return export_items(wanted, read_report_inputs(wanted.paths), {out(), replaces, "kvscope export"});
  }
  [[nodiscard]] std::string content(const std::string& name) const { return read_text_file(out() / name); }

  TemporaryFolder folder;
  ReportPaths paths;
};

}  // namespace kvscope::testing
