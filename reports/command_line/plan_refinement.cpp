#include "reports/command_line/plan_refinement.h"

#include "reports/command_line/generation_options.h"

#ifdef KVSCOPE_HAS_TORCH
#include "collectors/base/interrupt.h"
#include "collectors/base/parallel.h"
#include "kernels/sensitivity/refinement.h"
#include "reports/command_line/engine_option.h"
#include "reports/command_line/run_text.h"
#endif

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

constexpr int kMostRounds = 100;
constexpr int kDraws = 4;

}  // namespace

void add_refinement_options(options::options_description& visible) {
  options::options_description group("Refinement (method sensitivity; runs the model)");
  group.add_options()("refine", options::value<int>()->value_name("R"),
                      "R times: price every head in the company of the plan found and plan anew; the best of all "
                      "rounds is kept. Samples should be those of sensitivity.h5, not those of an evaluation");
  visible.add(group);
  add_generation_options(visible);
}

void check_refinement_options(const options::variables_map& values) {
  if (given(values, "refine")) return;
  options::options_description of_samples;
  add_generation_options(of_samples);
  for (const auto& option : of_samples.options()) {
    const std::string& name = option->long_name();
    if (name == "checkpoint" || name == "tokenizer" || !given(values, name.c_str())) continue;
    throw usage_error("--{} says how --refine runs the model; without --refine it does not apply", name);
  }
}

#ifdef KVSCOPE_HAS_TORCH

Plan refined_plan(const PlanRequest& request, PlanInputs inputs, const options::variables_map& values,
                  const CommandContext& context) {
  const int rounds = in_range<int>(values, "refine", 1, kMostRounds);
  if (request.method != "sensitivity") throw usage_error("--refine applies to method sensitivity");
  if (!inputs.sensitivity) (void)make_plan(request, inputs);  // says what is missing before a model is loaded
  GenerationSettings settings = generation_settings(values);
  set_thread_count(settings.threads);
  catch_interrupts();
  prepare_text(settings, context.err);
  const std::unique_ptr<Engine> engine = load_engine(settings, context.err);
  PricingRequest pricing;
  pricing.generation = generation_request(settings, engine->classes());
  pricing.draws = kDraws;
  pricing.batch = settings.batch;
  pricing.inputs = std::move(inputs);
  pricing.progress = &context.err;
  RefinedPlan refined = refine_plan(*engine, pricing, request, rounds);
  Json samples = to_json(settings);
  for (const char* field : {"batch", "threads"}) samples.erase(field);
  refined.plan.made_from["refinement"] = std::move(samples);
  for (std::size_t round = 0; round < refined.kl.size(); ++round) {
    context.err << fmt::format("round {}: KL {:.5f} nats per token on the samples priced, weighed {:.4f}{}\n", round,
                               refined.kl[round], refined.weighed[round],
                               static_cast<int>(round) == refined.round ? ", taken" : "");
  }
  return std::move(refined.plan);
}

#else

Plan refined_plan(const PlanRequest& /*request*/, PlanInputs /*inputs*/, const options::variables_map& /*values*/,
                  const CommandContext& /*context*/) {
  throw environment_error("--refine runs the model, but this kvscope was built without LibTorch");
}

#endif

}  // namespace kvscope
