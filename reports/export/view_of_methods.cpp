#include "reports/export/export_parts.h"
#include "reports/export/export_view.h"
#include "reports/figures/method_figures.h"

namespace kvscope {
namespace {

void add_part(std::vector<ExportItem>& items, const std::string& name, Figure figure) {
  const auto shared = std::make_shared<const Figure>(std::move(figure));
  items.push_back(part(shared->name, name, [=] { return figure_content(*shared); }));
}

}  // namespace

std::vector<ExportItem> compare_items(const ReportInputs& inputs, const ExportRequest& request) {
  const CompareResult& result = *inputs.compare;
  std::vector<ExportItem> items;
  for (const MethodFigure& figure : method_figures()) {
    if (auto curve = method_curve_figure(result, figure)) add_part(items, std::string(figure.name), std::move(*curve));
  }
  if (auto differences = difference_figure(result)) add_part(items, "differences", std::move(*differences));
  if (auto splits = split_figure(result)) add_part(items, "splits", std::move(*splits));
  if (items.empty()) throw usage_error("--view compare: the comparison has no finished cell");
  return only_those_wanted(std::move(items), request);
}

}  // namespace kvscope
