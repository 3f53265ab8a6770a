#include "collectors/capture/collect.h"

#include "collectors/base/file.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/base/progress.h"
#include "collectors/base/stopwatch.h"
#include "collectors/capture/attention_observers.h"
#include "collectors/capture/capture_layout.h"
#include "collectors/capture/capture_writer.h"
#include "collectors/capture/head_statistics.h"
#include "collectors/capture/host_statistics.h"
#include "collectors/compute/attention_strip.h"
#include "collectors/compute/simd_level.h"
#include "collectors/text/text_features.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <numeric>

namespace kvscope {
namespace {

CaptureGeometry geometry_of(const Engine& engine, const CollectRequest& request) {
  return {.model = engine.model(),
          .steps = engine.steps(),
          .samples = static_cast<std::int64_t>(request.labels.size()),
          .image_size = engine.image_size(),
          .token_bits = engine.token_space().variables > 1 ? engine.token_space().variables : 0};
}

/// What the request asks for, cut down to its byte limit.
CaptureContents contents_of(const CaptureGeometry& geometry, const CollectRequest& request,
                            std::vector<std::string>& left_out) {
  CaptureContents contents = default_contents();
  if (request.keep_column_mean) {
    const auto means = std::ranges::find_if_not(contents.quantities, is_per_sample);
    contents.quantities.insert(means, statistic::kSampleColumnMean);
  }
  contents.maps = parse_map_selection(request.maps, geometry.model, geometry.steps);
  contents.map_samples = std::min(request.map_samples.value_or(geometry.samples), geometry.samples);
  contents.images = request.images;
  if (!request.max_bytes) return contents;
  return contents_within(std::move(contents), geometry, *request.max_bytes, left_out);
}

GenerationRequest batch_request(const CollectRequest& request, std::int64_t first, std::int64_t count) {
  GenerationRequest batch{.labels = {},
                          .sample_ids = {},
                          .seed = request.seed,
                          .guidance = request.guidance,
                          .top_k = request.top_k,
                          .top_p = request.top_p,
                          .temperature = request.temperature};
  batch.guidance_of_step = request.guidance_of_step;
  batch.temperature_of_step = request.temperature_of_step;
  batch.text = request.text;
  batch.negative_text = request.negative_text;
  batch.labels.assign(request.labels.begin() + first, request.labels.begin() + first + count);
  batch.sample_ids.resize(static_cast<std::size_t>(count));
  std::iota(batch.sample_ids.begin(), batch.sample_ids.end(), first);
  return batch;
}

void check_request(const Engine& engine, const CollectRequest& request) {
  if (request.labels.empty()) throw usage_error("collect: at least one sample");
  if (request.map_samples && *request.map_samples < 1)
    throw usage_error("collect: raw maps of at least one sample, not {}", *request.map_samples);
  if (request.batch < 1) throw usage_error("collect: a batch has at least one sample, not {}", request.batch);
  if (engine.classes() == 0 && request.text == nullptr)
    throw usage_error("collect: this model generates from text: prompts are needed");
  const bool takes_text = request.text != nullptr;
  const std::int64_t labels = takes_text ? request.text->count() : engine.classes();
  for (const std::int64_t label : request.labels) {
    if (label >= 0 && label < labels) continue;
    throw usage_error("label {} is out of range: {} 0 to {}", label,
                      takes_text ? "there are the prompts" : "the model has the classes", labels - 1);
  }
  engine.check(batch_request(request, 0, std::ssize(request.labels)));
}

/// What a sample's bits depend on besides the model.
Json result_settings(const Engine& engine, const CollectRequest& request) {
  Json settings{{"seed", request.seed},   {"guidance", request.guidance},     {"top_k", request.top_k},
                {"top_p", request.top_p}, {"samples", request.labels.size()}, {"simd", simd_level()}};
  if (request.temperature) settings["temperature"] = *request.temperature;
  if (!request.guidance_of_step.empty()) settings["guidance_of_step"] = request.guidance_of_step;
  if (!request.temperature_of_step.empty()) settings["temperature_of_step"] = request.temperature_of_step;
  if (request.text != nullptr) settings["text"] = text_fingerprint(*request.text);
  if (request.negative_text != nullptr) settings["negative_text"] = text_fingerprint(*request.negative_text);
  if (engine.device().is_cuda()) settings["device"] = "cuda";
  if (request.statistics != nullptr) settings["statistics"] = request.statistics->name();
  return settings;
}

CapturePlan plan_of(const Engine& engine, const CollectRequest& request, std::vector<std::string>& left_out) {
  CapturePlan plan;
  plan.geometry = geometry_of(engine, request);
  plan.contents = contents_of(plan.geometry, request, left_out);
  plan.labels = request.labels;
  plan.prompts = prompts_of_samples(request.text.get(), request.labels);
  plan.seeds.assign(request.labels.size(), request.seed);
  plan.settings = result_settings(engine, request);
  plan.provenance = {{"command_line", request.command_line},
                     {"versions", request.versions},
                     {"device", name_of(engine.device())},
                     {"dtype", element_name(plan.geometry.model.key_type)},
                     {"left_out", left_out}};
  plan.batch = std::min(request.batch, plan.geometry.samples);
  return plan;
}

CaptureWriter open_writer(const CollectRequest& request, const CapturePlan& plan) {
  const bool is_there = std::filesystem::exists(partial_path(request.output));
  if (is_there && request.earlier_run == EarlierRun::kRefuse) {
    throw usage_error("{} is there from an earlier run: --resume goes on with it, --overwrite starts over",
                      partial_path(request.output).string());
  }
  if (is_there && request.earlier_run == EarlierRun::kResume) return CaptureWriter::resume(request.output, plan);
  return CaptureWriter::create(request.output, plan);
}

/// Copies the tokens of a step, [batch, n] or [batch, n, variables], to the places from `offset` on of all tokens.
void store_tokens(const at::Tensor& tokens, std::int64_t offset, Array<std::int32_t>& all) {
  const at::Tensor adjacent = tokens.contiguous();
  const auto* values = adjacent.const_data_ptr<std::int64_t>();
  const std::int64_t of_sample = tokens.numel() / tokens.size(0);
  const std::int64_t variables = of_sample / tokens.size(1);
  for (std::int64_t sample = 0; sample < tokens.size(0); ++sample) {
    const auto target = all.slice(sample).subspan(static_cast<std::size_t>(offset * variables));
    for (std::int64_t i = 0; i < of_sample; ++i)
      target[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(values[sample * of_sample + i]);
  }
}

Array<std::uint8_t> stored_images(const at::Tensor& images) {
  const at::Tensor adjacent = images.contiguous();
  const auto* bytes = adjacent.const_data_ptr<std::uint8_t>();
  return {Shape(images.sizes().begin(), images.sizes().end()),
          std::vector<std::uint8_t>(bytes, bytes + images.numel())};
}

/// A run from the first missing sample to the last.
class CollectRun {
 public:
  CollectRun(const Engine& engine, const CollectRequest& request, const CapturePlan& plan)
      : engine_(engine),
        request_(request),
        plan_(plan),
        writer_(open_writer(request, plan)),
        engine_of_statistics_(request.statistics != nullptr ? request.statistics : std::make_shared<HostStatistics>()),
        statistics_(writer_, *engine_of_statistics_),
        maps_(writer_, plan.contents.maps),
        cache_(observers()) {}

  CollectResult run() {
    const std::int64_t samples = plan_.geometry.samples;
    result_.resumed_from = writer_.samples();
    Progress progress("collect", samples, "samples", request_.progress);
    progress.update(writer_.samples());
    while (writer_.samples() < samples) {
      stop_if_asked();
      add_batch(std::min(plan_.batch, samples - writer_.samples()));
      flush_if_due();
      progress.update(writer_.samples());
    }
    const Stopwatch watch;
    writer_.finish();
    result_.write_seconds += watch.seconds();
    progress.finish();
    result_.file = request_.output;
    result_.samples = samples;
    result_.file_bytes = static_cast<std::int64_t>(std::filesystem::file_size(request_.output));
    result_.observer_seconds = cache_.observer_seconds();
    result_.seconds = watch_.seconds();
    return result_;
  }

 private:
  std::vector<AttentionObserver*> observers() {
    std::vector<AttentionObserver*> all = {&statistics_};
    if (!plan_.contents.maps.empty()) all.push_back(&maps_);
    return all;
  }

  void stop_if_asked() {
    if (!(request_.stop ? request_.stop() : interrupted())) return;
    writer_.flush();
    throw Error(ErrorCode::kInterrupted,
                fmt::format("stopped after {} of {} samples; {} holds them, --resume goes on", writer_.samples(),
                            plan_.geometry.samples, writer_.partial().string()));
  }

  void add_batch(std::int64_t count) {
    statistics_.begin_batch(count);
    maps_.begin_batch(count, std::clamp<std::int64_t>(plan_.contents.map_samples - writer_.samples(), 0, count));
    const auto session = engine_.start(batch_request(request_, writer_.samples(), count));
    cache_.begin(count * static_cast<std::int64_t>(plan_.geometry.model.branches.size()));
    Shape shape = {count, plan_.geometry.steps.total_tokens()};
    if (plan_.geometry.token_bits > 0) shape.push_back(plan_.geometry.token_bits);
    Array<std::int32_t> tokens(shape);
    while (!session->done()) {
      const StepOutcome outcome = session->advance(cache_);
      store_tokens(outcome.tokens, plan_.geometry.steps.token_offset(outcome.step), tokens);
    }
    statistics_.end_batch();
    const auto images = plan_.contents.images ? stored_images(session->images()) : Array<std::uint8_t>();
    const Stopwatch watch;
    writer_.add_samples(tokens, images);
    result_.write_seconds += watch.seconds();
  }

  void flush_if_due() {
    constexpr double kLongestSeconds = 30.0;
    constexpr double kLargestShare = 0.05;
    const double waited = since_flush_.seconds();
    if (waited < kLongestSeconds && flush_seconds_ > kLargestShare * waited) return;
    const Stopwatch watch;
    writer_.flush();
    since_flush_ = Stopwatch();
    flush_seconds_ = watch.seconds();
    result_.write_seconds += flush_seconds_;
  }

  const Engine& engine_;
  const CollectRequest& request_;
  const CapturePlan& plan_;
  CaptureWriter writer_;
  std::shared_ptr<StatisticsEngine> engine_of_statistics_;
  StatisticsObserver statistics_;
  MapObserver maps_;
  RecordingKvCache cache_;
  CollectResult result_;
  Stopwatch watch_;
  Stopwatch since_flush_;
  double flush_seconds_ = 0.0;
};

std::int64_t cache_bytes(const CaptureGeometry& geometry, std::int64_t batch) {
  const ModelInfo& model = geometry.model;
  const std::int64_t rows = batch * static_cast<std::int64_t>(model.branches.size());
  return geometry.steps.tokens_read_later() * model.layers * model.kv_heads * model.head_dim * rows *
         (element_bytes(model.key_type) + element_bytes(model.value_type));
}

std::int64_t memory_of_statistics(const CaptureContents& contents, CaptureGeometry geometry, std::int64_t batch) {
  std::int64_t strip = 0;
  for (int step = 0; step < geometry.steps.size(); ++step) {
    const std::int64_t n_key = geometry.steps.n_key(step);
    strip =
        std::max(strip, static_cast<std::int64_t>(sizeof(float)) *
                            (statistics_strip_rows(n_key) * strip_stride(n_key) + 2 * n_key * geometry.model.head_dim));
  }
  geometry.samples = batch;
  std::int64_t per_sample = 0;
  for (const PartSize& part : part_sizes({.quantities = contents.quantities}, geometry)) {
    const auto is_mean = [&](const CaptureQuantity& quantity) {
      return !is_per_sample(quantity) && quantity.name == part.part;
    };
    if (part.part != "bookkeeping" && std::ranges::none_of(contents.quantities, is_mean)) per_sample += part.bytes;
  }
  return accumulator_bytes(contents, geometry) / 2 + per_sample + strip * thread_count();
}

/// Memory and times of an engine that knows its sizes.
void estimate_generation(const Engine& engine, const CollectRequest& request, std::int64_t statistics_bytes,
                         CollectEstimate& estimate) {
  const auto sizes = engine.sizes();
  if (!sizes) return;
  const GenerationShape shape{.type = engine.model().key_type,
                              .batch = std::min(request.batch, std::ssize(request.labels)),
                              .text_tokens = request.text == nullptr ? 0 : request.text->longest(),
                              .images = request.images,
                              .threads = thread_count()};
  estimate.memory = memory_need(*sizes, shape, statistics_bytes);
  if (engine.device().is_cuda()) return;
  estimate.seconds =
      estimated_seconds(*sizes, measure_compute_rates(*sizes, shape.type), std::ssize(request.labels), shape.batch);
}

}  // namespace

std::int64_t statistics_memory_bytes(const ModelSizes& sizes, const GenerationShape& shape,
                                     const CollectRequest& request) {
  const CaptureGeometry geometry{
      .model = info_of(sizes, shape.type), .steps = sizes.steps, .samples = shape.batch, .image_size = {0, 0}};
  std::vector<std::string> left_out;
  return memory_of_statistics(contents_of(geometry, request, left_out), geometry, shape.batch);
}

CollectEstimate estimate_collect(const Engine& engine, const CollectRequest& request) {
  check_request(engine, request);
  CollectEstimate estimate;
  const CaptureGeometry geometry = geometry_of(engine, request);
  const CaptureContents contents = contents_of(geometry, request, estimate.left_out);
  for (const PartSize& part : part_sizes(contents, geometry)) estimate.parts.push_back({part.part, part.bytes});
  estimate.file_bytes = total_bytes(part_sizes(contents, geometry));
  estimate.accumulator_bytes = accumulator_bytes(contents, geometry);
  const std::int64_t batch = std::min(request.batch, geometry.samples);
  const std::int64_t statistics_bytes = memory_of_statistics(contents, geometry, batch);
  estimate.memory_bytes = statistics_bytes + cache_bytes(geometry, batch);
  estimate_generation(engine, request, statistics_bytes, estimate);
  return estimate;
}

CollectResult collect(const Engine& engine, const CollectRequest& request) {
  check_request(engine, request);
  std::vector<std::string> left_out;
  const CapturePlan plan = plan_of(engine, request, left_out);
  // Wrong sampling settings are found before a file is made.
  (void)engine.start(batch_request(request, 0, 1));
  CollectResult result = CollectRun(engine, request, plan).run();
  result.left_out = left_out;
  return result;
}

void touch_weights(const Engine& engine, const CollectRequest& request) {
  check_request(engine, request);
  FullKvCache cache;
  const auto session = engine.start(batch_request(request, 0, 1));
  cache.begin(static_cast<std::int64_t>(engine.model().branches.size()));
  (void)session->advance(cache);
}

double plain_generation_seconds(const Engine& engine, const CollectRequest& request) {
  check_request(engine, request);
  const auto samples = static_cast<std::int64_t>(request.labels.size());
  const auto branches = static_cast<std::int64_t>(engine.model().branches.size());
  FullKvCache cache;
  const Stopwatch watch;
  for (std::int64_t first = 0; first < samples; first += request.batch) {
    throw_if_interrupted();
    const std::int64_t count = std::min(request.batch, samples - first);
    const auto session = engine.start(batch_request(request, first, count));
    cache.begin(count * branches);
    while (!session->done()) (void)session->advance(cache);
    if (request.images) (void)session->images();
  }
  return watch.seconds();
}

}  // namespace kvscope
