#pragma once

#include "reports/atlas/report_inputs.h"
#include "reports/export/export_request.h"
#include "reports/export/named_array.h"
#include "reports/figures/figure.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kvscope {

/// What one export shows, in every form it can be written in. Each form is made when it is asked for, possibly on
/// another thread than the next item's.
struct ExportContent {
  std::function<Drawing()> drawing;
  /// PNG with one pixel per value; null: the drawing is rasterized.
  std::function<std::variant<IndexedImage, RgbImage>()> pixels{};
  /// Numbers as a table, for CSV and, where there are no arrays, for NPY and NPZ.
  std::function<Table()> table{};
  /// CSV of what is no small table; then there are arrays, too.
  std::function<std::string()> csv{};
  /// Arrays of NPZ, the first one being that of NPY; null: the table's columns, and its records.
  std::function<std::vector<NamedArray>()> arrays{};
  /// How numbers were coloured, for pictures without a colour bar; may be empty.
  std::string colors_in_words{};
};

/// One selection of a view: it becomes one file per format.
struct ExportItem {
  std::string name;           ///< of its files, without ending
  ExportSelection selection;  ///< that gives this item alone
  /// Reads what it needs. Reading HDF5 files is for one thread at a time.
  std::function<ExportContent()> read;
};

/// What the numbers of --samples count.
enum class SampleAxis {
  kCapture,  ///< samples of the capture
  kRawMaps,  ///< its samples with raw maps
  kReplay,   ///< images of the replays
};

/// A kind of picture. Kinds of inputs are "capture", "scores", "heads", "sensitivity", "plan",
/// "replay", "compare", and "images" for those that a
/// replay left beside it, with the keys that were kept.
struct ExportView {
  std::string_view name;
  std::string_view summary;             ///< one line for --help: what it shows
  std::vector<std::string_view> needs;  ///< kinds of inputs: all of them
  std::vector<std::string_view> takes;  ///< kinds of inputs that are used where they are given
  SampleAxis samples;
  /// The items of a request, in the order of steps, layers, heads, samples, branches.
  /// @throws Error  kUsage for what the selection names and the run does not have.
  std::function<std::vector<ExportItem>(const ReportInputs&, const ExportRequest&)> items;
};

[[nodiscard]] std::span<const ExportView> export_views();
/// @throws Error  kUsage listing the views if there is none of that name.
[[nodiscard]] const ExportView& export_view(std::string_view name);

/// The inputs that a view uses, of those that are given.
/// @throws Error  kUsage naming the option that is missing.
[[nodiscard]] ReportPaths needed_paths(const ExportView& view, const ReportPaths& given);

/// What a view's items follow from, of the files that were read.
[[nodiscard]] std::vector<ReportSource> used_sources(const ExportView& view, const ReportInputs& inputs);

/// How many samples "all" of a view are.
[[nodiscard]] std::int64_t sample_count(const ExportView& view, const ReportInputs& inputs);

// The items of each view; inputs are those that it needs.
[[nodiscard]] std::vector<ExportItem> map_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> mean_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> column_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> band_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> displacement_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> fold_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> kept_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> restricted_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> difference_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> similar_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> class_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> score_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> scales_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> spread_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> sensitivity_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> correlation_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> budget_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> replay_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> pareto_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> compare_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> image_items(const ReportInputs& inputs, const ExportRequest& request);
[[nodiscard]] std::vector<ExportItem> paper_items(const ReportInputs& inputs, const ExportRequest& request);

}  // namespace kvscope
