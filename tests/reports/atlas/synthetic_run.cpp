#include "reports/atlas/synthetic_run.h"

#include "classifiers/plan/plan_methods.h"
#include "collectors/base/hash.h"
#include "reports/atlas/synthetic_compare.h"
#include "support/synthetic_capture.h"

#include <cmath>

namespace kvscope::testing {
namespace {

HeadClassification classification_of(const ModelInfo& model, const std::filesystem::path& capture) {
  HeadClassification classification;
  classification.method = "variance";
  classification.parameters = {{"alpha", 0.5}};
  classification.layers = model.layers;
  classification.heads_per_layer = model.heads;
  classification.model = model;
  classification.made_from = {{"capture", {{"path", capture.string()}, {"sha256", sha256_of_file(capture)}}}};
  classification.stability = {{"samples", {{"jaccard", 0.9}, {"rank_correlation", 0.95}}}};
  for (int layer = 0; layer < model.layers; ++layer) {
    for (int head = 0; head < model.heads; ++head) {
      ClassifiedHead verdict;
      verdict.layer = layer;
      verdict.head = head;
      verdict.head_class = head % 2 == 0 ? HeadClass::kContextual : HeadClass::kStructural;
      verdict.score = (head % 2 == 0 ? 0.004 : 0.03) * (1.0 + 0.3 * layer + 0.2 * head);
      verdict.margin = std::abs(std::log(verdict.score / 0.015));
      verdict.confidence = layer == 0 && head == 1 ? 0.81 : 0.99;
      classification.heads.push_back(verdict);
    }
  }
  return classification;
}

/// The more a head's columns vary, the more it costs, by the second of two rules half of it; a quarter at four times
/// the tokens.
Sensitivity invented_sensitivity(const SyntheticCapture& capture, const HeadClassification& classification,
                                 const Json& made_from) {
  const std::int64_t layers = capture.model.layers;
  const std::int64_t heads = capture.model.kv_heads;
  Sensitivity result;
  result.model = capture.model;
  result.steps = capture.steps;
  result.rules = {{"attention-topk", retention_preset("attention-topk")}, {"window", retention_preset("window")}};
  result.counts = {1, 4, 12};
  result.cost = Array<double>({layers, heads, 2, 3, capture.steps.size()});
  result.sample_cost = Array<float>({2, layers, heads, 2, 3});
  result.draws = 4;
  result.run = {{"command_line", "kvscope sensitivity --capture capture.h5"}};
  result.made_from = made_from;
  for (const ClassifiedHead& head : classification.heads) {
    for (int rule = 0; rule < 2; ++rule) {
      for (int count = 0; count < 3; ++count) {
        const auto tokens = static_cast<double>(result.counts[static_cast<std::size_t>(count)]);
        const double cost = head.score / (rule + 1) / tokens;
        result.cost(head.layer, head.head, rule, count, capture.steps.size() - 1) = cost;
        for (int sample = 0; sample < 2; ++sample)
          result.sample_cost(sample, head.layer, head.head, rule, count) = static_cast<float>(cost);
      }
    }
  }
  return result;
}

Interval around(double mean) {
  return {mean, 0.9 * mean, 1.1 * mean};
}

ReplayMode invented_mode(const Plan& plan, double loss) {
  ReplayMode mode;
  mode.kl = around(loss);
  mode.token_agreement = around(1.0 - loss);
  for (int step = 0; step < plan.steps.size(); ++step) {
    const double share = static_cast<double>(step) / plan.steps.size();
    ReplayStep entry{step, around(1.0 - loss * share), around(2.0 * loss * share),
                     Array<Interval>({plan.model.layers, plan.model.heads})};
    for (std::int64_t i = 0; i < entry.output_error.size(); ++i) {
      entry.output_error.values()[static_cast<std::size_t>(i)] =
          around(loss * share * static_cast<double>(i + 1) / 8.0);
    }
    mode.steps.push_back(std::move(entry));
  }
  return mode;
}

/// Every head keeps the newest of the keys it may attend to.
std::vector<KeptPositions> invented_positions(const Plan& plan) {
  std::vector<KeptPositions> all;
  for (const HeadBudget& budget : plan.heads) {
    for (int step = 0; step < plan.steps.size(); ++step) {
      KeptPositions kept{budget.layer, budget.head, step, {}};
      const std::int64_t n_key = plan.steps.n_key(step);
      for (std::int64_t key = n_key - budget.attend[static_cast<std::size_t>(step)]; key < n_key; ++key)
        kept.positions.push_back(static_cast<std::int32_t>(key));
      all.push_back(std::move(kept));
    }
  }
  return all;
}

ReplayImages invented_images(const Plan& plan, double loss) {
  ReplayImages images{
      Array<std::uint8_t>({3, 8, 8, 3}), Array<std::uint8_t>({3, 8, 8, 3}), {0, 1, 2}, {}, invented_positions(plan)};
  for (std::int64_t i = 0; i < images.full.size(); ++i) {
    const auto value = static_cast<std::uint8_t>(i * 37 % 200);
    images.full.values()[static_cast<std::size_t>(i)] = value;
    images.compressed.values()[static_cast<std::size_t>(i)] =
        static_cast<std::uint8_t>(value + static_cast<int>(50.0 * loss));
  }
  return images;
}

ReplayResult invented_replay(const Plan& plan, const std::filesystem::path& plan_path, double loss) {
  const PlanTotals totals = plan_totals(plan);
  ReplayResult result;
  result.method = plan.method;
  result.parameters = plan.parameters;
  result.model = plan.model;
  result.steps = plan.steps;
  result.run = {{"command_line", "kvscope replay --plan " + plan_path.string()}, {"seed", 7}};
  result.made_from = {{"plan", {{"path", plan_path.string()}, {"sha256", sha256_of_file(plan_path)}}}};
  for (int sample = 0; sample < 3; ++sample) {
    ReplaySample figures;
    figures.sample = sample;
    figures.label = sample;
    figures.token_agreement = 1.0 - loss;
    figures.identical = loss == 0.0;
    figures.psnr = loss == 0.0 ? 0.0 : 30.0 - 20.0 * loss;
    result.samples.push_back(figures);
  }
  result.cache = {totals.rows,           totals.published_bytes, totals.full_bytes,
                  totals.lossless_bytes, totals.allocated_bytes, totals.allocated_bytes,
                  totals.peak_bytes,     totals.lossless_bytes,  totals.lossless_bytes};
  result.seconds.steps.resize(static_cast<std::size_t>(plan.steps.size()), {0.1, 0.12});
  result.seconds.generation_full = 0.4;
  result.seconds.generation_compressed = 0.48;
  result.teacher_forced = invented_mode(plan, loss);
  result.free_running.emplace();
  static_cast<ReplayMode&>(*result.free_running) = invented_mode(plan, 1.5 * loss);
  result.free_running->psnr = loss == 0.0 ? Interval{HUGE_VAL, HUGE_VAL, HUGE_VAL} : around(30.0 - 20.0 * loss);
  result.free_running->identical_images = loss == 0.0 ? 3 : 0;
  result.free_running->ssim = around(1.0 - loss / 2.0);
  result.free_running->evaluator =
      EvaluatorVerdict{around(0.9), around(0.9 - loss), around(1.0 - loss), around(3.5), around(3.5 + loss)};
  result.requirements = {{"psnr", ">=", 25.0, 30.0 - 20.0 * loss, loss < 0.25}};
  return result;
}

}  // namespace

ReportPaths write_synthetic_run(const std::filesystem::path& folder) {
  ReportPaths paths;
  SyntheticCapture capture;
  capture.maps = true;
  capture.images = true;
  paths.capture = folder / "capture.h5";
  write_synthetic_capture(paths.capture, capture);
  const HeadClassification classification = classification_of(capture.model, paths.capture);
  paths.scores = folder / "scores.h5";
  write_scores(paths.scores, compute_scores(Capture::open(paths.capture)));
  paths.heads = folder / "heads.json";
  write_heads(paths.heads, classification);
  paths.sensitivity = folder / "sensitivity.h5";
  write_sensitivity(paths.sensitivity, invented_sensitivity(capture, classification, classification.made_from));

  struct Wanted {
    std::string name;
    std::string method;
    std::optional<double> compression;
    double loss;
  };
  for (const Wanted& wanted : {Wanted{"lossless", "lossless", std::nullopt, 0.0}, Wanted{"hack-30", "hack", 0.3, 0.1},
                               Wanted{"hack-60", "hack", 0.6, 0.3}}) {
    PlanRequest request;
    request.method = wanted.method;
    request.compression = wanted.compression;
    PlanInputs inputs;
    inputs.model = capture.model;
    inputs.steps = capture.steps;
    inputs.heads = classification;
    inputs.made_from = classification.made_from;
    const Plan plan = make_plan(request, inputs);
    paths.plans.push_back(folder / (wanted.name + ".plan.json"));
    write_plan(paths.plans.back(), plan);
    ReplayResult replay = invented_replay(plan, paths.plans.back(), wanted.loss);
    replay.images = wanted.name + ".replay.h5";
    write_replay_images(folder / replay.images, invented_images(plan, wanted.loss));
    paths.replays.push_back(folder / (wanted.name + ".replay.json"));
    write_replay(paths.replays.back(), replay);
  }
  paths.compare = folder / "compare.json";
  write_compare(paths.compare, invented_compare(capture.model, capture.steps));
  return paths;
}

void write_synthetic_var_d30(const std::filesystem::path& folder) {
  SyntheticCapture capture;
  capture.model.layers = 30;
  capture.model.heads = 30;
  capture.model.kv_heads = 30;
  capture.model.head_dim = 8;  // the page does not show channels
  capture.model.branches = {"conditional"};
  const int sides[] = {1, 2, 3, 4, 5, 6, 8, 10, 13, 16};
  capture.steps = StepTable::square(sides);
  capture.samples = 2;
  capture.images = true;
  capture.is_contextual = [](int layer, int head) { return (7 * layer + 3 * head) % 20 < 7; };
  write_synthetic_capture(folder / "capture.h5", capture);
}

}  // namespace kvscope::testing
