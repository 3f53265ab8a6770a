#include "reports/tables/compare_tables.h"

#include <fmt/format.h>

#include <cmath>
#include <optional>
#include <string>
#include <utility>

namespace kvscope {
namespace {

/// Numbers that do not exist are empty cells.
Cell number(double value) {
  return std::isfinite(value) ? Cell(value) : Cell();
}

Cell mean_of(const std::optional<Interval>& figure) {
  return figure ? number(figure->mean) : Cell();
}

void append(const Interval& figure, std::vector<Cell>& row) {
  for (const double value : {figure.mean, figure.low, figure.high}) row.push_back(number(value));
}

/// Three columns for a figure and its interval.
void add_columns(std::vector<Column>& columns, const std::string& name, const std::string& label, CellFormat format,
                 int digits) {
  columns.push_back({name, label, format, digits});
  columns.push_back({name + "_low", "2.5 %", format, digits});
  columns.push_back({name + "_high", "97.5 %", format, digits});
}

void append_difference(const CompareDifference& difference, const std::string& figure, std::vector<Cell>& row) {
  const auto found = difference.figures.find(figure);
  if (found == difference.figures.end()) {
    row.insert(row.end(), 3, Cell());
  } else {
    append(found->second.difference, row);
  }
}

}  // namespace

Table compare_cell_table(const CompareResult& result) {
  std::vector<Column> columns = {{"budget", "budget", CellFormat::kPercent, 0},
                                 {"method"},
                                 {"parameters"},
                                 {"allocated_bytes", "bytes", CellFormat::kPlain},
                                 {"unused_bytes", "unused", CellFormat::kPlain}};
  add_columns(columns, "forced_kl", "forced KL", CellFormat::kPlain, 4);
  add_columns(columns, "free_agreement", "free agreement", CellFormat::kFixed, 4);
  columns.push_back({"forced_agreement", "forced agreement", CellFormat::kFixed, 4});
  columns.push_back({"psnr", "PSNR", CellFormat::kFixed, 2});
  columns.push_back({"ssim", "SSIM", CellFormat::kFixed, 4});
  columns.push_back({"class_agreement", "class agreement", CellFormat::kFixed, 3});
  columns.push_back({"class_accuracy", "class accuracy", CellFormat::kFixed, 3});
  columns.push_back({"frechet", "Frechet", CellFormat::kPlain, 4});
  columns.push_back({"seconds", "s per image", CellFormat::kPlain, 3});
  Table table(fmt::format("{} samples, equal bytes per sample; budgets are shares of the lossless cache's {} bytes",
                          result.evaluation.samples.size(), result.cache.lossless_bytes),
              std::move(columns));
  for (const CompareCell& cell : result.cells) {
    const CompareFreeRunning& run = cell.free_running;
    std::vector<Cell> row = {cell.budget, cell.method, parameters_text(cell.parameters), cell.plan.allocated_bytes,
                             cell.budget_bytes - cell.plan.predicted_bytes};
    append(cell.teacher_forced.kl, row);
    append(run.token_agreement, row);
    row.push_back(number(cell.teacher_forced.token_agreement.mean));
    row.push_back(std::isinf(run.psnr.mean) ? Cell("identical") : number(run.psnr.mean));
    row.push_back(number(run.ssim.mean));
    row.push_back(mean_of(run.class_agreement));
    row.push_back(mean_of(run.class_accuracy));
    row.push_back(mean_of(run.frechet));
    row.push_back(number(cell.seconds.generation.mean));
    table.add_row(std::move(row));
  }
  return table;
}

Table compare_difference_table(const CompareResult& result) {
  std::vector<Column> columns = {{"budget", "budget", CellFormat::kPercent, 0}, {"method"}, {"other"}, {"against"}};
  add_columns(columns, "forced_kl_ratio", "forced KL ratio", CellFormat::kFixed, 3);
  add_columns(columns, "free_agreement", "free agreement", CellFormat::kFixed, 4);
  add_columns(columns, "class_agreement", "class agreement", CellFormat::kFixed, 3);
  Table table("Paired differences: method less other; KL: mean of method divided by mean of other", std::move(columns));
  for (const CompareDifference& difference : result.differences) {
    std::vector<Cell> row = {difference.budget, difference.method, difference.other, difference.against};
    append(difference.ratios.at("teacher_forced_kl"), row);
    append_difference(difference, "free_running_token_agreement", row);
    append_difference(difference, "class_agreement", row);
    table.add_row(std::move(row));
  }
  return table;
}

Table compare_pareto_table(const CompareResult& result) {
  Table table("Bytes against KL: what no other beats in both", {{"allocated_bytes", "bytes", CellFormat::kPlain},
                                                                {"budget", "budget", CellFormat::kPercent, 0},
                                                                {"method"},
                                                                {"kl", "forced KL", CellFormat::kPlain, 4}});
  for (const ParetoPoint& point : result.pareto) {
    table.add_row({point.allocated_bytes, point.budget, point.method, point.kl});
  }
  return table;
}

}  // namespace kvscope
