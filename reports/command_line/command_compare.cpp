#include "analysis/scores.h"
#include "classifiers/plan/capture_calibration.h"
#include "classifiers/plan/sensitivity.h"
#include "collectors/base/file.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/capture/capture.h"
#include "kernels/compare/compare.h"
#include "kernels/compare/compare_estimate.h"
#include "kernels/sensitivity/pricing.h"
#include "kernels/sensitivity/pricing_estimate.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/engine_option.h"
#include "reports/command_line/evaluator_option.h"
#include "reports/command_line/generation_options.h"
#include "reports/command_line/provenance.h"
#include "reports/command_line/run_text.h"
#include "reports/tables/compare_tables.h"
#include "reports/tables/text_table.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <vector>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

// Other samples than those of a capture, whose seed is 0 unless somebody gives another.
constexpr std::int64_t kEvaluationSeed = 1000;
constexpr std::int64_t kMostCalibrationSamples = 100'000;
constexpr std::int64_t kMebibyte = std::int64_t{1} << 20;
constexpr int kPricedBudgets = 12;

CommandOptions compare_options() {
  CommandOptions command{
      .name = "compare",
      .positional = "",
      .description =
          "Plans and replays methods against each other at equal bytes of cache: of each method, at each budget, the\n"
          "plan that allocates most within the budget's bytes. All generate the same samples, which no calibration\n"
          "saw, from the same random numbers, so that differences are paired; every figure has its 95 % interval.\n"
          "Methods: hack, hack++, uniform:RULE, sensitivity; hack:alpha=A and hack++:alpha=A,tau=T fix what is else\n"
          "searched on the calibration samples; hack++@SPLIT tells heads apart another way; elements=int8, of any\n"
          "method, stores 8-bit codes, sensitivity:elements=cheapest where they pay (docs/formats/compare.md).\n"
          "Ctrl-C ends the run and leaves FILE.partial, with which --resume goes on."};
  const CompareRequest defaults;
  const auto text = [](const char* unit) { return options::value<std::string>()->value_name(unit); };
  const auto number = [](std::int64_t value) {
    return options::value<std::int64_t>()->value_name("N")->default_value(value);
  };
  auto add = command.visible.add_options();
  add("capture", text("FILE"),
      "capture.h5 of the same model: what heads are classified and rules calibrated with "
      "(required)");
  add("sensitivity", text("FILE"),
      "sensitivity.h5 for method sensitivity; default: price the heads on the calibration samples, to the output's "
      "name with .sensitivity.h5");
  add("methods",
      text("LIST")->default_value("hack,hack++,uniform:window,uniform:attention-topk,uniform:look-ahead,"
                                  "sensitivity"),
      "what to compare");
  add("budgets", text("LIST")->default_value("0.1,0.2,0.3,0.5,0.7"), "shares of the bytes of a lossless cache");
  add("alphas", text("LIST")->default_value("0.2,0.35,0.5,0.65"), "shares of contextual heads to search");
  add("taus", text("LIST")->default_value("0,0.5,1,2"), "exponents of HACK++ to search");
  add("attend", options::value<double>()->value_name("X"),
      "HACK++: share of T_K attended to; default: everything (HACK attends to what it carries)");
  add("heads-by", text("LIST"),
      "also compare variants of HACK and HACK++ with heads told apart by variance, elbow, diagonal, semantic-center, "
      "order or random");
  add("heads-seed", number(0), "of the split random");
  add("baseline", text("LIST"), "methods that all others are compared with, besides the best other one");
  add("calibration-samples", number(32), "samples that alpha and tau are chosen on, and heads priced");
  add("calibration-seed", number(0), "of their random numbers");
  add("allow-seen", "evaluate also on samples that a calibration saw");
  add("memory", number(defaults.memory / kMebibyte),
      "MiB of the full run's logits to keep, so as not to compute them "
      "again beside every plan");
  add("plans", text("DIR"), "folder for the plan of every cell");
  add("output,o", text("FILE")->default_value("compare.json"), "file to write");
  add("resume", "go on with FILE.partial; start where there is none");
  add("estimate", "time one batch, print how many cells there are and how long they take, and stop");
  add_evaluator_options(command.visible);
  add("json", "print JSON");
  add_generation_options(command.visible, kEvaluationSeed);
  return command;
}

std::vector<CompareMethod> methods_of(const options::variables_map& values, const std::optional<double>& attend) {
  std::vector<CompareMethod> methods = parse_compare_methods(values["methods"].as<std::string>(), attend);
  if (given(values, "heads-by")) methods = with_split_variants(methods, values["heads-by"].as<std::string>());
  return methods;
}

std::vector<std::string> baselines_of(const options::variables_map& values) {
  std::vector<std::string> names;
  if (!given(values, "baseline")) return names;
  for (const CompareMethod& method : parse_compare_methods(values["baseline"].as<std::string>(), std::nullopt)) {
    names.push_back(method.name);
  }
  return names;
}

GenerationRequest calibration_request(const options::variables_map& values, const GenerationSettings& settings,
                                      const Engine& engine) {
  GenerationSettings calibration = settings;
  calibration.samples = in_range<std::int64_t>(values, "calibration-samples", 1, kMostCalibrationSamples);
  calibration.seed = static_cast<std::uint64_t>(in_range<std::int64_t>(values, "calibration-seed", 0, INT64_MAX));
  return generation_request(calibration, engine.classes());
}

bool needs(const std::vector<CompareMethod>& methods, bool (*what)(const CompareMethod&)) {
  return std::ranges::any_of(methods, what);
}

/// Geometry and element types are those of the run; what the capture says of its own must fit.
PlanInputs inputs_of(const Capture& capture, const Engine& engine, const std::vector<CompareMethod>& methods) {
  const std::string name = capture.path().string();
  check_same_model(capture.model(), name, engine.model(), "the model");
  if (!(capture.steps() == engine.steps())) {
    throw bad_input("{}: the capture is of the steps {}, but the model runs {}", name, describe(capture.steps()),
                    describe(engine.steps()));
  }
  PlanInputs inputs;
  inputs.model = engine.model();
  inputs.steps = engine.steps();
  inputs.calibration = calibrate_attention(capture);
  if (needs(methods, [](const CompareMethod& method) { return method.may_quantise(); })) {
    inputs.quantisation = calibrate_quantisation(capture);
  }
  inputs.made_from = {{"capture", {{"path", name}, {"sha256", capture.sha256()}}}, {"heads", nullptr}};
  return inputs;
}

// ---- samples that a calibration saw

/// Samples are keyed by seed and number, and numbered from 0 everywhere.
bool shares_samples(const GenerationRequest& evaluation, std::uint64_t seed, std::int64_t samples) {
  return evaluation.seed == seed &&
         std::ranges::any_of(evaluation.sample_ids, [&](std::int64_t sample) { return sample < samples; });
}

bool shares_samples(const GenerationRequest& evaluation, const Capture& capture) {
  const std::vector<std::uint64_t> seeds = capture.seeds();
  return std::ranges::any_of(evaluation.sample_ids, [&](std::int64_t sample) {
    return sample < std::ssize(seeds) && seeds[static_cast<std::size_t>(sample)] == evaluation.seed;
  });
}

/// Names what saw a sample of the evaluation; empty: nothing.
std::string seen_by(const CompareRequest& request, const Capture& capture) {
  if (shares_samples(request.evaluation, capture)) return capture.path().string();
  if (shares_samples(request.evaluation, request.calibration.seed, std::ssize(request.calibration.labels))) {
    return "--calibration-seed";
  }
  if (!request.inputs.sensitivity) return "";
  const Json& run = request.inputs.sensitivity->run;
  if (!run.is_object() || !run.contains("seed") || !run["seed"].is_number_unsigned()) return "";
  const bool seen =
      shares_samples(request.evaluation, run["seed"].get<std::uint64_t>(), request.inputs.sensitivity->samples());
  return seen ? "the sensitivity" : "";
}

void check_held_out(const options::variables_map& values, const Capture& capture, CompareRequest& request) {
  const std::string seer = seen_by(request, capture);
  request.seen = !seer.empty();
  if (!request.seen || given(values, "allow-seen")) return;
  throw usage_error("--seed {}: {} has samples of this seed, and calibrates; give another one, or --allow-seen",
                    request.evaluation.seed, seer);
}

// ---- prices of heads

bool prices_codes(const CompareMethod& method) {
  return method.method == "sensitivity" && method.may_quantise();
}

/// Rules by which heads are to be priced for these methods, so that all rules compete.
std::vector<PricedRule> rules_to_price(const std::vector<CompareMethod>& methods) {
  std::vector<PricedRule> rules = priceable_rules();
  if (!needs(methods, prices_codes)) return rules;
  const std::vector<PricedRule> codes = priceable_rules(StoredElements::kInt8);
  rules.insert(rules.end(), codes.begin(), codes.end());
  return rules;
}

/// The rules that these methods need, and none that this version does not know.
void check_priced_rules(const Sensitivity& sensitivity, const std::vector<CompareMethod>& methods,
                        const std::string& name) {
  for (const PricedRule& expected : rules_to_price(methods)) {
    if (std::ranges::find(sensitivity.rules, label(expected), label) == sensitivity.rules.end()) {
      throw bad_input("{}: the rule '{}' is not priced; make the file again with kvscope sensitivity", name,
                      label(expected));
    }
  }
  for (const PricedRule& priced : sensitivity.rules) {
    const std::vector<PricedRule> known = priceable_rules(priced.elements);
    if (std::ranges::find(known, priced) != known.end()) continue;
    throw bad_input("{}: the rule '{}' is not one of kvscope's; make the file again with kvscope sensitivity", name,
                    label(priced));
  }
}

fs::path own_sensitivity_path(const fs::path& output) {
  return fs::path(output).replace_extension(".sensitivity.h5");
}

PricingRequest pricing_request(const CompareRequest& request, const options::variables_map& values,
                               const GenerationSettings& settings) {
  Json run = to_json(settings);
  for (const char* field : {"batch", "threads"}) run.erase(field);
  run["seed"] = request.calibration.seed;
  run["version"] = KVSCOPE_VERSION;
  PricingRequest pricing;
  pricing.generation = request.calibration;
  pricing.rules = rules_to_price(request.methods);
  pricing.counts = geometric_counts(request.inputs.steps, kPricedBudgets);
  if (needs(request.methods, prices_codes)) {
    // With codes carrying everything costs something, too.
    const StepTable& steps = request.inputs.steps;
    pricing.counts.push_back(steps.n_key(steps.size() - 1) - steps.n_query(steps.size() - 1));
  }
  pricing.batch = request.batch;
  pricing.inputs = request.inputs;
  pricing.run = std::move(run);
  pricing.partial = partial_path(own_sensitivity_path(values["output"].as<std::string>()));
  pricing.resume = given(values, "resume");
  pricing.progress = request.progress;
  return pricing;
}

/// The file of an earlier run that --resume goes on with, or a new one.
void price_own_heads(const Engine& engine, const options::variables_map& values, const GenerationSettings& settings,
                     CompareRequest& request) {
  const PricingRequest pricing = pricing_request(request, values, settings);
  const fs::path path = own_sensitivity_path(values["output"].as<std::string>());
  if (pricing.resume && fs::exists(path)) {
    request.inputs.sensitivity = read_sensitivity(path);
    if (request.inputs.sensitivity->run != pricing.run ||
        request.inputs.sensitivity->made_from != pricing.inputs.made_from ||
        request.inputs.sensitivity->samples() != std::ssize(pricing.generation.labels)) {
      throw bad_input("{}: was priced with other options; give it with --sensitivity, or remove the file",
                      path.string());
    }
  } else {
    request.inputs.sensitivity = price_heads(engine, pricing);
    write_sensitivity(path, *request.inputs.sensitivity);
  }
  request.made_from["sensitivity"] = file_origin(path);
}

void read_given_sensitivity(const fs::path& path, CompareRequest& request) {
  request.inputs.sensitivity = read_sensitivity(path);
  check_same_model(request.inputs.sensitivity->model, path.string(), request.inputs.model, "the model");
  check_priced_rules(*request.inputs.sensitivity, request.methods, path.string());
  request.made_from["sensitivity"] = file_origin(path);
}

// ---- the request

void read_grids(const options::variables_map& values, CompareRequest& request) {
  constexpr double kLeastShare = 1e-9;
  const auto grid = [&](const char* option, double lowest, double highest) {
    return parse_grid(values[option].as<std::string>(), option, lowest, highest);
  };
  request.budgets = grid("budgets", kLeastShare, 1.0);
  request.alphas = grid("alphas", 0.0, 1.0);
  request.taus = grid("taus", 0.0, 100.0);
  if (given(values, "attend")) request.attend = values["attend"].as<double>();
  if (request.attend && !(*request.attend > 0.0 && *request.attend <= 1.0)) {
    throw usage_error("--attend is {}, expected a share in (0, 1]", *request.attend);
  }
  request.methods = methods_of(values, request.attend);
  request.baselines = baselines_of(values);
}

CompareRequest compare_request(const options::variables_map& values, const GenerationSettings& settings,
                               std::ostream* progress) {
  // Member by member: g++ 12 destroys twice what a braced initialiser held when a later one throws.
  CompareRequest request;
  read_grids(values, request);
  request.heads_seed = static_cast<std::uint64_t>(in_range<std::int64_t>(values, "heads-seed", 0, INT64_MAX));
  request.memory = in_range<std::int64_t>(values, "memory", 0, INT64_MAX / kMebibyte) * kMebibyte;
  request.batch = settings.batch;
  request.partial = partial_path(values["output"].as<std::string>());
  request.resume = given(values, "resume");
  request.plans = path_option(values, "plans");
  request.progress = progress;
  return request;
}

/// Reads what the request is made from; prices nothing yet.
void read_inputs(const options::variables_map& values, const GenerationSettings& settings, const Engine& engine,
                 CompareRequest& request) {
  const Capture capture = Capture::open(required_option<std::string>(values, "capture"));
  request.inputs = inputs_of(capture, engine, request.methods);
  request.made_from = {{"capture", request.inputs.made_from["capture"]}, {"sensitivity", nullptr}};
  request.evaluation = generation_request(settings, engine.classes());
  request.calibration = calibration_request(values, settings, engine);
  if (given(values, "sensitivity")) read_given_sensitivity(path_option(values, "sensitivity"), request);
  check_held_out(values, capture, request);
  if (needs(request.methods, [](const CompareMethod& method) { return method.has_classes(); })) {
    request.scores = compute_scores(capture, {.progress = request.progress});
  }
}

// ---- what is printed

void print_estimate(const CompareEstimate& estimate, double pricing_seconds, const CommandContext& context,
                    bool as_json) {
  const double total = pricing_seconds + estimate.full_seconds + estimate.search_seconds + estimate.cell_seconds;
  if (as_json) {
    context.out << Json{{"cells", estimate.cells},
                        {"candidates", estimate.candidates},
                        {"logit_bytes", estimate.logit_bytes},
                        {"pricing_seconds", pricing_seconds},
                        {"full_seconds", estimate.full_seconds},
                        {"search_seconds", estimate.search_seconds},
                        {"cell_seconds", estimate.cell_seconds},
                        {"seconds", total}}
                       .dump(2)
                << '\n';
    return;
  }
  Table table(fmt::format("{} cells, at most {} candidates of searches; logits of the full runs take {}",
                          estimate.cells, estimate.candidates, bytes_text(static_cast<double>(estimate.logit_bytes))),
              {{"part"}, {"seconds", "s", CellFormat::kFixed, 0}});
  table.add_row({"pricing heads", pricing_seconds});
  table.add_row({"full runs", estimate.full_seconds});
  table.add_row({"searches, at most", estimate.search_seconds});
  table.add_row({"cells", estimate.cell_seconds});
  table.add_row({"everything", total});
  context.out << text_table(table);
}

/// From the time that one batch takes.
double estimated_pricing_seconds(const Engine& engine, const CompareRequest& request,
                                 const options::variables_map& values, const GenerationSettings& settings) {
  return estimate_pricing(engine, pricing_request(request, values, settings)).seconds;
}

/// Writes the whole result beside the unfinished one and renames, so that no moment has neither.
void finish(const CompareResult& result, const fs::path& partial, const fs::path& output) {
  write_compare(partial, result);
  std::error_code failure;
  fs::rename(partial, output, failure);
  if (failure) throw environment_error("{}: cannot be written: {}", output.string(), failure.message());
}

void print(const CompareResult& result, bool as_json, std::ostream& out) {
  if (as_json) {
    out << to_json(result).dump(2) << '\n';
    return;
  }
  out << text_table(compare_cell_table(result)) << '\n' << text_table(compare_difference_table(result)) << '\n';
  out << text_table(compare_pareto_table(result));
}

}  // namespace

ExitStatus run_compare(const CommandContext& context) {
  const auto values = parse_options(compare_options(), context);
  if (!values) return 0;
  GenerationSettings settings = generation_settings(*values);
  CompareRequest request = compare_request(*values, settings, &context.err);
  set_thread_count(settings.threads);
  catch_interrupts();
  const fs::path output = (*values)["output"].as<std::string>();
  const bool as_json = given(*values, "json");
  prepare_text(settings, context.err);
  request.run = run_record(settings, context);
  const std::unique_ptr<Engine> engine = load_engine(settings, context.err);
  read_inputs(*values, settings, *engine, request);
  const EvaluatorFiles judges = evaluator_files(*values, settings);
  const LoadedEvaluator evaluator = load_evaluator(judges, settings.device);
  request.evaluator = evaluator.judge();
  request.reference = evaluator.reference();
  judges.add_origins(request.made_from);
  check_compare_request(*engine, request);

  const bool prices = !request.inputs.sensitivity && needs(request.methods, [](const CompareMethod& method) {
    return method.method == "sensitivity";
  });
  if (given(*values, "estimate")) {
    const double pricing = prices ? estimated_pricing_seconds(*engine, request, *values, settings) : 0.0;
    print_estimate(estimate_comparison(*engine, request), pricing, context, as_json);
    return 0;
  }
  { const FileWriter probe(request.partial); }  // a folder that cannot be written is said before the run
  if (prices) price_own_heads(*engine, *values, settings, request);
  const CompareResult result = compare_methods(*engine, request);
  finish(result, request.partial, output);
  context.err << "wrote " << output.string() << '\n';
  print(result, as_json, context.out);
  return 0;
}

}  // namespace kvscope
