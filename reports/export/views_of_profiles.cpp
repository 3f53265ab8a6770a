#include "analysis/interval.h"
#include "reports/export/export_view.h"
#include "reports/export/selection.h"
#include "reports/pictures/displacement_picture.h"
#include "reports/pictures/key_profile.h"
#include "reports/pictures/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

/// What all profiles of heads have in common.
struct Place {
  int layer = 0;
  int head = 0;
  int step = 0;
  int branch = 0;
  std::string branch_name;
};

/// An item for every selected head and step; `read` is called with its place and must return its content.
template <typename Read>
std::vector<ExportItem> items_by_place(const Capture& capture, const ExportRequest& request, std::string_view name,
                                       Read read) {
  const ModelInfo& model = capture.model();
  std::vector<ExportItem> items;
  for (const int step : chosen_steps(request.selection, capture.steps())) {
    for (const int layer : chosen(request.selection.layers, model.layers, "layer")) {
      for (const int head : chosen(request.selection.heads, model.heads, "head")) {
        for (const int branch : chosen_branches(request.selection, model)) {
          const Place place{layer, head, step, branch, model.branches[static_cast<std::size_t>(branch)]};
          ExportItem item{fmt::format("{}_{}_{}", name, place_name(layer, head, step), place.branch_name),
                          one_place(layer, head, step, place.branch_name),
                          {}};
          item.read = [=] { return read(place); };
          items.push_back(std::move(item));
        }
      }
    }
  }
  return items;
}

/// Quantities of the step read last: the items of a step follow one another.
class StepReader {
 public:
  explicit StepReader(const Capture& capture) : capture_(&capture) {}

  const Array<float>& read(const CaptureQuantity& quantity, int step) {
    if (step != step_) known_.clear();
    step_ = step;
    const auto found = known_.find(quantity.name);
    if (found != known_.end()) return found->second;
    return known_.emplace(quantity.name, capture_->read(quantity, step)).first->second;
  }

 private:
  const Capture* capture_;
  int step_ = -1;
  std::map<std::string_view, Array<float>> known_;
};

std::vector<float> copy_of(std::span<const float> values) {
  return {values.begin(), values.end()};
}

std::string heading_of(const Capture& capture, const Place& place, std::int64_t n_sample) {
  return fmt::format("{}, mean over {} sample{}, {}", place_title(place.layer, place.head, capture.steps()[place.step]),
                     n_sample, n_sample == 1 ? "" : "s", place.branch_name);
}

// --- columns ------------------------------------------------------------------------------------------------

struct ColumnProfile {
  std::vector<float> mean;         ///< [T_k]
  std::vector<float> mean_square;  ///< [T_k], over samples
};

/// Standard deviation over samples (population).
double deviation(const ColumnProfile& profile, std::size_t key) {
  const double mean = profile.mean[key];
  return std::sqrt(std::max(0.0, static_cast<double>(profile.mean_square[key]) - mean * mean));
}

Drawing column_chart(const ColumnProfile& profile, const StepTable& steps, int step, AttentionUnit unit,
                     std::string heading) {
  const bool multiples = unit == AttentionUnit::kMultiples;
  const double factor = multiples ? static_cast<double>(steps.n_key(step)) : 1.0;
  KeyProfile chart{
      std::move(heading), multiples ? "Column mean, multiples of 1/T" : "Column mean, weight", {}, {}, {}, step};
  for (std::size_t key = 0; key < profile.mean.size(); ++key) {
    const double spread = deviation(profile, key);
    chart.values.push_back(factor * profile.mean[key]);
    chart.low.push_back(factor * std::max(0.0, profile.mean[key] - spread));
    chart.high.push_back(factor * (profile.mean[key] + spread));
  }
  chart.note = "band: one standard deviation over samples";
  return key_profile_chart(chart, steps);
}

Table column_table(const ColumnProfile& profile, const StepTable& steps, int step) {
  Table table("", {{"key", ""},
                   {"source_step", ""},
                   {"t", ""},
                   {"y", ""},
                   {"x", ""},
                   {"column_mean", ""},
                   {"deviation_over_samples", ""}});
  for (const int source : steps.sources(step)) {
    const StepShape& shape = steps[source];
    const std::int64_t frame = std::int64_t{shape.h} * shape.w;
    for (std::int64_t token = 0; token < shape.tokens(); ++token) {
      const std::int64_t key = steps.key_offset(step, source) + token;
      const auto at = static_cast<std::size_t>(key);
      table.add_row({key, std::int64_t{source}, token / frame, token % frame / shape.w, token % shape.w,
                     static_cast<double>(profile.mean[at]), deviation(profile, at)});
    }
  }
  return table;
}

ExportContent column_content(ColumnProfile read, const Capture& capture, const Place& place, AttentionUnit unit) {
  const auto profile = std::make_shared<const ColumnProfile>(std::move(read));
  const StepTable& steps = capture.steps();
  const std::string heading = heading_of(capture, place, capture.samples());
  ExportContent content;
  content.drawing = [=, &steps] { return column_chart(*profile, steps, place.step, unit, heading); };
  content.table = [=, &steps] { return column_table(*profile, steps, place.step); };
  content.arrays = [=] {
    const Shape shape = {static_cast<std::int64_t>(profile->mean.size())};
    return std::vector<NamedArray>{{"column_mean", shape, profile->mean},
                                   {"column_mean_square", shape, profile->mean_square}};
  };
  return content;
}

// --- bands --------------------------------------------------------------------------------------------------

/// Per sample, of one head.
struct BandProfile {
  Array<float> band_mass;    ///< [sample, S_k, radii]
  Array<float> source_mass;  ///< [sample, S_k]
};

constexpr int kRadii = static_cast<int>(std::size(kBandRadii));

Interval interval_over_samples(const BandProfile& profile, std::int64_t source, int radius) {
  std::vector<double> values;
  for (std::int64_t sample = 0; sample < profile.source_mass.extent(0); ++sample) {
    values.push_back(radius < kRadii ? profile.band_mass(sample, source, radius) : profile.source_mass(sample, source));
  }
  return bootstrap_mean(values);
}

std::string radius_name(int radius) {
  return radius < kRadii ? fmt::format("within {}", kBandRadii[radius]) : "anywhere";
}

Drawing band_chart(const BandProfile& profile, const StepTable& steps, int step, std::string heading) {
  LineChart chart;
  chart.title = heading;
  const std::vector<int>& sources = steps.sources(step);
  for (int radius = 0; radius <= kRadii; ++radius) {
    Series series{radius_name(radius), {}, {}};
    for (std::size_t source = 0; source < sources.size(); ++source) {
      const Interval value = interval_over_samples(profile, static_cast<std::int64_t>(source), radius);
      series.x.push_back(static_cast<double>(source));
      series.y.push_back(value.mean);
      series.low.push_back(value.low);
      series.high.push_back(value.high);
    }
    chart.series.push_back(std::move(series));
  }
  std::vector<Tick> ticks;
  for (std::size_t source = 0; source < sources.size(); ++source) {
    ticks.push_back({static_cast<double>(source), step_name(steps[sources[source]])});
  }
  chart.x = {"Source scale; distance from the corresponding place in its tokens; bands: 95 % intervals",
             ValueScale::linear(-0.3, static_cast<double>(sources.size()) - 0.7), std::move(ticks)};
  chart.y = {"Share of the attention", ValueScale::linear(0.0, 1.0)};
  chart.width = 640.0;
  Drawing drawing = line_chart(chart);
  drawing.description =
      "Attention within a Chebyshev distance of the query's corresponding place, in tokens of the source; bands are 95 "
      "% "
      "bootstrap intervals over samples.";
  // The chart itself has no heading, pages caption it; a file stands alone.
  return with_heading(std::move(drawing), std::move(heading));
}

Table band_table(const BandProfile& profile, const StepTable& steps, int step) {
  Table table("", {{"source_step", ""}, {"distance", ""}, {"mean", ""}, {"low", ""}, {"high", ""}});
  const std::vector<int>& sources = steps.sources(step);
  for (std::size_t source = 0; source < sources.size(); ++source) {
    for (int radius = 0; radius <= kRadii; ++radius) {
      const Interval value = interval_over_samples(profile, static_cast<std::int64_t>(source), radius);
      table.add_row({std::int64_t{sources[source]}, radius_name(radius), value.mean, value.low, value.high});
    }
  }
  return table;
}

/// The chosen samples of one head.
Array<float> samples_of(const Array<float>& all, const Place& place, const std::vector<int>& samples) {
  Shape shape(all.shape().begin() + 4, all.shape().end());
  shape.insert(shape.begin(), static_cast<std::int64_t>(samples.size()));
  std::vector<float> values;
  for (const int sample : samples) {
    const auto from = all.slice(sample, place.branch, place.layer, place.head);
    values.insert(values.end(), from.begin(), from.end());
  }
  return {std::move(shape), std::move(values)};
}

ExportContent band_content(BandProfile read, const Capture& capture, const Place& place) {
  const auto profile = std::make_shared<const BandProfile>(std::move(read));
  const StepTable& steps = capture.steps();
  const std::string heading = heading_of(capture, place, profile->source_mass.extent(0));
  ExportContent content;
  content.drawing = [=, &steps] { return band_chart(*profile, steps, place.step, heading); };
  content.table = [=, &steps] { return band_table(*profile, steps, place.step); };
  content.arrays = [=] {
    return std::vector<NamedArray>{
        {"band_mass", profile->band_mass.shape(), copy_of(profile->band_mass.values())},
        {"source_mass", profile->source_mass.shape(), copy_of(profile->source_mass.values())},
        {"radii", {kRadii}, std::vector<std::int64_t>(std::begin(kBandRadii), std::end(kBandRadii))}};
  };
  return content;
}

// --- displacement -------------------------------------------------------------------------------------------

Table displacement_table(const Array<float>& mass, const StepTable& steps, int step) {
  Table table("", {{"source_step", ""}, {"dt", ""}, {"dy", ""}, {"dx", ""}, {"mass", ""}});
  const std::vector<int>& sources = steps.sources(step);
  for (std::int64_t source = 0; source < mass.extent(0); ++source) {
    for (std::int64_t t = 0; t < mass.extent(1); ++t) {
      for (std::int64_t y = 0; y < mass.extent(2); ++y) {
        for (std::int64_t x = 0; x < mass.extent(3); ++x) {
          table.add_row({std::int64_t{sources[static_cast<std::size_t>(source)]}, t - mass.extent(1) / 2,
                         y - mass.extent(2) / 2, x - mass.extent(3) / 2, static_cast<double>(mass(source, t, y, x))});
        }
      }
    }
  }
  return table;
}

ExportContent displacement_content(Array<float> read, const Capture& capture, const Place& place,
                                   const ExportColors& colors) {
  const auto mass = std::make_shared<const Array<float>>(std::move(read));
  const StepTable& steps = capture.steps();
  const std::string heading = heading_of(capture, place, capture.samples());
  const ColorScaling scaling = colors.instead_of(kDisplacementScaling);
  ExportContent content;
  content.drawing = [=, &steps] {
    return displacement_figure(*mass, place.step, steps, color_map(colors.map), scaling, heading);
  };
  content.table = [=, &steps] { return displacement_table(*mass, steps, place.step); };
  content.arrays = [=] { return std::vector<NamedArray>{{"mass", mass->shape(), copy_of(mass->values())}}; };
  return content;
}

}  // namespace

std::vector<ExportItem> column_items(const ReportInputs& inputs, const ExportRequest& request) {
  const Capture& capture = *inputs.capture;
  const auto reader = std::make_shared<StepReader>(capture);
  const AttentionUnit unit = request.colors.unit;
  return items_by_place(capture, request, "columns", [=, &capture](const Place& place) {
    const auto of_head = [&](const CaptureQuantity& quantity) {
      return copy_of(reader->read(quantity, place.step).slice(place.branch, place.layer, place.head));
    };
    return column_content({of_head(mean_statistic::kColumnMean), of_head(mean_statistic::kColumnMeanSquare)}, capture,
                          place, unit);
  });
}

std::vector<ExportItem> band_items(const ReportInputs& inputs, const ExportRequest& request) {
  const Capture& capture = *inputs.capture;
  const auto reader = std::make_shared<StepReader>(capture);
  const std::vector<int> samples = chosen(request.selection.samples, static_cast<int>(capture.samples()), "sample");
  std::vector<ExportItem> items = items_by_place(capture, request, "bands", [=, &capture](const Place& place) {
    return band_content({samples_of(reader->read(statistic::kBandMass, place.step), place, samples),
                         samples_of(reader->read(statistic::kSourceMass, place.step), place, samples)},
                        capture, place);
  });
  if (request.selection.samples) {
    for (ExportItem& item : items) item.selection.samples = samples;
  }
  return items;
}

std::vector<ExportItem> displacement_items(const ReportInputs& inputs, const ExportRequest& request) {
  const Capture& capture = *inputs.capture;
  const auto reader = std::make_shared<StepReader>(capture);
  const ExportColors colors = request.colors;
  return items_by_place(capture, request, "displacement", [=, &capture](const Place& place) {
    const Array<float>& all = reader->read(mean_statistic::kDisplacement, place.step);
    const Shape shape(all.shape().begin() + 3, all.shape().end());
    return displacement_content({shape, copy_of(all.slice(place.branch, place.layer, place.head))}, capture, place,
                                colors);
  });
}

}  // namespace kvscope
