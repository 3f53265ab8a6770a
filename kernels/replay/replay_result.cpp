#include "kernels/replay/replay_result.h"

#include "kernels/replay/interval_json.h"

#include <limits>

namespace kvscope {
namespace {

constexpr std::string_view kFormat = "kvscope-replay";
constexpr int kVersion = 1;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

Json output_error_json(const Array<Interval>& error) {
  Json layers = Json::array();
  for (std::int64_t layer = 0; layer < error.extent(0); ++layer) {
    Json heads = Json::array();
    for (const Interval& interval : error.slice(layer)) heads.push_back(to_json(interval));
    layers.push_back(std::move(heads));
  }
  return layers;
}

Array<Interval> output_error_from(const Json& json, const ModelInfo& model, std::string_view where) {
  Array<Interval> error({model.layers, model.heads});
  if (!json.is_array() || json.size() != static_cast<std::size_t>(model.layers)) {
    throw bad_input("{}: output_error needs one list for each of the {} layers", where, model.layers);
  }
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    const Json& heads = json[static_cast<std::size_t>(layer)];
    if (!heads.is_array() || heads.size() != static_cast<std::size_t>(model.heads)) {
      throw bad_input("{}: output_error: layer {} needs one entry for each of the {} heads", where, layer, model.heads);
    }
    for (std::int64_t head = 0; head < model.heads; ++head) {
      error(layer, head) = interval_from_json(heads[static_cast<std::size_t>(head)],
                                              fmt::format("{}: output_error[{}][{}]", where, layer, head));
    }
  }
  return error;
}

Json mode_json(const ReplayMode& mode) {
  Json steps = Json::array();
  for (const ReplayStep& step : mode.steps) {
    steps.push_back({{"step", step.step},
                     {"token_agreement", to_json(step.token_agreement)},
                     {"kl", to_json(step.kl)},
                     {"output_error", output_error_json(step.output_error)}});
  }
  return {{"token_agreement", to_json(mode.token_agreement)}, {"kl", to_json(mode.kl)}, {"steps", std::move(steps)}};
}

void read_mode(const Json& json, const ReplayResult& result, std::string_view where, ReplayMode& mode) {
  mode.token_agreement = interval_field(json, "token_agreement", where);
  mode.kl = interval_field(json, "kl", where);
  const Json steps = json_field<Json>(json, "steps", where);
  if (!steps.is_array() || steps.size() != static_cast<std::size_t>(result.steps.size())) {
    throw bad_input("{}: steps needs one entry for each of the {} steps", where, result.steps.size());
  }
  for (const Json& entry : steps) {
    const std::string here = fmt::format("{}: steps[{}]", where, mode.steps.size());
    ReplayStep step{.step = json_field<int>(entry, "step", here),
                    .token_agreement = interval_field(entry, "token_agreement", here),
                    .kl = interval_field(entry, "kl", here),
                    .output_error = {}};
    if (step.step != static_cast<int>(mode.steps.size())) throw bad_input("{}: step is {}", here, step.step);
    step.output_error = output_error_from(json_field<Json>(entry, "output_error", here), result.model, here);
    mode.steps.push_back(std::move(step));
  }
}

Json free_running_json(const FreeRunningReplay& run) {
  Json json = mode_json(run);
  json["psnr"] = to_json(run.psnr);
  json["identical_images"] = run.identical_images;
  json["ssim"] = to_json(run.ssim);
  if (!run.evaluator) return json;
  const EvaluatorVerdict& verdict = *run.evaluator;
  json["class_accuracy"] = {{"full", to_json(verdict.class_accuracy_full)},
                            {"compressed", to_json(verdict.class_accuracy_compressed)}};
  json["class_agreement"] = to_json(verdict.class_agreement);
  if (verdict.frechet_full && verdict.frechet_compressed) {
    json["frechet"] = {{"full", to_json(*verdict.frechet_full)}, {"compressed", to_json(*verdict.frechet_compressed)}};
  }
  return json;
}

FreeRunningReplay free_running_from(const Json& json, const ReplayResult& result, std::string_view where) {
  FreeRunningReplay run;
  read_mode(json, result, where, run);
  run.psnr = interval_field(json, "psnr", where);
  run.identical_images = json_field<std::int64_t>(json, "identical_images", where);
  run.ssim = interval_field(json, "ssim", where);
  if (!json.contains("class_accuracy")) return run;
  EvaluatorVerdict verdict;
  const Json accuracy = json_field<Json>(json, "class_accuracy", where);
  verdict.class_accuracy_full = interval_field(accuracy, "full", where);
  verdict.class_accuracy_compressed = interval_field(accuracy, "compressed", where);
  verdict.class_agreement = interval_field(json, "class_agreement", where);
  if (json.contains("frechet")) {
    const Json frechet = json_field<Json>(json, "frechet", where);
    verdict.frechet_full = interval_field(frechet, "full", where);
    verdict.frechet_compressed = interval_field(frechet, "compressed", where);
  }
  run.evaluator = verdict;
  return run;
}

Json samples_json(const ReplayResult& result) {
  Json list = Json::array();
  for (const ReplaySample& sample : result.samples) {
    Json json{{"sample", sample.sample}, {"label", sample.label}};
    if (result.free_running) {
      json["token_agreement"] = number_json(sample.token_agreement);
      json["identical"] = sample.identical;
      json["psnr"] = number_json(sample.identical ? kInfinity : sample.psnr);
      json["ssim"] = number_json(sample.ssim);
    }
    if (sample.class_full) json["class_full"] = *sample.class_full;
    if (sample.class_compressed) json["class_compressed"] = *sample.class_compressed;
    list.push_back(std::move(json));
  }
  return list;
}

std::optional<int> optional_int(const Json& json, std::string_view field, std::string_view where) {
  if (!json.contains(field)) return std::nullopt;
  return json_field<int>(json, field, where);
}

std::vector<ReplaySample> samples_from(const Json& list, std::string_view where) {
  if (!list.is_array()) throw bad_input("{}: samples is no list", where);
  std::vector<ReplaySample> samples;
  for (const Json& json : list) {
    const std::string here = fmt::format("{}: samples[{}]", where, samples.size());
    ReplaySample sample{.sample = json_field<std::int64_t>(json, "sample", here),
                        .label = json_field<std::int64_t>(json, "label", here)};
    if (json.contains("psnr")) {
      sample.token_agreement = number_field(json, "token_agreement", here, 0.0);
      sample.identical = json_field<bool>(json, "identical", here);
      sample.psnr = number_field(json, "psnr", here, kInfinity);
      sample.ssim = number_field(json, "ssim", here, 0.0);
    }
    sample.class_full = optional_int(json, "class_full", here);
    sample.class_compressed = optional_int(json, "class_compressed", here);
    samples.push_back(sample);
  }
  return samples;
}

Json cache_json(const ReplayCacheBytes& cache) {
  Json json{{"rows", cache.rows},
            {"published_bytes", cache.published_bytes},
            {"lossless_bytes", cache.lossless_bytes},
            {"full_bytes", cache.full_bytes},
            {"predicted_bytes", cache.predicted_bytes},
            {"allocated_bytes", cache.allocated_bytes},
            {"peak_bytes", cache.peak_bytes},
            {"baseline_allocated_bytes", cache.baseline_allocated_bytes},
            {"baseline_peak_bytes", cache.baseline_peak_bytes}};
  if (cache.codes > 0) {
    json["codes"] = cache.codes;
    json["saturated_codes"] = cache.saturated_codes;
  }
  if (cache.text_bytes > 0) json["text_bytes"] = cache.text_bytes;
  return json;
}

ReplayCacheBytes cache_from(const Json& json, std::string_view where) {
  const auto count = [&](std::string_view field) { return json_field<std::int64_t>(json, field, where); };
  return {.rows = count("rows"),
          .published_bytes = count("published_bytes"),
          .full_bytes = count("full_bytes"),
          .lossless_bytes = count("lossless_bytes"),
          .predicted_bytes = count("predicted_bytes"),
          .allocated_bytes = count("allocated_bytes"),
          .peak_bytes = count("peak_bytes"),
          .baseline_allocated_bytes = count("baseline_allocated_bytes"),
          .baseline_peak_bytes = count("baseline_peak_bytes"),
          .codes = json_field_or<std::int64_t>(json, "codes", where, 0),
          .saturated_codes = json_field_or<std::int64_t>(json, "saturated_codes", where, 0),
          .text_bytes = json.contains("text_bytes") ? count("text_bytes") : 0};
}

Json memory_json(const ReplayResult& result) {
  Json json{{"process_peak_bytes", result.process_peak_bytes}};
  if (!result.device) return json;
  const ReplayDeviceBytes& device = *result.device;
  json["device"] = {{"name", device.name},
                    {"total_bytes", device.total_bytes},
                    {"used_bytes", device.used_bytes},
                    {"reserved_peak_bytes", device.reserved_peak_bytes},
                    {"allocated_peak_bytes", device.allocated_peak_bytes},
                    {"cache_requested_bytes", device.cache_requested_bytes},
                    {"cache_overhead_bytes", device.cache_overhead_bytes},
                    {"cache_workspace_bytes", device.cache_workspace_bytes},
                    {"unexplained_bytes", device.unexplained_bytes}};
  return json;
}

std::optional<ReplayDeviceBytes> device_from(const Json& memory, std::string_view where) {
  if (!memory.contains("device")) return std::nullopt;
  const Json& json = memory["device"];
  const auto count = [&](std::string_view field) { return json_field<std::int64_t>(json, field, where); };
  return ReplayDeviceBytes{.name = json_field<std::string>(json, "name", where),
                           .total_bytes = count("total_bytes"),
                           .used_bytes = count("used_bytes"),
                           .reserved_peak_bytes = count("reserved_peak_bytes"),
                           .allocated_peak_bytes = count("allocated_peak_bytes"),
                           .cache_requested_bytes = count("cache_requested_bytes"),
                           .cache_overhead_bytes = count("cache_overhead_bytes"),
                           .cache_workspace_bytes = count("cache_workspace_bytes"),
                           .unexplained_bytes = count("unexplained_bytes")};
}

Json seconds_json(const ReplaySeconds& seconds) {
  Json steps = Json::array();
  for (const ReplayStepSeconds& step : seconds.steps) {
    steps.push_back({{"full", step.full}, {"compressed", step.compressed}});
  }
  return {{"generation_full", seconds.generation_full},
          {"generation_compressed", seconds.generation_compressed},
          {"attention", seconds.attention ? Json(*seconds.attention) : Json()},
          {"selection", seconds.selection ? Json(*seconds.selection) : Json()},
          {"decoding", seconds.decoding},
          {"evaluation", seconds.evaluation},
          {"total", seconds.total},
          {"steps", std::move(steps)}};
}

ReplaySeconds seconds_from(const Json& json, std::string_view where) {
  const auto seconds = [&](const Json& object, std::string_view field) {
    return json_field<double>(object, field, where);
  };
  const auto seconds_or_null = [&](std::string_view field) -> std::optional<double> {
    if (json.contains(field) && json[std::string(field)].is_null()) return std::nullopt;
    return seconds(json, field);
  };
  ReplaySeconds result{.steps = {},
                       .generation_full = seconds(json, "generation_full"),
                       .generation_compressed = seconds(json, "generation_compressed"),
                       .attention = seconds_or_null("attention"),
                       .selection = seconds_or_null("selection"),
                       .decoding = seconds(json, "decoding"),
                       .evaluation = seconds(json, "evaluation"),
                       .total = seconds(json, "total")};
  for (const Json& step : json_field<Json>(json, "steps", where)) {
    result.steps.push_back({seconds(step, "full"), seconds(step, "compressed")});
  }
  return result;
}

Json requirements_json(const std::vector<ReplayRequirement>& requirements) {
  Json list = Json::array();
  for (const ReplayRequirement& demand : requirements) {
    list.push_back({{"figure", demand.figure},
                    {"relation", demand.relation},
                    {"bound", demand.bound},
                    {"value", number_json(demand.value)},
                    {"holds", demand.holds}});
  }
  return list;
}

std::vector<ReplayRequirement> requirements_from(const Json& list, std::string_view where) {
  std::vector<ReplayRequirement> requirements;
  for (const Json& json : list) {
    requirements.push_back({.figure = json_field<std::string>(json, "figure", where),
                            .relation = json_field<std::string>(json, "relation", where),
                            .bound = json_field<double>(json, "bound", where),
                            .value = number_field(json, "value", where, kInfinity),
                            .holds = json_field<bool>(json, "holds", where)});
  }
  return requirements;
}

}  // namespace

Json to_json(const ReplayResult& result) {
  Json json{{"format", kFormat},
            {"version", kVersion},
            {"method", result.method},
            {"parameters", result.parameters},
            {"model", to_json(result.model)},
            {"steps", to_json(result.steps)},
            {"run", result.run},
            {"made_from", result.made_from},
            {"cache", cache_json(result.cache)},
            {"memory", memory_json(result)},
            {"seconds", seconds_json(result.seconds)}};
  if (result.free_running) json["free_running"] = free_running_json(*result.free_running);
  if (result.teacher_forced) json["teacher_forced"] = mode_json(*result.teacher_forced);
  json["requirements"] = requirements_json(result.requirements);
  json["samples"] = samples_json(result);
  json["images"] = result.images.empty() ? Json(nullptr) : Json(result.images);
  return json;
}

ReplayResult replay_from_json(const Json& json, std::string_view where) {
  check_format(json, where, kFormat, kVersion);
  ReplayResult result;
  result.method = json_field<std::string>(json, "method", where);
  result.parameters = json_field_or(json, "parameters", where, Json());
  result.model = model_info_from_json(json_field<Json>(json, "model", where), where);
  result.steps = step_table_from_json(json_field<Json>(json, "steps", where), where);
  result.run = json_field_or(json, "run", where, Json());
  result.made_from = json_field_or(json, "made_from", where, Json());
  result.cache = cache_from(json_field<Json>(json, "cache", where), fmt::format("{}: cache", where));
  const Json memory = json_field_or(json, "memory", where, Json(Json::value_t::object));
  result.process_peak_bytes = json_field_or<std::int64_t>(memory, "process_peak_bytes", where, 0);
  result.device = device_from(memory, fmt::format("{}: memory: device", where));
  result.seconds = seconds_from(json_field<Json>(json, "seconds", where), fmt::format("{}: seconds", where));
  result.samples = samples_from(json_field<Json>(json, "samples", where), where);
  if (json.contains("free_running")) {
    result.free_running = free_running_from(json["free_running"], result, fmt::format("{}: free_running", where));
  }
  if (json.contains("teacher_forced")) {
    ReplayMode mode;
    read_mode(json["teacher_forced"], result, fmt::format("{}: teacher_forced", where), mode);
    result.teacher_forced = std::move(mode);
  }
  result.requirements =
      requirements_from(json_field_or(json, "requirements", where, Json(Json::value_t::array)), where);
  const Json images = json_field_or(json, "images", where, Json());
  if (images.is_string()) result.images = images.get<std::string>();
  return result;
}

ReplayResult read_replay(const std::filesystem::path& path) {
  return replay_from_json(read_json_file(path, kFormat, kVersion), path.string());
}

void write_replay(const std::filesystem::path& path, const ReplayResult& result) {
  write_json_file(path, to_json(result));
}

}  // namespace kvscope
