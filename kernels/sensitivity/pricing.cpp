#include "kernels/sensitivity/pricing.h"

#include "classifiers/plan/plan_building.h"
#include "collectors/base/error.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/base/progress.h"
#include "collectors/models/request_part.h"
#include "kernels/sensitivity/sample_pricing.h"

#include <algorithm>
#include <cmath>
#include <optional>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Costs of one sample: [layer, kv_head, rule, count, step].
using SamplePrices = Array<double>;

class Pricing {
 public:
  Pricing(const Engine& engine, const PricingRequest& request)
      : engine_(engine), request_(request), samples_(std::ssize(request.generation.labels)) {
    for (const PricedRule& rule : request.rules) {
      for (const std::int64_t count : request.counts) plans_.push_back(priced_plan(request.inputs, rule, count));
    }
    result_ = {.model = engine.model(),
               .steps = engine.steps(),
               .rules = request.rules,
               .counts = request.counts,
               .cost = SamplePrices(price_shape()),
               .sample_cost = {},
               .draws = request.draws,
               .run = request.run,
               .made_from = request.inputs.made_from};
  }

  Sensitivity run() {
    if (request_.resume && !request_.partial.empty() && std::filesystem::exists(request_.partial)) take_up();
    Progress progress("sensitivity", samples_, "samples", request_.progress);
    progress.update(done_);
    while (done_ < samples_) {
      throw_if_interrupted();
      price_batch(std::min(request_.batch, samples_ - done_));
      progress.update(done_);
    }
    progress.finish();
    return std::move(result_);
  }

 private:
  [[nodiscard]] Shape price_shape() const {
    return {engine_.model().layers, engine_.model().kv_heads, std::ssize(request_.rules), std::ssize(request_.counts),
            engine_.steps().size()};
  }

  void take_up() {
    Sensitivity earlier = read_sensitivity(request_.partial);
    const bool is_same = earlier.model == result_.model && earlier.steps == result_.steps &&
                         earlier.rules == result_.rules && earlier.counts == result_.counts &&
                         earlier.draws == result_.draws && earlier.run == result_.run &&
                         earlier.made_from == result_.made_from && earlier.samples() <= samples_;
    if (!is_same) {
      throw bad_input("{}: is of a run with other options; finish that one, or remove the file",
                      request_.partial.string());
    }
    done_ = earlier.samples();
    sample_costs_.assign(earlier.sample_cost.values().begin(), earlier.sample_cost.values().end());
    result_ = std::move(earlier);
  }

  void price_batch(std::int64_t count) {
    std::vector<SamplePrices> prices(index(count));
    parallel_for(count, [&](std::int64_t i) { prices[index(i)] = price_sample(done_ + i); });
    for (const SamplePrices& sample : prices) add(sample);
    Shape shape = price_shape();
    shape.pop_back();
    shape.insert(shape.begin(), done_);
    result_.sample_cost = Array<float>(shape, sample_costs_);
    if (!request_.partial.empty()) write_sensitivity(request_.partial, result_);
  }

  [[nodiscard]] SamplePrices price_sample(std::int64_t sample) const {
    SamplePricing pricing(engine_, part_of(request_.generation, sample, 1), request_.draws, request_.seed);
    std::optional<SamplePricing::Company> company;
    if (request_.company) company = pricing.joint_errors(*request_.company);
    const std::vector<Array<double>> costs = pricing.costs(plans_, company ? &*company : nullptr);
    SamplePrices prices(price_shape());
    const auto n_count = std::ssize(request_.counts);
    for (std::int64_t i = 0; i < std::ssize(plans_); ++i) {
      const Array<double>& of_plan = costs[index(i)];
      for (std::int64_t layer = 0; layer < of_plan.extent(0); ++layer) {
        for (std::int64_t head = 0; head < of_plan.extent(1); ++head) {
          std::ranges::copy(of_plan.slice(layer, head), prices.slice(layer, head, i / n_count, i % n_count).begin());
        }
      }
    }
    return prices;
  }

  /// The running mean depends on the samples so far only, so a resumed run ends with the same bits.
  void add(const SamplePrices& sample) {
    ++done_;
    const auto values = sample.values();
    const auto mean = result_.cost.values();
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += (values[i] - mean[i]) / static_cast<double>(done_);
    const auto n_step = index(engine_.steps().size());
    for (std::size_t first = 0; first < values.size(); first += n_step) {
      double sum = 0.0;
      for (const double cost : values.subspan(first, n_step)) sum += cost;
      sample_costs_.push_back(static_cast<float>(sum));
    }
  }

  const Engine& engine_;
  const PricingRequest& request_;
  std::int64_t samples_;
  std::int64_t done_ = 0;
  std::vector<Plan> plans_;  ///< [rule, count]
  std::vector<float> sample_costs_;
  Sensitivity result_;
};

void check_pricing(const Engine& engine, const PricingRequest& request) {
  require(
      !request.generation.labels.empty() && request.generation.labels.size() == request.generation.sample_ids.size(),
      "price_heads: one label and one number for each of at least one sample");
  require(request.batch >= 1, "price_heads: a batch has at least one sample");
  require(!request.company || request.partial.empty(), "price_heads: prices in company are not kept");
  if (request.draws < 1) throw usage_error("--draws is {}, expected at least 1", request.draws);
  if (engine.device().is_cuda()) throw environment_error("sensitivity is computed on the CPU only");
  check_same_model(request.inputs.model, "the capture", engine.model(), "the model");
  if (!(request.inputs.steps == engine.steps())) {
    throw bad_input("the capture has the steps {}, but the model runs {}", describe(request.inputs.steps),
                    describe(engine.steps()));
  }
}

}  // namespace

std::vector<PricedRule> priceable_rules(StoredElements elements) {
  std::vector<PricedRule> rules;
  for (const std::string& name : retention_preset_names()) {
    if (name == "full") continue;
    PricedRule priced{name, retention_preset(name), elements};
    priced.rule.when = RetentionTime::kAfterAttending;
    // What presets differ in only before attending or at the last step, when nothing is carried, is one rule here.
    priced.rule.losers = {};
    const auto same = std::ranges::find(rules, priced.rule, &PricedRule::rule);
    if (same == rules.end()) rules.push_back(std::move(priced));
  }
  return rules;
}

std::vector<std::int64_t> geometric_counts(const StepTable& steps, int n) {
  if (n < 1) throw usage_error("a grid of {} budgets, expected at least 1", n);
  const int last = steps.size() - 1;
  const std::int64_t most = steps.n_key(last) - steps.n_query(last) - 1;
  std::vector<std::int64_t> counts;
  for (int i = 0; i < n; ++i) {
    const double place = n == 1 ? 0.0 : static_cast<double>(i) / (n - 1);
    const auto count = static_cast<std::int64_t>(std::lround(std::pow(static_cast<double>(most), place)));
    if (count <= most && (counts.empty() || count > counts.back())) counts.push_back(count);
  }
  return counts;
}

Plan priced_plan(const PlanInputs& inputs, const PricedRule& rule, std::int64_t tokens) {
  Plan plan = blank_plan({.method = "uniform"}, inputs);
  for (HeadBudget& budget : plan.heads) give_rule(plan, budget, rule.name, rule.rule);
  give_prior(plan, inputs);
  give_elements(plan, rule.elements, inputs);
  fill_constant_counts(plan, {}, std::vector<std::int64_t>(plan.heads.size(), tokens));
  return plan;
}

Sensitivity price_heads(const Engine& engine, const PricingRequest& request) {
  check_pricing(engine, request);
  return Pricing(engine, request).run();
}

}  // namespace kvscope
