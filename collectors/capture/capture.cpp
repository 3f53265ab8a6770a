#include "collectors/capture/capture.h"

#include "collectors/base/hash.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/computed_quantities.h"
#include "collectors/hdf5/hdf5_file.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::string text_of(const Hdf5File& file, std::string_view name) {
  if (!file.has_attribute("/", name))
    throw bad_input("{}: attribute '{}' of the file is missing", file.path().string(), name);
  return file.text_attribute("/", name);
}

void check_kind_of_file(const Hdf5File& file) {
  const std::string path = file.path().string();
  if (!file.has_attribute("/", "format")) {
    throw bad_input("{}: not a capture: attribute 'format' is missing, expected '{}'", path, kCaptureFormat);
  }
  const std::string format = file.text_attribute("/", "format");
  if (format != kCaptureFormat) {
    throw bad_input("{}: format is {}, expected '{}'", path, in_quotes(format), kCaptureFormat);
  }
  if (!file.has_attribute("/", "version")) throw bad_input("{}: attribute 'version' of the file is missing", path);
  const std::int64_t version = file.integer_attribute("/", "version");
  if (version != kCaptureVersion) {
    throw bad_input("{}: {} version {} is not known, expected {}", path, kCaptureFormat, version, kCaptureVersion);
  }
}

StepTable read_steps(const Hdf5File& file) {
  const std::string path = file.path().string();
  if (!file.has("/steps")) throw bad_input("{}: dataset /steps is missing", path);
  const Shape shape = file.shape("/steps");
  constexpr auto kColumns = static_cast<std::int64_t>(std::size(kStepColumns));
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < kColumns) {
    throw bad_input("{}: /steps has the shape {}, expected [steps, {}]", path, describe_shape(shape), kColumns);
  }
  const auto rows = file.read<std::int64_t>("/steps");
  Json json{{"table", Json::array()}};
  for (std::int64_t k = 0; k < shape[0]; ++k) {
    const auto row = rows.slice(k);
    json["table"].push_back(std::vector<std::int64_t>(row.begin(), row.begin() + kColumns));
  }
  if (file.has("/visible")) {
    if (file.shape("/visible") != Shape{shape[0], shape[0]}) {
      throw bad_input("{}: /visible has the shape {}, expected [{}, {}]", path, describe_shape(file.shape("/visible")),
                      shape[0], shape[0]);
    }
    const auto visible = file.read<std::int32_t>("/visible");
    json["visible"] = Json::array();
    for (std::int64_t k = 0; k < shape[0]; ++k) {
      const auto row = visible.slice(k);
      json["visible"].push_back(std::vector<int>(row.begin(), row.end()));
    }
  }
  return step_table_from_json(json, path);
}

}  // namespace

struct Capture::Implementation {
  explicit Implementation(const std::filesystem::path& path) : file(Hdf5File::open(path)) {
    check_kind_of_file(file);
    const std::string where = path.string();
    model = model_info_from_json(parse_json(text_of(file, "model"), where + ": model"), where);
    run =
        file.has_attribute("/", "run") ? parse_json(file.text_attribute("/", "run"), where + ": run") : Json::object();
    steps = read_steps(file);
    if (!file.has_attribute("/", "samples")) throw bad_input("{}: attribute 'samples' of the file is missing", where);
    samples = file.integer_attribute("/", "samples");
    if (samples < 0) throw bad_input("{}: attribute 'samples' is {}, expected 0 or more", where, samples);
    complete = !file.has_attribute("/", "complete") || file.integer_attribute("/", "complete") != 0;
    check_statistics();
    find_accumulators();
    find_maps();
  }

  /// Datasets of a capture in progress are made for all samples at once; `samples` of them are filled.
  void check_extent(const std::string& dataset, const Shape& expected, bool is_sampled) const {
    Shape found = file.shape(dataset);
    const Shape shown = found;
    if (is_sampled && !complete && !found.empty() && found[0] >= samples) found[0] = samples;
    if (found != expected) {
      throw bad_input("{}: {} has the shape {}, expected {}", file.path().string(), dataset, describe_shape(shown),
                      describe_shape(expected));
    }
  }

  void check_quantity(const CaptureQuantity& quantity, int step) const {
    const std::string dataset = dataset_path(quantity, step);
    if (!file.has(dataset)) return;
    check_extent(dataset, quantity_shape(quantity, model, steps, step, samples), is_per_sample(quantity));
    if (quantity.name == statistic::kBandMass.name && file.has_attribute(dataset, "radii")) check_radii(dataset);
  }

  void check_radii(const std::string& dataset) const {
    const auto radii = file.number_list_attribute(dataset, "radii");
    if (!std::equal(radii.begin(), radii.end(), std::begin(kBandRadii), std::end(kBandRadii))) {
      throw bad_input("{}: {} has the radii [{}], expected [{}]", file.path().string(), dataset, fmt::join(radii, ", "),
                      fmt::join(kBandRadii, ", "));
    }
  }

  void check_statistics() const {
    for (int step = 0; step < steps.size(); ++step) {
      for (const CaptureQuantity& quantity : statistic_quantities()) check_quantity(quantity, step);
      for (const CaptureQuantity& quantity : mean_quantities()) check_quantity(quantity, step);
    }
  }

  /// The slot that belongs to `samples`; the other one is older, or was being written when the run ended.
  void find_accumulators() {
    if (complete || samples == 0 || !file.has(kAccumulators)) return;
    const auto slots = file.number_list_attribute(kAccumulators, "samples");
    for (std::size_t slot = 0; slot < slots.size(); ++slot) {
      if (slots[slot] == static_cast<double>(samples)) accumulator_slot = static_cast<std::int64_t>(slot);
    }
    if (!accumulator_slot) {
      throw bad_input("{}: neither slot of /accumulators belongs to the file's {} samples", file.path().string(),
                      samples);
    }
    // Of the means that this file has at its first step: all steps have the same.
    std::vector<CaptureQuantity> stored;
    for (const CaptureQuantity& quantity : mean_quantities()) {
      if (file.has(dataset_path(quantity, 0))) stored.push_back(quantity);
    }
    accumulators = accumulator_places(stored, model, steps);
    const std::int64_t size =
        accumulators.empty() ? 0 : accumulators.back().offset + element_count(accumulators.back().shape);
    if (const Shape shape = file.shape(kAccumulators); shape != Shape{2, size}) {
      throw bad_input("{}: {} has the shape {}, expected [2, {}]", file.path().string(), kAccumulators,
                      describe_shape(shape), size);
    }
  }

  void find_maps() {
    if (!file.has("/maps")) return;
    for (const std::string& layer_name : file.children("/maps")) {
      const auto layer = number_of("layer", layer_name);
      if (!layer) continue;
      for (const std::string& head_name : file.children("/maps/" + layer_name)) {
        if (const auto head = number_of("head", head_name))
          find_maps_of(*layer, *head, "/maps/" + layer_name + "/" + head_name);
      }
    }
    std::ranges::sort(maps, {}, [](const CapturedMap& m) { return std::tuple(m.layer, m.head, m.step); });
  }

  void find_maps_of(int layer, int head, const std::string& group) {
    for (const std::string& name : file.children(group)) {
      const auto step = number_of("step", name);
      if (!step) continue;
      if (layer >= model.layers || head >= model.heads || *step >= steps.size()) {
        throw bad_input("{}: {}/{} lies outside the model's {} layers, {} heads and {} steps", file.path().string(),
                        group, name, model.layers, model.heads, steps.size());
      }
      add_map({layer, head, *step});
    }
  }

  void add_map(const CapturedMap& map) {
    const std::string path = map_path(map.layer, map.head, map.step);
    const Shape shape = file.shape(path);
    if (shape.empty()) throw bad_input("{}: {} is a scalar, expected an array", file.path().string(), path);
    const std::int64_t stored = complete ? shape[0] : std::min(shape[0], samples);
    if (maps.empty()) map_samples = stored;
    if (stored != map_samples || stored > samples) {
      throw bad_input("{}: {} has {} samples, expected {}", file.path().string(), path, shape[0],
                      std::min(map_samples, samples));
    }
    Shape expected = map_shape(model, steps, map.step, map_samples);
    expected[0] = shape[0];
    check_extent(path, expected, false);
    maps.push_back(map);
    map_set.insert({map.layer, map.head, map.step});
  }

  bool has_map(int layer, int head, int step) const { return map_set.contains({layer, head, step}); }

  bool has_all_maps(int step) const {
    if (map_samples != samples || samples == 0) return false;
    const auto of_step = std::ranges::count(maps, step, &CapturedMap::step);
    return of_step == std::int64_t{model.layers} * model.heads;
  }

  const AccumulatorPlace* accumulator(const CaptureQuantity& quantity, int step) const {
    const auto found = std::ranges::find_if(accumulators, [&](const AccumulatorPlace& place) {
      return place.step == step && place.quantity.name == quantity.name && place.quantity.axes == quantity.axes;
    });
    return found == accumulators.end() ? nullptr : &*found;
  }

  bool can_compute(const CaptureQuantity& quantity, int step) const {
    return follows_from_map(quantity) && has_all_maps(step);
  }

  Array<float> read(const CaptureQuantity& quantity, int step) {
    const Shape shape = quantity_shape(quantity, model, steps, step, samples);
    if (element_count(shape) == 0) return Array<float>(shape);
    if (const AccumulatorPlace* place = accumulator(quantity, step)) {
      const auto sums =
          file.read_slab<double>(kAccumulators, {*accumulator_slot, place->offset}, {1, element_count(shape)});
      return means_of_sums(quantity, Array<double>(shape, {sums.values().begin(), sums.values().end()}), samples);
    }
    const std::string dataset = dataset_path(quantity, step);
    if (file.has(dataset)) return file.read_slab<float>(dataset, Shape(shape.size(), 0), shape);
    if (!can_compute(quantity, step)) throw bad_input("{}: dataset {} is missing", file.path().string(), dataset);
    if (!computed.has(quantity, step))
      compute({.quantities = ComputedQuantities::along_with(quantity), .steps = {step}});
    return computed.at(quantity, step);
  }

  Array<float> read_map(int layer, int head, int step, std::int64_t sample, int branch) const {
    const std::int64_t n_query = steps.n_query(step);
    const std::int64_t n_key = steps.n_key(step);
    auto map = file.read_slab<float>(map_path(layer, head, step), {sample, branch, 0, 0}, {1, 1, n_query, n_key});
    return {Shape{n_query, n_key}, std::vector<float>(map.values().begin(), map.values().end())};
  }

  /// What of the request has to be computed from maps, and is not yet.
  ComputedQuantities::Work missing(const MapPassRequest& request) const {
    ComputedQuantities::Work work;
    for (int step = 0; step < steps.size(); ++step) {
      if (!request.steps.empty() && std::ranges::find(request.steps, step) == request.steps.end()) continue;
      for (const CaptureQuantity& quantity : request.quantities) {
        const bool is_stored = file.has(dataset_path(quantity, step));
        if (!is_stored && can_compute(quantity, step) && !computed.has(quantity, step)) work[step].push_back(quantity);
      }
    }
    return work;
  }

  MapPassReport compute(const MapPassRequest& request) {
    return computed.compute(file, {model, steps, samples}, missing(request), request);
  }

  Hdf5File file;
  ModelInfo model;
  StepTable steps;
  Json run;
  std::int64_t samples = 0;
  bool complete = true;
  std::optional<std::int64_t> accumulator_slot;
  std::vector<AccumulatorPlace> accumulators;
  std::vector<CapturedMap> maps;
  std::set<std::tuple<int, int, int>> map_set;
  std::int64_t map_samples = 0;
  ComputedQuantities computed;
  std::string sha256;
};

Capture::Capture(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
Capture::~Capture() = default;
Capture::Capture(Capture&&) noexcept = default;
Capture& Capture::operator=(Capture&&) noexcept = default;

Capture Capture::open(const std::filesystem::path& path) {
  return Capture(std::make_unique<Implementation>(path));
}

const std::filesystem::path& Capture::path() const noexcept {
  return implementation_->file.path();
}
const ModelInfo& Capture::model() const noexcept {
  return implementation_->model;
}
const StepTable& Capture::steps() const noexcept {
  return implementation_->steps;
}
std::int64_t Capture::samples() const noexcept {
  return implementation_->samples;
}
bool Capture::complete() const noexcept {
  return implementation_->complete;
}
const Json& Capture::run() const noexcept {
  return implementation_->run;
}

const std::string& Capture::sha256() const {
  if (implementation_->sha256.empty()) implementation_->sha256 = sha256_of_file(path());
  return implementation_->sha256;
}

bool Capture::has(const CaptureQuantity& quantity, int step) const {
  return implementation_->file.has(dataset_path(quantity, step)) || implementation_->can_compute(quantity, step);
}

Array<float> Capture::read(const CaptureQuantity& quantity, int step) const {
  require(step >= 0 && step < steps().size(), "Capture::read: no such step");
  return implementation_->read(quantity, step);
}

MapPassReport Capture::compute_from_maps(const MapPassRequest& request) const {
  for (const int step : request.steps)
    require(step >= 0 && step < steps().size(), "Capture::compute_from_maps: no such step");
  return implementation_->compute(request);
}

const std::vector<CapturedMap>& Capture::maps() const noexcept {
  return implementation_->maps;
}

bool Capture::has_map(int layer, int head, int step) const {
  return implementation_->has_map(layer, head, step);
}

Array<float> Capture::read_map(int layer, int head, int step, std::int64_t sample, int branch) const {
  if (!has_map(layer, head, step))
    throw bad_input("{}: dataset {} is missing", path().string(), map_path(layer, head, step));
  require(sample >= 0 && sample < map_samples(), "Capture::read_map: no such sample");
  require(branch >= 0 && index(branch) < model().branches.size(), "Capture::read_map: no such branch");
  return implementation_->read_map(layer, head, step, sample, branch);
}

std::int64_t Capture::map_samples() const noexcept {
  return implementation_->map_samples;
}

namespace {

/// The first `samples` entries of a dataset below /samples, which may be made for more; nothing if it is absent.
template <typename T>
Array<T> read_sampled(const Hdf5File& file, std::string_view dataset, std::size_t axes, std::int64_t samples) {
  if (!file.has(dataset)) return {};
  Shape shape = file.shape(dataset);
  if (shape.size() != axes || shape[0] < samples) {
    throw bad_input("{}: {} has the shape {}, expected {} axes and {} samples", file.path().string(), dataset,
                    describe_shape(shape), axes, samples);
  }
  shape[0] = samples;
  if (element_count(shape) == 0) return Array<T>(shape);
  return file.read_slab<T>(dataset, Shape(axes, 0), shape);
}

}  // namespace

std::vector<std::int64_t> Capture::labels() const {
  const auto labels = read_sampled<std::int64_t>(implementation_->file, "/samples/label", 1, samples());
  return {labels.values().begin(), labels.values().end()};
}

std::vector<std::uint64_t> Capture::seeds() const {
  const auto seeds = read_sampled<std::uint64_t>(implementation_->file, "/samples/seed", 1, samples());
  return {seeds.values().begin(), seeds.values().end()};
}

std::vector<std::string> Capture::prompts() const {
  constexpr std::string_view kDataset = "/samples/prompt";
  const Hdf5File& file = implementation_->file;
  if (!file.has(kDataset)) return {};
  std::vector<std::string> prompts = file.read_strings(kDataset);
  if (std::ssize(prompts) < samples()) {
    throw bad_input("{}: {} has {} texts, expected {}", path().string(), kDataset, prompts.size(), samples());
  }
  prompts.resize(static_cast<std::size_t>(samples()));
  return prompts;
}

namespace {

/// Tokens of samples, which must be as many as the steps have.
template <typename T>
Array<T> read_tokens(const Hdf5File& file, std::string_view dataset, std::size_t axes, const Capture& capture) {
  auto tokens = read_sampled<T>(file, dataset, axes, capture.samples());
  if (!tokens.empty() && tokens.extent(1) != capture.steps().total_tokens()) {
    throw bad_input("{}: {} has {} tokens per sample, expected {}", capture.path().string(), dataset, tokens.extent(1),
                    capture.steps().total_tokens());
  }
  return tokens;
}

}  // namespace

Array<std::int32_t> Capture::tokens() const {
  return read_tokens<std::int32_t>(implementation_->file, "/samples/tokens", 2, *this);
}

Array<std::uint8_t> Capture::bits() const {
  return read_tokens<std::uint8_t>(implementation_->file, "/samples/bits", 3, *this);
}

Array<std::uint8_t> Capture::images() const {
  auto images = read_sampled<std::uint8_t>(implementation_->file, "/samples/image", 4, samples());
  if (!images.empty() && images.extent(3) != 3) {
    throw bad_input("{}: /samples/image has {} channels, expected 3", path().string(), images.extent(3));
  }
  return images;
}

}  // namespace kvscope
