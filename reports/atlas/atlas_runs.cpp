#include "reports/atlas/atlas_data.h"
#include "reports/atlas/encoding.h"

namespace kvscope {
namespace {

/// Counts [key/value head, step].
Json counts_of(const Plan& plan, std::vector<std::int64_t> HeadBudget::*counts) {
  std::vector<float> flat;
  for (const HeadBudget& budget : plan.heads) {
    for (const std::int64_t count : budget.*counts) flat.push_back(static_cast<float>(count));
  }
  return float_array(flat, {std::ssize(plan.heads), plan.steps.size()});
}

Json plan_json(const NamedPlan& named, const ReportInputs& inputs) {
  const Plan& plan = named.plan;
  Json rules = Json::array();
  Json names = Json::array();
  for (const auto& [name, rule] : plan.rules) {
    names.push_back(name);
    rules.push_back(to_json(rule));
  }
  Json rule_of_head = Json::array();
  Json token_bytes_of_head = Json::array();
  for (const HeadBudget& budget : plan.heads) {
    rule_of_head.push_back(std::distance(plan.rules.begin(), plan.rules.find(budget.rule)));
    token_bytes_of_head.push_back(token_bytes(plan.model, budget) * named.totals.rows);
  }
  return {{"name", named.name},
          {"method", plan.method},
          {"style", inputs.style_of(named.name)},
          {"steps", atlas_steps(plan.steps)},
          {"rule_names", std::move(names)},
          {"rules", std::move(rules)},
          {"rule_of_head", std::move(rule_of_head)},
          {"attend", counts_of(plan, &HeadBudget::attend)},
          {"carry", counts_of(plan, &HeadBudget::carry)},
          {"token_bytes", std::move(token_bytes_of_head)},
          {"totals", to_json(named.totals, element_bytes(plan.model))},
          {"notes", plan.notes}};
}

Json mode_json(const ReplayMode& mode) {
  Json steps = Json::array();
  std::vector<float> errors;
  std::int64_t n_head = 0;
  for (const ReplayStep& step : mode.steps) {
    steps.push_back({{"agreement", interval_json(step.token_agreement)}, {"kl", interval_json(step.kl)}});
    n_head = step.output_error.size();
    for (const Interval& error : step.output_error.values()) errors.push_back(static_cast<float>(error.mean));
  }
  return {{"agreement", interval_json(mode.token_agreement)},
          {"kl", interval_json(mode.kl)},
          {"steps", std::move(steps)},
          {"output_error", float_array(errors, {std::ssize(mode.steps), n_head})}};
}

/// What belongs to the run as a whole, as scatter plots and fronts need it.
Json figures_of(const ReplayResult& result) {
  Json figures = Json::object();
  if (result.teacher_forced) {
    figures["kl_forced"] = interval_json(result.teacher_forced->kl);
    figures["agreement_forced"] = interval_json(result.teacher_forced->token_agreement);
  }
  if (!result.free_running) return figures;
  const FreeRunningReplay& free = *result.free_running;
  figures["kl_free"] = interval_json(free.kl);
  figures["agreement_free"] = interval_json(free.token_agreement);
  figures["psnr"] = interval_json(free.psnr);
  figures["ssim"] = interval_json(free.ssim);
  if (!free.evaluator) return figures;
  figures["class_accuracy"] = interval_json(free.evaluator->class_accuracy_compressed);
  figures["class_agreement"] = interval_json(free.evaluator->class_agreement);
  if (free.evaluator->frechet_compressed) figures["frechet"] = interval_json(*free.evaluator->frechet_compressed);
  return figures;
}

Json replay_json(const NamedReplay& named, const ReportInputs& inputs) {
  const ReplayResult& result = named.result;
  const ReplayCacheBytes& cache = result.cache;
  Json json{{"name", named.name},
            {"method", result.method},
            {"style", inputs.style_of(named.name)},
            {"samples", result.n_sample()},
            {"cache",
             {{"rows", cache.rows},
              {"published", cache.published_bytes},
              {"lossless", cache.lossless_bytes},
              {"allocated", cache.allocated_bytes},
              {"peak", cache.peak_bytes}}},
            {"figures", figures_of(result)},
            {"forced", result.teacher_forced ? mode_json(*result.teacher_forced) : Json(nullptr)},
            {"free", result.free_running ? mode_json(*result.free_running) : Json(nullptr)},
            {"step_count", result.steps.size()},
            {"identical_images", result.free_running ? result.free_running->identical_images : 0}};
  if (result.run.is_object() && result.run.contains("seed") && result.run["seed"].is_number())
    json["seed"] = result.run["seed"];
  if (!result.samples.empty()) json["first_label"] = result.samples.front().label;
  if (named.images && !named.images->prompts.empty()) json["first_prompt"] = named.images->prompts.front();
  return json;
}

}  // namespace

Json atlas_plans(const ReportInputs& inputs) {
  Json list = Json::array();
  for (const NamedPlan& plan : inputs.plans) list.push_back(plan_json(plan, inputs));
  return list;
}

Json atlas_replays(const ReportInputs& inputs) {
  Json list = Json::array();
  for (const NamedReplay& replay : inputs.replays) list.push_back(replay_json(replay, inputs));
  return list;
}

}  // namespace kvscope
