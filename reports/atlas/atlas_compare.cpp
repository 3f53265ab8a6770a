#include "reports/atlas/atlas_data.h"
#include "reports/atlas/encoding.h"
#include "reports/tables/method_results.h"

#include <algorithm>

namespace kvscope {
namespace {

Json cell_json(const CompareCell& cell, const std::vector<std::string>& methods) {
  Json figures = Json::object();
  for (const MethodFigure& figure : method_figures()) {
    if (const auto value = figure.value(cell)) figures[std::string(figure.name)] = interval_json(*value);
  }
  return {{"method", std::ranges::find(methods, cell.method) - methods.begin()},
          {"budget", cell.budget},
          {"bytes", cell.plan.allocated_bytes},
          {"figures", std::move(figures)}};
}

}  // namespace

Json atlas_compare(const ReportInputs& inputs) {
  if (!inputs.compare) return nullptr;
  const CompareResult& result = *inputs.compare;
  std::vector<std::string> methods;
  for (const CompareCell& cell : result.cells) {
    if (std::ranges::find(methods, cell.method) == methods.end()) methods.push_back(cell.method);
  }
  const std::vector<std::string> main = main_methods(result);
  Json json{{"lossless_bytes", result.cache.lossless_bytes},
            {"methods", Json::array()},
            {"figures", Json::array()},
            {"cells", Json::array()}};
  for (const std::string& method : methods)
    json["methods"].push_back({{"name", method}, {"variant", std::ranges::find(main, method) == main.end()}});
  for (const MethodFigure& figure : method_figures()) {
    json["figures"].push_back({{"name", figure.name},
                               {"title", figure.title},
                               {"label", figure.label},
                               {"more_is_better", figure.more_is_better},
                               {"logarithmic", figure.logarithmic}});
  }
  for (const CompareCell& cell : result.cells) json["cells"].push_back(cell_json(cell, methods));
  return json;
}

}  // namespace kvscope
