#include "reports/export/export_view.h"
#include "reports/export/selection.h"
#include "reports/figures/paper_figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace kvscope {
namespace {

struct PlacedHead {
  int layer = 0;
  int head = 0;
};

constexpr std::size_t kHeadsPerClass = 2;
constexpr std::size_t kSamples = 2;
constexpr std::size_t kSteps = 3;

/// "9.29" as layer 9, head 29.
PlacedHead place_of(const std::string& text, const ModelInfo& model, std::string_view option) {
  PlacedHead place;
  const char* const end = text.data() + text.size();
  const auto layer = std::from_chars(text.data(), end, place.layer);
  const bool has_dot = layer.ec == std::errc() && layer.ptr != end && *layer.ptr == '.';
  if (!has_dot || std::from_chars(layer.ptr + 1, end, place.head).ptr != end || layer.ptr + 1 == end) {
    throw usage_error("--{}: '{}' is no head; expected LAYER.HEAD, as in 9.29", option, text);
  }
  if (place.layer < 0 || place.layer >= model.layers || place.head < 0 || place.head >= model.heads) {
    throw usage_error("--{}: there is no layer {} head {}; there are {} layers of {} heads", option, place.layer,
                      place.head, model.layers, model.heads);
  }
  return place;
}

bool has_maps(const Capture& capture, PlacedHead head, const std::vector<int>& steps) {
  return std::ranges::all_of(steps, [&](int step) { return capture.has_map(head.layer, head.head, step); });
}

/// The heads of a class that lie farthest from the split, of those with maps; they are the clearest.
std::vector<PlacedHead> clearest(const Capture& capture, const HeadClassification& classification, HeadClass head_class,
                                 const std::vector<int>& steps) {
  std::vector<ClassifiedHead> heads;
  std::ranges::copy_if(classification.heads, std::back_inserter(heads), [&](const ClassifiedHead& head) {
    return head.head_class == head_class && has_maps(capture, {head.layer, head.head}, steps);
  });
  std::ranges::stable_sort(heads, std::ranges::greater(), &ClassifiedHead::margin);
  std::vector<PlacedHead> places;
  for (const ClassifiedHead& head : heads) {
    if (places.size() < kHeadsPerClass) places.push_back({head.layer, head.head});
  }
  return places;
}

std::vector<PlacedHead> heads_of(const ReportInputs& inputs, const std::optional<std::vector<std::string>>& named,
                                 HeadClass head_class, const std::vector<int>& steps) {
  const Capture& capture = *inputs.capture;
  if (!named) return clearest(capture, *inputs.heads, head_class, steps);
  std::vector<PlacedHead> places;
  for (const std::string& text : *named) {
    const PlacedHead place = place_of(text, capture.model(), head_class_name(head_class));
    if (!has_maps(capture, place, steps)) {
      throw usage_error("{}: has no raw maps of layer {} head {} at every step shown (kvscope collect --maps)",
                        capture.path().string(), place.layer, place.head);
    }
    places.push_back(place);
  }
  return places;
}

std::vector<PaperHead> read_heads_of(const Capture& capture, const std::vector<PlacedHead>& places,
                                     const std::vector<int>& samples, const std::vector<int>& steps, int branch) {
  std::vector<PaperHead> heads;
  for (const PlacedHead place : places) {
    PaperHead head{place.layer, place.head, {}};
    for (const int sample : samples) {
      std::vector<Array<float>> row;
      for (const int step : steps) row.push_back(capture.read_map(place.layer, place.head, step, sample, branch));
      head.maps.push_back(std::move(row));
    }
    heads.push_back(std::move(head));
  }
  return heads;
}

std::vector<std::string> texts_of(const std::vector<PlacedHead>& places) {
  std::vector<std::string> texts;
  for (const PlacedHead place : places) texts.push_back(fmt::format("{}.{}", place.layer, place.head));
  return texts;
}

/// Which map of the figure every array is: the table of its CSV.
Table panel_table(const PaperFigure& figure, const StepTable& steps) {
  Table table("", {{"class", ""},
                   {"layer", ""},
                   {"head", ""},
                   {"sample", ""},
                   {"step", ""},
                   {"queries", ""},
                   {"keys", ""},
                   {"array", ""}});
  for (const bool contextual : {true, false}) {
    for (const PaperHead& head : contextual ? figure.contextual : figure.structural) {
      for (const int sample : figure.samples) {
        for (const int step : figure.steps) {
          table.add_row({std::string(contextual ? "contextual" : "structural"), std::int64_t{head.layer},
                         std::int64_t{head.head}, std::int64_t{sample}, std::int64_t{step}, steps.n_query(step),
                         steps.n_key(step),
                         fmt::format("{}_sample_{:03}", place_name(head.layer, head.head, step), sample)});
        }
      }
    }
  }
  return table;
}

std::vector<NamedArray> panel_arrays(const PaperFigure& figure) {
  std::vector<NamedArray> arrays;
  for (const auto* heads : {&figure.contextual, &figure.structural}) {
    for (const PaperHead& head : *heads) {
      for (std::size_t sample = 0; sample < figure.samples.size(); ++sample) {
        for (std::size_t step = 0; step < figure.steps.size(); ++step) {
          const Array<float>& map = head.maps[sample][step];
          arrays.push_back({fmt::format("{}_sample_{:03}", place_name(head.layer, head.head, figure.steps[step]),
                                        figure.samples[sample]),
                            map.shape(), std::vector<float>(map.values().begin(), map.values().end())});
        }
      }
    }
  }
  return arrays;
}

/// The last steps, of those with more than one key.
std::vector<int> paper_steps(const ExportSelection& selection, const StepTable& steps) {
  if (selection.steps) return chosen_steps(selection, steps);
  std::vector<int> shown;
  for (int step = steps.size() - 1; step >= 0 && shown.size() < kSteps; --step) {
    if (steps.n_key(step) > 1) shown.insert(shown.begin(), step);
  }
  return shown;
}

}  // namespace

std::vector<ExportItem> paper_items(const ReportInputs& inputs, const ExportRequest& request) {
  const Capture& capture = *inputs.capture;
  const auto n_sample = static_cast<int>(capture.map_samples());
  if (n_sample == 0) {
    throw usage_error("{}: has no raw maps; kvscope collect --maps all --map-samples 2 records them",
                      capture.path().string());
  }
  ExportSelection selection = request.selection;
  selection.steps = paper_steps(request.selection, capture.steps());
  std::vector<int> samples = chosen(request.selection.samples, n_sample, "sample with raw maps");
  if (!request.selection.samples) samples.resize(std::min(samples.size(), kSamples));
  selection.samples = samples;
  const int branch = chosen_branches(request.selection, capture.model()).front();
  selection.branches = {capture.model().branches[static_cast<std::size_t>(branch)]};
  const auto contextual = heads_of(inputs, selection.contextual, HeadClass::kContextual, *selection.steps);
  const auto structural = heads_of(inputs, selection.structural, HeadClass::kStructural, *selection.steps);
  if (contextual.empty() && structural.empty()) {
    throw usage_error("{}: no classified head has raw maps at every step shown", capture.path().string());
  }
  selection.contextual = texts_of(contextual);
  selection.structural = texts_of(structural);
  const AttentionColors colors = request.colors.attention();
  ExportItem item{"paper", selection, {}};
  item.read = [=, &capture] {
    const auto figure = std::make_shared<const PaperFigure>(PaperFigure{
        read_heads_of(capture, contextual, samples, *selection.steps, branch),
        read_heads_of(capture, structural, samples, *selection.steps, branch), samples, *selection.steps, colors});
    ExportContent content;
    content.drawing = [=, &capture] { return paper_drawing(*figure, capture.steps()); };
    content.table = [=, &capture] { return panel_table(*figure, capture.steps()); };
    content.arrays = [=] { return panel_arrays(*figure); };
    content.colors_in_words =
        colors.scaling.fixed ? attention_label(colors, value_scale(colors.scaling, {})) : attention_label(colors);
    return content;
  };
  std::vector<ExportItem> items;
  items.push_back(std::move(item));
  return items;
}

}  // namespace kvscope
