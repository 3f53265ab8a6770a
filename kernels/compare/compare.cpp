#include "kernels/compare/compare.h"

#include "collectors/base/error.h"
#include "collectors/base/stopwatch.h"
#include "collectors/models/request_part.h"
#include "kernels/compare/budget_plan.h"
#include "kernels/compare/compare_cell.h"
#include "kernels/compare/compare_figures.h"
#include "kernels/compare/method_search.h"
#include "kernels/compare/sample_set.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace kvscope {
namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

CompareSamples samples_of(const GenerationRequest& request) {
  return {.seed = request.seed, .samples = request.sample_ids, .labels = request.labels};
}

Json parameters_json(const CompareMethod& method, const MethodParameters& parameters) {
  Json json = Json::object();
  const auto set = [&](const char* name, const std::optional<double>& value) {
    if (value) json[name] = *value;
  };
  set("alpha", parameters.alpha);
  set("tau", parameters.tau);
  set("ratio", method.ratio);
  set("attend", method.attend);
  return json;
}

/// A name without what shells and file systems trip over.
std::string plan_file_name(const CompareCell& cell) {
  std::string name = cell.method;
  for (char& letter : name) {
    if (letter == ':' || letter == ',' || letter == '=' || letter == '/') letter = '_';
  }
  return fmt::format("{}_{}.plan.json", name, cell.budget);
}

/// "hack++ at 30 %"
std::string title_of(const CompareCell& cell) {
  return fmt::format("{} at {:g} %", cell.method, 100.0 * cell.budget);
}

/// Makes a plan for every cell, so that what no planner can do is known before the model runs.
void check_plans(const CompareRequest& request, const CompareCache& cache, MethodSearch& search) {
  for (const CompareMethod& method : request.methods) {
    for (const double budget : request.budgets) {
      (void)search.plan(method, search.candidates(method).front(), budget_bytes(budget, cache));
    }
  }
}

// ---- the comparison

class Comparison {
 public:
  Comparison(const Engine& engine, const CompareRequest& request)
      : engine_(engine),
        request_(request),
        price_([this](const Plan& plan) { return price(plan); }),
        search_(request, price_) {
    result_.model = engine.model();
    result_.steps = engine.steps();
    result_.request = to_json(request);
    result_.run = request.run;
    result_.made_from = request.made_from;
    result_.evaluation = samples_of(request.evaluation);
    result_.calibration = samples_of(request.calibration);
    result_.seen = request.seen;
    result_.cache = uncompressed_cache(request.inputs);
    check_compare_request(engine, request);
    check_plans(request, result_.cache, search_);
  }

  CompareResult run() {
    if (request_.resume && !request_.partial.empty() && std::filesystem::exists(request_.partial)) take_up();
    evaluation_.emplace(engine_, evaluation_set(request_));
    say_what_is_kept(*evaluation_);
    result_.full = full_figures(*evaluation_, request_.reference);
    for (const double budget : request_.budgets) {
      for (const CompareMethod& method : request_.methods) {
        if (result_.find(method.name, budget) == nullptr) add_cell(method, budget);
      }
    }
    sort_cells();
    result_.differences = all_differences(result_, request_.baselines);
    result_.pareto = pareto_front(result_.cells);
    result_.complete = true;
    result_.calibration_kl.clear();
    return std::move(result_);
  }

 private:
  void take_up() {
    CompareResult earlier = read_compare(request_.partial);
    const auto same_samples = [](const CompareSamples& a, const CompareSamples& b) {
      return a.seed == b.seed && a.samples == b.samples && a.labels == b.labels;
    };
    const bool is_same =
        earlier.model == result_.model && earlier.steps == result_.steps && earlier.request == result_.request &&
        earlier.made_from == result_.made_from && lasting(earlier.run) == lasting(result_.run) &&
        same_samples(earlier.evaluation, result_.evaluation) && same_samples(earlier.calibration, result_.calibration);
    if (!is_same) {
      throw bad_input("{}: is of a comparison with other options; finish that one, or remove the file",
                      request_.partial.string());
    }
    result_.cells = std::move(earlier.cells);
    result_.calibration_kl = std::move(earlier.calibration_kl);
  }

  /// Of a record of a run what figures depend on.
  static Json lasting(Json run) {
    for (const char* field : {"command_line", "threads", "batch"}) run.erase(field);
    return run;
  }

  void keep() const {
    if (!request_.partial.empty()) write_compare(request_.partial, result_);
  }

  void say(const std::string& line) const {
    if (request_.progress != nullptr) *request_.progress << line << std::endl;
  }

  void say_what_is_kept(const SampleSet& set) const {
    if (set.kept_batches() == set.batches()) return;
    say(
        fmt::format("logits of {} of {} batches fit into the memory allowed; the full run of the others is computed "
                    "again beside every plan",
                    set.kept_batches(), set.batches()));
  }

  /// Teacher-forced KL on the calibration samples.
  double price(const Plan& plan) {
    const std::string effect = plan_effect_sha256(plan);
    const auto known = result_.calibration_kl.find(effect);
    if (known != result_.calibration_kl.end()) return known->second;
    if (!calibration_) {
      calibration_.emplace(engine_, calibration_set(request_));
      say_what_is_kept(*calibration_);
    }
    const PlanMeasurement measured = calibration_->measure(plan, false);
    const double kl = mean_of(over_tokens(measured.teacher_forced.kl, engine_.steps()));
    result_.calibration_kl.emplace(effect, kl);
    keep();
    return kl;
  }

  void add_cell(const CompareMethod& method, double budget) {
    const Stopwatch watch;
    CompareCell cell;
    cell.method = method.name;
    cell.budget = budget;
    cell.budget_bytes = budget_bytes(budget, result_.cache);
    const ChosenParameters chosen = search_.choose(method, cell.budget_bytes);
    cell.parameters = parameters_json(method, chosen.parameters);
    cell.search = chosen.candidates;
    const Plan plan = search_.plan(method, chosen.parameters, cell.budget_bytes);
    cell.plan = plan_summary(plan);
    if (!request_.plans.empty()) {
      cell.plan.file = plan_file_name(cell);
      write_plan(request_.plans / cell.plan.file, plan);
    }
    measure(plan, cell);
    cell.seconds.total = watch.seconds();
    result_.cells.push_back(std::move(cell));
    keep();
    announce(result_.cells.back());
  }

  /// In the order of the request, also if the partial file had another.
  void sort_cells() {
    std::vector<CompareCell> sorted;
    for (const double budget : request_.budgets) {
      for (const CompareMethod& method : request_.methods) sorted.push_back(*result_.find(method.name, budget));
    }
    result_.cells = std::move(sorted);
  }

  /// What the plan did: found before by a plan of the same effect, or measured.
  void measure(const Plan& plan, CompareCell& cell) const {
    const auto same = std::ranges::find_if(
        result_.cells, [&](const CompareCell& other) { return other.plan.sha256 == cell.plan.sha256; });
    if (same == result_.cells.end()) {
      fill_in(evaluation_->measure(plan, true), *evaluation_, engine_.steps(), request_.reference, cell);
      return;
    }
    cell.plan.allocated_bytes = same->plan.allocated_bytes;
    cell.plan.peak_bytes = same->plan.peak_bytes;
    cell.teacher_forced = same->teacher_forced;
    cell.free_running = same->free_running;
    cell.seconds = same->seconds;
    cell.values = same->values;
  }

  void announce(const CompareCell& cell) const {
    const Interval& kl = cell.teacher_forced.kl;
    say(fmt::format("cell {} of {}: {}{}, KL {:.4g} ({:.4g} to {:.4g}), token agreement {:.4f}, {:.1f} s",
                    result_.cells.size(), request_.methods.size() * request_.budgets.size(), title_of(cell),
                    cell.parameters.empty() ? "" : fmt::format(" ({})", parameters_text(cell.parameters)), kl.mean,
                    kl.low, kl.high, cell.free_running.token_agreement.mean, cell.seconds.total));
  }

  const Engine& engine_;
  const CompareRequest& request_;
  MethodSearch::Price price_;
  MethodSearch search_;
  std::optional<SampleSet> evaluation_;
  std::optional<SampleSet> calibration_;  ///< made when the first candidate is priced
  CompareResult result_;
};

}  // namespace

CompareResult compare_methods(const Engine& engine, const CompareRequest& request) {
  return Comparison(engine, request).run();
}

}  // namespace kvscope
