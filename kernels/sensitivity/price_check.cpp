#include "kernels/sensitivity/price_check.h"

#include "analysis/divergence.h"
#include "analysis/rank_correlation.h"
#include "classifiers/plan/plan_building.h"
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "collectors/base/progress.h"
#include "collectors/models/full_kv_cache.h"
#include "collectors/models/request_part.h"
#include "kernels/cache/compressed_kv_cache.h"
#include "kernels/replay/full_run.h"

#include <algorithm>
#include <numeric>
#include <random>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

/// Everything stays but what one head gives up.
Plan plan_of_one_head(const PricingRequest& request, const MeasuredPrice& price) {
  const PricedRule& rule = request.rules[index(price.rule)];
  Plan plan = blank_plan({.method = "uniform"}, request.inputs);
  std::vector<std::int64_t> tokens(plan.heads.size(), plan.steps.total_tokens());
  const std::int64_t place = std::int64_t{price.layer} * plan.model.kv_heads + price.kv_head;
  for (HeadBudget& budget : plan.heads) give_rule(plan, budget, "full", retention_preset("full"));
  give_rule(plan, plan.heads[index(place)], rule.name, rule.rule);
  if (rule.elements == StoredElements::kInt8) {
    plan.heads[index(place)].quantisation = request.inputs.quantisation.at(index(place));
  }
  give_prior(plan, request.inputs);
  tokens[index(place)] = request.counts[index(price.count)];
  fill_constant_counts(plan, {}, tokens);
  return plan;
}

/// The steps of a full run of one batch.
std::vector<StepOutcome> full_run(const Engine& engine, const GenerationRequest& request) {
  const auto session = engine.start(request);
  FullKvCache cache(bundled_attention());
  cache.begin(batch_rows(engine.model(), request));
  std::vector<StepOutcome> outcomes;
  while (!session->done()) outcomes.push_back(session->advance(cache));
  return outcomes;
}

/// Sum over all tokens of KL(full || compressed).
double divergence(const Engine& engine, const GenerationRequest& request, const std::vector<StepOutcome>& full,
                  const Plan& plan) {
  const auto session = engine.start(request);
  CompressedKvCache cache(plan);
  cache.begin(batch_rows(engine.model(), request));
  double sum = 0.0;
  for (const StepOutcome& outcome : full) {
    const at::Tensor logits = session->advance(cache, outcome.tokens).logits.contiguous();
    const auto vocabulary = index(engine.vocabulary());
    const std::int64_t rows = logits.numel() / engine.vocabulary();
    const float* p = outcome.logits.const_data_ptr<float>();
    const float* q = logits.const_data_ptr<float>();
    for (std::int64_t row = 0; row < rows; ++row) {
      sum += kl_divergence({p + index(row) * vocabulary, vocabulary}, {q + index(row) * vocabulary, vocabulary});
    }
  }
  return sum;
}

/// `n` entries, none twice; the smallest budgets differ most, so all counts take part.
std::vector<MeasuredPrice> draw_entries(const Sensitivity& sensitivity, std::int64_t n, std::uint64_t seed) {
  const std::int64_t rules = std::ssize(sensitivity.rules);
  const std::int64_t counts = std::ssize(sensitivity.counts);
  const std::int64_t heads = sensitivity.model.kv_heads;
  std::vector<std::int64_t> entries(index(sensitivity.model.layers * heads * rules * counts));
  std::iota(entries.begin(), entries.end(), 0);
  std::mt19937_64 random(seed);
  std::vector<MeasuredPrice> drawn;
  n = std::min(n, std::ssize(entries));
  for (std::int64_t i = 0; i < n; ++i) {
    std::swap(entries[index(i)], entries[index(i) + random() % (entries.size() - index(i))]);
    std::int64_t entry = entries[index(i)];
    MeasuredPrice price;
    price.count = static_cast<int>(entry % counts);
    price.rule = static_cast<int>((entry /= counts) % rules);
    price.kv_head = static_cast<int>((entry /= rules) % heads);
    price.layer = static_cast<int>(entry / heads);
    price.estimated = sensitivity.total_cost(price.layer, price.kv_head, price.rule, price.count);
    drawn.push_back(price);
  }
  return drawn;
}

void summarise(PriceCheck& check) {
  std::vector<double> estimated;
  std::vector<double> measured;
  for (const MeasuredPrice& price : check.prices) {
    estimated.push_back(price.estimated);
    measured.push_back(price.measured);
  }
  check.rank_correlation = spearman(estimated, measured);
  const double total = std::accumulate(measured.begin(), measured.end(), 0.0);
  check.ratio = std::accumulate(estimated.begin(), estimated.end(), 0.0) / total;
}

}  // namespace

PriceCheck check_prices(const Engine& engine, const PricingRequest& request, const Sensitivity& sensitivity,
                        std::int64_t n, std::uint64_t seed) {
  PriceCheck check{.prices = draw_entries(sensitivity, n, seed), .rank_correlation = {}};
  const std::int64_t samples = std::ssize(request.generation.labels);
  Progress progress("check", samples * std::ssize(check.prices), "sample runs", request.progress);
  for (std::int64_t first = 0; first < samples; first += request.batch) {
    const std::int64_t count = std::min(request.batch, samples - first);
    const GenerationRequest part = part_of(request.generation, first, count);
    const std::vector<StepOutcome> full = full_run(engine, part);
    for (std::size_t i = 0; i < check.prices.size(); ++i) {
      throw_if_interrupted();
      MeasuredPrice& price = check.prices[i];
      price.measured += divergence(engine, part, full, plan_of_one_head(request, price));
      progress.update(first * std::ssize(check.prices) + (static_cast<std::int64_t>(i) + 1) * count);
    }
  }
  progress.finish();
  const auto tokens = static_cast<double>(samples * engine.steps().total_tokens());
  for (MeasuredPrice& price : check.prices) price.measured /= tokens;
  summarise(check);
  return check;
}

}  // namespace kvscope
