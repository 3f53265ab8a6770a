#include "collectors/capture/capture_writer.h"

#include "collectors/base/file.h"
#include "collectors/capture/capture.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/capture_skeleton.h"
#include "collectors/hdf5/hdf5_file.h"

#include <algorithm>
#include <mutex>
#include <system_error>

namespace kvscope {
namespace {

/// The first `count` samples of a batch.
Array<float> first_samples(const Array<float>& batch, std::int64_t count) {
  Shape shape = batch.shape();
  shape[0] = count;
  const auto values = batch.values().first(static_cast<std::size_t>(element_count(shape)));
  return {shape, std::vector<float>(values.begin(), values.end())};
}

void check_same_setting(const std::string& name, const Json& found, const Json& expected, const std::string& file) {
  const auto value_of = [&](const Json& run) { return run.is_object() && run.contains(name) ? run[name] : Json(); };
  if (value_of(found) == value_of(expected)) return;
  throw bad_input("{}: cannot resume: '{}' is {} there, but {} is asked for", file, name, value_of(found).dump(),
                  value_of(expected).dump());
}

/// Throws kBadInput naming the first setting in which two runs differ, one that only one of them has included.
void check_same_settings(const Json& found, const Json& expected, const std::string& file) {
  for (const Json& run : {expected, found}) {
    if (!run.is_object()) continue;
    for (const auto& [name, value] : run.items()) check_same_setting(name, found, expected, file);
  }
}

void check_same_geometry(const Capture& found, const CapturePlan& plan, const std::string& file) {
  check_same_model(found.model(), file, plan.geometry.model, "the model to resume with");
  if (!(found.model() == plan.geometry.model))
    throw bad_input("{}: cannot resume: element types of keys or values differ", file);
  if (!(found.steps() == plan.geometry.steps)) {
    throw bad_input("{}: cannot resume: its steps are {}, but {} are asked for", file, describe(found.steps()),
                    describe(plan.geometry.steps));
  }
}

void rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code failure;
  std::filesystem::rename(from, to, failure);
  if (failure) throw environment_error("{}: cannot rename to {}: {}", from.string(), to.string(), failure.message());
}

/// Makes the empty capture under another name first, so that `partial` is a capture from the moment it is there.
void lay_out(const std::filesystem::path& partial, const CapturePlan& plan) {
  std::filesystem::path unfinished = partial;
  unfinished += ".layout";
  try {
    Hdf5File file = Hdf5File::create(unfinished);
    make_capture_skeleton(file, plan);
    file.close();
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(unfinished, ignored);
    throw;
  }
  rename_file(unfinished, partial);
}

}  // namespace

struct CaptureWriter::Implementation {
  Implementation(const std::filesystem::path& target, const CapturePlan& capture_plan, Hdf5File opened)
      : path(target),
        partial(partial_path(target)),
        plan(capture_plan),
        file(std::move(opened)),
        places(accumulator_places(plan.contents.quantities, plan.geometry.model, plan.geometry.steps)) {
    for (int step = 0; step < plan.geometry.steps.size(); ++step) {
      statistics.emplace_back(plan.geometry.model, plan.geometry.steps, step, plan.batch, plan.contents.quantities);
    }
  }

  StepStatistics& at(int step) { return statistics.at(static_cast<std::size_t>(step)); }

  void load_sums() {
    if (flushed == 0) return;
    const auto slots = file.number_list_attribute(kAccumulators, "samples");
    for (int i = 0; i < 2; ++i) slot_samples[i] = static_cast<std::int64_t>(slots.at(static_cast<std::size_t>(i)));
    slot = slot_samples[0] == flushed ? 0 : 1;
    for (const AccumulatorPlace& place : places) {
      const auto sums = file.read_slab<double>(kAccumulators, {slot, place.offset}, {1, element_count(place.shape)});
      at(place.step).set_sums(place.quantity, Array<double>(place.shape, {sums.values().begin(), sums.values().end()}));
    }
  }

  void set_slot_samples(int which, std::int64_t samples) {
    slot_samples[which] = samples;
    file.set_attribute(kAccumulators, "samples", std::span<const std::int64_t>(slot_samples));
    file.flush();
  }

  void flush() {
    if (added == flushed) return;
    file.flush();
    const int next = 1 - slot;
    set_slot_samples(next, -1);
    for (const AccumulatorPlace& place : places) {
      const auto sums = at(place.step).sums(place.quantity).values();
      const Array<double> row(Shape{1, element_count(place.shape)}, {sums.begin(), sums.end()});
      file.write_slab(kAccumulators, {next, place.offset}, row);
    }
    file.flush();
    set_slot_samples(next, added);
    // From here on the new state counts.
    file.set_attribute("/", "samples", added);
    file.flush();
    slot = next;
    flushed = added;
  }

  void write_tokens(const Array<std::int32_t>& tokens) {
    if (plan.geometry.token_bits == 0) return file.write_slab("/samples/tokens", {added, 0}, tokens);
    const auto bits = tokens.values();
    file.write_slab("/samples/bits", {added, 0, 0}, Array<std::uint8_t>(tokens.shape(), {bits.begin(), bits.end()}));
  }

  void write_means() {
    for (const auto& [quantity, step, offset, shape] : places) {
      file.write_slab(dataset_path(quantity, step), Shape(shape.size(), 0),
                      means_of_sums(quantity, at(step).sums(quantity), added));
      file.set_attribute(group_path(quantity, step), "samples", added);
    }
  }

  std::filesystem::path path;
  std::filesystem::path partial;
  CapturePlan plan;
  Hdf5File file;
  std::vector<AccumulatorPlace> places;
  std::vector<StepStatistics> statistics;
  std::mutex mutex;
  std::int64_t added = 0;
  std::int64_t flushed = 0;
  std::int64_t slot_samples[2] = {-1, -1};
  int slot = 1;  ///< holds the sums of `flushed` samples
};

CaptureWriter::CaptureWriter(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
CaptureWriter::~CaptureWriter() = default;
CaptureWriter::CaptureWriter(CaptureWriter&&) noexcept = default;
CaptureWriter& CaptureWriter::operator=(CaptureWriter&&) noexcept = default;

CaptureWriter CaptureWriter::create(const std::filesystem::path& path, const CapturePlan& plan) {
  const auto samples = static_cast<std::size_t>(plan.geometry.samples);
  require(samples >= 1 && plan.labels.size() == samples && plan.seeds.size() == samples,
          "capture: one label and one seed per sample");
  require(plan.prompts.empty() || plan.prompts.size() == samples, "capture: one prompt per sample, or none");
  if (path.has_parent_path()) {
    std::error_code failure;
    std::filesystem::create_directories(path.parent_path(), failure);
    if (failure)
      throw environment_error("{}: cannot make the folder: {}", path.parent_path().string(), failure.message());
  }
  lay_out(partial_path(path), plan);
  return CaptureWriter(std::make_unique<Implementation>(path, plan, Hdf5File::open_for_writing(partial_path(path))));
}

CaptureWriter CaptureWriter::resume(const std::filesystem::path& path, const CapturePlan& plan) {
  const std::filesystem::path partial = partial_path(path);
  const std::string name = partial.string();
  std::int64_t samples = 0;
  {
    const Capture found = Capture::open(partial);
    if (found.complete()) throw bad_input("{}: is complete; it only has to be renamed to {}", name, path.string());
    check_same_geometry(found, plan, name);
    const Json expected = run_attribute(plan);
    check_same_settings(found.run().value("settings", Json::object()), expected["settings"], name);
    for (const char* setting : {"maps", "map_samples"}) check_same_setting(setting, found.run(), expected, name);
    samples = found.samples();
  }
  auto implementation = std::make_unique<Implementation>(path, plan, Hdf5File::open_for_writing(partial));
  Hdf5File& file = implementation->file;
  for (int step = 0; step < plan.geometry.steps.size(); ++step) {
    for (const CaptureQuantity& quantity : plan.contents.quantities) {
      const std::string dataset = dataset_path(quantity, step);
      if (!file.has(dataset)) throw bad_input("{}: cannot resume: dataset {} was not captured there", name, dataset);
    }
  }
  const auto labels = file.read<std::int64_t>("/samples/label");
  if (!std::ranges::equal(labels.values(), plan.labels))
    throw bad_input("{}: cannot resume: it was started with other labels or another number of samples", name);
  if (file.has("/samples/image") != plan.contents.images)
    throw bad_input("{}: cannot resume: images are stored in one of the runs only", name);
  implementation->added = samples;
  implementation->flushed = samples;
  implementation->load_sums();
  return CaptureWriter(std::move(implementation));
}

const std::filesystem::path& CaptureWriter::partial() const noexcept {
  return implementation_->partial;
}

std::int64_t CaptureWriter::samples() const noexcept {
  return implementation_->added;
}

StepStatistics& CaptureWriter::statistics(int step) {
  return implementation_->at(step);
}

void CaptureWriter::write_map_rows(int layer, int head, int step, std::int64_t sample_in_batch, std::int64_t branch,
                                   std::int64_t first_query, const Array<float>& rows) {
  const std::scoped_lock lock(implementation_->mutex);
  implementation_->file.write_slab(map_path(layer, head, step),
                                   {implementation_->added + sample_in_batch, branch, first_query, 0}, rows);
}

void CaptureWriter::add_samples(const Array<std::int32_t>& tokens, const Array<std::uint8_t>& images) {
  Implementation& own = *implementation_;
  const std::int64_t count = tokens.extent(0);
  require(count >= 1 && count <= own.plan.batch && own.added + count <= own.plan.geometry.samples,
          "capture: more samples than were announced");
  own.write_tokens(tokens);
  if (own.plan.contents.images) own.file.write_slab("/samples/image", {own.added, 0, 0, 0}, images);
  for (int step = 0; step < own.plan.geometry.steps.size(); ++step) {
    for (const CaptureQuantity& quantity : own.plan.contents.quantities) {
      if (!is_per_sample(quantity)) continue;
      Shape offset(quantity.axes.size(), 0);
      offset[0] = own.added;
      own.file.write_slab(dataset_path(quantity, step), offset,
                          first_samples(own.at(step).per_sample(quantity), count));
    }
  }
  own.added += count;
}

void CaptureWriter::flush() {
  implementation_->flush();
}

void CaptureWriter::finish() {
  Implementation& own = *implementation_;
  require(own.added == own.plan.geometry.samples, "capture: finish() before all samples were added");
  own.flush();
  own.write_means();
  own.file.flush();
  own.file.set_attribute("/", "complete", std::int64_t{1});
  own.file.flush();
  own.file.remove(kAccumulators);
  own.file.close();
  rename_file(own.partial, own.path);
}

}  // namespace kvscope
