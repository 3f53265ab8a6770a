#include "analysis/interval.h"
#include "classifiers/plan/capture_calibration.h"
#include "classifiers/plan/sensitivity.h"
#include "collectors/base/file.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/capture/capture.h"
#include "kernels/sensitivity/price_check.h"
#include "kernels/sensitivity/pricing.h"
#include "kernels/sensitivity/pricing_estimate.h"
#include "reports/command_line/command_functions.h"
#include "reports/command_line/engine_option.h"
#include "reports/command_line/generation_options.h"
#include "reports/command_line/run_text.h"
#include "reports/tables/sensitivity_tables.h"
#include "reports/tables/text_table.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <ranges>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace kvscope {
namespace {

namespace fs = std::filesystem;

CommandOptions sensitivity_options() {
  CommandOptions command{
      .name = "sensitivity",
      .positional = "",
      .description =
          "Prices every head: what the distribution that tokens are drawn from loses (KL, nats per token) if the head\n"
          "carries only so many tokens by such a rule, for every rule and a grid of budgets. One generation and a few\n"
          "backward passes per sample, layer by layer; the model is not run again for any of them. 'kvscope plan "
          "--method\n"
          "sensitivity' makes a plan of it (docs/formats/sensitivity.md). Ctrl-C ends the run after the batch in\n"
          "progress and leaves FILE.partial, with which --resume goes on."};
  const auto text = [](const char* unit) { return options::value<std::string>()->value_name(unit); };
  const auto number = [](int value) { return options::value<int>()->value_name("N")->default_value(value); };
  auto add = command.visible.add_options();
  add("capture", text("FILE"),
      "capture.h5 of the same model: what rules with a calibrated prior calibrate with (required)");
  add("output,o", text("FILE")->default_value("sensitivity.h5"), "file to write");
  add("budgets", text("LIST"),
      "tokens carried per head to price, e.g. 1,4,16,64; default: a geometric series of --budget-count numbers");
  add("budget-count", number(12), "how many numbers that series has");
  add("elements", text("LIST")->default_value("model"),
      "how heads store what they carry: model (the run's types), int8 (8-bit codes), or model,int8 to price both");
  add("draws", number(4), "draws of every token over which the Fisher information is averaged");
  add("draw-seed", options::value<std::uint64_t>()->value_name("S")->default_value(0), "of these draws");
  add("check", options::value<std::int64_t>()->value_name("N"),
      "also measure N entries drawn at random by running the model: rank correlation and ratio");
  add("estimate", "price one batch, print what everything takes, and stop");
  add("resume", "go on with FILE.partial; start where there is none");
  add("json", "print JSON");
  add_generation_options(command.visible);
  return command;
}

bool has_codes(const std::vector<PricedRule>& rules) {
  return std::ranges::find(rules, StoredElements::kInt8, &PricedRule::elements) != rules.end();
}

/// @param prices_everything  whether carrying all tokens costs something, because they are stored in fewer bits
std::vector<std::int64_t> budgets_of(const options::variables_map& values, const StepTable& steps,
                                     bool prices_everything) {
  std::vector<std::int64_t> counts;
  const std::int64_t all = steps.n_key(steps.size() - 1) - steps.n_query(steps.size() - 1);
  if (!given(values, "budgets")) {
    counts = geometric_counts(steps, values["budget-count"].as<int>());
    if (prices_everything) counts.push_back(all);
    return counts;
  }
  const std::int64_t most = prices_everything ? all : all - 1;
  for (const int count : parse_number_list(values["budgets"].as<std::string>(), "--budgets")) {
    if (count < 1 || count > most) {
      throw usage_error("--budgets: {} tokens per head, expected 1 to {} (with more nothing is dropped)", count, most);
    }
    if (!counts.empty() && count <= counts.back()) {
      throw usage_error("--budgets: {} comes after {}, expected ascending numbers, each once", count, counts.back());
    }
    counts.push_back(count);
  }
  return counts;
}

std::vector<StoredElements> elements_of(const options::variables_map& values) {
  const auto list = values["elements"].as<std::string>();
  std::vector<StoredElements> result;
  for (const auto& part : std::views::split(list, ',')) {
    const std::string_view name(part.begin(), part.end());
    const auto elements = stored_elements_from_name(name);
    if (!elements || std::ranges::find(result, *elements) != result.end()) {
      throw usage_error("--elements is {}, expected model, int8 or both", in_quotes(list));
    }
    result.push_back(*elements);
  }
  return result;
}

PlanInputs inputs_of(const fs::path& path, const std::vector<PricedRule>& rules) {
  const Capture capture = Capture::open(path);
  PlanInputs inputs;
  inputs.model = capture.model();
  inputs.steps = capture.steps();
  inputs.calibration = calibrate_attention(capture);
  if (has_codes(rules)) inputs.quantisation = calibrate_quantisation(capture);
  inputs.made_from = {{"capture", {{"path", path.string()}, {"sha256", capture.sha256()}}}};
  return inputs;
}

/// What a result depends on; where it was made does not belong to it, or --resume would refuse another thread count.
Json record_of_run(const GenerationSettings& settings, const options::variables_map& values) {
  Json json = to_json(settings);
  for (const char* field : {"batch", "threads"}) json.erase(field);
  json["draw_seed"] = values["draw-seed"].as<std::uint64_t>();
  json["version"] = KVSCOPE_VERSION;
  return json;
}

PricingRequest pricing_request(const options::variables_map& values, const GenerationSettings& settings,
                               const Engine& engine, std::ostream* progress) {
  // Member by member: g++ 12 destroys twice what a braced initialiser held when a later one throws.
  PricingRequest request;
  request.generation = generation_request(settings, engine.classes());
  for (const StoredElements elements : elements_of(values)) {
    const auto rules = priceable_rules(elements);
    request.rules.insert(request.rules.end(), rules.begin(), rules.end());
  }
  request.counts = budgets_of(values, engine.steps(), has_codes(request.rules));
  request.draws = values["draws"].as<int>();
  request.seed = values["draw-seed"].as<std::uint64_t>();
  request.batch = settings.batch;
  request.inputs = inputs_of(required_option<std::string>(values, "capture"), request.rules);
  request.run = record_of_run(settings, values);
  request.partial = partial_path(values["output"].as<std::string>());
  request.resume = given(values, "resume");
  request.progress = progress;
  return request;
}

std::unique_ptr<Engine> load_sensitivity_engine(const options::variables_map& values,
                                                const GenerationSettings& settings, std::ostream& err) {
  const int draws = values["draws"].as<int>();
  const auto besides = [draws](const ModelSizes& sizes, const GenerationShape& shape) {
    return pricing_memory_bytes(sizes, shape, draws);
  };
  return load_engine(settings, err, {.caches = 0, .images = false, .besides = besides});
}

void print(const Sensitivity& sensitivity, const std::optional<PriceCheck>& check, bool as_json, std::ostream& out) {
  const Table uniform = uniform_cost_table(sensitivity);
  const Table heads = head_cost_table(sensitivity);
  if (as_json) {
    Json json{{"samples", sensitivity.samples()},
              {"draws", sensitivity.draws},
              {"uniform", to_json(uniform)},
              {"heads", to_json(heads)}};
    if (check) {
      json["check"] = {{"rank_correlation", check->rank_correlation ? Json(*check->rank_correlation) : Json()},
                       {"ratio", check->ratio},
                       {"prices", to_json(price_check_table(sensitivity, *check))}};
    }
    out << json.dump(2) << '\n';
    return;
  }
  out << text_table(uniform) << '\n' << text_table(heads);
  if (!check) return;
  out << '\n' << text_table(price_check_table(sensitivity, *check));
  out << fmt::format("estimates against measurements: rank correlation {}, ratio {:.2f}\n",
                     check->rank_correlation ? fmt::format("{:.3f}", *check->rank_correlation) : "-", check->ratio);
}

void print_estimate(const PricingEstimate& estimate, bool as_json, std::ostream& out) {
  if (as_json) {
    out << Json{{"samples", estimate.samples},
                {"entries", estimate.entries},
                {"seconds", estimate.seconds},
                {"memory_bytes", estimate.memory_bytes},
                {"file_bytes", estimate.file_bytes}}
               .dump(2)
        << '\n';
    return;
  }
  out << fmt::format("{} prices from {} samples: {:.0f} s, {} of memory besides the weights, a file of {}\n",
                     estimate.entries, estimate.samples, estimate.seconds,
                     bytes_text(static_cast<double>(estimate.memory_bytes)),
                     bytes_text(static_cast<double>(estimate.file_bytes)));
}

}  // namespace

ExitStatus run_sensitivity(const CommandContext& context) {
  const auto values = parse_options(sensitivity_options(), context);
  if (!values) return 0;
  GenerationSettings settings = generation_settings(*values);
  set_thread_count(settings.threads);
  catch_interrupts();
  const fs::path output = (*values)["output"].as<std::string>();
  prepare_text(settings, context.err);
  const std::unique_ptr<Engine> engine = load_sensitivity_engine(*values, settings, context.err);
  const PricingRequest request = pricing_request(*values, settings, *engine, &context.err);

  if (given(*values, "estimate")) {
    print_estimate(estimate_pricing(*engine, request), given(*values, "json"), context.out);
    return 0;
  }
  const Sensitivity sensitivity = price_heads(*engine, request);
  write_sensitivity(output, sensitivity);
  context.err << "wrote " << output.string() << '\n';
  std::optional<PriceCheck> check;
  if (given(*values, "check")) {
    check = check_prices(*engine, request, sensitivity, (*values)["check"].as<std::int64_t>(), request.seed);
  }
  print(sensitivity, check, given(*values, "json"), context.out);
  return 0;
}

}  // namespace kvscope
