#include "reports/tables/replay_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace kvscope {
namespace {

/// Numbers that do not exist are empty cells.
Cell number(double value) {
  return std::isfinite(value) ? Cell(value) : Cell();
}

struct ErrorOverHeads {
  double mean = 0.0;
  double largest = 0.0;
};

ErrorOverHeads error_over_heads(const ReplayStep& step) {
  ErrorOverHeads result;
  for (const Interval& error : step.output_error.values()) {
    result.mean += error.mean / static_cast<double>(step.output_error.size());
    result.largest = std::max(result.largest, error.mean);
  }
  return result;
}

/// The step's cells of one mode, or empty ones.
void append_mode(const ReplayMode* mode, std::size_t step, std::vector<Cell>& row) {
  if (mode == nullptr) {
    row.insert(row.end(), 4, Cell());
    return;
  }
  const ReplayStep& entry = mode->steps.at(step);
  const ErrorOverHeads error = error_over_heads(entry);
  for (const double value : {entry.token_agreement.mean, entry.kl.mean, error.mean, error.largest}) {
    row.push_back(number(value));
  }
}

std::string grid_text(const StepShape& step) {
  return step.t > 1 ? fmt::format("{}x{}x{}", step.t, step.h, step.w) : fmt::format("{}x{}", step.h, step.w);
}

void add_figure(Table& table, const std::string& figure, const std::string& unit, const Interval& interval) {
  const bool identical = std::isinf(interval.mean);
  table.add_row({figure, identical ? Cell("identical") : number(interval.mean), number(interval.low),
                 number(interval.high), unit});
}

void add_mode(Table& table, const std::string& mode, const ReplayMode& figures) {
  add_figure(table, "token agreement, " + mode, "share", figures.token_agreement);
  add_figure(table, "KL, " + mode, "nats per token", figures.kl);
}

}  // namespace

Table replay_step_table(const ReplayResult& result) {
  Table table("Steps", {{"step"},
                        {"grid"},
                        {"free_agreement", "free agreement", CellFormat::kFixed, 4},
                        {"free_kl", "free KL", CellFormat::kPlain, 3},
                        {"free_output_error", "free error", CellFormat::kPlain, 3},
                        {"free_output_error_largest", "free largest", CellFormat::kPlain, 3},
                        {"forced_agreement", "forced agreement", CellFormat::kFixed, 4},
                        {"forced_kl", "forced KL", CellFormat::kPlain, 3},
                        {"forced_output_error", "forced error", CellFormat::kPlain, 3},
                        {"forced_output_error_largest", "forced largest", CellFormat::kPlain, 3},
                        {"full_seconds", "full s", CellFormat::kFixed, 2},
                        {"compressed_seconds", "compressed s", CellFormat::kFixed, 2}});
  for (int step = 0; step < result.steps.size(); ++step) {
    const auto k = static_cast<std::size_t>(step);
    std::vector<Cell> row = {std::int64_t{step}, grid_text(result.steps[step])};
    append_mode(result.free_running ? &*result.free_running : nullptr, k, row);
    append_mode(result.teacher_forced ? &*result.teacher_forced : nullptr, k, row);
    row.emplace_back(result.seconds.steps.at(k).full);
    row.emplace_back(result.seconds.steps.at(k).compressed);
    table.add_row(std::move(row));
  }
  return table;
}

Table replay_figure_table(const ReplayResult& result) {
  Table table("Figures over samples", {{"figure"},
                                       {"mean", "mean", CellFormat::kPlain, 4},
                                       {"low", "2.5 %", CellFormat::kPlain, 4},
                                       {"high", "97.5 %", CellFormat::kPlain, 4},
                                       {"unit"}});
  if (result.free_running) {
    const FreeRunningReplay& run = *result.free_running;
    add_mode(table, "free-running", run);
    add_figure(table, "PSNR of images that differ", "dB", run.psnr);
    table.add_row({"identical images", run.identical_images, Cell(), Cell(), fmt::format("of {}", result.n_sample())});
    add_figure(table, "SSIM", "1", run.ssim);
    if (run.evaluator) {
      add_figure(table, "class accuracy, full", "share", run.evaluator->class_accuracy_full);
      add_figure(table, "class accuracy, compressed", "share", run.evaluator->class_accuracy_compressed);
      add_figure(table, "class agreement", "share", run.evaluator->class_agreement);
      if (run.evaluator->frechet_full) add_figure(table, "Frechet distance, full", "1", *run.evaluator->frechet_full);
      if (run.evaluator->frechet_compressed) {
        add_figure(table, "Frechet distance, compressed", "1", *run.evaluator->frechet_compressed);
      }
    }
  }
  if (result.teacher_forced) add_mode(table, "teacher-forced", *result.teacher_forced);
  return table;
}

Table replay_cache_table(const ReplayResult& result) {
  const ReplayCacheBytes& cache = result.cache;
  Table table(fmt::format("Cache of {} rows", cache.rows),
              {{"cache"}, {"bytes", "size", CellFormat::kBytes}, {"share", "of full", CellFormat::kPercent, 1}});
  const auto add = [&](const char* name, std::int64_t bytes) {
    table.add_row({name, bytes, number(static_cast<double>(bytes) / static_cast<double>(cache.full_bytes))});
  };
  add("as published", cache.published_bytes);
  add("full", cache.full_bytes);
  add("lossless", cache.lossless_bytes);
  add("plan, predicted", cache.predicted_bytes);
  add("plan, allocated", cache.allocated_bytes);
  add("plan, most held", cache.peak_bytes);
  add("full run, allocated", cache.baseline_allocated_bytes);
  if (result.device) {
    add("GPU: allocator, asked for the plan", result.device->cache_requested_bytes);
    add("GPU: of which lists and counts", result.device->cache_overhead_bytes);
    add("GPU: workspaces", result.device->cache_workspace_bytes);
    add("GPU: allocator, most in use", result.device->allocated_peak_bytes);
    add("GPU: allocator, most reserved", result.device->reserved_peak_bytes);
  }
  return table;
}

Table replay_time_table(const ReplayResult& result) {
  Table table("Time", {{"phase"}, {"seconds", "s", CellFormat::kFixed, 2}});
  const ReplaySeconds& seconds = result.seconds;
  table.add_row({"generation, full", seconds.generation_full});
  table.add_row({"generation, compressed", seconds.generation_compressed});
  if (seconds.attention) table.add_row({"  of which attention", *seconds.attention});
  if (seconds.selection) table.add_row({"  of which selection", *seconds.selection});
  table.add_row({"decoding, both", seconds.decoding});
  table.add_row({"evaluation, both", seconds.evaluation});
  table.add_row({"everything", seconds.total});
  return table;
}

Table replay_requirement_table(const ReplayResult& result) {
  Table table("Requirements", {{"figure"},
                               {"value", "value", CellFormat::kPlain, 5},
                               {"relation", "required"},
                               {"bound", "bound", CellFormat::kPlain, 5},
                               {"result"}});
  for (const ReplayRequirement& demand : result.requirements) {
    table.add_row({demand.figure, std::isinf(demand.value) ? Cell("identical") : number(demand.value), demand.relation,
                   demand.bound, std::string(demand.holds ? "ok" : "FAILED")});
  }
  return table;
}

}  // namespace kvscope
