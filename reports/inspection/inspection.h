#pragma once

#include "collectors/base/json_file.h"
#include "reports/tables/table.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// One line of a summary.
struct Fact {
  std::string name;  ///< for machines, e.g. "stored_bytes"
  Json value;
  std::string text;  ///< for people
};

/// A table and its name for machines.
struct NamedTable {
  std::string name;
  Table table;
};

/// What is to be said of a file.
struct Inspection {
  std::vector<Fact> facts;
  std::vector<NamedTable> tables;

  void add(std::string_view name, std::string_view text) {
    facts.push_back({std::string(name), text, std::string(text)});
  }
  void add(std::string_view name, std::int64_t number) {
    facts.push_back({std::string(name), number, std::to_string(number)});
  }
  void add_bytes(std::string_view name, std::int64_t bytes) {
    facts.push_back({std::string(name), bytes, bytes_text(static_cast<double>(bytes))});
  }
};

enum class InspectionDepth {
  kSummary,  ///< what the file says of itself
  kCheck,    ///< all of it is read and checked as the command that uses it would
};

/// Summarises a checkpoint, capture, scores.h5, heads.json, plan.json, replay.json or profile, told apart by content.
/// @throws Error  kBadInput naming what is wrong with the file: with kSummary only what prevents a summary, with
///                kCheck anything.
[[nodiscard]] Inspection inspect_file(const std::filesystem::path& path, InspectionDepth depth);

/// For a terminal.
[[nodiscard]] std::string inspection_text(const Inspection& inspection);
/// One object: the facts and tables by name.
[[nodiscard]] Json to_json(const Inspection& inspection);

// One function a kind of file, each in a source file of its own.
[[nodiscard]] Inspection inspect_checkpoint(const std::filesystem::path& path, InspectionDepth depth);
[[nodiscard]] Inspection inspect_capture(const std::filesystem::path& path, InspectionDepth depth);
[[nodiscard]] Inspection inspect_scores(const std::filesystem::path& path, InspectionDepth depth);
[[nodiscard]] Inspection inspect_heads(const std::filesystem::path& path, InspectionDepth depth);
[[nodiscard]] Inspection inspect_plan(const std::filesystem::path& path, InspectionDepth depth);
[[nodiscard]] Inspection inspect_replay(const std::filesystem::path& path, InspectionDepth depth);
[[nodiscard]] Inspection inspect_compare(const std::filesystem::path& path, InspectionDepth depth);
[[nodiscard]] Inspection inspect_profile(const std::filesystem::path& path, InspectionDepth depth);

}  // namespace kvscope
