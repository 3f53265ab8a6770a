#include "kernels/compare/compare_result.h"

#include "kernels/replay/interval_json.h"

#include <cmath>
#include <limits>
#include <utility>

namespace kvscope {
namespace {

constexpr std::string_view kFormat = "kvscope-compare";
constexpr int kVersion = 1;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string inside(std::string_view where, std::string_view field) {
  return fmt::format("{}: {}", where, field);
}

// ---- fields that may be absent

void set_if(Json& json, const char* field, const std::optional<Interval>& figure) {
  if (figure) json[field] = to_json(*figure);
}
void set_if(Json& json, const char* field, const std::optional<double>& number) {
  if (number) json[field] = *number;
}

std::optional<Interval> figure_if(const Json& json, std::string_view field, std::string_view where) {
  if (!json.contains(field)) return std::nullopt;
  return interval_field(json, field, where);
}
template <typename T>
std::optional<T> value_if(const Json& json, std::string_view field, std::string_view where) {
  if (!json.contains(field)) return std::nullopt;
  return json_field<T>(json, field, where);
}

Json or_null(const std::optional<double>& number) {
  return number ? Json(*number) : Json();
}
std::optional<double> number_or_null(const Json& json, std::string_view field, std::string_view where) {
  if (json_field<Json>(json, field, where).is_null()) return std::nullopt;
  return json_field<double>(json, field, where);
}

// ---- lists

Json list_of(const Json& json, std::string_view field, std::string_view where) {
  Json list = json_field<Json>(json, field, where);
  if (!list.is_array()) throw bad_input("{}: field '{}' is no list ({})", where, field, list.type_name());
  return list;
}

template <typename T>
std::vector<T> values_of(const Json& json, std::string_view field, std::string_view where) {
  std::vector<T> values;
  for (const Json& entry : list_of(json, field, where)) {
    if (!json_holds<T>(entry)) throw bad_input("{}: field '{}' holds {}", where, field, in_quotes(entry.dump()));
    try {
      values.push_back(entry.get<T>());
    } catch (const nlohmann::json::exception&) {
      throw bad_input("{}: field '{}' holds {}", where, field, in_quotes(entry.dump()));
    }
  }
  return values;
}

template <typename T, typename Read>
std::vector<T> entries_of(const Json& json, std::string_view field, std::string_view where, const Read& read) {
  std::vector<T> entries;
  for (const Json& entry : list_of(json, field, where)) {
    entries.push_back(read(entry, fmt::format("{}: {}[{}]", where, field, entries.size())));
  }
  return entries;
}

// ---- parts of a cell

Json mode_json(const CompareMode& mode) {
  Json steps = Json::array();
  for (const CompareStep& step : mode.steps) {
    steps.push_back(
        {{"step", step.step}, {"token_agreement", to_json(step.token_agreement)}, {"kl", to_json(step.kl)}});
  }
  return {{"kl", to_json(mode.kl)}, {"token_agreement", to_json(mode.token_agreement)}, {"steps", std::move(steps)}};
}

void read_mode(const Json& json, std::string_view where, CompareMode& mode) {
  mode.kl = interval_field(json, "kl", where);
  mode.token_agreement = interval_field(json, "token_agreement", where);
  mode.steps = entries_of<CompareStep>(json, "steps", where, [](const Json& entry, std::string_view here) {
    return CompareStep{.step = json_field<int>(entry, "step", here),
                       .token_agreement = interval_field(entry, "token_agreement", here),
                       .kl = interval_field(entry, "kl", here)};
  });
}

Json free_running_json(const CompareFreeRunning& run) {
  Json json = mode_json(run);
  json["psnr"] = to_json(run.psnr);
  json["identical_images"] = run.identical_images;
  json["ssim"] = to_json(run.ssim);
  set_if(json, "class_accuracy", run.class_accuracy);
  set_if(json, "class_agreement", run.class_agreement);
  set_if(json, "frechet", run.frechet);
  return json;
}

CompareFreeRunning free_running_from(const Json& json, std::string_view where) {
  CompareFreeRunning run;
  read_mode(json, where, run);
  run.psnr = interval_field(json, "psnr", where);
  run.identical_images = json_field<std::int64_t>(json, "identical_images", where);
  run.ssim = interval_field(json, "ssim", where);
  run.class_accuracy = figure_if(json, "class_accuracy", where);
  run.class_agreement = figure_if(json, "class_agreement", where);
  run.frechet = figure_if(json, "frechet", where);
  return run;
}

Json values_json(const CompareValues& values) {
  Json psnr = Json::array();
  for (const double value : values.psnr) psnr.push_back(number_json(value));
  Json free{{"kl", values.free_kl},
            {"token_agreement", values.free_agreement},
            {"psnr", std::move(psnr)},
            {"ssim", values.ssim}};
  if (!values.classes.empty()) free["class"] = values.classes;
  return {{"teacher_forced", {{"kl", values.forced_kl}, {"token_agreement", values.forced_agreement}}},
          {"free_running", std::move(free)}};
}

CompareValues values_from(const Json& json, std::size_t samples, std::string_view where) {
  const Json forced = json_field<Json>(json, "teacher_forced", where);
  const Json free = json_field<Json>(json, "free_running", where);
  CompareValues values;
  values.forced_kl = values_of<double>(forced, "kl", where);
  values.forced_agreement = values_of<double>(forced, "token_agreement", where);
  values.free_kl = values_of<double>(free, "kl", where);
  values.free_agreement = values_of<double>(free, "token_agreement", where);
  values.ssim = values_of<double>(free, "ssim", where);
  for (const Json& entry : list_of(free, "psnr", where)) {
    if (!entry.is_null() && !entry.is_number()) throw bad_input("{}: 'psnr' holds {}", where, in_quotes(entry.dump()));
    values.psnr.push_back(entry.is_null() ? kInfinity : entry.get<double>());
  }
  if (free.contains("class")) values.classes = values_of<int>(free, "class", where);
  for (const auto* numbers : {&values.forced_kl, &values.forced_agreement, &values.free_kl, &values.free_agreement,
                              &values.psnr, &values.ssim}) {
    if (numbers->size() != samples) {
      throw bad_input("{}: {} values, expected one for each of the {} samples", where, numbers->size(), samples);
    }
  }
  if (!values.classes.empty() && values.classes.size() != samples) {
    throw bad_input("{}: {} classes, expected one for each of the {} samples", where, values.classes.size(), samples);
  }
  return values;
}

Json plan_json(const ComparePlan& plan, std::int64_t budget_bytes) {
  Json json{{"method", plan.method},
            {"parameters", plan.parameters},
            {"sha256", plan.sha256},
            {"file", plan.file.empty() ? Json() : Json(plan.file)}};
  if (plan.contextual_heads) json["contextual_heads"] = *plan.contextual_heads;
  json["rules"] = plan.rules;
  json["predicted_bytes"] = plan.predicted_bytes;
  json["allocated_bytes"] = plan.allocated_bytes;
  json["peak_bytes"] = plan.peak_bytes;
  json["unused_bytes"] = budget_bytes - plan.predicted_bytes;
  json["attended_share"] = plan.attended_share;
  json["carried_share"] = plan.carried_share;
  json["notes"] = plan.notes;
  return json;
}

ComparePlan plan_from(const Json& json, std::string_view where) {
  ComparePlan plan;
  plan.method = json_field<std::string>(json, "method", where);
  plan.parameters = json_field<Json>(json, "parameters", where);
  plan.sha256 = json_field<std::string>(json, "sha256", where);
  const Json file = json_field<Json>(json, "file", where);
  if (!file.is_null()) plan.file = json_field<std::string>(json, "file", where);
  plan.contextual_heads = value_if<std::int64_t>(json, "contextual_heads", where);
  const Json rules = json_field<Json>(json, "rules", where);
  for (const auto& [name, heads] : rules.items()) plan.rules[name] = json_field<std::int64_t>(rules, name, where);
  plan.predicted_bytes = json_field<std::int64_t>(json, "predicted_bytes", where);
  plan.allocated_bytes = json_field<std::int64_t>(json, "allocated_bytes", where);
  plan.peak_bytes = json_field<std::int64_t>(json, "peak_bytes", where);
  plan.attended_share = json_field<double>(json, "attended_share", where);
  plan.carried_share = json_field<double>(json, "carried_share", where);
  plan.notes = values_of<std::string>(json, "notes", where);
  return plan;
}

Json search_json(const std::vector<CompareCandidate>& search) {
  Json list = Json::array();
  for (const CompareCandidate& candidate : search) {
    Json json = Json::object();
    set_if(json, "alpha", candidate.alpha);
    set_if(json, "tau", candidate.tau);
    json["kl"] = candidate.kl;
    list.push_back(std::move(json));
  }
  return list;
}

CompareCandidate candidate_from(const Json& json, std::string_view where) {
  return {.alpha = value_if<double>(json, "alpha", where),
          .tau = value_if<double>(json, "tau", where),
          .kl = json_field<double>(json, "kl", where)};
}

Json cell_json(const CompareCell& cell) {
  Json json{{"method", cell.method},
            {"budget", cell.budget},
            {"budget_bytes", cell.budget_bytes},
            {"parameters", cell.parameters}};
  if (!cell.search.empty()) json["search"] = search_json(cell.search);
  json["plan"] = plan_json(cell.plan, cell.budget_bytes);
  json["teacher_forced"] = mode_json(cell.teacher_forced);
  json["free_running"] = free_running_json(cell.free_running);
  json["seconds"] = {{"generation", to_json(cell.seconds.generation)},
                     {"attention", or_null(cell.seconds.attention)},
                     {"selection", or_null(cell.seconds.selection)},
                     {"total", cell.seconds.total}};
  json["values"] = values_json(cell.values);
  return json;
}

CompareCell cell_from(const Json& json, std::size_t samples, std::string_view where) {
  CompareCell cell;
  cell.method = json_field<std::string>(json, "method", where);
  cell.budget = json_field<double>(json, "budget", where);
  cell.budget_bytes = json_field<std::int64_t>(json, "budget_bytes", where);
  cell.parameters = json_field<Json>(json, "parameters", where);
  if (json.contains("search")) cell.search = entries_of<CompareCandidate>(json, "search", where, candidate_from);
  cell.plan = plan_from(json_field<Json>(json, "plan", where), inside(where, "plan"));
  read_mode(json_field<Json>(json, "teacher_forced", where), inside(where, "teacher_forced"), cell.teacher_forced);
  cell.free_running = free_running_from(json_field<Json>(json, "free_running", where), inside(where, "free_running"));
  const Json seconds = json_field<Json>(json, "seconds", where);
  const std::string here = inside(where, "seconds");
  cell.seconds = {.generation = interval_field(seconds, "generation", here),
                  .attention = number_or_null(seconds, "attention", here),
                  .selection = number_or_null(seconds, "selection", here),
                  .total = json_field<double>(seconds, "total", here)};
  cell.values = values_from(json_field<Json>(json, "values", where), samples, inside(where, "values"));
  return cell;
}

// ---- what is said about cells

Json difference_json(const CompareDifference& difference) {
  Json figures = Json::object();
  for (const auto& [name, figure] : difference.figures) {
    figures[name] = to_json(figure.difference);
    figures[name]["samples"] = figure.samples;
  }
  Json ratios = Json::object();
  for (const auto& [name, ratio] : difference.ratios) ratios[name] = to_json(ratio);
  return {{"budget", difference.budget},   {"method", difference.method},   {"other", difference.other},
          {"against", difference.against}, {"figures", std::move(figures)}, {"ratios", std::move(ratios)}};
}

CompareDifference difference_from(const Json& json, std::string_view where) {
  CompareDifference difference;
  difference.budget = json_field<double>(json, "budget", where);
  difference.method = json_field<std::string>(json, "method", where);
  difference.other = json_field<std::string>(json, "other", where);
  difference.against = json_field<std::string>(json, "against", where);
  const Json figures = json_field<Json>(json, "figures", where);
  for (const auto& [name, figure] : figures.items()) {
    const std::string here = inside(where, name);
    difference.figures[name] = {.difference = interval_from_json(figure, here),
                                .samples = json_field<std::int64_t>(figure, "samples", here)};
  }
  const Json ratios = json_field<Json>(json, "ratios", where);
  for (const auto& [name, ratio] : ratios.items()) {
    difference.ratios[name] = interval_from_json(ratio, inside(where, name));
  }
  return difference;
}

Json pareto_json(const ParetoPoint& point) {
  return {
      {"method", point.method}, {"budget", point.budget}, {"allocated_bytes", point.allocated_bytes}, {"kl", point.kl}};
}

ParetoPoint pareto_from(const Json& json, std::string_view where) {
  return {.method = json_field<std::string>(json, "method", where),
          .budget = json_field<double>(json, "budget", where),
          .allocated_bytes = json_field<std::int64_t>(json, "allocated_bytes", where),
          .kl = json_field<double>(json, "kl", where)};
}

// ---- the whole

Json samples_json(const CompareSamples& samples) {
  return {{"seed", samples.seed}, {"sample", samples.samples}, {"label", samples.labels}};
}

CompareSamples samples_from(const Json& json, std::string_view where) {
  CompareSamples samples;
  samples.seed = json_field<std::uint64_t>(json, "seed", where);
  samples.samples = values_of<std::int64_t>(json, "sample", where);
  samples.labels = values_of<std::int64_t>(json, "label", where);
  if (samples.samples.size() != samples.labels.size()) {
    throw bad_input("{}: {} samples, but {} labels", where, samples.samples.size(), samples.labels.size());
  }
  return samples;
}

Json full_json(const CompareFull& full) {
  Json json{{"seconds", to_json(full.seconds)}};
  set_if(json, "class_accuracy", full.class_accuracy);
  set_if(json, "frechet", full.frechet);
  if (!full.classes.empty()) json["class"] = full.classes;
  return json;
}

CompareFull full_from(const Json& json, std::string_view where) {
  CompareFull full;
  full.seconds = interval_field(json, "seconds", where);
  full.class_accuracy = figure_if(json, "class_accuracy", where);
  full.frechet = figure_if(json, "frechet", where);
  if (json.contains("class")) full.classes = values_of<int>(json, "class", where);
  return full;
}

template <typename T, typename Write>
Json list_json(const std::vector<T>& entries, const Write& write) {
  Json list = Json::array();
  for (const T& entry : entries) list.push_back(write(entry));
  return list;
}

}  // namespace

const CompareCell* CompareResult::find(std::string_view method, double budget) const {
  for (const CompareCell& cell : cells) {
    if (cell.method == method && cell.budget == budget) return &cell;
  }
  return nullptr;
}

std::string parameters_text(const Json& parameters) {
  std::string text;
  for (const auto& [name, value] : parameters.items()) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, value.dump());
  }
  return text;
}

Json to_json(const CompareResult& result) {
  Json json{{"format", kFormat},
            {"version", kVersion},
            {"complete", result.complete},
            {"model", to_json(result.model)},
            {"steps", to_json(result.steps)},
            {"request", result.request},
            {"run", result.run},
            {"made_from", result.made_from},
            {"samples",
             {{"evaluation", samples_json(result.evaluation)},
              {"calibration", samples_json(result.calibration)},
              {"seen", result.seen}}},
            {"cache",
             {{"rows", result.cache.rows},
              {"published_bytes", result.cache.published_bytes},
              {"full_bytes", result.cache.full_bytes},
              {"lossless_bytes", result.cache.lossless_bytes}}},
            {"full", full_json(result.full)},
            {"cells", list_json(result.cells, cell_json)},
            {"differences", list_json(result.differences, difference_json)},
            {"pareto", list_json(result.pareto, pareto_json)}};
  if (!result.complete) json["calibration"] = result.calibration_kl;
  return json;
}

CompareResult compare_from_json(const Json& json, std::string_view where) {
  check_format(json, where, kFormat, kVersion);
  CompareResult result;
  result.complete = json_field<bool>(json, "complete", where);
  result.model = model_info_from_json(json_field<Json>(json, "model", where), where);
  result.steps = step_table_from_json(json_field<Json>(json, "steps", where), where);
  result.request = json_field<Json>(json, "request", where);
  result.run = json_field<Json>(json, "run", where);
  result.made_from = json_field<Json>(json, "made_from", where);
  const Json samples = json_field<Json>(json, "samples", where);
  result.evaluation = samples_from(json_field<Json>(samples, "evaluation", where), inside(where, "evaluation"));
  result.calibration = samples_from(json_field<Json>(samples, "calibration", where), inside(where, "calibration"));
  result.seen = json_field<bool>(samples, "seen", where);
  const Json cache = json_field<Json>(json, "cache", where);
  const auto bytes = [&](std::string_view field) { return json_field<std::int64_t>(cache, field, where); };
  result.cache = {.rows = bytes("rows"),
                  .published_bytes = bytes("published_bytes"),
                  .full_bytes = bytes("full_bytes"),
                  .lossless_bytes = bytes("lossless_bytes")};
  result.full = full_from(json_field<Json>(json, "full", where), inside(where, "full"));
  const std::size_t count = result.evaluation.samples.size();
  result.cells = entries_of<CompareCell>(
      json, "cells", where, [&](const Json& cell, std::string_view here) { return cell_from(cell, count, here); });
  result.differences = entries_of<CompareDifference>(json, "differences", where, difference_from);
  result.pareto = entries_of<ParetoPoint>(json, "pareto", where, pareto_from);
  const Json prices = json_field_or(json, "calibration", where, Json(Json::value_t::object));
  for (const auto& [sha256, kl] : prices.items()) {
    result.calibration_kl[sha256] = json_field<double>(prices, sha256, inside(where, "calibration"));
  }
  return result;
}

CompareResult read_compare(const std::filesystem::path& path) {
  return compare_from_json(read_json_file(path, kFormat, kVersion), path.string());
}

void write_compare(const std::filesystem::path& path, const CompareResult& result) {
  write_json_file(path, to_json(result));
}

}  // namespace kvscope
