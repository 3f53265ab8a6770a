#pragma once

#include "collectors/base/json_file.h"
#include "reports/atlas/report_inputs.h"
#include "reports/pictures/attention_picture.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// Which parts of a run are wanted; what is absent is chosen by the view: everything there is, or what its table says.
struct ExportSelection {
  std::optional<std::vector<int>> layers{};
  std::optional<std::vector<int>> heads{};
  std::optional<std::vector<int>> steps{};
  std::optional<std::vector<int>> samples{};
  std::optional<std::vector<std::string>> branches{};
  std::optional<std::vector<std::string>> only{};  ///< names of a view's parts: scores, curves, plans
  /// Heads of the paper figure by class, as LAYER.HEAD.
  std::optional<std::vector<std::string>> contextual{};
  std::optional<std::vector<std::string>> structural{};
  /// Tokens of a fold: queries as ROW,COLUMN (with FRAME, in front for video), keys as STEP,ROW,COLUMN.
  std::optional<std::vector<std::string>> queries{};
  std::optional<std::vector<std::string>> keys{};
  std::optional<std::string> over{};  ///< what a fold is painted over: "image", "none"
  bool operator==(const ExportSelection&) const = default;
};

/// How numbers are coloured. Attention maps follow all of it; other maps have ranges and scalings of their own and
/// follow what was asked for.
struct ExportColors {
  std::string map = std::string(kDefaultColorMap);
  AttentionUnit unit = AttentionUnit::kMultiples;
  ColorScaling scaling = AttentionColors().scaling;
  bool kind_given = false;   ///< linear, log or quantile was asked for
  bool range_given = false;  ///< a fixed range was asked for, or each map's own

  [[nodiscard]] AttentionColors attention() const { return {color_map(map), unit, scaling}; }
  /// The scaling of a map with a scaling of its own.
  [[nodiscard]] ColorScaling instead_of(const ColorScaling& own) const;
};

/// The fixed range of attention maps where none is asked for; quantiles have none.
[[nodiscard]] std::optional<ValueRange> usual_range(AttentionUnit unit, ValueScale::Kind kind);

/// File types, in the order in which they are written.
enum class ExportFormat { kSvg, kPng, kPdf, kCsv, kNpy, kNpz };
/// "svg", ...: option word and file ending.
[[nodiscard]] std::string_view format_name(ExportFormat format) noexcept;
/// "svg,png" as formats, each once.
/// @throws Error  kUsage naming the word that is no format.
[[nodiscard]] std::vector<ExportFormat> parse_formats(std::string_view text);

/// One call of kvscope export, less where it writes.
struct ExportRequest {
  std::string view;
  ReportPaths paths;
  ExportSelection selection;
  ExportColors colors;
  std::vector<ExportFormat> formats;
};

[[nodiscard]] Json to_json(const ExportSelection& selection);
/// @throws Error  kBadInput naming `where` and the field.
[[nodiscard]] ExportSelection selection_from_json(const Json& json, std::string_view where);
[[nodiscard]] Json to_json(const ExportColors& colors);
[[nodiscard]] ExportColors colors_from_json(const Json& json, std::string_view where);

}  // namespace kvscope
