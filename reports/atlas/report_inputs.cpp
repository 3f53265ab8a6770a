#include "reports/atlas/report_inputs.h"

#include "classifiers/heads/compare.h"
#include "collectors/base/hash.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

namespace kvscope {
namespace {

/// "command_line" of a JSON object, if it is there and a text.
std::string command_line_of(const Json& run) {
  if (!run.is_object()) return {};
  const auto found = run.find("command_line");
  return found != run.end() && found->is_string() ? found->get<std::string>() : std::string();
}

void add_source(ReportInputs& inputs, std::string kind, const std::filesystem::path& path, std::string sha256,
                std::string command_line) {
  inputs.sources.push_back({std::move(kind), path, std::move(sha256), std::move(command_line)});
}

/// made_from.KIND.sha256; empty if it is not said.
std::string origin_hash(const Json& made_from, const std::string& kind) {
  const Json::json_pointer pointer("/" + kind + "/sha256");
  if (!made_from.is_object() || !made_from.contains(pointer)) return {};
  const Json& hash = made_from.at(pointer);
  return hash.is_string() ? hash.get<std::string>() : std::string();
}

/// Says if `made_from` names another file of a kind than the one that is given.
void check_origin(ReportInputs& inputs, const std::filesystem::path& path, const Json& made_from,
                  const std::string& kind) {
  const auto given = std::ranges::find(inputs.sources, kind, &ReportSource::kind);
  const std::string hash = origin_hash(made_from, kind);
  if (given == inputs.sources.end() || hash.empty() || hash == given->sha256) return;
  inputs.warnings.push_back(
      fmt::format("{} was made from another {} than {} (sha256 {})", path.string(), kind, given->path.string(), hash));
}

void read_comparisons(ReportInputs& inputs, const ReportPaths& paths) {
  for (const auto& path : paths.comparisons) {
    if (!inputs.heads) throw usage_error("--compare {} has nothing to be compared with: give --heads", path.string());
    HeadClassification heads = read_heads(path);
    (void)compare_heads(*inputs.heads, paths.heads.string(), heads, path.string());  // refuses what does not compare
    add_source(inputs, "comparison", path, sha256_of_file(path), command_line_of(heads.made_from));
    inputs.comparisons.push_back({run_name(path), std::move(heads)});
  }
}

void read_plans(ReportInputs& inputs, const ReportPaths& paths) {
  for (const auto& path : paths.plans) {
    Plan plan = read_plan(path);
    PlanTotals totals = plan_totals(plan);
    std::string sha256 = sha256_of_file(path);
    add_source(inputs, "plan", path, sha256, command_line_of(plan.made_from));
    inputs.plans.push_back({run_name(path), std::move(sha256), std::move(plan), std::move(totals)});
  }
}

void read_replays(ReportInputs& inputs, const ReportPaths& paths) {
  for (const auto& path : paths.replays) {
    ReplayResult result = read_replay(path);
    add_source(inputs, "replay", path, sha256_of_file(path), command_line_of(result.run));
    const std::string hash = origin_hash(result.made_from, "plan");
    const auto plan = std::ranges::find(inputs.plans, hash, &NamedPlan::sha256);
    std::string name = !hash.empty() && plan != inputs.plans.end() ? plan->name : run_name(path);
    const bool other_plan = !hash.empty() && plan == inputs.plans.end() &&
                            std::ranges::find(inputs.plans, name, &NamedPlan::name) != inputs.plans.end();
    if (other_plan) {
      inputs.warnings.push_back(
          fmt::format("{} replays another {} than the one given (sha256 {})", path.string(), name, hash));
      name += " (another plan)";
    }
    std::optional<ReplayImages> images;
    if (!result.images.empty()) {
      const auto sidecar = path.parent_path() / std::filesystem::path(result.images).filename();
      if (std::filesystem::exists(sidecar)) {
        images = read_replay_images(sidecar);
        add_source(inputs, "images", sidecar, sha256_of_file(sidecar), command_line_of(result.run));
      }
    }
    inputs.replays.push_back({std::move(name), std::move(result), std::move(images)});
  }
}

/// Files of the same name in different folders get a number, so that every legend entry is unique.
template <typename Named>
void make_names_unique(std::vector<Named>& runs) {
  for (std::size_t i = 1; i < runs.size(); ++i) {
    const std::string name = runs[i].name;
    const auto taken = [&](const std::string& candidate) {
      return std::any_of(runs.begin(), runs.begin() + static_cast<std::ptrdiff_t>(i),
                         [&candidate](const Named& earlier) { return earlier.name == candidate; });
    };
    for (int number = 2; taken(runs[i].name); ++number) runs[i].name = name + " (" + std::to_string(number) + ")";
  }
}

void check_models(const ReportInputs& inputs, const ReportPaths& paths) {
  const ModelInfo* expected = inputs.model();
  if (expected == nullptr) return;
  const std::string expected_name = inputs.sources.front().path.string();
  if (inputs.scores) check_same_model(inputs.scores->model, paths.scores.string(), *expected, expected_name);
  if (inputs.heads && inputs.heads->model) {
    check_same_model(*inputs.heads->model, paths.heads.string(), *expected, expected_name);
  }
  if (inputs.sensitivity) {
    check_same_model(inputs.sensitivity->model, paths.sensitivity.string(), *expected, expected_name);
  }
  for (std::size_t i = 0; i < inputs.plans.size(); ++i) {
    check_same_model(inputs.plans[i].plan.model, paths.plans[i].string(), *expected, expected_name);
  }
  for (std::size_t i = 0; i < inputs.replays.size(); ++i) {
    check_same_model(inputs.replays[i].result.model, paths.replays[i].string(), *expected, expected_name);
  }
  if (inputs.compare) check_same_model(inputs.compare->model, paths.compare.string(), *expected, expected_name);
  if (inputs.heads && (inputs.heads->layers != expected->layers || inputs.heads->heads_per_layer != expected->heads)) {
    throw bad_input("{}: classifies {} layers of {} heads, but the model of {} has {} of {}", paths.heads.string(),
                    inputs.heads->layers, inputs.heads->heads_per_layer, expected_name, expected->layers,
                    expected->heads);
  }
}

void check_origins(ReportInputs& inputs, const ReportPaths& paths) {
  if (inputs.scores) check_origin(inputs, paths.scores, inputs.scores->made_from, "capture");
  if (inputs.heads) {
    check_origin(inputs, paths.heads, inputs.heads->made_from, "capture");
    check_origin(inputs, paths.heads, inputs.heads->made_from, "scores");
  }
  if (inputs.compare) {
    for (const char* kind : {"capture", "sensitivity"})
      check_origin(inputs, paths.compare, inputs.compare->made_from, kind);
  }
  if (inputs.sensitivity) check_origin(inputs, paths.sensitivity, inputs.sensitivity->made_from, "capture");
  for (std::size_t i = 0; i < inputs.plans.size(); ++i) {
    for (const char* kind : {"capture", "heads"})
      check_origin(inputs, paths.plans[i], inputs.plans[i].plan.made_from, kind);
  }
}

}  // namespace

const ModelInfo* ReportInputs::model() const noexcept {
  if (capture) return &capture->model();
  if (scores) return &scores->model;
  if (heads && heads->model) return &*heads->model;
  if (sensitivity) return &sensitivity->model;
  if (!plans.empty()) return &plans.front().plan.model;
  if (!replays.empty()) return &replays.front().result.model;
  return compare ? &compare->model : nullptr;
}

const StepTable* ReportInputs::steps() const noexcept {
  if (capture) return &capture->steps();
  if (scores) return &scores->steps;
  if (sensitivity) return &sensitivity->steps;
  if (!plans.empty()) return &plans.front().plan.steps;
  if (!replays.empty()) return &replays.front().result.steps;
  return compare ? &compare->steps : nullptr;
}

std::size_t ReportInputs::style_of(std::string_view name) const noexcept {
  const auto plan = std::ranges::find(plans, name, &NamedPlan::name);
  if (plan != plans.end()) return static_cast<std::size_t>(plan - plans.begin());
  std::size_t style = plans.size();
  for (const NamedReplay& replay : replays) {
    if (replay.name == name) return style;
    if (std::ranges::find(plans, replay.name, &NamedPlan::name) == plans.end()) ++style;
  }
  return style;
}

ReportInputs read_report_inputs(const ReportPaths& paths) {
  if (paths.capture.empty() && paths.scores.empty() && paths.heads.empty() && paths.sensitivity.empty() &&
      paths.plans.empty() && paths.replays.empty() && paths.compare.empty()) {
    throw usage_error(
        "nothing to report: name at least one of --capture, --scores, --heads, --sensitivity, --plan, --replay, "
        "--compare");
  }
  ReportInputs inputs;
  if (!paths.capture.empty()) {
    inputs.capture = Capture::open(paths.capture);
    add_source(inputs, "capture", paths.capture, inputs.capture->sha256(), command_line_of(inputs.capture->run()));
  }
  if (!paths.scores.empty()) {
    inputs.scores = read_scores(paths.scores);
    add_source(inputs, "scores", paths.scores, sha256_of_file(paths.scores), command_line_of(inputs.scores->made_from));
  }
  if (!paths.heads.empty()) {
    inputs.heads = read_heads(paths.heads);
    add_source(inputs, "heads", paths.heads, sha256_of_file(paths.heads), command_line_of(inputs.heads->made_from));
  }
  if (!paths.sensitivity.empty()) {
    inputs.sensitivity = read_sensitivity(paths.sensitivity);
    add_source(inputs, "sensitivity", paths.sensitivity, sha256_of_file(paths.sensitivity),
               command_line_of(inputs.sensitivity->run));
  }
  read_comparisons(inputs, paths);
  read_plans(inputs, paths);
  read_replays(inputs, paths);
  if (!paths.compare.empty()) {
    inputs.compare = read_compare(paths.compare);
    add_source(inputs, "compare", paths.compare, sha256_of_file(paths.compare), command_line_of(inputs.compare->run));
  }
  check_origins(inputs, paths);
  make_names_unique(inputs.comparisons);
  make_names_unique(inputs.plans);
  make_names_unique(inputs.replays);
  check_models(inputs, paths);
  return inputs;
}

std::string run_name(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  for (const std::string_view ending : {".plan.json", ".replay.json", ".heads.json", ".json"}) {
    if (name.size() > ending.size() && name.ends_with(ending)) {
      name.resize(name.size() - ending.size());
      break;
    }
  }
  return name;
}

}  // namespace kvscope
