#include "classifiers/plan/accounting.h"
#include "classifiers/plan/capture_calibration.h"
#include "classifiers/plan/element_budgets.h"
#include "classifiers/plan/plan_audit.h"
#include "classifiers/plan/plan_difference.h"
#include "classifiers/plan/plan_methods.h"
#include "collectors/base/hash.h"
#include "collectors/capture/capture.h"
#include "collectors/checkpoint/checkpoint.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/options.h"
#include "reports/command_line/plan_refinement.h"
#include "reports/tables/plan_tables.h"
#include "reports/tables/text_table.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {
namespace {

CommandOptions plan_options() {
  CommandOptions command{
      .name = "plan",
      .positional = "[show PLAN | check PLAN | diff PLAN PLAN]",
      .description =
          "Makes a budget plan from a capture and, for HACK and HACK++, the classes of its heads: how many tokens\n"
          "every head attends to and carries on at every step, and by which rule it chooses them.\n"
          "  plan --method M ... --capture C [--heads H] -o plan.json    makes one\n"
          "  plan show PLAN          prints it per step, class and layer, and what it costs\n"
          "  plan check PLAN         validates it; with --capture or --heads also that it was made from them, with\n"
          "                          --checkpoint and --tokenizer that it is for these weights\n"
          "  plan diff PLAN PLAN     explains what the second does differently"};
  const PlanRequest defaults;
  command.visible.add_options()
      // clang-format off: one option a line
      ("method", options::value<std::string>(), "full, lossless, uniform, hack, hack++ or sensitivity")(
          "capture", options::value<std::string>(),
          "capture.h5 of the model: its geometry, and what hack++ calibrates with")(
          "heads", options::value<std::string>(), "heads.json: which heads are contextual (hack, hack++)")(
          "sensitivity", options::value<std::string>(), "sensitivity.h5: what heads cost (method sensitivity)")(
          "compression", options::value<double>(),
          "rho in [0, 1): attend to and carry 1 - rho of the T_K tokens of the last step")(
          "attend", options::value<double>(), "share of T_K to attend to, in (0, 1]; 1 if only --carry is given")(
          "carry", options::value<double>(), "share of T_K to carry on, in (0, 1]; 1 if only --attend is given")(
          "tokens", options::value<std::int64_t>(), "mean tokens per head to attend to and to carry")(
          "bytes", options::value<std::int64_t>(), "bytes of cache per sample (all rows), as the elements are stored")(
          "limit", options::value<std::string>()->default_value("allocated"),
          "what that amount limits: allocated (fixed buffers, each head's as large as it ever needs), or what all "
          "heads "
          "hold together: peak (after any step) or average (over the steps); with these method sensitivity has a "
          "budget for every step")(
          "elements", options::value<std::string>(),
          "how heads store what they carry: model (the run's types; the default, except that method sensitivity "
          "chooses for "
          "each head where both were priced) or int8 (8-bit codes per channel, calibrated with "
          "the capture's ranges)")("rule", options::value<std::string>()->default_value(defaults.rule),
                                   "retention rule of method uniform: a preset")(
          "ratio", options::value<double>()->default_value(defaults.contextual_ratio, "0.3"),
          "hack: B_C : B_S, contextual to structural budget")(
          "first-steps", options::value<int>()->default_value(defaults.first_steps),
          "hack: first steps that structural heads protect")(
          "tau", options::value<double>(),
          "hack++: exponent of the future attention; default 0.5 for VAR, 1 or 2 for Infinity-2B and 8B")(
          "pool-width", options::value<int>()->default_value(defaults.pool_width),
          "hack++: tokens in the maximum pool of contextual scores, odd")(
          "observation-queries", options::value<int>()->default_value(defaults.observation_queries),
          "queries whose attention is observed; 0: all")(
          "output,o", options::value<std::string>()->default_value("plan.json"), "file to write")("json", "print JSON");
  // clang-format on
  add_refinement_options(command.visible);
  command.hidden.add_options()("words", options::value<std::vector<std::string>>());
  command.positions.add("words", -1);
  return command;
}

template <typename T>
std::optional<T> optional_option(const options::variables_map& values, const char* name) {
  return given(values, name) ? std::optional(values[name].as<T>()) : std::nullopt;
}

std::optional<StoredElements> elements_of(const options::variables_map& values) {
  const auto name = optional_option<std::string>(values, "elements");
  if (!name) return std::nullopt;
  const auto elements = stored_elements_from_name(*name);
  if (!elements) throw usage_error("--elements is {}, expected model or int8", in_quotes(*name));
  return elements;
}

BudgetLimit limit_of(const options::variables_map& values) {
  const auto name = values["limit"].as<std::string>();
  const auto limit = budget_limit_from_name(name);
  if (!limit) throw usage_error("--limit is {}, expected allocated, peak or average", in_quotes(name));
  return *limit;
}

PlanRequest request_of(const options::variables_map& values) {
  return {.method = required_option<std::string>(values, "method"),
          .compression = optional_option<double>(values, "compression"),
          .attend = optional_option<double>(values, "attend"),
          .carry = optional_option<double>(values, "carry"),
          .tokens = optional_option<std::int64_t>(values, "tokens"),
          .bytes = optional_option<std::int64_t>(values, "bytes"),
          .limit = limit_of(values),
          .elements = elements_of(values),
          .rule = values["rule"].as<std::string>(),
          .contextual_ratio = values["ratio"].as<double>(),
          .first_steps = values["first-steps"].as<int>(),
          .observation_queries = values["observation-queries"].as<int>(),
          .pool_width = values["pool-width"].as<int>(),
          .tau = optional_option<double>(values, "tau")};
}

Json origin_of(const std::string& path, const std::string& sha256) {
  return {{"path", path}, {"sha256", sha256}};
}

bool needs_calibration(const PlanRequest& request) {
  return request.method == "hack++" || request.method == "sensitivity" ||
         (request.method == "uniform" && needs_prior(retention_preset(request.rule).score.kind));
}

bool needs_quantisation(const PlanRequest& request, const PlanInputs& inputs) {
  if (request.elements) return *request.elements == StoredElements::kInt8;
  return inputs.sensitivity && prices_elements(*inputs.sensitivity, StoredElements::kInt8);
}

PlanInputs inputs_of(const PlanRequest& request, const options::variables_map& values, std::ostream& err) {
  const auto path = required_option<std::string>(values, "capture");
  const Capture capture = Capture::open(path);
  if (!capture.complete()) err << fmt::format("note: {} is incomplete, {} samples are used\n", path, capture.samples());
  PlanInputs inputs{
      capture.model(), capture.steps(), {}, {}, {{"capture", origin_of(path, capture.sha256())}, {"heads", nullptr}}};
  if (const auto heads = optional_option<std::string>(values, "heads")) {
    inputs.heads = read_heads(*heads);
    inputs.made_from["heads"] = origin_of(*heads, sha256_of_file(*heads));
  }
  if (const auto sensitivity = optional_option<std::string>(values, "sensitivity")) {
    inputs.sensitivity = read_sensitivity(*sensitivity);
    inputs.made_from["sensitivity"] = origin_of(*sensitivity, sha256_of_file(*sensitivity));
  }
  if (needs_calibration(request)) inputs.calibration = calibrate_attention(capture);
  if (needs_quantisation(request, inputs)) inputs.quantisation = calibrate_quantisation(capture);
  return inputs;
}

/// Prints tables under one another, or as one JSON object.
void print_tables(const std::vector<std::pair<std::string, Table>>& tables, bool as_json, Json document,
                  std::ostream& out) {
  if (as_json) {
    for (const auto& [name, table] : tables) document[name] = to_json(table);
    out << document.dump(2) << '\n';
    return;
  }
  bool first = true;
  for (const auto& [name, table] : tables) {
    if (table.empty()) continue;
    out << (first ? "" : "\n") << text_table(table);
    first = false;
  }
}

Json headline(const Plan& plan) {
  return {{"method", plan.method},
          {"parameters", plan.parameters},
          {"family", plan.model.family},
          {"fingerprint", plan.model.fingerprint},
          {"steps", describe(plan.steps)},
          {"notes", plan.notes},
          {"totals", to_json(plan_totals(plan), element_bytes(plan.model))}};
}

ExitStatus make(const options::variables_map& values, const CommandContext& context) {
  const PlanRequest request = request_of(values);
  check_request(request);
  check_refinement_options(values);
  PlanInputs inputs = inputs_of(request, values, context.err);
  const Plan plan =
      given(values, "refine") ? refined_plan(request, std::move(inputs), values, context) : make_plan(request, inputs);
  const auto output = values["output"].as<std::string>();
  write_plan(output, plan);
  for (const std::string& note : plan.notes) context.err << "note: " << note << '\n';
  context.err << "wrote " << output << '\n';
  print_tables({{"classes", plan_class_table(plan)}, {"cost", plan_cost_table(plan)}}, given(values, "json"),
               headline(plan), context.out);
  return 0;
}

/// ", in the cache int8 in 36 of 36 heads", or nothing.
std::string stored_codes_text(const Plan& plan) {
  const auto heads =
      std::ranges::count_if(plan.heads, [](const HeadBudget& budget) { return budget.quantisation.has_value(); });
  return heads == 0 ? std::string() : fmt::format(", in the cache int8 in {} of {} heads", heads, plan.heads.size());
}

ExitStatus show(const std::string& path, const options::variables_map& values, const CommandContext& context) {
  const Plan plan = read_plan(path);
  if (!given(values, "json")) {
    const PlanTotals totals = plan_totals(plan);
    context.out << fmt::format("{}: method {} for {} ({} layers, {} heads of {}), scales {}\n", path, plan.method,
                               plan.model.family, plan.model.layers, plan.model.heads, plan.model.head_dim,
                               describe(plan.steps));
    context.out << fmt::format("keys {}, values {}{}, {} rows per sample\nparameters {}\n",
                               element_name(plan.model.key_type), element_name(plan.model.value_type),
                               stored_codes_text(plan), totals.rows, plan.parameters.dump());
    context.out << fmt::format(
        "attends to {:.1f} % of T_K = {} at the last step; carries at most {:.1f} % of T_K, {:.1f} % of "
        "T_K-1 = {}\n",
        100 * totals.attended_share(), totals.key_tokens, 100 * totals.carried_share_of_all(),
        100 * totals.carried_share_of_earlier(), totals.earlier_tokens);
    for (const std::string& note : plan.notes) context.out << "note: " << note << '\n';
    context.out << '\n';
  }
  print_tables({{"rules", plan_rule_table(plan)},
                {"per_step", plan_step_table(plan)},
                {"classes", plan_class_table(plan)},
                {"layers", plan_layer_table(plan)},
                {"forecasts", plan_forecast_table(plan)},
                {"cost", plan_cost_table(plan)}},
               given(values, "json"), headline(plan), context.out);
  return 0;
}

/// The fingerprint covers transformer and tokenizer, as an engine that loads both has it.
std::string fingerprint_of(const options::variables_map& values) {
  const Checkpoint transformer = Checkpoint::open(required_option<std::string>(values, "checkpoint"));
  if (!given(values, "tokenizer")) throw usage_error("--checkpoint needs --tokenizer: the fingerprint covers both");
  const Checkpoint tokenizer = Checkpoint::open(values["tokenizer"].as<std::string>());
  const Checkpoint* const files[] = {&transformer, &tokenizer};
  return fingerprint(files);
}

std::vector<PlanFinding> findings_of(const std::string& path, const options::variables_map& values) {
  const Plan plan = read_plan(path);
  std::vector<PlanFinding> findings = {
      {"format", true,
       fmt::format("{} heads, {} steps, {} rules", plan.heads.size(), plan.steps.size(), plan.rules.size())}};
  const auto add = [&](const std::vector<PlanFinding>& more) {
    findings.insert(findings.end(), more.begin(), more.end());
  };
  add(audit_derived_fields(read_json_file(path, "kvscope-plan", 1), plan));
  if (const auto capture = optional_option<std::string>(values, "capture"))
    add(audit_capture(plan, Capture::open(*capture)));
  if (const auto heads = optional_option<std::string>(values, "heads")) {
    add(audit_heads(plan, read_heads(*heads), sha256_of_file(*heads)));
  }
  if (given(values, "checkpoint") || given(values, "tokenizer")) {
    findings.push_back(audit_fingerprint(plan, fingerprint_of(values)));
  }
  return findings;
}

ExitStatus check(const std::string& path, const options::variables_map& values, const CommandContext& context) {
  Table table(
      path,
      {{"check", "", CellFormat::kPlain}, {"result", "", CellFormat::kPlain}, {"detail", "", CellFormat::kPlain}});
  bool passed = true;
  for (const PlanFinding& finding : findings_of(path, values)) {
    table.add_row({finding.check, std::string(finding.passed ? "ok" : "FAILED"), finding.detail});
    passed = passed && finding.passed;
  }
  print_tables({{"checks", table}}, given(values, "json"), {{"plan", path}, {"passed", passed}}, context.out);
  return passed ? 0 : static_cast<ExitStatus>(ErrorCode::kCheckFailed);
}

ExitStatus diff(const std::string& before_path, const std::string& after_path, const options::variables_map& values,
                const CommandContext& context) {
  const Plan before = read_plan(before_path);
  const Plan after = read_plan(after_path);
  const PlanDifference difference = plan_difference(before, before_path, after, after_path);
  if (!given(values, "json")) {
    context.out << fmt::format("before {}: {}\nafter  {}: {}\n", before_path, before.method, after_path, after.method);
    context.out << fmt::format(
        "of {} heads, {} have another class, {} another rule, {} other counts, {} other stored elements{}\n\n",
        before.heads.size(), difference.heads_of_other_class, difference.heads_of_other_rule,
        difference.heads_of_other_counts, difference.heads_of_other_elements,
        difference.same_effect() ? ": applying them does the same" : "");
  }
  const Json summary{{"before", before_path},
                     {"after", after_path},
                     {"same_effect", difference.same_effect()},
                     {"heads_of_other_class", difference.heads_of_other_class},
                     {"heads_of_other_rule", difference.heads_of_other_rule},
                     {"heads_of_other_counts", difference.heads_of_other_counts},
                     {"heads_of_other_elements", difference.heads_of_other_elements}};
  print_tables({{"changes", changed_values_table(difference)},
                {"per_step", step_difference_table(difference)},
                {"groups", group_difference_table(difference)},
                {"cost", cost_difference_table(difference)}},
               given(values, "json"), summary, context.out);
  return 0;
}

}  // namespace

ExitStatus run_plan(const CommandContext& context) {
  const auto values = parse_options(plan_options(), context);
  if (!values) return 0;
  const auto words =
      given(*values, "words") ? (*values)["words"].as<std::vector<std::string>>() : std::vector<std::string>();
  if (words.empty()) return make(*values, context);
  const std::string& action = words.front();
  const std::size_t files = words.size() - 1;
  if (action == "show" && files == 1) return show(words[1], *values, context);
  if (action == "check" && files == 1) return check(words[1], *values, context);
  if (action == "diff" && files == 2) return diff(words[1], words[2], *values, context);
  if (action == "show" || action == "check") throw usage_error("plan {} takes one plan, found {}", action, files);
  if (action == "diff") throw usage_error("plan diff takes two plans, found {}", files);
  throw usage_error("there is no 'plan {}', expected show, check or diff, or --method to make a plan", action);
}

}  // namespace kvscope
