#pragma once

#include "kernels/replay/replay_result.h"

namespace kvscope::testing {

/// A result in which every field has a value of its own: 2 layers of 3 heads, scales 1 and 2, 2 samples.
[[nodiscard]] inline ReplayResult sample_replay() {
  const int sides[] = {1, 2};
  ReplayResult result;
  result.method = "hack";
  result.parameters = {{"compression", 0.7}};
  result.model = {.family = "var",
                  .fingerprint = "ab",
                  .layers = 2,
                  .heads = 3,
                  .kv_heads = 3,
                  .head_dim = 4,
                  .branches = {"conditional", "unconditional"}};
  result.steps = StepTable::square(sides);
  result.run = {{"seed", 3}, {"samples", 2}};
  result.made_from = {{"plan", {{"path", "plan.json"}, {"sha256", "cd"}}}};
  result.samples = {{.sample = 0,
                     .label = 5,
                     .token_agreement = 0.5,
                     .identical = false,
                     .psnr = 20.25,
                     .ssim = 0.75,
                     .class_full = 5,
                     .class_compressed = 7},
                    {.sample = 1,
                     .label = 9,
                     .token_agreement = 1.0,
                     .identical = true,
                     .psnr = 0.0,
                     .ssim = 1.0,
                     .class_full = 9,
                     .class_compressed = 9}};
  result.cache = {.rows = 4,
                  .published_bytes = 9,
                  .full_bytes = 8,
                  .lossless_bytes = 7,
                  .predicted_bytes = 6,
                  .allocated_bytes = 6,
                  .peak_bytes = 5,
                  .baseline_allocated_bytes = 7,
                  .baseline_peak_bytes = 7,
                  .codes = 100,
                  .saturated_codes = 3};
  result.process_peak_bytes = 1000;
  result.device = ReplayDeviceBytes{.name = "cuda:1",
                                    .total_bytes = 900,
                                    .used_bytes = 800,
                                    .reserved_peak_bytes = 700,
                                    .allocated_peak_bytes = 600,
                                    .cache_requested_bytes = 36,
                                    .cache_overhead_bytes = 24,
                                    .cache_workspace_bytes = 12,
                                    .unexplained_bytes = 6};
  result.seconds = {.steps = {{0.25, 0.5}, {1.0, 2.0}},
                    .generation_full = 1.25,
                    .generation_compressed = 2.5,
                    .attention = 0.5,
                    .selection = 0.25,
                    .decoding = 0.125,
                    .evaluation = 0.0625,
                    .total = 4.0};
  double next = 0.0;
  const auto interval = [&] {
    next += 0.125;
    return Interval{next, next - 0.0625, next + 0.0625};
  };
  const auto fill = [&](ReplayMode& mode) {
    mode.token_agreement = interval();
    mode.kl = interval();
    for (int step = 0; step < 2; ++step) {
      ReplayStep entry{
          .step = step, .token_agreement = interval(), .kl = interval(), .output_error = Array<Interval>({2, 3})};
      for (Interval& error : entry.output_error.values()) error = interval();
      mode.steps.push_back(std::move(entry));
    }
  };
  result.teacher_forced.emplace();
  fill(*result.teacher_forced);
  result.free_running.emplace();
  fill(*result.free_running);
  result.free_running->psnr = interval();
  result.free_running->identical_images = 1;
  result.free_running->ssim = interval();
  result.free_running->evaluator = EvaluatorVerdict{interval(), interval(), interval(), interval(), interval()};
  result.requirements = {{.figure = "psnr", .relation = ">=", .bound = 15.0, .value = 20.25, .holds = true}};
  result.images = "replay.h5";
  return result;
}

}  // namespace kvscope::testing
