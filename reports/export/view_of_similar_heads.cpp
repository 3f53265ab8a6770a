#include "reports/export/export_view.h"
#include "reports/export/selection.h"
#include "reports/figures/similar_heads.h"
#include "reports/figures/similar_heads_figure.h"

#include <fmt/format.h>

#include <map>
#include <tuple>

namespace kvscope {
namespace {

using AllSimilar = std::vector<std::vector<SimilarHead>>;  ///< of every head

/// What all items share: similar heads of a step, branch and measure are found once, maps of a step read once.
class SimilarityReader {
 public:
  explicit SimilarityReader(const Capture& capture) : capture_(&capture), maps_(capture) {}

  const AllSimilar& similar(const SimilarityMeasure& measure, int step, int branch) {
    const std::tuple key(measure.name, step, branch);
    const auto known = known_.find(key);
    if (known != known_.end()) return known->second;
    return known_.emplace(key, similar_heads(*capture_, measure, step, branch).value_or(AllSimilar())).first->second;
  }

  /// The mean over samples, which is what is compared; else the first sample's map.
  [[nodiscard]] std::optional<HeadMap> map(HeadPlace head, int step, int branch) {
    auto map = maps_.mean(head, step, branch);
    return map ? map : maps_.first_sample(head, step, branch);
  }

 private:
  const Capture* capture_;
  MapReader maps_;
  std::map<std::tuple<std::string_view, int, int>, AllSimilar> known_;
};

/// One head and those most like it.
struct SimilarRow {
  std::vector<HeadInRow> heads;      ///< itself first
  std::vector<double> cosines;       ///< 1 of itself
  std::vector<std::string> classes;  ///< empty where nothing was classified
};

SimilarRow row_of(SimilarityReader& reader, const SimilarityMeasure& measure, HeadPlace head, int step, int branch,
                  const ModelInfo& model, const HeadClassification* classification) {
  SimilarRow row;
  const auto add = [&](HeadPlace place, double cosine) {
    HeadInRow entry{place, reader.map(place, step, branch), {}};
    if (!row.heads.empty()) entry.notes.push_back(fmt::format("cosine {:.3f}", cosine));
    if (classification != nullptr) {
      row.classes.emplace_back(head_class_name(classification->at(place.layer, place.head).head_class));
      entry.notes.push_back(row.classes.back());
    }
    row.heads.push_back(std::move(entry));
    row.cosines.push_back(cosine);
  };
  add(head, 1.0);
  const auto index = static_cast<std::size_t>(head.layer) * static_cast<std::size_t>(model.heads) +
                     static_cast<std::size_t>(head.head);
  for (const SimilarHead& other : reader.similar(measure, step, branch).at(index)) {
    const auto place = static_cast<int>(other.head);
    add({place / model.heads, place % model.heads}, other.cosine);
  }
  return row;
}

/// A line per head, itself left out, the most alike first.
Table similar_table(const SimilarRow& row) {
  std::vector<Column> columns = {{"rank", ""}, {"layer", ""}, {"head", ""}, {"cosine", ""}};
  if (!row.classes.empty()) columns.push_back({"class", ""});
  Table table("", std::move(columns));
  for (std::size_t i = 1; i < row.heads.size(); ++i) {
    std::vector<Cell> cells = {static_cast<std::int64_t>(i), std::int64_t{row.heads[i].place.layer},
                               std::int64_t{row.heads[i].place.head}, row.cosines[i]};
    if (!row.classes.empty()) cells.emplace_back(row.classes[i]);
    table.add_row(std::move(cells));
  }
  return table;
}

ExportContent similar_content(SimilarRow made, const StepTable& steps, const AttentionColors& colors,
                              const std::string& heading, const std::string& note) {
  const auto row = std::make_shared<const SimilarRow>(std::move(made));
  ExportContent content;
  content.drawing = [=, &steps] { return head_row_drawing(row->heads, steps, colors, heading, {note}); };
  content.table = [=] { return similar_table(*row); };
  content.colors_in_words =
      colors.scaling.fixed ? attention_label(colors, value_scale(colors.scaling, {})) : attention_label(colors);
  return content;
}

/// The measures asked for, or all that the capture has something for.
std::vector<SimilarityMeasure> chosen_measures(const Capture& capture, const ExportSelection& selection, int step) {
  std::vector<std::string> names;
  for (const SimilarityMeasure& measure : similarity_measures()) {
    if (capture.has(measure.quantity, step)) names.emplace_back(measure.name);
  }
  std::vector<SimilarityMeasure> measures;
  for (const std::string& name : chosen_names(selection.only, names, names, "measure of similarity")) {
    for (const SimilarityMeasure& measure : similarity_measures()) {
      if (measure.name == name) measures.push_back(measure);
    }
  }
  return measures;
}

}  // namespace

std::vector<ExportItem> similar_items(const ReportInputs& inputs, const ExportRequest& request) {
  const Capture& capture = *inputs.capture;
  const ModelInfo& model = capture.model();
  const HeadClassification* const classification = inputs.heads ? &*inputs.heads : nullptr;
  const AttentionColors colors = request.colors.attention();
  const auto reader = std::make_shared<SimilarityReader>(capture);
  std::vector<ExportItem> items;
  for (const int step : chosen_steps(request.selection, capture.steps())) {
    for (const int layer : chosen(request.selection.layers, model.layers, "layer")) {
      for (const int head : chosen(request.selection.heads, model.heads, "head")) {
        for (const int branch : chosen_branches(request.selection, model)) {
          for (const SimilarityMeasure& measure : chosen_measures(capture, request.selection, step)) {
            const std::string& branch_name = model.branches[static_cast<std::size_t>(branch)];
            ExportItem item{fmt::format("similar_{}_{}_{}", measure.name, place_name(layer, head, step), branch_name),
                            one_place(layer, head, step, branch_name),
                            {}};
            item.selection.only = {std::string(measure.name)};
            item.read = [=, &capture, &model] {
              const std::string heading = fmt::format("Most alike, {}: {}, {}", measure.title,
                                                      place_title(layer, head, capture.steps()[step]), branch_name);
              const std::string note =
                  fmt::format("Alike is the {}; means over {} samples.", measure.explanation, capture.samples());
              return similar_content(row_of(*reader, measure, {layer, head}, step, branch, model, classification),
                                     capture.steps(), colors, heading, note);
            };
            items.push_back(std::move(item));
          }
        }
      }
    }
  }
  if (items.empty()) throw usage_error("{}: has nothing that heads could be compared by", capture.path().string());
  return items;
}

}  // namespace kvscope
