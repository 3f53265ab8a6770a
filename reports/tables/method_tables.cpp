#include "reports/tables/method_tables.h"

#include "reports/pictures/grouped_points.h"
#include "reports/pictures/value_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

// Assigned rather than chosen by ?: since g++ 12 takes the moved-from text of an empty cell for uninitialised.
template <typename Number>
Cell optional_cell(const std::optional<Number>& value) {
  Cell cell;
  if (value) cell = *value;
  return cell;
}

Cell number_cell(double value) {
  return optional_cell(std::isfinite(value) ? std::optional(value) : std::nullopt);
}

void add_interval(std::vector<Cell>& row, const Interval& interval) {
  for (const double value : {interval.mean, interval.low, interval.high}) row.push_back(number_cell(value));
}

std::string short_text(const Interval& interval) {
  if (std::isinf(interval.mean)) return "identical";
  return significant_interval_label(interval);
}

std::vector<double> budgets_of(const CompareResult& result) {
  std::vector<double> budgets;
  for (const CompareCell& cell : result.cells) {
    if (std::ranges::find(budgets, cell.budget) == budgets.end()) budgets.push_back(cell.budget);
  }
  return budgets;
}

std::vector<std::string> methods_of(const CompareResult& result) {
  std::vector<std::string> methods;
  for (const CompareCell& cell : result.cells) {
    if (std::ranges::find(methods, cell.method) == methods.end()) methods.push_back(cell.method);
  }
  return methods;
}

/// The best mean of a figure at a budget; nothing where no cell has the figure.
std::optional<double> best_at(const CompareResult& result, const MethodFigure& figure, double budget) {
  std::optional<double> best;
  for (const CompareCell& cell : result.cells) {
    const auto value = figure.value(cell);
    if (cell.budget != budget || !value || std::isnan(value->mean)) continue;
    if (!best || (figure.more_is_better ? value->mean > *best : value->mean < *best)) best = value->mean;
  }
  return best;
}

/// An estimate with what it says: no difference is `neutral`.
std::string verdict_text(const Interval& estimate, double neutral, bool more_is_better) {
  if (!std::isfinite(estimate.mean)) return "-";
  const bool above = estimate.low > neutral;
  const bool below = estimate.high < neutral;
  const char* const word = above || below ? (above == more_is_better ? "better" : "worse") : "open";
  return fmt::format("{}: {}", word, short_text(estimate));
}

std::string difference_text(const CompareDifference& difference, const std::string& figure) {
  const auto found = difference.figures.find(figure);
  return found == difference.figures.end() ? "-" : verdict_text(found->second.difference, 0.0, true);
}

std::string rules_text(const std::map<std::string, std::int64_t>& rules) {
  std::string text;
  for (const auto& [rule, heads] : rules) text += fmt::format("{}{} × {}", text.empty() ? "" : ", ", heads, rule);
  return text;
}

Cell parameter_cell(const Json& parameters, const char* name) {
  Cell cell;
  if (parameters.is_object() && parameters.contains(name) && parameters[name].is_number())
    cell = parameters[name].get<double>();
  return cell;
}

}  // namespace

Table method_figure_table(const CompareResult& result, const MethodFigure& figure) {
  Table table("", {{"method", ""},
                   {"budget", ""},
                   {"allocated_bytes", ""},
                   {std::string(figure.name), ""},
                   {"low", ""},
                   {"high", ""}});
  for (const CompareCell& cell : result.cells) {
    const auto value = figure.value(cell);
    if (!value) continue;
    std::vector<Cell> row = {cell.method, cell.budget, cell.plan.allocated_bytes};
    add_interval(row, *value);
    table.add_row(std::move(row));
  }
  return table;
}

Table method_budget_table(const CompareResult& result, const MethodFigure& figure) {
  const std::vector<double> budgets = budgets_of(result);
  std::vector<Column> columns = {{"method", "Method"}};
  for (const double budget : budgets)
    columns.push_back({fmt::format("budget_{:g}", budget), fmt::format("{:g} % of lossless", 100.0 * budget)});
  Table table(std::string(figure.title), std::move(columns));
  for (const std::string& method : methods_of(result)) {
    std::vector<Cell> row = {method};
    bool any = false;
    for (const double budget : budgets) {
      const CompareCell* const cell = result.find(method, budget);
      const auto value = cell == nullptr ? std::nullopt : figure.value(*cell);
      if (!value || std::isnan(value->mean)) {
        row.emplace_back();
        continue;
      }
      any = true;
      const bool is_best = value->mean == best_at(result, figure, budget);
      row.emplace_back((is_best ? "best " : "") + short_text(*value));
    }
    if (any) table.add_row(std::move(row));
  }
  return table;
}

Table method_difference_table(const CompareResult& result) {
  Table table("Paired differences", {{"budget", "Budget", CellFormat::kPercent, 0},
                                     {"method", "Method"},
                                     {"other", "Other"},
                                     {"against", "which is"},
                                     {"kl_ratio", "KL over KL of the other, teacher-forced"},
                                     {"agreement", "Token agreement less the other's, free-running"},
                                     {"class_agreement", "Class agreement less the other's"}});
  for (const CompareDifference& difference : result.differences) {
    const auto ratio = difference.ratios.find("teacher_forced_kl");
    table.add_row({difference.budget, difference.method, difference.other,
                   std::string(difference.against == "best" ? "the best other" : "a baseline"),
                   ratio == difference.ratios.end() ? "-" : verdict_text(ratio->second, 1.0, false),
                   difference_text(difference, "free_running_token_agreement"),
                   difference_text(difference, "class_agreement")});
  }
  return table;
}

Table split_table(const CompareResult& result) {
  Table table("Other ways to tell the classes", {{"budget", "Budget", CellFormat::kPercent, 0},
                                                 {"method", "Method"},
                                                 {"split", "Split by"},
                                                 {"kl_ratio", "KL over KL of the method itself"},
                                                 {"kl_ratio_low", "2.5 %"},
                                                 {"kl_ratio_high", "97.5 %"},
                                                 {"verdict", "Verdict"}});
  for (const SplitVariant& variant : split_variants(result)) {
    const Interval& ratio = variant.difference.ratios.at("teacher_forced_kl");
    std::vector<Cell> row = {variant.difference.budget, variant.method, variant.split};
    add_interval(row, ratio);
    const std::string text = verdict_text(ratio, 1.0, false);
    row.emplace_back(text.substr(0, text.find(':')));
    table.add_row(std::move(row));
  }
  return table;
}

Table method_parameter_table(const CompareResult& result) {
  Table table("What every cell is made of", {{"budget", "Budget", CellFormat::kPercent, 0},
                                             {"method", "Method"},
                                             {"alpha", "alpha"},
                                             {"tau", "tau"},
                                             {"ratio", "B_C : B_S"},
                                             {"attend", "attend"},
                                             {"searched", "Candidates"},
                                             {"contextual_heads", "Contextual heads"},
                                             {"allocated_bytes", "Allocated", CellFormat::kBytes},
                                             {"unused_bytes", "Left over", CellFormat::kBytes},
                                             {"attended_share", "Attended, of T_K", CellFormat::kPercent, 1},
                                             {"carried_share", "Carried, of T_K−1", CellFormat::kPercent, 1},
                                             {"rules", "Heads by rule"}});
  for (const CompareCell& cell : result.cells) {
    const ComparePlan& plan = cell.plan;
    std::vector<Cell> row = {cell.budget, cell.method};
    for (const char* name : {"alpha", "tau", "ratio", "attend"}) row.push_back(parameter_cell(cell.parameters, name));
    row.push_back(
        optional_cell(cell.search.empty() ? std::nullopt : std::optional<std::int64_t>(std::ssize(cell.search))));
    row.push_back(optional_cell(plan.contextual_heads));
    row.emplace_back(plan.allocated_bytes);
    row.emplace_back(cell.budget_bytes - plan.predicted_bytes);
    row.push_back(number_cell(plan.attended_share));
    row.push_back(number_cell(plan.carried_share));
    row.emplace_back(rules_text(plan.rules));
    table.add_row(std::move(row));
  }
  return table;
}

Table method_search_table(const CompareResult& result) {
  Table table("Candidates on the calibration samples", {{"budget", "Budget", CellFormat::kPercent, 0},
                                                        {"method", "Method"},
                                                        {"alpha", "alpha"},
                                                        {"tau", "tau"},
                                                        {"kl", "KL, nats per token", CellFormat::kPlain, 4},
                                                        {"chosen", "Chosen"}});
  for (const CompareCell& cell : result.cells) {
    if (cell.search.empty()) continue;
    const auto least = std::ranges::min_element(cell.search, {}, &CompareCandidate::kl);
    for (auto candidate = cell.search.begin(); candidate != cell.search.end(); ++candidate) {
      table.add_row({cell.budget, cell.method, optional_cell(candidate->alpha), optional_cell(candidate->tau),
                     number_cell(candidate->kl), std::string(candidate == least ? "yes" : "")});
    }
  }
  return table;
}

}  // namespace kvscope
