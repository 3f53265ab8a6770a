#include "collectors/capture/capture_skeleton.h"

#include "collectors/capture/capture_layout.h"
#include "collectors/capture/head_statistics.h"

#include <algorithm>
#include <map>

namespace kvscope {
namespace {

constexpr std::int64_t kChunkBytes = std::int64_t{1} << 20;

struct AxisName {
  char letter;
  std::string_view name;
};

constexpr AxisName kAxisNames[] = {
    {'n', "sample"}, {'b', "branch"}, {'l', "layer"},   {'h', "head"},          {'g', "kv_head"},
    {'s', "source"}, {'t', "key"},    {'d', "channel"}, {'r', "radius"},        {'3', "range"},
    {'T', "dt"},     {'Y', "dy"},     {'X', "dx"},      {'i', "thumbnail_row"}, {'j', "thumbnail_column"},
};

std::string axis_name(char letter) {
  return std::string(std::ranges::find(kAxisNames, letter, &AxisName::letter)->name);
}

/// Coordinates along one axis, e.g. -8 .. 8 for dx.
Array<std::int32_t> axis_values(char letter, std::int64_t extent, const StepTable& steps, int step) {
  Array<std::int32_t> values(Shape{extent});
  for (std::int64_t i = 0; i < extent; ++i) {
    std::int64_t value = i;
    if (letter == 'r') value = kBandRadii[i];
    if (letter == 's') value = steps.sources(step)[static_cast<std::size_t>(i)];
    if (letter == 'T' || letter == 'Y' || letter == 'X') value = i - extent / 2;
    values(i) = static_cast<std::int32_t>(value);
  }
  return values;
}

/// Dimension scales, one dataset per axis and set of coordinates, shared by all datasets that have them.
class Scales {
 public:
  Scales(Hdf5File& file, const CaptureGeometry& geometry) : file_(file), geometry_(geometry) {}

  void attach(const std::string& dataset, std::string_view axes, const Shape& shape, int step) {
    for (std::size_t axis = 0; axis < axes.size(); ++axis) {
      file_.attach_dimension_scale(dataset, static_cast<std::int64_t>(axis), scale(axes[axis], shape[axis], step));
    }
  }

 private:
  std::string scale(char letter, std::int64_t extent, int step) {
    const bool differs_by_step = std::string_view("stTij").find(letter) != std::string_view::npos;
    const std::string name = axis_name(letter);
    const std::string path =
        differs_by_step ? fmt::format("/axes/{}/{}", numbered("step", step), name) : "/axes/" + name;
    if (!file_.has(path)) {
      file_.write(path, axis_values(letter, extent, geometry_.steps, step));
      file_.make_dimension_scale(path, name);
    }
    return path;
  }

  Hdf5File& file_;
  const CaptureGeometry& geometry_;
};

std::int64_t stored_element_bytes(const CaptureQuantity& quantity) {
  return quantity.name == mean_statistic::kThumbnail.name ? 2 : 4;
}

void make_quantity(Hdf5File& file, const CaptureQuantity& quantity, const CaptureGeometry& geometry, int step,
                   Scales& scales) {
  const std::string path = dataset_path(quantity, step);
  const Shape shape = quantity_shape(quantity, geometry.model, geometry.steps, step, geometry.samples);
  const DatasetLayout layout = checksummed(shape, is_per_sample(quantity) ? 1 : 0, stored_element_bytes(quantity));
  if (quantity.name == mean_statistic::kThumbnail.name) {
    file.make_float16_dataset(path, shape, layout);
  } else {
    file.make_dataset<float>(path, shape, layout);
  }
  file.set_attribute(path, "units", quantity.unit);
  file.set_attribute(path, "long_name", quantity.description);
  if (quantity.name == statistic::kBandMass.name) {
    const std::vector<std::int64_t> radii(std::begin(kBandRadii), std::end(kBandRadii));
    file.set_attribute(path, "radii", radii);
  }
  scales.attach(path, quantity.axes, shape, step);
}

/// Makes a step's group plottable: NXdata names the dataset to show and its axes (NeXus, NXdata base class).
void describe_group(Hdf5File& file, const std::string& group, const CaptureQuantity& signal) {
  if (!file.has(group + "/" + std::string(signal.name))) return;
  file.set_attribute(group, "NX_class", "NXdata");
  file.set_attribute(group, "signal", signal.name);
  std::vector<std::string> axes;
  for (const char letter : signal.axes) {
    const std::string name = axis_name(letter);
    const std::string step_scale = "/axes/" + group.substr(group.rfind('/') + 1) + "/" + name;
    file.make_link(file.has(step_scale) ? step_scale : "/axes/" + name, group + "/" + name);
    axes.push_back(name);
  }
  file.set_attribute(group, "axes", axes);
}

void make_step_table(Hdf5File& file, const StepTable& steps) {
  Array<std::int32_t> table(Shape{steps.size(), static_cast<std::int64_t>(std::size(kStepColumns))});
  for (int k = 0; k < steps.size(); ++k) {
    const StepShape& s = steps[k];
    const std::int32_t row[] = {static_cast<std::int32_t>(s.kind), s.t, s.h, s.w, s.stays ? 1 : 0};
    std::ranges::copy(row, table.slice(k).begin());
  }
  file.write("/steps", table);
  file.set_attribute("/steps", "columns", std::vector<std::string>(std::begin(kStepColumns), std::end(kStepColumns)));
  file.set_attribute("/steps", "units", "token");
  if (steps.sees_everything()) return;
  file.write("/visible",
             Array<std::uint8_t>(Shape{steps.size(), steps.size()}, {steps.visible().begin(), steps.visible().end()}));
}

void make_samples(Hdf5File& file, const CapturePlan& plan) {
  const std::int64_t samples = plan.geometry.samples;
  file.write("/samples/label", Array<std::int64_t>(Shape{samples}, plan.labels), {.checksum = true});
  file.write("/samples/seed", Array<std::uint64_t>(Shape{samples}, plan.seeds), {.checksum = true});
  if (!plan.prompts.empty()) file.write_strings("/samples/prompt", plan.prompts);
  Shape tokens = {samples, plan.geometry.steps.total_tokens()};
  if (plan.geometry.token_bits > 0) {
    tokens.push_back(plan.geometry.token_bits);
    file.make_dataset<std::uint8_t>("/samples/bits", tokens, checksummed(tokens, 1, 1));
  } else {
    file.make_dataset<std::int32_t>("/samples/tokens", tokens, checksummed(tokens, 1, sizeof(std::int32_t)));
  }
  if (!plan.contents.images) return;
  const auto [height, width] = plan.geometry.image_size;
  require(height > 0 && width > 0, "capture: images are wanted, but their size is not known");
  const Shape images = {samples, height, width, 3};
  file.make_dataset<std::uint8_t>("/samples/image", images, checksummed(images, 1, 1));
  file.set_attribute("/samples/image", "CLASS", "IMAGE");
  file.set_attribute("/samples/image", "interpretation", "rgb-image");
}

void make_maps(Hdf5File& file, const CapturePlan& plan) {
  const CaptureGeometry& geometry = plan.geometry;
  for (const int layer : plan.contents.maps.layers) {
    for (const int head : plan.contents.maps.heads) {
      for (const int step : plan.contents.maps.steps) {
        const Shape shape = map_shape(geometry.model, geometry.steps, step, plan.contents.map_samples);
        file.make_dataset<float>(map_path(layer, head, step), shape,
                                 {.chunk = map_chunk(shape), .checksum = true, .allocate = true});
        file.set_attribute(map_path(layer, head, step), "units", "1");
      }
    }
  }
}

/// One dataset, the last in the file: removing it at the end gives its space back.
void make_accumulators(Hdf5File& file, const CapturePlan& plan) {
  const auto places = accumulator_places(plan.contents.quantities, plan.geometry.model, plan.geometry.steps);
  const std::int64_t size = places.empty() ? 0 : places.back().offset + element_count(places.back().shape);
  file.make_dataset<double>(kAccumulators, {2, size}, {.allocate = true});
  file.set_attribute(kAccumulators, "samples", std::vector<std::int64_t>{-1, -1});
}

/// At most eight attributes: more would move them out of the object's header, and `samples` has to be
/// changed in one write.
void make_header(Hdf5File& file, const CapturePlan& plan) {
  file.set_attribute("/", "format", kCaptureFormat);
  file.set_attribute("/", "version", std::int64_t{kCaptureVersion});
  file.set_attribute("/", "complete", std::int64_t{0});
  file.set_attribute("/", "samples", std::int64_t{0});
  file.set_attribute("/", "model", to_json(plan.geometry.model).dump());
  file.set_attribute("/", "run", run_attribute(plan).dump());
  file.set_attribute("/", "NX_class", "NXroot");
  file.set_attribute("/", "default", fmt::format("statistics/{}", numbered("step", plan.geometry.steps.size() - 1)));
}

}  // namespace

Json run_attribute(const CapturePlan& plan) {
  Json run = plan.provenance.is_object() ? plan.provenance : Json::object();
  run["settings"] = plan.settings;
  run["maps"] = describe(plan.contents.maps);
  run["map_samples"] = plan.contents.maps.empty() ? 0 : plan.contents.map_samples;
  return run;
}

DatasetLayout checksummed(const Shape& shape, std::size_t leading, std::int64_t element_bytes) {
  Shape chunk = shape;
  for (std::size_t axis = 0; axis < chunk.size(); ++axis) {
    if (axis < leading || element_count(chunk) * element_bytes > kChunkBytes) chunk[axis] = 1;
  }
  return {.chunk = chunk, .checksum = true, .allocate = true};
}

Shape map_chunk(const Shape& shape) {
  return {1, 1, std::min(shape[2], statistics_strip_rows(shape[3])), shape[3]};
}

void make_capture_skeleton(Hdf5File& file, const CapturePlan& plan) {
  make_header(file, plan);
  make_step_table(file, plan.geometry.steps);
  make_samples(file, plan);
  Scales scales(file, plan.geometry);
  for (int step = 0; step < plan.geometry.steps.size(); ++step) {
    for (const CaptureQuantity& quantity : plan.contents.quantities)
      make_quantity(file, quantity, plan.geometry, step, scales);
    describe_group(file, group_path(statistic::kColumnVariance, step), statistic::kColumnVariance);
    describe_group(file, group_path(mean_statistic::kColumnMean, step), mean_statistic::kColumnMean);
    const std::string means = group_path(mean_statistic::kColumnMean, step);
    if (file.has(means)) file.set_attribute(means, "samples", std::int64_t{0});
  }
  for (const char* group : {"/statistics", "/means", "/samples", "/maps"}) {
    if (file.has(group)) file.set_attribute(group, "NX_class", "NXcollection");
  }
  make_maps(file, plan);
  file.flush();  // gives everything so far its place, before what is removed at the end
  make_accumulators(file, plan);
}

}  // namespace kvscope
