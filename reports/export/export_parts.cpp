#include "reports/export/export_parts.h"

#include "reports/export/selection.h"

#include <algorithm>

namespace kvscope {

ExportItem part(std::string file, std::string name, std::function<ExportContent()> read) {
  ExportItem item{safe_file_name(file), {}, std::move(read)};
  item.selection.only = {std::move(name)};
  return item;
}

ExportContent figure_content(Figure made) {
  const auto figure = std::make_shared<const Figure>(std::move(made));
  ExportContent content;
  content.drawing = [=] { return with_heading(figure->drawing, figure->drawing.title); };
  content.table = [=] { return figure->data; };
  return content;
}

std::vector<ExportItem> only_those_wanted(std::vector<ExportItem> items, const ExportRequest& request) {
  std::vector<std::string> names;
  for (const ExportItem& item : items) names.push_back(item.selection.only->front());
  const std::vector<std::string> wanted = chosen_names(request.selection.only, names, names, "part");
  std::erase_if(items, [&](const ExportItem& item) {
    return std::ranges::find(wanted, item.selection.only->front()) == wanted.end();
  });
  return items;
}

std::shared_ptr<const Scores> scores_of(const ReportInputs& inputs) {
  if (!inputs.scores) return std::make_shared<const Scores>(compute_scores(*inputs.capture));
  return {std::shared_ptr<const Scores>(), &*inputs.scores};
}

}  // namespace kvscope
