#pragma once

#include "collectors/base/json_file.h"
#include "reports/export/export_request.h"
#include "reports/export/export_view.h"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace kvscope {

/// One file of an export.
struct ExportedFile {
  std::string name;  ///< without folder
  std::int64_t bytes = 0;
  std::string sha256;
};

/// What one selection became: its files, and the sidecar that says how they were made.
struct ExportedItem {
  std::string name;
  std::vector<ExportedFile> files;
  std::filesystem::path sidecar;
};

/// Where an export writes, and what it says of itself.
struct ExportTarget {
  std::filesystem::path folder;
  bool replaces = false;     ///< existing files are replaced; else they are an error
  std::string command_line;  ///< for the sidecars
};

/// Called with the items done so far, of all items; from one thread at a time.
using ExportProgress = std::function<void(std::int64_t done, std::int64_t total)>;

/// Writes every item of a request in every format, and for each item NAME.json (docs/export.md). The same inputs and
/// request give the same bytes. Pictures are made on all threads.
/// @throws Error  kUsage for a selection that does not exist, or files that do; kEnvironment if PDF is asked for and
///                there is no program for it, or the disk is full; kInterrupted.
[[nodiscard]] std::vector<ExportedItem> export_items(const ExportRequest& request, const ReportInputs& inputs,
                                                     const ExportTarget& target, const ExportProgress& progress = {});

/// What a sidecar says.
struct ExportRecord {
  std::string name;
  std::string program;  ///< "kvscope 0.1.0"
  std::string command_line;
  ExportRequest request;
  std::vector<ReportSource> sources;  ///< path and sha256
  std::vector<ExportedFile> files;
};
/// @throws Error  kBadInput if it is no sidecar of an export.
[[nodiscard]] ExportRecord read_export_record(const std::filesystem::path& path);

/// Repeats what a sidecar describes: checks that the inputs are the same, makes the files again, checks that they have
/// the same bytes, and writes them with the sidecar into `folder`. What is there already with these bytes is left
/// alone.
/// @throws Error  kBadInput if an input is another file; kCheckFailed if a file comes out differently (nothing is
/// written
///                then); kUsage if another file of that name exists and may not be replaced.
[[nodiscard]] ExportedItem repeat_export(const std::filesystem::path& sidecar, const ExportTarget& target);

}  // namespace kvscope
